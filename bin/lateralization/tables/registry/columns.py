"""The columns of all tables: type, unit and meaning. A column means the same in every table."""

from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "flag", "whole number", "number"]

TEXT: Type = "text"
FLAG: Type = "flag"
WHOLE: Type = "whole number"
NUMBER: Type = "number"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    type
        Type of its cells. An empty cell of a number is NaN, one of a text an empty text.
    unit
        Unit of its cells: ``s``, ``r`` (Pearson correlation) or what is counted; empty where there
        is none, or where it depends on another column of the row.
    meaning
        Its entry in the data dictionary.
    """

    name: str
    type: Type
    unit: str
    meaning: str


def _columns(cells: Type, unit: str, meanings: dict[str, str]) -> dict[str, Column]:
    return {name: Column(name, cells, unit, meaning) for name, meaning in meanings.items()}


# fmt: off
COLUMNS = (
    _columns(TEXT, "", {
        "subjects": "average, the id of one individual, or people: several individuals",
        "asked_region": "region of the claim; the column region has the one that was used",
        "family_rule": (
            "units: families are the units of the interval over models (cluster jackknife); "
            "within: each family has its own intercept, and the slope is that within families; "
            "empty: one family, or each model one of its own"
        ),
        "language": "code of the language, as in --languages",
        "subject": "average, or the id of an individual",
        "model": (
            "name of the model or baseline; random baselines without _seed are means over seeds"
        ),
        "layer": (
            "number of the hidden state (0 is the embedding; Mamba keeps none: there 0 is the "
            "first block, and the last two are one block before and after the norm), or how it "
            "was chosen: best_voxel (maximum per voxel, as published), best_mean (highest mean "
            "over the region), best_cv (per voxel, on the other runs than it is scored on)"
        ),
        "region": (
            "whole, reliable (reliability strictly above its 75th percentile), cerebellum (a box "
            "in its hemispheres, MNI |x| 8 to 40, y -84 to -48, z -56 to -32 mm, where the mask "
            "holds half of it), or a ROI"
        ),
        "hemisphere": "left, right or both",
        "midline": (
            "shared: first n//2 voxels and the rest, as published (each side gets half of the "
            "midline plane); strict: x < 0 and x > 0. ROIs do not touch the midline: shared only; "
            "the cerebellum: strict only"
        ),
        "selection": (
            "whole, reliable: means; whole_p90: 90th percentile of each half; reliable_iscnorm: "
            "mean of score divided by reliability, voxel by voxel (no interval: the error of the "
            "reliability is the same in every run); whole_paired, reliable_paired: "
            "mean over pairs of mirror-image voxels (reliable: by the mean reliability of the "
            "pair); cerebellum (as region): mean; or a ROI and its mirror image"
        ),
        "ci_kind": (
            "which interval, over which units. An interval over test runs speaks of this subject's "
            "story, not of people; corrected: widened for the training runs that folds share "
            "(Nadeau & Bengio 2003; in simulation it covers 97 to 98 %, uncorrected 87 to 93 %)"
        ),
        "kind": (
            "model (trained), baseline, untrained, checkpoint (a training step: at a revision "
            "step<N>, or one of several NAME_step<N> of one NAME) or features (of --features)"
        ),
        "family": "family of the model",
        "outcome": (
            "score_<region>, score_whole_p90, l_minus_r_<selection>, best_layer (layer of the "
            "highest mean over reliable voxels, or all where there is no reliability, divided by "
            "the number of layers with the embedding), laterality_index_<region> (of models that "
            "have one), or in_ceiling_reliable (share of left_minus_right in ceilings.tsv)"
        ),
        "predictor": (
            "ln_n_parameters (natural logarithm) or a numeric column of the model sheet"
        ),
        "subset": (
            "all models, those above a size, one family, untrained models (with 'untrained'), or "
            "'steps of' one model: its training steps, of which first differences are taken, "
            "since steps are no independent units"
        ),
        "term": "const, ln_n_parameters, layers_with_embedding or n_hid",
        "analysis": (
            "laterality_index: (left - right) / (left + right) on ln N, over models whose sides "
            "are above 0; left_on_right: left score on right score, the same with the sides "
            "exchanged, errors of both taken off; within_families: mean over families of the "
            "slope within each; without_one_family: without the family left_out"
        ),
        "left_out": "family that is left out",
        "path": (
            "size_to_score: score (mean of the sides) on ln N; score_to_outcome: left minus right "
            "on the score, ln N held constant; direct: left minus right on ln N, score held "
            "constant; total: left minus right on ln N; indirect: size_to_score times "
            "score_to_outcome (total = direct + indirect)"
        ),
        "roi": "region of interest",
        "parcel": "area of the atlas (Harvard-Oxford, unless --atlas names another)",
        "quantity": "what is measured",
        "agrees": "yes or no; p values agree within a factor of 2",
        "source": "where the model came from",
        "revision": "resolved revision of the model's files",
        "asked_revision": "revision that was asked for; empty: the default one",
        "precision": "of the weights during extraction",
        "mapping": "how words were found in the text: the study's rule (reference) or aligned",
        "world": "name of the simulated world",
        "signs": "yes or no: the first and the last model lean to the planted sides",
        "recovered": (
            "yes: rank correlation >= 0.9, slope_low > 0 and signs; else no. Empty, as the other "
            "verdicts, with fewer than 3 models"
        ),
        "scale": (
            "axis of the predictor: linear, or log10 where it spans more than a factor of 100 (its "
            "smallest value above 0 is added first where there is a 0)"
        ),
        "voxels": (
            "whole; above_50, reliable, above_90: reliability above its 50th, 75th (published), "
            "90th percentile; rois: all regions of interest together and their mirror images"
        ),
        "summary": (
            "left minus right of: mean; p90 (90th percentiles); index ((left - right) / (left + "
            "right) of means); over_ceiling (means divided by the mean reliability of their side)"
        ),
        "runs": "test runs that are averaged: all, or without_run_1 (without_story_<name>)",
        "families": "all, or without one family",
        "choice": "what could have been chosen in another way",
        "option": "what was chosen",
        "ceiling": (
            "split_half: root of the Spearman-Brown reliability of the average of all subjects; "
            "leave_one_out: correlation of the subject with the mean of the others"
        ),
        "confounds": "baselines that went jointly with the model (--joint)",
        "control": "baseline or untrained model whose mean leans most to a side",
        "outlier": "yes, no",
        "left_label": "label on the left",
        "right_label": "label on the right; the same one where it is cut at the midline",
        "homologous": (
            "yes: the sides are compared as a pair. no: they are in no table or picture of areas"
        ),
        "reason": "why the row's numbers are empty",
    })
    | _columns(TEXT, "", {
        "run": "number of the run, or name of the story",
        "follows_run": "run of the others that it follows best: its own where all is well",
        "session": "label of the session; empty where there is none",
        "story": "what was heard: the number of the run, or the name of the story",
        "file": "path below the data set's folder",
        "space": "space that the file's name gives; empty: none",
        "used": "yes, or no",
    })
    | _columns(WHOLE, "", {
        "repetition": "how often this person had heard the story by then, from 1",
    })
    | _columns(NUMBER, "s", {
        "tr": "repetition time",
        "words_seconds": "from the first word's onset to the last one's end; empty: not known",
    })
    | _columns(FLAG, "", {
        "is_best": "True for the layer of the highest mean_r in its region",
    })
    | _columns(WHOLE, "voxels", {
        "n_voxels": "voxels that were used; voxels left out are not counted",
        "n_runs": "test runs",
        "n_families": "families of models",
        "n_left": "voxels used on the left",
        "n_right": "voxels used on the right",
        "n_left_out": "voxels left out, for the reason given",
    })
    | _columns(WHOLE, "models", {
        "n_models": "models that entered",
        "n_controls": "baselines and untrained models that entered",
        "least_models": "fewest models in one of them",
        "most_models": "most models in one of them",
        "n_twins": "untrained models of the same architecture (seeds), averaged",
    })
    | _columns(WHOLE, "", {
        "n_parameters": "number of parameters, tied weights once",
        "n_layers": "layers without the embedding",
        "n_hid": "width of the hidden states",
        "seed": "seed of an untrained model or baseline; 0: trained",
        "order": "place in the planted order (increasing model size)",
        "recovered_order": "place in the order of what was recovered",
    })
    | _columns(WHOLE, "runs", {
        "n_runs": "test runs that entered",
    })
    | _columns(WHOLE, "families", {
        "n_families": "families that entered, where they are units",
    })
    | _columns(WHOLE, "scans", {
        "n_scans": "scans of the run, untrimmed",
    })
    | _columns(WHOLE, "words", {
        "n_words": "annotated words",
    })
    | _columns(WHOLE, "subjects", {
        "n_subjects": "individuals that entered",
    })
    | _columns(WHOLE, "pairs", {
        "n_pairs": "pairs of mirror-image voxels that every person has",
    })
    | _columns(WHOLE, "areas", {
        "n": "areas (or their sides) that entered",
    })
    | _columns(WHOLE, "specifications", {
        "n_specifications": "specifications with this option",
    })
    | _columns(NUMBER, "r", {
        "mean_r": "mean over voxels of the brain score (Pearson r, mean over test runs)",
        "p90_r": "90th percentile over voxels of the brain score",
        "ceiling_left": (
            "mean reliability (half against half) of the left voxels, which scores are divided by; "
            "no upper bound: the average of all is more reliable than half of it (ceilings.tsv); "
            "only for means, and of the average subject"
        ),
        "ceiling_right": "the same on the right",
        "isc_left": "mean reliability, left; empty for individuals, as all of the reliability",
        "isc_left_low": "lower limit of a bootstrap over voxels (as published; voxels depend)",
        "isc_left_high": "upper limit",
        "isc_right": "mean reliability, right",
        "isc_right_low": "lower limit, right",
        "isc_right_high": "upper limit, right",
        "isc_left_minus_right": "mean reliability, left minus right",
        "score_left": "mean score over models, left",
        "score_right": "mean score over models, right",
        "mean_ceiling": "mean ceiling of the chosen voxels",
        "joint_r": "mean r of model and confounds together, at the layer of best_cv",
        "confounds_r": "mean r of the confounds alone",
        "unique_r": "joint_r less confounds_r: what the model adds",
        "trained_score": "mean score of the trained model, both sides; only for regions' means",
        "untrained_score": "that of its untrained twins",
        "score_gain": "trained_score less untrained_score",
        "isc": (
            "mean correlation with the mean of the other subjects (those set aside do not count), "
            "over the tenth of the voxels that follow best"
        ),
        "isc_lag_r": "that correlation",
        "follows_run_r": "that correlation",
        "word_rate_r": "correlation at that lag",
        "word_rate_r_at_0": "correlation without a lag",
        "planted_left_minus_right": (
            "left minus right that a perfect encoder would find: in the quarter of the voxels with "
            "the largest signal (beside reliable) or everywhere (beside whole) for the average "
            "subject, everywhere for an individual, whose own noise makes it smaller"
        ),
        "recovered_left_minus_right": "left minus right of this run",
    })
    | _columns(NUMBER, "mm", {
        "distance": "between the centre of one side and that of the other when it is mirrored",
    })
    | _columns(NUMBER, "s", {
        "isc_lag_s": "lag at which the run follows them best, seconds; above 0: it is late",
        "word_rate_lag_s": (
            "lag, -10 to 10 s, at which the convolved word rate fits the mean of both auditory "
            "cortices best (12 mm about Heschl's gyrus)"
        ),
    })
    | _columns(NUMBER, "", {
        "left": "left hemisphere, in the unit of the selection",
        "right": "right hemisphere",
        "left_minus_right": "left minus right: positive means left-lateralised",
        "ci_low": "lower limit of the 95 % interval; empty where units are too few, or all equal",
        "ci_high": "upper limit of the 95 % interval",
        "r": "Pearson correlation",
        "p": "two-sided p value; models of one family are not independent, so it is too small",
        "slope": "change of the outcome per unit of the predictor",
        "intercept": (
            "intercept of the regression line; empty where another variable is held constant"
        ),
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
            "p of the slope, the same corrected t over test runs; only for l_minus_r_ of means, "
            "laterality_index_ (to first order: each run's influence on the index) and in_ceiling_ "
            "(with the spread over the splits of the subjects that its ceiling is the mean of), on "
            "ln N, over all trained models or those above a size"
        ),
        "in_ceiling": "left divided by ceiling_left, minus right divided by ceiling_right",
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
        "slope_left": "mean over voxels of the slope of the score on ln N, left",
        "slope_right": "the same in the mirror image",
        "slope_left_low": "lower limit of a bootstrap over voxels (as published; voxels depend)",
        "slope_left_high": "upper limit",
        "slope_right_low": "lower limit, right",
        "slope_right_high": "upper limit, right",
        "p_holm": "p corrected over the regions or areas by Holm's method",
        "runs_p_holm": "runs_p corrected over the regions by Holm's method",
        "slope_t_test_p_holm": "slope_t_test_p corrected over the regions by Holm's method",
        "slope_t_test_p": (
            "t test over voxels of left and right slopes (as published; voxels depend)"
        ),
        "relative_depth": "layer divided by the number of layers",
        "published": "value of the published study",
        "ours": "value of this run",
        "difference": "ours minus published",
        "tolerance": "largest difference that counts as agreement; empty for p values",
        "spearman": "rank correlation of planted order and recovered left minus right",
        "alignment_rate": "share of the words that were found in the text (aligned mapping)",
        "mean": "mean over individuals",
        "p_sign_flip": "two-sided p of the mean under sign flips of the individuals",
        "t_threshold": "|t| from which on the corrected p is at most 0.05",
        "t_max": "largest t over all pairs: the left is higher",
        "t_min": "smallest t over all pairs: the right is higher where it is below 0",
        "p_min": "smallest corrected p over all pairs",
        "p_smallest": "smallest p that the sign-flip test can reach with so many individuals",
        "percentile": "voxels with a reliability above this percentile; 0 takes all",
        "value": "score or reliability",
        "density": "height of the density of voxels at this value",
        "isc_p": (
            "t test over voxels of the reliability left and right (as published; voxels depend)"
        ),
        "isc_p_holm": "isc_p corrected over the areas by Holm's method",
        "control_l_minus_r": "left minus right of the control",
        "model_l_minus_r": "left minus right of the model",
        "lead": (
            "by how much the control leans farther to a side than the model, whatever the sides; "
            "both are chosen for it, which favours the longer list"
        ),
        "crossed_low": (
            "lower 95 % limit of the slope over models and test runs together; empty below 5 "
            "models or 3 runs"
        ),
        "crossed_high": "upper limit of that interval",
        "crossed_p": "p of the slope by that interval",
        "crossed_p_holm": "crossed_p corrected over the regions by Holm's method",
        "place": "value of the predictor at the change point",
        "low": "smallest value at which a bend fits nearly as well (95 % profile interval)",
        "high": "largest such value",
        "before": "slope below the change point, per unit (log10: per tenfold) of the predictor",
        "after": "slope above it",
        "level": "outcome at the change point",
        "r2_line": "explained variance of a straight line; of training steps, of the differences",
        "r2_bent": "explained variance of the bent line",
        "median_r": "median over them of the correlation of left minus right with ln N",
        "share_positive": "share of them with r above 0",
        "share_above_0": "share of them whose 95 % interval of the slope lies above 0",
        "share_below_0": "share of them whose 95 % interval of the slope lies below 0",
        "unique_r2": "the same for r squared, with the sign of r",
        "r2_ci_low": "lower 95 % limit of unique_r2",
        "r2_ci_high": "upper 95 % limit of unique_r2",
        "r2_p": "p of unique_r2 against 0",
        "dice": (
            "overlap of one side with the mirror image of the other (twice the shared voxels "
            "divided by the sum of both), in the image of the atlas"
        ),
        "size_ratio": "voxels of the larger side divided by those of the smaller",
        "share": "mean over runs of mean score divided by mean ceiling; 1: as well as can be",
        "tsnr": (
            "temporal signal-to-noise ratio, median over voxels; about 0 where means are taken off"
        ),
        "trained_l_minus_r": "left minus right of the trained model",
        "untrained_l_minus_r": "that of its untrained twins",
        "l_minus_r_gain": "trained_l_minus_r less untrained_l_minus_r",
        "df": "degrees of freedom of the interval (Satterthwaite)",
        "share_models": "share of the variance of the slope that is over models (or families)",
        "share_runs": "share that is over test runs, corrected for shared training runs",
        "share_people": "share that is over people; empty for one brain",
        "mean_l_minus_r": "mean of left minus right over models, runs and people",
        "left_slope": "slope of the left hemisphere's score",
        "left_slope_low": "lower 95 % limit of left_slope, over models, runs and people",
        "left_slope_high": "upper such limit",
        "right_slope": "slope of the right hemisphere's score",
        "right_slope_low": "lower 95 % limit of right_slope, over models, runs and people",
        "right_slope_high": "upper such limit",
        "laterality_index": (
            "(left - right) / (left + right) of means, in no unit; only where left + right is "
            "above 0 by the corrected t over test runs, and not of percentiles"
        ),
        "index_low": (
            "lower 95 % limit of laterality_index over test runs (Fieller), with variances "
            "corrected for their shared training runs"
        ),
        "index_high": "upper limit of that interval",
    })
)
"""Name → column."""
