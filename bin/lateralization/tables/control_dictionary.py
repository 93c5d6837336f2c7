"""What the tables of the controls and their columns mean."""

COLUMNS = {
    "analysis": (
        "difference: left minus right on ln N; laterality_index: (left - right) / (left + right) "
        "on ln N, over models whose sides are above 0; left_on_right: left score on right score; "
        "left_given_right: left score on ln N with the right score held constant; "
        "partial: with 'given' held constant; "
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
    "share_of_total": "the path divided by the total effect (direct, total and indirect)",
    "voxels": (
        "whole; above_50, reliable, above_90: reliability above its 50th, 75th (published), 90th "
        "percentile; rois: all regions of interest together and their mirror images"
    ),
    "summary": (
        "left minus right of: mean; p90 (90th percentiles); index ((left - right) / (left + "
        "right) of means); over_ceiling (means divided by the mean reliability of their side)"
    ),
    "scale": (
        "axis of the predictor: linear, or log10 where it spans more than a factor of 100 (its "
        "smallest value above 0 is added first where there is a 0)"
    ),
    "place": "value of the predictor at the change point",
    "low": "smallest value at which a bend fits nearly as well (95 % profile interval)",
    "high": "largest such value",
    "before": "slope below the change point, per unit (log10: per tenfold) of the predictor",
    "after": "slope above it",
    "level": "outcome at the change point",
    "r2_line": "explained variance of a straight line",
    "r2_bent": "explained variance of the bent line",
    "runs": "test runs that are averaged: all, or without_run_1",
    "families": "all, or without one family",
    "choice": "what could have been chosen in another way",
    "option": "what was chosen",
    "n_specifications": "specifications with this option",
    "median_r": "median over them of the correlation of left minus right with ln N",
    "share_positive": "share of them with r above 0",
    "share_above_0": "share of them whose 95 % interval of the slope lies above 0",
    "variance_share": (
        "share of the variance of Fisher's z over all specifications that lies between the "
        "options of this choice"
    ),
}
"""Column → meaning."""

COLUMNS |= {
    "joint_r": "mean r of model and confounds together, at the layer of best_cv",
    "confounds_r": "mean r of the confounds alone",
    "unique_r": "joint_r less confounds_r: what the model adds",
    "unique_r2": "the same for r squared, with the sign of r",
    "r2_ci_low": "lower 95 % limit of unique_r2",
    "r2_ci_high": "upper 95 % limit of unique_r2",
    "r2_p": "p of unique_r2 against 0",
    "ceiling": (
        "split_half: root of the Spearman-Brown reliability of the average of all subjects; "
        "leave_one_out: correlation of the subject with the mean of the others"
    ),
    "mean_ceiling": "mean ceiling of the chosen voxels",
    "share": "mean over runs of mean score divided by mean ceiling; 1: as well as can be",
    "isc": (
        "mean correlation with the mean of the other subjects (those set aside do not count), over "
        "the tenth of the voxels that follow best"
    ),
    "isc_lag_s": "lag at which the run follows them best, seconds; above 0: it is late",
    "isc_lag_r": "that correlation",
    "follows_run": "run of the others that it follows best: its own number where all is well",
    "follows_run_r": "that correlation",
    "word_rate_lag_s": (
        "lag, -10 to 10 s, at which the convolved word rate fits the mean of both auditory "
        "cortices best (12 mm about Heschl's gyrus)"
    ),
    "word_rate_r": "correlation at that lag",
    "word_rate_r_at_0": "correlation without a lag",
    "tsnr": "temporal signal-to-noise ratio, median over voxels; about 0 where means are taken off",
    "outlier": "yes, no",
    "n_twins": "untrained models of the same architecture (seeds), averaged",
    "trained_score": "mean score of the trained model, both sides; only for regions' means",
    "untrained_score": "that of its untrained twins",
    "score_gain": "trained_score less untrained_score",
    "trained_l_minus_r": "left minus right of the trained model",
    "untrained_l_minus_r": "that of its untrained twins",
    "l_minus_r_gain": "trained_l_minus_r less untrained_l_minus_r",
    "confounds": "baselines that went jointly with the model (--joint)",
}

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
    "checks": (
        "Every run of every subject: does it follow the others, the words, and at what signal",
        "language subject run n_scans isc isc_lag_s isc_lag_r follows_run follows_run_r "
        "word_rate_lag_s word_rate_r word_rate_r_at_0 tsnr outlier reason",
        {
            "subject": "id, or all: the mean over subjects",
            "run": "run of the story, from 1",
            "n_scans": "scans of the run, untrimmed",
            "reason": "why the run is an outlier, or (subject all) what is amiss in everybody",
        },
    ),
    "ceilings": (
        "Scores as a share of the noise ceiling, in voxels chosen on the other runs",
        "language subject model ceiling midline hemisphere n_voxels mean_r mean_ceiling share "
        "ci_low ci_high p ci_kind kind family n_parameters n_layers n_hid seed",
        {
            "hemisphere": "left, right, both, or left_minus_right",
            "mean_r": "mean score of the chosen voxels, at the layer of best_cv",
            "n_voxels": "voxels chosen in a run, mean over runs: ceiling above its 75th percentile "
            "on the other runs",
            "p": "p of share against 0",
        },
    ),
    "unique": (
        "What models predict beyond the confounds that went jointly with them",
        "language subject model region midline hemisphere n_voxels joint_r confounds_r unique_r "
        "ci_low ci_high p unique_r2 r2_ci_low r2_ci_high r2_p ci_kind confounds kind family "
        "n_parameters n_layers n_hid seed",
        {
            "hemisphere": "left, right, both, or left_minus_right",
            "p": "p of unique_r against 0",
        },
    ),
    "twins": (
        "Trained models less their untrained twins: what training adds",
        "language subject model selection layer midline n_twins trained_score untrained_score "
        "score_gain trained_l_minus_r untrained_l_minus_r l_minus_r_gain ci_low ci_high p kind "
        "family n_parameters n_layers n_hid seed",
        {
            "ci_low": "lower 95 % limit of l_minus_r_gain, t over test runs corrected for shared "
            "training runs; empty for percentiles",
            "p": "p of l_minus_r_gain against 0",
        },
    ),
    "twin_regressions": (
        "What training adds, and what it is the difference of, along ln N",
        "language subject selection layer midline outcome predictor n_models r p slope intercept "
        "slope_low slope_high r_low r_high reason",
        {"outcome": "a column of the table twins", "predictor": "ln_n_parameters"},
    ),
    "specifications": (
        "The headline under every combination of choices, from saved scores with no refit",
        "language subject layer voxels midline summary runs families n_models r p slope slope_low "
        "slope_high",
        {
            "layer": "best_voxel (published), best_mean, best_cv, or fixed_depth: the layer "
            "nearest to two thirds of the model's depth",
            "midline": "shared (published), strict, or paired (homologous pairs of voxels)",
            "slope": "change of left minus right, in the unit of the summary, per unit of ln N",
        },
    ),
    "trajectories": (
        "Where score and asymmetry bend along ln N and each numeric column of the model sheet",
        "language subject outcome predictor n_models scale place low high before after level "
        "r2_line r2_bent p reason",
        {
            "p": "of the bend against a straight line (Monte Carlo); models of one family are not "
            "independent, so it is too small",
            "outcome": "score_ or l_minus_r_ of whole or reliable, at the published layer rule",
            "n_models": "trained models and training steps that entered",
        },
    ),
    "specification_choices": (
        "What each option of each choice does to the specifications",
        "language subject choice option n_specifications median_r share_positive share_above_0 "
        "variance_share",
        {},
    ),
}
"""Table → description, columns in order, and meanings that hold in this table only."""
