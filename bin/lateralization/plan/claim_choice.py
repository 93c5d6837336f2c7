"""The claim: what the report's first sentence is about, fixed before anything is fitted."""

from collections.abc import Sequence
from pathlib import Path

from lateralization.files import digest_of
from lateralization.names import LN_N
from lateralization.plan.context import Context
from lateralization.problems import listed
from lateralization.run_plan import Claim, Model
from lateralization.sources.description import read_checked

FILE = "claim.json"
SCHEMA = "claim.schema.json"


def choose_claim(context: Context, models: Sequence[Model]) -> Claim:
    """Read ``--claim``, or the default of assets; of one that is wrong, which is noted, the latter.

    Raises
    ------
    BadInput
        The default of assets is damaged.
    """
    default, given = context.assets / FILE, context.parameters["claim"]
    if given is not None:
        with context.problems.collect("--claim"):
            claim = _read(context.path(given), context)
            _check_predictor(claim, context, models)
            return claim
    return _read(default, context)


def _read(path: Path, context: Context) -> Claim:
    content = read_checked(path, context.assets / SCHEMA)
    return Claim(**content, digest=digest_of(path, "sha256"))


def _check_predictor(claim: Claim, context: Context, models: Sequence[Model]) -> None:
    """Report a predictor that no model of the run has."""
    own = [model.predictors | column for model in models for column in
           ({}, *model.own_predictors.values())]  # fmt: skip
    known = {LN_N} | {name for one in own for name in one}
    if claim.predictor not in known:
        context.problems.add(
            f"--claim: predictor is {claim.predictor}, which no model of the run has; choose from "
            f"{listed(sorted(known), 8)}, or give the model sheet a column of this name"
        )
