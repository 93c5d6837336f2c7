"""What the tables of the controls and their columns mean."""

COLUMNS = {
    "analysis": (
        "difference: left minus right on ln N; laterality_index: (left - right) / (left + right) "
        "on ln N; left_on_right: left score on right score; left_given_right: left score on ln N "
        "with the right score held constant; partial: with 'given' held constant; "
        "family_fixed_effects: every family has an intercept of its own; leave_one_family_out: "
        "without the family left_out"
    ),
    "given": "what is held constant",
    "left_out": "family that is left out",
    "p_of_one": (
        "p of a slope of 1 in left_on_right (t over models): above 1 the left grows faster than "
        "the right, whatever makes both grow"
    ),
    "path": (
        "size_to_score: score on ln N; score_to_outcome: left minus right on the score, ln N held "
        "constant; direct: left minus right on ln N, score held constant; total: left minus right "
        "on ln N; indirect: size_to_score times score_to_outcome (total = direct + indirect)"
    ),
    "share_of_total": "the path divided by the total effect",
}
"""Column → meaning."""

TABLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "controls": (
        "Asymmetry against score: whether size moves the sides apart or only raises the score",
        "language subject selection layer midline analysis outcome predictor given left_out "
        "n_models r p slope slope_low slope_high r_low r_high t p_of_one reason",
        {
            "outcome": "l_minus_r_, index_ or left_ and the selection",
            "predictor": "ln_n_parameters, score (mean of both sides), or right_ and the selection",
            "t": "t value of the slope",
        },
    ),
    "mediation": (
        "The effect of size on left minus right, split into one through the score and one beside "
        "it; it describes and shows no cause",
        "language subject selection layer midline path coefficient ci_low ci_high ci_kind "
        "share_of_total n_models reason",
        {"coefficient": "least squares coefficient of the path"},
    ),
}
"""Table → description, columns in order, and meanings that hold in this table only."""
