"""The report's sections on the controls: the answer to the question of each, in a sentence."""

from typing import Any

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.names import AVERAGE, LN_N, MODEL
from lateralization.report.findings import who
from lateralization.report.sentences import BAD, GOOD, NOTE, Remark
from lateralization.study import MIN_SUBJECTS
from lateralization.tables.read import of, selection_of
from lateralization.tables.registry.tables import PUBLISHED, Tables


def _only(table: pd.DataFrame, **where: Any) -> pd.Series | None:
    """Give the single row that fits; None where there is none or it has no number."""
    rows = of(table, **where)
    return rows.iloc[0] if len(rows) == 1 else None


def about_size_and_score(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether size does more to the asymmetry than raise the score."""
    place = {
        "language": language, "subject": subject,
        "selection": selection_of(tables, language, subject), **PUBLISHED,
    }  # fmt: skip
    size = _only(
        tables["controls"], analysis="partial", predictor=LN_N, **place
    )  # fmt: skip
    score = _only(tables["controls"], analysis="partial", predictor="score", **place)
    path = _only(tables["mediation"], path="indirect", **place)
    if size is None or score is None or path is None or not np.isfinite(size["r"]):
        return None
    left_out = of(tables["controls"], analysis="leave_one_family_out", **place)["r"].dropna()
    families = (
        f" Without any one family, size and asymmetry correlate at "
        f"{wording.number(float(left_out.min()), 2)} to {wording.number(float(left_out.max()), 2)}."
        if len(left_out) > 1 else ""
    )  # fmt: skip
    adds, carries = size["p"] < 0.05, path["ci_low"] > 0 or path["ci_high"] < 0
    if adds:
        tone, claim = GOOD, "Size moves the sides apart beyond what the brain score explains"
    elif carries:
        tone, claim = BAD, "The brain score accounts for what size does to the asymmetry"
    else:
        tone, claim = NOTE, "Size and brain score cannot be told apart here"
    return Remark(
        tone,
        f"{claim}: for {who(subject)}, size given the score correlates with left minus right at "
        f"{wording.number(float(size['r']), 2)} ({wording.p_value(float(size['p']))}), the score "
        f"given size at {wording.number(float(score['r']), 2)} "
        f"({wording.p_value(float(score['p']))}), over "
        f"{wording.plural(int(size['n_models']), 'model')}.{families}",
    )


def _of_largest(rows: pd.DataFrame) -> tuple[str, pd.Series, pd.Series] | None:
    """Return the largest model, its row of both sides and that of left minus right; None: none."""
    if rows.empty:
        return None
    size = rows["n_parameters"].astype(float).fillna(0).to_numpy()
    model = str(rows["model"].iloc[int(size.argmax())])
    both, sides = (
        _only(rows, model=model, hemisphere=side) for side in ("both", "left_minus_right")
    )
    if both is None or sides is None or not np.isfinite(sides["ci_low"]):
        return None
    return model, both, sides


def about_unique(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say what is left of the largest model's asymmetry when the confounds are in."""
    region = selection_of(tables, language, subject)
    rows = of(
        tables["unique"], language=language, subject=subject, region=region,
        midline="shared", kind=MODEL,
    )  # fmt: skip
    found = _of_largest(rows)
    if found is None:
        return None
    model, both, sides = found
    left, right = sides["ci_low"] > 0, sides["ci_high"] < 0
    if left or right:
        tone, claim = GOOD, f"The model leans {'left' if left else 'right'} beyond the confounds"
    else:
        tone, claim = BAD, "Of the asymmetry nothing is certain once the confounds are in"
    return Remark(
        tone,
        f"{claim}: for {who(subject)}, {model} adds "
        f"{wording.number(float(both['unique_r']))} to the r of {both['confounds']} alone "
        f"({wording.number(float(both['confounds_r']))}), and left minus right of what it adds is "
        f"{wording.number(float(sides['unique_r']))} (95 % interval "
        f"{wording.number(float(sides['ci_low']))} to {wording.number(float(sides['ci_high']))}, "
        f"over test runs).",
    )


def about_data(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say which runs are outliers; once for a language."""
    rows = of(tables["checks"], language=language)
    if rows.empty or subject != AVERAGE:
        return None
    bad = of(rows, outlier="yes")
    people = rows[rows["subject"] != "all"]
    said = [str(text) for text in of(rows, subject="all")["reason"] if text]
    over = (
        f"{wording.plural(len(people), 'run')} of "
        f"{wording.plural(people['subject'].nunique(), 'subject')}"
    )
    if bad.empty and not said and people["subject"].nunique() < MIN_SUBJECTS:
        return Remark(NOTE, f"The order and timing of {over} were not judged: that takes "
                      f"{MIN_SUBJECTS} subjects or more.")  # fmt: skip
    if bad.empty and not said:
        return Remark(GOOD, f"Of {over} none is an outlier: each follows the others at its own "
                      "place and time.")  # fmt: skip
    listed = [f"{row.subject}, run {row.run}, {row.reason}" for row in bad.itertuples()]
    text = "; ".join([*listed[:6], *dict.fromkeys(said)])
    more = f"; and {len(listed) - 6} more" if len(listed) > 6 else ""
    return Remark(BAD, f"Of {over} {len(bad)} should not be trusted: {text}{more}.")


def about_ceilings(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say what is left of the largest model's asymmetry as a share of the ceiling."""
    rows = of(tables["ceilings"], language=language, subject=subject, midline="shared", kind=MODEL)
    found = _of_largest(rows)
    if found is None:
        return None
    model, both, sides = found
    if sides["ci_low"] > 0 or sides["ci_high"] < 0:
        side = "left" if sides["ci_low"] > 0 else "right"
        tone, claim = GOOD, f"Of what can be predicted, more is predicted on the {side}"
    else:
        tone, claim = NOTE, "Of what can be predicted, as much is predicted left as right"
    return Remark(
        tone,
        f"{claim}: for {who(subject)}, {model} reaches "
        f"{wording.percent(float(both['share']), 0)} of the ceiling, and left minus right is "
        f"{wording.percent(float(sides['share']))} of it (95 % interval "
        f"{wording.percent(float(sides['ci_low']))} to {wording.percent(float(sides['ci_high']))}, "
        "over test runs).",
    )


def about_twins(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether what training adds to the asymmetry rises with size."""
    place = {
        "language": language, "subject": subject,
        "selection": selection_of(tables, language, subject), **PUBLISHED,
    }  # fmt: skip
    rows = of(tables["twins"], **place)
    if rows.empty:
        return None
    gain = float(rows["l_minus_r_gain"].mean())
    head = (
        f"for {who(subject)}, training adds {wording.number(gain)} to left minus right, on average "
        f"over {wording.plural(len(rows), 'model')} with an untrained twin"
    )
    lines = [
        _only(tables["twin_regressions"], outcome=outcome, **place)
        for outcome in ("l_minus_r_gain", "untrained_l_minus_r")
    ]
    if any(line is None or not np.isfinite(line["r"]) for line in lines):
        return Remark(NOTE, f"Of size nothing can be said with so few twins: {head}.")
    added, before = (line for line in lines if line is not None)
    if added["slope_low"] > 0 or added["slope_high"] < 0:
        tone, claim = GOOD, "The effect of size comes with training"
    elif before["slope_low"] > 0 or before["slope_high"] < 0:
        tone, claim = BAD, "The effect of size is there before training"
    else:
        tone, claim = NOTE, "Neither before nor through training is an effect of size certain"
    return Remark(
        tone,
        f"{claim}: {head}; with ln N what it adds correlates at "
        f"{wording.number(float(added['r']), 2)} ({wording.p_value(float(added['p']))}), and the "
        f"untrained twins’ left minus right at {wording.number(float(before['r']), 2)} "
        f"({wording.p_value(float(before['p']))}).",
    )


def about_specifications(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say under how many specifications the asymmetry rises with size."""
    rows = of(tables["specifications"], language=language, subject=subject)
    told = of(tables["specification_choices"], language=language, subject=subject)
    if rows.empty or told.empty:
        return None
    share, above = float((rows["r"] > 0).mean()), float((rows["slope_low"] > 0).mean())
    below = float((rows["slope_high"] < 0).mean())
    most = told.sort_values("variance_share", kind="stable").iloc[-1]
    if above > 0.95:
        tone, claim = GOOD, "The rise of left minus right with size hardly hangs on the analysis"
    elif share > 0.95 or share < 0.05:
        tone, claim = NOTE, "The sign of the effect of size hardly hangs on the analysis"
    else:
        tone, claim = BAD, "The effect of size on left minus right hangs on the analysis"
    return Remark(
        tone,
        f"{claim}: for {who(subject)}, it is positive in {100 * share:.0f} % of "
        f"{wording.plural(len(rows), 'specification')}, with an interval above 0 in "
        f"{100 * above:.0f} % and below 0 in {100 * below:.0f} %; the median correlation is "
        f"{wording.number(float(rows['r'].median()), 2)}, and the choice that matters most is "
        f"{most['choice']} ({100 * float(most['variance_share']):.0f} % of the variance).",
    )


def about_trajectories(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say along which columns of the sheet the asymmetry bends."""
    outcome = f"l_minus_r_{selection_of(tables, language, subject)}"
    rows = of(tables["trajectories"], language=language, subject=subject, outcome=outcome)
    tested = rows[np.isfinite(rows["p"].astype(float))]
    if tested.empty:
        return None
    bent = tested[tested["p"] < 0.05 / len(tested)]
    over = wording.plural(len(tested), "predictor")
    if bent.empty:
        return Remark(NOTE, f"For {who(subject)}, left minus right follows a straight line along "
                      f"{over} as well as a bent one.")  # fmt: skip
    row = bent.sort_values("p", kind="stable").iloc[0]
    return Remark(
        NOTE,
        f"For {who(subject)}, left minus right bends along {len(bent)} of {over}, most clearly at "
        f"{row['predictor']} = {wording.number(float(row['place']))} "
        f"({wording.p_value(float(row['p']))}).",
    )


def about_pairs(tables: Tables, language: str, _subject: str) -> Remark | None:
    """Say in how many pairs of voxels people lateralise with size, corrected over all pairs."""
    row = _only(tables["voxel_pairs"], language=language, quantity="slope_l_minus_r")
    if row is None or not np.isfinite(row["t_max"]):
        return None
    people, n_pairs = int(row["n_subjects"]), wording.plural(int(row["n_pairs"]), "pair")
    if not np.isfinite(row["t_threshold"]):
        return Remark(NOTE, f"Over {people} people no test of single voxels at 5 % is possible; "
                      f"the largest |t| over {n_pairs} is not judged.")  # fmt: skip
    left, right = int(row["n_left"]), int(row["n_right"])
    tone = GOOD if left > right else BAD if right > left else NOTE
    return Remark(
        tone,
        f"Of {n_pairs} of voxels, the left gains more with model size in {left:,} and the right in "
        f"{right:,}, beyond chance over {people} people when all pairs are tested together "
        f"(|t| above {wording.number(float(row['t_threshold']), 2)}).",
    )
