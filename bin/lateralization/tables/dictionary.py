"""What every table and column means: written beside each table as its data dictionary."""

from dataclasses import dataclass, field

import pandas as pd

Tables = dict[str, pd.DataFrame]
"""All tables of a run by their names."""


RELIABILITY = "reliability"
"""In place of a model's name in ``left_out``: voxels that are scored and have no reliability."""


COLUMNS = {
    "language": "code of the language, as in --languages",
    "subject": "average, or the id of an individual",
    "model": "name of the model or baseline; random baselines without _seed are means over seeds",
    "layer": (
        "number of the hidden state (0 is the embedding; Mamba keeps none: there 0 is the first "
        "block, and the last two are one block before and after the norm), or how it was chosen: "
        "best_voxel (maximum per voxel, as published), best_mean (highest mean over the region), "
        "best_cv (per voxel, on the other runs than it is scored on)"
    ),
    "region": "whole, reliable (reliability strictly above its 75th percentile), or a ROI",
    "hemisphere": "left, right or both",
    "midline": (
        "shared: first n//2 voxels and the rest, as published (each side gets half of the "
        "midline plane); strict: x < 0 and x > 0. ROIs do not touch the midline: shared only"
    ),
    "n_voxels": "voxels that were used; voxels left out are not counted",
    "mean_r": "mean over voxels of the brain score (Pearson r, mean over test runs)",
    "p90_r": "90th percentile over voxels of the brain score",
    "selection": (
        "whole, reliable: means; whole_p90: 90th percentile of each half; reliable_iscnorm: mean "
        "of score divided by reliability, voxel by voxel; whole_paired, reliable_paired: mean over "
        "homologous pairs of voxels (reliable: by the mean reliability of the pair); or a ROI and "
        "its mirror image"
    ),
    "left": "left hemisphere, in the unit of the selection",
    "right": "right hemisphere",
    "left_minus_right": "left minus right: positive means left-lateralised",
    "ci_low": "lower limit of the 95 % interval; empty where units are too few, or all equal",
    "ci_high": "upper limit of the 95 % interval",
    "ci_kind": (
        "which interval, over which units. An interval over test runs speaks of this subject's "
        "story, not of people; corrected: widened for the training runs that folds share (Nadeau "
        "& Bengio 2003; in simulation it covers 97 to 98 %, uncorrected 87 to 93 %)"
    ),
    "n_left": "voxels used on the left",
    "n_right": "voxels used on the right",
    "kind": (
        "model (trained), baseline, untrained, checkpoint (a training step: at a revision "
        "step<N>, or one of several NAME_step<N> of one NAME) or features (of --features)"
    ),
    "family": "family of the model",
    "n_parameters": "number of parameters, tied weights once",
    "n_layers": "layers without the embedding",
    "n_hid": "width of the hidden states",
    "seed": "seed of an untrained model or baseline; 0: trained",
    "outcome": (
        "score_<region>, score_whole_p90, l_minus_r_<selection>, or best_layer (layer of the "
        "highest mean over reliable voxels, or all where there is no reliability, divided by the "
        "number of layers with the embedding)"
    ),
    "predictor": (
        "ln_n_parameters (natural logarithm) or a numeric column of the model sheet; 'given "
        "score' holds the brain score constant (partial correlation)"
    ),
    "n_models": "models that entered",
    "r": "Pearson correlation",
    "p": "two-sided p value; models of one family are not independent, so it is too small",
    "slope": "change of the outcome per unit of the predictor",
    "intercept": "intercept of the regression line; empty where another variable is held constant",
    "slope_low": "lower limit of the 95 % interval of the slope, t over models",
    "slope_high": "upper limit of the 95 % interval of the slope, t over models",
    "r_low": "lower limit of the 95 % interval of r (Fisher)",
    "r_high": "upper limit of the 95 % interval of r (Fisher)",
    "runs_low": (
        "lower limit of the 95 % interval of the slope, t over test runs with the variance "
        "corrected for their shared training runs (Nadeau & Bengio 2003)"
    ),
    "runs_high": "upper limit of that interval",
    "runs_p": (
        "p of the slope, the same corrected t over test runs; only for l_minus_r_ of means, on ln "
        "N, over all trained models or those above a size"
    ),
    "subset": (
        "all models (and training steps, where the predictor is a column of the sheet that they "
        "have), those above a size, one family, or untrained models (with 'untrained')"
    ),
    "ceiling_left": (
        "mean reliability (half against half) of the left voxels, which scores are divided by; no "
        "upper bound: the average of all is more reliable than half of it (ceilings.tsv); only "
        "for means, and of the average subject"
    ),
    "ceiling_right": "the same on the right",
    "in_ceiling": "left divided by ceiling_left, minus right divided by ceiling_right",
    "reason": "why the row's numbers are empty",
    "term": "const, ln_n_parameters, layers_with_embedding or n_hid",
    "coefficient": "ordinary least squares coefficient",
    "std_err": "its standard error",
    "t": "its t value",
    "r2": "explained variance of the whole regression",
    "r2_adj": "explained variance adjusted for the number of terms",
    "f": "F of the whole regression",
    "f_p": "p of F",
    "aic": "Akaike's criterion",
    "bic": "Bayesian criterion",
    "condition": "condition number of the design",
    "roi": "region of interest",
    "slope_left": "mean over voxels of the slope of the score on ln N, left",
    "slope_right": "the same in the mirror image",
    "slope_left_low": "lower limit of a bootstrap over voxels (as published; voxels depend)",
    "slope_left_high": "upper limit",
    "slope_right_low": "lower limit, right",
    "slope_right_high": "upper limit, right",
    "p_holm": "p corrected over the regions or areas by Holm's method",
    "runs_p_holm": "runs_p corrected over the regions by Holm's method",
    "slope_t_test_p_holm": "slope_t_test_p corrected over the regions by Holm's method",
    "isc_left_low": "lower limit of a bootstrap over voxels (as published; voxels depend)",
    "isc_left_high": "upper limit",
    "isc_right_low": "lower limit, right",
    "isc_right_high": "upper limit, right",
    "slope_t_test_p": "t test over voxels of left and right slopes (as published; voxels depend)",
    "isc_left": "mean reliability, left; empty for individuals, as all of the reliability",
    "isc_right": "mean reliability, right",
    "relative_depth": "layer divided by the number of layers",
    "is_best": "True for the layer of the highest mean_r in its region",
    "parcel": "area of the atlas (Harvard-Oxford, unless --atlas names another)",
    "quantity": "what is measured",
    "published": "value of the published study",
    "ours": "value of this run",
    "difference": "ours minus published",
    "tolerance": "largest difference that counts as agreement; empty for p values",
    "agrees": "yes or no; p values agree within a factor of 2",
    "n_left_out": "voxels left out: constant or not finite in the source BOLD of some run",
    "stage": "where it failed, if known",
    "order": "place in the planted order (increasing model size)",
    "recovered_order": "place in the order of what was recovered",
    "planted_left_minus_right": (
        "left minus right that a perfect encoder would find: in the quarter of the voxels with the "
        "largest signal (beside reliable) or everywhere (beside whole) for the average subject, "
        "everywhere for an individual, whose own noise makes it smaller"
    ),
    "recovered_left_minus_right": "left minus right of this run",
    "world": "name of the simulated world",
    "spearman": "rank correlation of planted order and recovered left minus right",
    "signs": "yes or no: the first and the last model lean to the planted sides",
    "recovered": "yes: rank correlation >= 0.9, slope_low > 0 and signs; else no. Empty, as the "
    "other verdicts, with fewer than 3 models",
    "source": "where the model came from",
    "revision": "resolved revision of the model's files",
    "asked_revision": "revision that was asked for; empty: the default one",
    "precision": "of the weights during extraction",
    "mapping": "how words were found in the text: the study's rule (reference) or aligned",
    "alignment_rate": "share of the words that were found in the text (aligned mapping)",
    "n_words": "annotated words",
    "n_subjects": "individuals that entered",
    "mean": "mean over individuals",
    "p_sign_flip": "two-sided p of the mean under sign flips of the individuals",
    "n_pairs": "pairs of homologous voxels",
    "t_threshold": "|t| from which on the corrected p is at most 0.05",
    "t_max": "largest t over all pairs: the left is higher",
    "t_min": "smallest t over all pairs: the right is higher where it is below 0",
    "p_min": "smallest corrected p over all pairs",
    "p_smallest": "smallest p that the sign-flip test can reach with so many individuals",
    "percentile": "voxels with a reliability above this percentile; 0 takes all",
    "value": "score or reliability",
    "density": "height of the density of voxels at this value",
    "isc_left_minus_right": "mean reliability, left minus right",
    "isc_p": "t test over voxels of the reliability left and right (as published; voxels depend)",
    "isc_p_holm": "isc_p corrected over the areas by Holm's method",
    "score_left": "mean score over models, left",
    "score_right": "mean score over models, right",
    "n": "areas (or their sides) that entered",
}
"""Column → meaning; a column means the same in every table."""


