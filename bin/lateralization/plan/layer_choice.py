"""Which layers are fitted: what ``--layers`` and ``--last_layer`` leave of a model.

Here the layers are checked and counted before anything is fetched. The tasks are cut in one place,
``layer_blocks`` of modules/scores.nf, from the layers that features turn out to have; a test
compares the layers of both.
"""

from typing import Any

from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.plan.context import Context
from lateralization.plan.costs import shape_of
from lateralization.problems import listed
from lateralization.run_plan import Baseline, Model


def fitted_layers(asked: list[int] | str, depth: int, *, last: bool) -> list[int]:
    """Return the layers that are fitted, in ascending order; none where nothing is left.

    Parameters
    ----------
    asked
        ``--layers``: ``all``, ``every:2`` or a list.
    depth
        Layers without the embedding. 0: a single layer, as of baselines, which is fitted whatever
        is asked of the models.
    last
        Whether the last layer counts. ``--last_layer no`` is about models, as in the study: of a
        user's own features every layer is one that the user chose.
    """
    if depth == 0:
        return [0]
    end = depth + int(last)
    if isinstance(asked, list):
        return [layer for layer in asked if layer < end]
    return list(range(0, end, int(asked.partition(":")[2] or 1)))


def check_layers(models: list[Model], baselines: list[Baseline], context: Context) -> None:
    """Report models and features of which no layer is left, and note layers that none has.

    Models whose depth is not known before they are fetched are left to ENCODE.
    """
    if not context.parameters.sound("layers", "last_layer"):
        return
    asked: Any = context.parameters["layers"]
    depths = {model.name: shape_of(model)[0] for model in models}
    own = {entry.name: entry.n_layers - 1 for entry in baselines if entry.kind == FEATURES}
    for name, depth in (depths | own).items():
        last = name in own or context.parameters["last_layer"] == "yes"
        if depth is None or fitted_layers(asked, depth, last=last):
            continue
        without = "" if last else ", and --last_layer no leaves the last one out"
        context.problems.add(
            f"--layers: none of {listed(map(str, asked))} is a layer of {name}, which has 0 to "
            f"{depth}{without}; choose from those, or leave {name} out"
        )
    known = [depth for depth in (depths | own).values() if depth is not None]
    if not isinstance(asked, list) or not known or None in depths.values():
        return
    if beyond := [layer for layer in asked if layer > max(known)]:
        context.notes.append(f"--layers: nothing has layer {listed(map(str, beyond))}")
