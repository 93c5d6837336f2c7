"""Figures of the controls: left against right scores, and the effect of size split in two."""

import numpy as np
from matplotlib import pyplot as plt

from lateralization import wording
from lateralization.figures.figure_style import INK, LEFT, PAGE, QUIET, Drawing, need, of
from lateralization.figures.model_figures import (
    PUBLISHED,
    WORDS,
    dots,
    family_legend,
    models_of,
    selection_of,
)
from lateralization.tables.dictionary import Tables

PATH_NAMES = {
    "total": "total effect of size", "indirect": "through the score",
    "direct": "beside the score",
}  # fmt: skip


def score_and_sides(tables: Tables, language: str, subject: str) -> Drawing:
    """Left against right score over models, and the effect of size through and beside the score."""
    selection = selection_of(tables, language, subject)
    place = {"language": language, "subject": subject, "selection": selection, **PUBLISHED}
    rows = need(models_of(tables, language, subject, selection), 4, "models of known size")
    paths = of(tables["mediation"], **place).set_index("path")
    need(paths[paths.index.isin(PATH_NAMES)], 3, "paths of the mediation")
    line = of(tables["controls"], analysis="left_on_right", **place).iloc[0]
    figure, (sides, effects) = plt.subplots(1, 2, figsize=(PAGE, 3.0), width_ratios=(1.2, 1))
    dots(sides, rows, "left", "right")
    ends = np.array([rows["right"].min(), rows["right"].max()])
    sides.plot(ends, ends, "--", color=QUIET, linewidth=1, label="equal sides")
    middle = rows["left"].mean() - line["slope"] * rows["right"].mean()
    sides.plot(ends, middle + line["slope"] * ends, color=INK, linewidth=1.1, alpha=0.75)
    sides.set_xlabel("right score (r)")
    sides.set_ylabel("left score (r)")
    sides.set_title(
        f"slope {wording.number(float(line['slope']), 3)}; slope of 1: "
        f"{wording.p_value(float(line['p_of_one']))}",
        loc="right", fontsize=7.5, fontweight="normal", color=QUIET,
    )  # fmt: skip
    family_legend(figure, sides, rows)
    for y, (name, label) in enumerate(reversed(PATH_NAMES.items())):
        row = paths.loc[name]
        effects.hlines(y, row["ci_low"], row["ci_high"], color=LEFT, alpha=0.6, linewidth=2)
        effects.plot(row["coefficient"], y, "o", color=LEFT)
        effects.text(-0.03, y, label, ha="right", va="center", fontsize=7.5,
                     transform=effects.get_yaxis_transform())  # fmt: skip
    effects.axvline(0, color=INK, linewidth=0.9)
    effects.set_yticks([])
    effects.set_ylim(-0.6, 2.6)
    effects.set_xlabel("change of left minus right per unit of ln N")
    return Drawing(
        figure,
        f"Left against right score, {WORDS[selection]}",
        "On the left, points above the broken line predict the left better; a line steeper than "
        "it means that the left gains more per gain on the right. On the right, the effect of size "
        "is split: an effect beside the score that keeps clear of 0 is lateralization that the "
        "score does not explain; one that spans 0 while the effect through the score does not, "
        "says that better models are more lateralised whatever made them better.",
        f"{len(rows)} models; the left score rises by {wording.number(float(line['slope']), 3)} "
        "per unit of the right score.",
    )