@dataclass(frozen=True)
class Table:
    """A table's purpose and its columns in order."""

    description: str
    columns: tuple[str, ...]
    extra: dict[str, str] = field(default_factory=dict)


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TRAITS = "kind family n_parameters n_layers n_hid seed"

TABLES = {
    "scores": Table(
        "Brain scores per layer, region and hemisphere",
        _columns(
            "language subject model layer region hemisphere n_voxels mean_r p90_r midline "
            f"{_TRAITS}"
        ),
    ),
    "asymmetry": Table(
        "Left minus right per fit, with intervals over test runs",
        _columns(
            "language subject model selection left right left_minus_right ci_low ci_high ci_kind "
            f"layer midline n_left n_right ceiling_left ceiling_right in_ceiling {_TRAITS}"
        ),
    ),
    "regressions": Table(
        "Simple regressions over trained models (in subsets named untrained, over untrained ones)",
        _columns(
            "language subject outcome predictor n_models r p slope intercept slope_low slope_high "
            "r_low r_high runs_low runs_high runs_p layer midline subset reason"
        ),
    ),
    "ols": Table(
        "Ordinary least squares on ln N, layers and width",
        _columns(
            "language subject outcome term n_models coefficient std_err t p ci_low ci_high r2 "
            "r2_adj f f_p aic bic condition layer midline reason"
        ),
    ),
    "roi": Table(
        "Regions of interest and their mirror images, over trained models",
        _columns(
            "language subject roi n_left n_right n_models left_minus_right r p p_holm slope "
            "intercept slope_low slope_high runs_low runs_high runs_p runs_p_holm slope_left "
            "slope_left_low slope_left_high slope_right slope_right_low slope_right_high "
            "slope_t_test_p slope_t_test_p_holm isc_left isc_left_low isc_left_high isc_right "
            "isc_right_low isc_right_high reason"
        ),
        {"left_minus_right": "mean over models of left minus right"},
    ),
    "layers": Table(
        "Layer profiles: no maximum over layers enters",
        _columns(
            "language subject model layer relative_depth region mean_r left right "
            "left_minus_right ci_low ci_high ci_kind midline is_best kind family"
        ),
        {"region": "whole or reliable"},
    ),
    "parcels": Table(
        "Harvard-Oxford areas of every fit, at the best layer of each voxel",
        _columns("language subject model parcel left right left_minus_right n_left n_right"),
    ),
    "areas": Table(
        "Harvard-Oxford areas over trained models: reliability, score, slope of left minus right",
        _columns(
            "language subject parcel n_left n_right isc_left isc_right isc_left_minus_right isc_p "
            "isc_p_holm score_left score_right n_models slope r p p_holm reason"
        ),
    ),
    "area_relations": Table(
        "Correlations over Harvard-Oxford areas",
        _columns("language subject quantity n r p slope intercept reason"),
        {
            "quantity": "parcel_slope_vs_isc: slope of left minus right on ln N with left minus "
            "right of the reliability, over pairs; parcel_score_vs_isc: mean score with "
            "reliability, over sides",
            "p": "two-sided p value; neighbouring areas are not independent, so it is too small",
        },
    ),
    "sensitivity": Table(
        "The headline under other reliability cuts and midline rules",
        _columns(
            "language subject percentile midline n_left n_right n_models left_minus_right r p "
            "slope slope_low slope_high reason"
        ),
        {
            "left_minus_right": "mean over models",
            "midline": "shared, strict, or paired (homologous pairs cut at their mean reliability)",
        },
    ),
    "densities": Table(
        "Densities over voxels of scores and of the reliability",
        _columns("language subject model kind region value density mean_r"),
        {
            "model": "model or baseline, or isc: the reliability",
            "region": "whole or reliable",
            "kind": "model, baseline, untrained, checkpoint, features, or isc",
            "mean_r": "mean over voxels of the brain score, or of the reliability",
        },
    ),
    "subjects": Table(
        "Means over individuals, with intervals over people",
        _columns(
            "language model quantity n_subjects mean ci_low ci_high ci_kind p_sign_flip p_smallest "
            "p_holm layer midline reason"
        ),
        {"quantity": "l_minus_r_<selection>, or slope_<outcome> on ln N (model empty)"},
    ),
    "voxel_pairs": Table(
        "Voxels against their mirror images over people: sign-flip tests of every pair, corrected "
        "over all pairs by the largest |t| (max-T)",
        _columns(
            "language quantity model n_subjects n_pairs t_threshold n_left n_right t_max t_min "
            "p_min p_smallest reason"
        ),
        {
            "quantity": "l_minus_r at the best layer of each voxel, or slope_l_minus_r on ln N "
            "(model empty)",
            "n_pairs": "pairs of homologous voxels that every person has",
            "n_left": "pairs whose left is higher (or rises faster) at a corrected p of 0.05",
            "n_right": "pairs whose right is",
        },
    ),
    "published": Table(
        "The published study's values beside this run's",
        _columns("quantity published ours difference tolerance agrees language subject"),
    ),
    "predictors": Table(
        "Numeric columns of the model sheet, model by model",
        _columns("language model predictor value"),
        {"value": "value of the predictor"},
    ),
    "models": Table(
        "Models and baselines as they were used",
        _columns(
            "language model source revision asked_revision precision mapping alignment_rate "
            f"n_words {_TRAITS}"
        ),
    ),
    "failures": Table(
        "Fits that were planned and have no scores, and subjects that the group lacks",
        _columns("language subject model reason"),
        {
            "model": "name of the model or baseline; empty: the subject did not reach the group",
            "reason": "what is known of the failure",
        },
    ),
    "left_out": Table(
        "Voxels left out of every mean",
        _columns("language subject model n_voxels n_left_out share reason"),
        {
            "model": "all, where it is the same for every model of the subject; reliability: "
            "voxels that have scores and no reliability, and so are not among the reliable ones",
            "n_voxels": "voxels of the mask",
            "n_left_out": "voxels left out, for the reason given",
            "share": "voxels left out / voxels of the mask",
            "reason": "why they were left out",
        },
    ),
    "planted": Table(
        "Simulated data: planted and recovered asymmetry",
        _columns(
            "language subject model order recovered_order planted_left_minus_right "
            "recovered_left_minus_right ci_low ci_high selection world n_parameters spearman "
            "slope_low signs recovered"
        ),
        {
            "slope_low": "lower 95 % limit of the slope per step of the planted order over test "
            "runs, corrected for their shared training runs (Nadeau & Bengio 2003)"
        },
    ),
}

COLUMNS |= {
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

_CONTROLS: dict[str, tuple[str, str, dict[str, str]]] = {
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
"""The tables of the controls: description, columns, and meanings of their own."""

TABLES |= {
    name: Table(description, _columns(columns), extra)
    for name, (description, columns, extra) in _CONTROLS.items()
}


def describe(name: str, n_rows: int, reason: str = "") -> dict[str, object]:
    """Write a table's data dictionary; ``reason`` says why it is empty."""
    table = TABLES[name]
    meanings = {column: table.extra.get(column) or COLUMNS[column] for column in table.columns}
    described: dict[str, object] = {"description": table.description, "rows": n_rows}
    if reason:
        described["reason"] = reason
    return described | {"columns": meanings}
