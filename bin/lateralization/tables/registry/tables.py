"""All tables of LATERALIZE: what they hold, why one may be empty, where the report shows them.

The data dictionaries, the types when the tables are read, the tables of the report and
``docs/outputs.md`` come from here: a new table needs the rows that LATERALIZE gives it, an entry
here, and a figure where one is wanted. The report shows the tables of a section in this order. An
edit of a caption runs LATERALIZE again, which writes the dictionaries.
"""

from dataclasses import replace

import pandas as pd

from lateralization.tables.registry.columns import COLUMNS, NUMBER, WHOLE, Column
from lateralization.tables.registry.table import Table, by_name
from lateralization.tables.registry.table import columns_named as _columns
from lateralization.tables.registry.table import names_of as _names

Tables = dict[str, pd.DataFrame]
"""All tables of a run by their names."""

PUBLISHED = {"layer": "best_voxel", "midline": "shared"}
"""The rows of the published rules of layer and midline."""

RELIABILITY = "reliability"
"""In place of a model's name in ``left_out``: voxels that are scored and have no reliability."""


# fmt: off
TABLES = by_name((
    Table(
        "claim",
        "The claim that was fixed before the run: a slope with one interval over models, runs and "
        "people together",
        _columns(
            "language subjects region asked_region midline layer predictor n_models n_runs "
            "n_subjects n_families family_rule slope slope_low slope_high df share_models "
            "share_runs share_people mean_l_minus_r n_left n_right left_slope left_slope_low "
            "left_slope_high right_slope right_slope_low right_slope_high reason",
            slope="change of left minus right per unit of the predictor",
            slope_low="lower 95 % limit of the slope, over models, runs and people together",
            slope_high="upper such limit",
            n_left="models whose left minus right is above 0",
            n_right="models whose left minus right is below 0",
            n_subjects="individuals; 1 for the average brain",
        ),
        empty="no trained model was fitted",
        section="trust", title="The claim",
        shown=_names(
            "language subjects region midline layer predictor n_models n_runs n_subjects "
            "n_families family_rule slope slope_low slope_high df share_models share_runs "
            "share_people reason"
        ),
        caption="The interval adds the variances of the slope over models, runs and people. A "
        "share near 100 % says what to collect more of; every other interval on this page counts "
        "one of them alone, and is exploratory.",
    ),
    Table(
        "claim_runs", "What the claim is made of: both sides of every model in every test run",
        _columns(
            "language subject model region midline layer run left right left_minus_right "
            "predictor value family",
            left="mean score over the left voxels", right="mean score over the right voxels",
            value="value of the predictor",
        ),
        empty="no trained model was fitted",
    ),
    Table(
        "asymmetry", "Left minus right per fit, with intervals over test runs",
        _columns(
            "language subject model selection left right left_minus_right ci_low ci_high ci_kind "
            "layer midline n_left n_right ceiling_left ceiling_right in_ceiling laterality_index "
            "index_low index_high reason kind family n_parameters n_layers n_hid seed",
            reason="why the laterality index or its limits are empty",
        ),
        section="hemispheres", title="Left and right of every fit",
        shown=_names(
            "language subject model kind selection left right left_minus_right ci_low ci_high "
            "ci_kind in_ceiling laterality_index index_low index_high layer midline n_left n_right"
        ),
        rows=PUBLISHED,
        caption="Shown for the published rules of layer and midline; the file has the other rules.",
    ),
    Table(
        "regressions",
        "Simple regressions over trained models (in subsets named untrained, over untrained ones)",
        _columns(
            "language subject outcome predictor n_models r p slope intercept slope_low slope_high "
            "r_low r_high runs_low runs_high runs_p layer midline subset reason",
        ),
        section="size", title="Regressions over models",
        shown=_names(
            "language subject outcome predictor subset n_models r p slope slope_low slope_high "
            "runs_low runs_high layer midline reason"
        ),
        caption="Slopes are per unit of the predictor; ln N rises by 2.3 per tenfold size.",
    ),
    Table(
        "ols", "Ordinary least squares on ln N, layers and width",
        _columns(
            "language subject outcome term n_models coefficient std_err t p ci_low ci_high r2 "
            "r2_adj f f_p aic bic condition layer midline reason",
        ),
        section="size", title="Size, depth and width together",
        shown=_names(
            "language subject outcome term n_models coefficient std_err t p ci_low ci_high r2 "
            "reason"
        ),
        rows=PUBLISHED,
        caption="Size and width of models go closely together: a single coefficient says little "
        "when its neighbours have wide intervals.",
    ),
    Table(
        "scores", "Brain scores per layer, region and hemisphere",
        _columns(
            "language subject model layer region hemisphere n_voxels mean_r p90_r midline kind "
            "family n_parameters n_layers n_hid seed",
        ),
        section="size", title="Brain scores",
        shown=_names("language subject model kind region hemisphere n_voxels mean_r p90_r"),
        rows=PUBLISHED,
        caption="Scores at the best layer of each voxel; the file has every layer.",
    ),
    Table(
        "roi", "Regions of interest and their mirror images, over trained models",
        _columns(
            "language subject roi n_left n_right n_models left_minus_right r p p_holm slope "
            "intercept slope_low slope_high runs_low runs_high runs_p runs_p_holm crossed_low "
            "crossed_high crossed_p crossed_p_holm slope_left "
            "slope_left_low slope_left_high slope_right slope_right_low slope_right_high "
            "slope_t_test_p slope_t_test_p_holm isc_left isc_left_low isc_left_high isc_right "
            "isc_right_low isc_right_high reason",
            left_minus_right="mean over models of left minus right",
        ),
        empty="no region of interest was given",
        section="regions", title="Regions of interest",
        shown=_names(
            "language subject roi n_left n_right n_models left_minus_right r p p_holm slope "
            "crossed_low crossed_high crossed_p crossed_p_holm slope_left slope_right isc_left "
            "isc_right reason"
        ),
        caption="Every region is tested: the columns named holm are corrected for their number.",
    ),
    Table(
        "layers", "Layer profiles: no maximum over layers enters",
        _columns(
            "language subject model layer relative_depth region mean_r left right "
            "left_minus_right ci_low ci_high ci_kind midline is_best kind family",
            layer=replace(COLUMNS["layer"], type=WHOLE), region="whole or reliable",
        ),
        section="layers", title="Best layer of every fit",
        shown=_names(
            "language subject model layer relative_depth region mean_r left_minus_right ci_low "
            "ci_high"
        ),
        rows={"is_best": "True", "midline": "shared"},
        caption="The layer with the highest mean over the region.",
    ),
    Table(
        "parcels", "Harvard-Oxford areas of every fit, at the best layer of each voxel",
        _columns("language subject model parcel left right left_minus_right n_left n_right"),
        empty="no area of an atlas lies in a mask",
    ),
    Table(
        "areas",
        "Harvard-Oxford areas over trained models: reliability, score, slope of left minus right",
        _columns(
            "language subject parcel n_left n_right isc_left isc_right isc_left_minus_right isc_p "
            "isc_p_holm score_left score_right n_models slope r p p_holm reason",
        ),
        empty="no area of an atlas lies in a mask",
        section="regions", title="Areas of the atlas",
        shown=_names(
            "language subject parcel n_left n_right isc_left isc_right isc_left_minus_right isc_p "
            "isc_p_holm score_left score_right n_models slope r p p_holm"
        ),
        caption="The t test of the reliability is over voxels, as published; believe the "
        "corrected one.",
    ),
    Table(
        "area_relations", "Correlations over Harvard-Oxford areas",
        _columns(
            "language subject quantity n r p slope intercept reason",
            quantity="parcel_slope_vs_isc: slope of left minus right on ln N with left minus "
            "right of the reliability, over pairs; parcel_score_vs_isc: mean score with "
            "reliability, over sides",
            p="two-sided p value; neighbouring areas are not independent, so it is too small",
        ),
        empty="no area of an atlas lies in a mask",
        section="regions", title="Over areas",
        shown=_names("language subject quantity n r p slope reason"),
        caption="Whether asymmetry grows where the signal is asymmetric.",
    ),
    Table(
        "atlas_pairs",
        "Both sides of every area of the atlas: do they lie where the mirror image of the other "
        "does",
        _columns(
            "parcel left_label right_label n_left n_right dice distance size_ratio homologous "
            "reason",
            n_left="voxels of the left side in the image of the atlas",
            n_right="voxels of the right side there",
            reason="why the sides are not compared",
        ),
        empty="this run has no atlas",
        section="regions", title="Areas whose sides are not compared",
        shown=_names(
            "parcel left_label right_label n_left n_right dice distance size_ratio reason"
        ),
        rows={"homologous": "no"},
        caption="Partners by their names whose places differ: compared are sides with a mirrored "
        "Dice of 0.3 or centres within 12 mm, of which none has more than twice the voxels of the "
        "other.",
    ),
    Table(
        "densities", "Densities over voxels of scores and of the reliability",
        _columns(
            "language subject model kind region value density mean_r",
            model="model or baseline, or isc: the reliability",
            region="whole or reliable",
            kind="model, baseline, untrained, checkpoint, features, or isc",
            mean_r="mean over voxels of the brain score, or of the reliability",
        ),
        empty="too few voxels",
    ),
    Table(
        "subjects", "Means over individuals, with intervals over people",
        _columns(
            "language model quantity n_subjects mean ci_low ci_high ci_kind p_sign_flip "
            "p_smallest p_holm layer midline reason",
            quantity="l_minus_r_<selection>, or slope_<outcome> on ln N (model empty)",
        ),
        empty="no individual subject was fitted: nothing is inferred about people",
        section="people", title="Means over people",
        shown=_names(
            "language model quantity n_subjects mean ci_low ci_high ci_kind p_sign_flip "
            "p_smallest p_holm reason"
        ),
        rows=PUBLISHED,
        caption="Intervals over people; the rows without a model are slopes on ln N.",
    ),
    Table(
        "voxel_pairs",
        "Voxels against their mirror images over people: sign-flip tests of every pair, corrected "
        "over all pairs by the largest |t| (max-T)",
        _columns(
            "language quantity model n_subjects n_pairs t_threshold n_left n_right t_max t_min "
            "p_min p_smallest reason",
            quantity="l_minus_r at the best layer of each voxel, or slope_l_minus_r on ln N "
            "(model empty)",
            n_left=Column(
                "n_left", WHOLE, "pairs",
                "pairs whose left is higher (or rises faster) at a corrected p of 0.05",
            ),
            n_right=Column("n_right", WHOLE, "pairs", "pairs whose right is"),
        ),
        empty="no individual subject was fitted: nothing is inferred about people",
        section="people", title="Voxels against their mirror images, over people",
        caption="Each pair is tested over people, all pairs together: what is counted would turn "
        "up anywhere by chance in one of twenty studies.",
    ),
    Table(
        "planted", "Simulated data: planted and recovered asymmetry",
        _columns(
            "language subject model order recovered_order planted_left_minus_right "
            "recovered_left_minus_right ci_low ci_high selection world n_parameters spearman "
            "slope_low signs recovered",
            slope_low="lower 95 % limit of the slope per step of the planted order over test "
            "runs, corrected for their shared training runs (Nadeau & Bengio 2003)",
        ),
        empty="the data are not simulated",
        section="trust", title="Planted and recovered",
        shown=_names(
            "language subject model order planted_left_minus_right recovered_left_minus_right "
            "ci_low ci_high recovered_order spearman recovered world"
        ),
        caption="Where the effect is recovered, the values are in the planted order.",
    ),
    Table(
        "published", "The published study's values beside this run's",
        _columns("quantity published ours difference tolerance agrees language subject"),
        empty="this run has no counterpart of a published value",
        section="published", title="Published and ours",
        caption="A difference beyond the tolerance on unchanged data points to another version of "
        "data or models; values read off figures carry the tolerance of the reading.",
    ),
    Table(
        "predictors", "Numeric columns of the model sheet, model by model",
        _columns(
            "language model predictor value",
            value="value of the predictor",
        ),
        empty="the models have no numeric columns beside their size",
    ),
    Table(
        "models", "Models and baselines as they were used",
        _columns(
            "language model source revision asked_revision precision mapping alignment_rate "
            "n_words kind family n_parameters n_layers n_hid seed",
        ),
        section="used", title="Models and baselines",
        shown=_names(
            "language model kind family source revision precision mapping alignment_rate "
            "n_parameters n_layers n_hid seed"
        ),
        caption="What was run, at which revision.",
    ),
    Table(
        "failures", "Fits that were planned and have no scores, and subjects that the group lacks",
        _columns(
            "language subject model reason",
            model="name of the model or baseline; empty: the subject did not reach the group",
            reason="what is known of the failure",
        ),
        empty="every planned fit has scores",
        section="trust", title="Fits that failed",
        caption="These were planned and are missing from every table, figure and sentence.",
    ),
    Table(
        "left_out", "Voxels left out of every mean",
        _columns(
            "language subject model n_voxels n_left_out share reason",
            model="all, where it is the same for every model of the subject; reliability: voxels "
            "that have scores and no reliability, and so are not among the reliable ones",
            n_voxels="voxels of the mask",
            share="voxels left out / voxels of the mask",
            reason="why they were left out",
        ),
        empty="no voxel was left out",
        section="trust", title="Voxels left out",
        caption="A share above a few percent speaks of a field of view that cuts the brain.",
    ),
    Table(
        "sensitivity", "The published slope under other reliability cuts and midline rules",
        _columns(
            "language subject percentile midline n_left n_right n_models left_minus_right r p "
            "slope slope_low slope_high reason",
            left_minus_right="mean over models",
            midline="shared, strict, or paired (mirror-image pairs cut at their mean reliability)",
        ),
        empty="no trained model has a known size",
        section="trust", title="Other thresholds",
        caption="The published slope under other reliability cuts and midline rules.",
    ),
    Table(
        "controls",
        "Controls of the effect of size: sides against each other, families, other units",
        _columns(
            "language subject selection layer midline analysis outcome predictor left_out n_models "
            "n_runs n_families slope slope_low slope_high p reason",
            outcome="l_minus_r_, index_ or left_ and the selection",
            predictor="ln_n_parameters, or right_ and the selection",
            slope_low="lower 95 % limit of the slope, over models and test runs together",
            slope_high="upper 95 % limit of the slope, over models and test runs together",
            p="two-sided p of a slope of 0, or of 1 in left_on_right, by the same interval",
        ),
        empty="no trained model has a known size",
        section="score", title="Sides, families and the index",
        shown=_names(
            "language subject selection analysis outcome predictor left_out n_models n_runs "
            "n_families slope slope_low slope_high p reason"
        ),
        rows=PUBLISHED,
        caption="The left grows faster than the right where the slope of left_on_right is above 1. "
        "A slope on size that depends on no family stands within families and without any one.",
    ),
    Table(
        "mediation",
        "The effect of size on left minus right, split into one through the score and one beside "
        "it; it describes and shows no cause",
        _columns(
            "language subject selection layer midline path coefficient ci_low ci_high p n_models "
            "n_runs reason",
            coefficient="coefficient of the path, with the score on other runs as instrument of "
            "the score: its errors are taken off",
            ci_low="lower 95 % limit, over models and test runs together",
            ci_high="upper 95 % limit",
            p="two-sided p of 0, by the same interval",
        ),
        empty="no trained model has a known size",
        section="score", title="The effect of size, through the score and beside it",
        shown=_names(
            "language subject selection path coefficient ci_low ci_high p n_models n_runs reason"
        ),
        rows=PUBLISHED,
        caption="Direct and indirect effect add up to the total. With fewer than 10 models, or "
        "where size and score go too closely together, they cannot be told apart.",
    ),
    Table(
        "leans", "The control that leans most against the model that does",
        _columns(
            "language subject selection layer midline control model n_controls n_models "
            "control_l_minus_r model_l_minus_r lead ci_low ci_high p n_runs",
            model="trained model whose mean leans most to a side",
            ci_low="lower 95 % limit of the lead, t over test runs, corrected for their shared "
            "training runs; it speaks of this subject's story",
            p="p of the lead against 0",
        ),
        empty="no baseline and no untrained model was fitted, or no trained model",
        section="trust", title="Controls against models",
        shown=_names(
            "language subject model selection control control_l_minus_r model_l_minus_r "
            "n_controls n_models lead ci_low ci_high p n_runs"
        ),
        rows=PUBLISHED,
        caption="A lead above 0 says that something which knows no language leans farther than any "
        "model: confounds can then decide the sign of an asymmetry.",
    ),
    Table(
        "checks",
        "Every run of every subject: does it follow the others, the words, and at what signal",
        _columns(
            "language subject run n_scans isc isc_lag_s isc_lag_r follows_run follows_run_r "
            "word_rate_lag_s word_rate_r word_rate_r_at_0 tsnr outlier reason",
            subject="id, or all: the mean over subjects",
            reason="why the run is an outlier, or (subject all) what is amiss in everybody",
        ),
        empty="the group was given, or nothing of it was computed",
        section="data", title="Every run against the others and the words",
        shown=_names(
            "language subject run n_scans isc isc_lag_s follows_run word_rate_lag_s word_rate_r "
            "tsnr outlier reason"
        ),
        caption="A sound run follows the others at lag 0 and no other run better than its own. "
        "Word rate peaks near 0 s in the rows of all; single runs scatter. A run that is shifted "
        "or swapped lowers every score: leave it out (--exclude_outliers yes), or mend the data "
        "set.",
    ),
    Table(
        "ceilings", "Scores as a share of the noise ceiling, in voxels chosen on the other runs",
        _columns(
            "language subject model ceiling midline hemisphere n_voxels mean_r mean_ceiling share "
            "ci_low ci_high p ci_kind kind family n_parameters n_layers n_hid seed",
            hemisphere="left, right, both, or left_minus_right",
            mean_r="mean score of the chosen voxels, at the layer of best_cv",
            n_voxels=Column(
                "n_voxels", NUMBER, "voxels",
                "voxels chosen in a run, mean over runs: ceiling above its 75th percentile on the "
                "other runs",
            ),
            p="p of share against 0",
        ),
        empty="nothing of the group was computed: its ceilings cannot be",
        section="ceilings", title="Shares of the noise ceiling",
        shown=_names(
            "language subject model ceiling hemisphere n_voxels mean_r mean_ceiling share ci_low "
            "ci_high p"
        ),
        rows={"midline": "shared"},
        caption="A side that is measured worse has a lower ceiling; a share takes that away. An "
        "asymmetry that is gone here is one of the measurement. Shares above 1 say that the "
        "ceiling is none.",
    ),
    Table(
        "unique", "What models predict beyond the confounds that went jointly with them",
        _columns(
            "language subject model region midline hemisphere n_voxels joint_r confounds_r "
            "unique_r ci_low ci_high p unique_r2 r2_ci_low r2_ci_high r2_p ci_kind confounds kind "
            "family n_parameters n_layers n_hid seed",
            hemisphere="left, right, both, or left_minus_right",
            p="p of unique_r against 0",
        ),
        empty="no confounds went jointly with the models (--joint)",
        section="unique", title="What models add to the confounds",
        shown=_names(
            "language subject model region hemisphere n_voxels joint_r confounds_r unique_r "
            "ci_low ci_high p unique_r2 r2_ci_low r2_ci_high confounds"
        ),
        rows={"midline": "shared"},
        caption="A model that knows something of language adds to the confounds on its side of "
        "interest: unique_r above 0. Left minus right of it is an asymmetry that the confounds do "
        "not make; an interval that holds 0 says that they may make all of it.",
    ),
    Table(
        "twins", "Trained models less their untrained twins: what training adds",
        _columns(
            "language subject model selection layer midline n_twins trained_score untrained_score "
            "score_gain trained_l_minus_r untrained_l_minus_r l_minus_r_gain ci_low ci_high p "
            "kind family n_parameters n_layers n_hid seed",
            ci_low="lower 95 % limit of l_minus_r_gain, t over test runs corrected for shared "
            "training runs; empty for percentiles",
            p="p of l_minus_r_gain against 0",
        ),
        empty="no trained model has an untrained twin",
        section="twins", title="Trained less untrained",
        shown=_names(
            "language subject model selection n_twins trained_score untrained_score score_gain "
            "trained_l_minus_r untrained_l_minus_r l_minus_r_gain ci_low ci_high p n_parameters"
        ),
        rows=PUBLISHED,
        caption="Untrained twins lean as their width and the words alone make them. The gain is "
        "what training adds; an interval that holds 0 leaves its sign open.",
    ),
    Table(
        "twin_regressions", "What training adds, and what it is the difference of, along ln N",
        _columns(
            "language subject selection layer midline outcome predictor n_models r p slope "
            "intercept slope_low slope_high r_low r_high n_runs crossed_low crossed_high crossed_p "
            "reason",
            outcome="a column of the table twins",
            predictor="ln_n_parameters",
        ),
        empty="no trained model has an untrained twin",
        section="twins", title="Size before and after training",
        shown=_names(
            "language subject selection outcome n_models n_runs slope crossed_low crossed_high "
            "crossed_p reason"
        ),
        rows=PUBLISHED,
        caption="Where width makes the effect of size, untrained_l_minus_r rises as "
        "trained_l_minus_r does, and l_minus_r_gain does not.",
    ),
    Table(
        "specifications",
        "The published slope under every combination of choices, from saved scores with no refit",
        _columns(
            "language subject layer voxels midline summary runs families n_models r p slope "
            "slope_low slope_high",
            layer="best_voxel (published), best_mean, best_cv, or fixed_depth: the layer nearest "
            "to two thirds of the model's depth",
            midline="shared (published), strict, or paired (pairs of mirror-image voxels)",
            slope="change of left minus right, in the unit of the summary, per unit of ln N",
        ),
        empty="fewer than 5 trained models of known size",
    ),
    Table(
        "trajectories",
        "Where score and asymmetry bend along ln N and each numeric column of the model sheet",
        _columns(
            "language subject outcome predictor subset n_models scale place low high before after "
            "level r2_line r2_bent p reason",
            p="of the bend against a straight line (Monte Carlo); models of one family are not "
            "independent, so it is too small; of training steps by their first differences",
            outcome="score_ or l_minus_r_ of whole or reliable, at the published layer rule",
            subset="all models, or 'steps of' one model: its training steps",
            n_models="trained models, or training steps, that entered",
        ),
        empty="no model was fitted",
        section="trajectories", title="Change points",
        caption="Two straight lines that meet at the change point. Believe a place only where p "
        "is small and its interval is narrow; with few models most lines need no bend.",
    ),
    Table(
        "specification_choices", "What each option of each choice does to the specifications",
        _columns(
            "language subject choice option n_specifications least_models most_models median_r "
            "share_positive share_above_0 share_below_0",
        ),
        empty="fewer than 5 trained models of known size",
        section="specifications", title="What each choice does",
        caption="Where the median r of one option is far from that of another, the result hangs on "
        "this choice. Specifications share their data: their number is no evidence. The file "
        "specifications.tsv has every combination.",
    ),
    Table(
        "runs", "Every file of the data set: who heard what, and whether it is used",
        _columns(
            "subject session story repetition file n_scans tr words_seconds space used reason",
            reason="why the file is not used",
            n_scans="scans of the file; empty: not known before it is fetched",
        ),
        empty="the data set was given as an average",
        section="data", title="Files of the data set",
        caption="What a person heard in which file. A file that is not used has its reason.",
    ),
))
"""Name → table."""
