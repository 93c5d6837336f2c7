"""Which runs are tested, validated and trained on."""

from dataclasses import dataclass

from lateralization.errors import BadInput
from lateralization.ridge.choices import InnerValidation
from lateralization.ridge.systems import Case, Runs


@dataclass(frozen=True)
class Fold:
    """One test run, its validation runs, and the runs trained on after the search."""

    test: int
    validations: Runs
    outer: Runs

    def cases(self) -> list[Case]:
        """Return the fits of the search: each validation run after training on the others."""
        return [
            Case(tuple(run for run in self.outer if run != held), held)
            for held in self.validations
        ]  # fmt: skip


def nested_folds(n_runs: int, inner_validation: InnerValidation = "one_run") -> list[Fold]:
    """Return the folds: the study's validation run is the lowest-numbered training run.

    Raises
    ------
    BadInput
        Fewer than 3 runs: one to test, one to validate and one to train on are needed.
    """
    if n_runs < 3:
        raise BadInput(f"nested cross-validation needs at least 3 runs, the data have {n_runs}")
    folds = []
    for test in range(n_runs):
        outer = tuple(run for run in range(n_runs) if run != test)
        folds.append(Fold(test, outer[:1] if inner_validation == "one_run" else outer, outer))
    return folds
