"""The tables of a made run: columns, values, what is missing and why."""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from helpers.made_plans import made_baseline, made_model, made_plan
from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.errors import BadInput
from lateralization.files import read_json, read_tensors, write_json
from lateralization.report.findings import about_planted
from lateralization.tables.fits import describe_fit, kind_of
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables
from lateralization.tables.registry.tables import TABLES

PUBLISHED_COLUMNS = {
    "scores": "language subject model layer region hemisphere n_voxels mean_r p90_r",
    "asymmetry": "language subject model selection left right left_minus_right ci_low ci_high "
    "ci_kind",
    "regressions": "language subject outcome predictor n_models r p slope intercept",
    "published": "quantity published ours difference tolerance agrees",
}


def make(folder, run=None):
    inputs = write_run(folder / "in", run)
    lateralize(inputs, folder / "tables")
    return read_tables(folder / "tables")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    run = MadeRun(
        subjects=("average", "EN901", "EN902", "EN903"), missing=("medium",), left_out=3, truth=True
    )
    return make(folder, run), folder


def published(table, **where):
    where = {"layer": "best_voxel", "midline": "shared", **where}
    for name, value in where.items():
        table = table[table[name] == value]
    return table


@pytest.mark.slow
def test_columns_are_those_of_the_interface_and_all_are_explained(full):
    tables, folder = full
    for name, columns in PUBLISHED_COLUMNS.items():
        wanted = columns.split()
        assert list(tables[name].columns[: len(wanted)]) == wanted
    for name in TABLES:
        described = read_json(folder / "tables" / f"{name}.json")
        assert list(described["columns"]) == list(tables[name].columns)
        assert described["rows"] == len(tables[name])
        assert all(described["columns"].values())
        if tables[name].empty:
            assert described["reason"]


def test_scores_are_means_over_the_voxels_used(full):
    tables, folder = full
    r = read_tensors(folder / "in" / "lang-en_sub-average_model-large_runs.safetensors")["r"]
    best = r.astype(float).mean(axis=1).max(axis=0)
    row = published(
        tables["scores"], subject="average", model="large", region="whole", hemisphere="both"
    ).iloc[0]
    assert row["n_voxels"] == r.shape[2] - 3
    assert row["mean_r"] == pytest.approx(np.nanmean(best), abs=1e-12)
    assert row["p90_r"] == pytest.approx(np.nanpercentile(best, 90), abs=1e-12)
    layer = tables["scores"][
        (tables["scores"]["layer"] == "2") & (tables["scores"]["model"] == "large")
        & (tables["scores"]["subject"] == "average") & (tables["scores"]["region"] == "whole")
        & (tables["scores"]["hemisphere"] == "both") & (tables["scores"]["midline"] == "shared")
    ]  # fmt: skip
    assert layer["mean_r"].item() == pytest.approx(np.nanmean(r[2].astype(float)), abs=1e-8)


def test_a_planted_rise_is_recovered(full):
    tables, _ = full
    row = published(
        tables["regressions"], subject="average", outcome="l_minus_r_whole",
        predictor="ln_n_parameters", subset="all",
    ).iloc[0]  # fmt: skip
    assert row["n_models"] == 3
    assert row["slope"] == pytest.approx(0.01, rel=0.1)
    assert row["slope_low"] < row["slope"] < row["slope_high"]
    assert set(tables["planted"]["recovered"]) == {"yes"}
    assert tables["planted"]["world"].unique().tolist() == ["demo"]


def test_without_a_reliability_what_was_planted_is_that_of_the_whole_brain(tmp_path):
    run = MadeRun(isc=False, truth=True)
    tables = make(tmp_path, run)
    told = read_json(tmp_path / "in" / "simulation.json")
    rows = tables["planted"].set_index("model")["planted_left_minus_right"]
    for model in told["models"]:
        assert rows[model["name"]] == pytest.approx(model["planted_left_minus_right_whole"])


def test_a_truth_of_an_earlier_version_still_says_that_something_was_planted(tmp_path):
    inputs = write_run(tmp_path / "in", MadeRun(isc=False, truth=True))
    told = read_json(inputs.truth)
    for model in told["models"]:
        del model["planted_left_minus_right_whole"], model["planted_left_minus_right_individual"]
    write_json(told, inputs.truth)
    lateralize(inputs, tmp_path / "tables")
    tables = read_tables(tmp_path / "tables")
    assert [remark.tone for remark in about_planted(tables)] == ["good"]


def test_what_was_planted_is_that_of_the_subject_and_the_selection(full):
    tables, folder = full
    told = read_json(folder / "in" / "simulation.json")["models"]
    for subject, name in (("average", ""), ("EN902", "_individual")):
        rows = tables["planted"][tables["planted"]["subject"] == subject].set_index("model")
        assert rows["selection"].unique().tolist() == ["whole" if name else "reliable"]
        for model in told:
            if model["name"] in rows.index:
                found = rows.loc[model["name"], "planted_left_minus_right"]
                assert found == pytest.approx(model[f"planted_left_minus_right{name}"])


def test_baselines_stay_out_of_regressions_and_are_averaged_over_seeds(full):
    tables, folder = full
    rows = published(tables["asymmetry"], subject="average", selection="whole").set_index("model")
    assert {"random_vector_300d_seed1", "random_vector_300d"} <= set(rows.index)
    stems = [
        folder / "in" / f"lang-en_sub-average_model-random_vector_300d_seed{seed}_runs.safetensors"
        for seed in (1, 2)
    ]
    mean = np.mean([read_tensors(stem)["r"][0] for stem in stems], axis=(0, 1), dtype=float)
    half = mean.size // 2
    expected = np.nanmean(mean[:half]) - np.nanmean(mean[half:])
    assert rows.loc["random_vector_300d", "left_minus_right"] == pytest.approx(expected, abs=1e-8)
    assert rows.loc["random_vector_300d", "kind"] == "baseline"


def test_individuals_have_no_reliable_voxels_and_get_an_interval_over_people(full):
    tables, _ = full
    own = tables["asymmetry"][tables["asymmetry"]["subject"] == "EN901"]
    assert "reliable" not in set(own["selection"])
    row = published(tables["subjects"], quantity="l_minus_r_whole", model="large").iloc[0]
    values = published(tables["asymmetry"], selection="whole", model="large")
    values = values[values["subject"] != "average"]["left_minus_right"]
    assert row["n_subjects"] == 3
    assert row["mean"] == pytest.approx(values.mean())
    assert row["ci_kind"] == "t over 3 subjects"
    slopes = published(tables["subjects"], quantity="slope_l_minus_r_whole")
    assert slopes["mean"].item() == pytest.approx(0.01, rel=0.3)


def test_failed_fits_and_voxels_left_out_are_listed(full):
    tables, _ = full
    assert set(tables["failures"]["model"]) == {"medium"}
    assert len(tables["failures"]) == 4
    assert tables["left_out"]["n_left_out"].tolist() == [3] * 4
    assert tables["left_out"]["reason"].unique().tolist() == ["constant in run 3"]
    assert tables["left_out"]["model"].unique().tolist() == ["all"]


def test_layers_flag_one_best_layer_per_region(full):
    tables, _ = full
    rows = tables["layers"]
    flagged = rows[rows["is_best"].astype(str) == "True"]
    groups = rows.groupby(["subject", "model", "region", "midline"]).ngroups
    assert len(flagged) == groups
    assert flagged["relative_depth"].between(0, 1).all()


def test_reliable_voxels_are_a_quarter_and_strict_leaves_the_midline_out(full):
    tables, _ = full
    n = int(made_mask().sum())
    rows = tables["asymmetry"][
        (tables["asymmetry"]["model"] == "large") & (tables["asymmetry"]["subject"] == "average")
    ]
    reliable = published(rows, selection="reliable").iloc[0]
    assert abs(reliable["n_left"] + reliable["n_right"] - n / 4) <= 4
    strict = published(rows, selection="whole", midline="strict").iloc[0]
    whole = published(rows, selection="whole").iloc[0]
    plane = int(made_mask()[18].sum())
    assert whole["n_left"] + whole["n_right"] - strict["n_left"] - strict["n_right"] == plane


def test_two_models_leave_regressions_empty_with_a_reason(tmp_path):
    tables = make(tmp_path, MadeRun(models={"a": 1e6, "b": 1e7}, baselines=False, isc=False))
    assert tables["regressions"]["r"].isna().all()
    assert (tables["regressions"]["reason"] != "").all()
    assert (tables["ols"]["reason"] != "").all()
    assert "reliable" not in set(tables["scores"]["region"])


def test_one_model_of_one_layer_without_regions(tmp_path):
    run = MadeRun(models={"a": 1e6}, layers=1, baselines=False, isc=False, rois=False)
    tables = make(tmp_path, run)
    rows = tables["asymmetry"]
    assert set(rows["selection"]) == {"whole", "whole_p90", "whole_paired"}
    values = rows[rows["selection"] == "whole"].groupby("midline")["left_minus_right"]
    assert np.allclose(values.max(), values.min())  # one layer: every choice is the same
    assert tables["roi"].empty


def test_an_individual_alone_has_no_reliable_voxels(tmp_path):
    tables = make(tmp_path, MadeRun(subjects=("EN901",)))
    assert set(tables["asymmetry"]["subject"]) == {"EN901"}
    assert "reliable" not in set(tables["asymmetry"]["selection"])
    assert set(tables["subjects"]["reason"]) == {"1 subjects with a value, 3 needed"}


def test_the_words_null_and_na_are_models_like_others(tmp_path):
    tables = make(tmp_path, MadeRun(models={"null": 1e6, "NA": 1e7, "org/x": 1e8}))
    assert {"null", "NA", "org/x"} <= set(tables["asymmetry"]["model"])


def test_untrained_models_stay_out_of_regressions(tmp_path):
    inputs = write_run(tmp_path / "in", MadeRun())
    plan = read_json(inputs.plan)
    plan["models"][0]["seed"] = 1
    write_json(plan, inputs.plan)
    lateralize(inputs, tmp_path / "tables")
    tables = read_tables(tmp_path / "tables")
    rows = published(tables["regressions"], outcome="score_whole", subset="all")
    assert set(rows["n_models"]) == {3}
    assert set(tables["asymmetry"].loc[tables["asymmetry"]["model"] == "tiny", "kind"]) == {
        "untrained"
    }


def test_published_values_are_compared_on_the_studys_data_only(tmp_path):
    run = MadeRun(models={"gpt2": 124439808}, parameters={"dataset": "ds003643"}, baselines=False)
    tables = make(tmp_path, run)
    rows = tables["published"].set_index("quantity")
    assert rows.loc["n_voxels", "ours"] == int(made_mask().sum())
    assert rows.loc["n_voxels", "agrees"] == "no"
    assert rows.loc["l_minus_r_whole, gpt2", "published"] == -0.00019
    other = make(tmp_path / "other", MadeRun(models={"gpt2": 124439808}))
    assert other["published"].empty


@pytest.mark.slow
def test_equal_inputs_give_equal_files(tmp_path):
    inputs = write_run(tmp_path / "in")
    for name in ("one", "two"):
        lateralize(inputs, tmp_path / name)
    shuffled = dataclasses.replace(inputs, scores=inputs.scores[::-1], runs=inputs.runs[::-1])
    lateralize(shuffled, tmp_path / "three")
    for path in sorted((tmp_path / "one").iterdir()):
        content = path.read_bytes()
        assert content == (tmp_path / "two" / path.name).read_bytes()
        assert content == (tmp_path / "three" / path.name).read_bytes()


def test_scores_of_another_mask_are_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    other = write_run(tmp_path / "other", MadeRun(mask=made_mask((6, 8, 6))))
    with pytest.raises(BadInput, match="but the mask has"):
        lateralize(dataclasses.replace(inputs, masks=other.masks, isc=[], rois=[]), tmp_path / "t")


def test_a_score_file_without_its_partner_is_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    with pytest.raises(BadInput, match="give both"):
        lateralize(dataclasses.replace(inputs, runs=inputs.runs[1:]), tmp_path / "t")


def test_a_missing_mask_is_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    with pytest.raises(BadInput, match="no mask lang-en_mask"):
        lateralize(dataclasses.replace(inputs, masks=[]), tmp_path / "t")


def test_no_scores_at_all_are_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    with pytest.raises(BadInput, match="no fit has scores"):
        lateralize(dataclasses.replace(inputs, scores=[], runs=[]), tmp_path / "t")


@pytest.mark.parametrize("seed", range(5))
def test_without_a_planted_rise_none_is_reported(seed):
    from lateralization.tables.planted import order_found

    rng = np.random.default_rng(seed)
    by_run = rng.normal(0, 0.01, (6, 9))
    assert order_found(by_run, np.zeros(6))["recovered"] == "no"
    rising = by_run + np.linspace(-0.05, 0.05, 6)[:, None]
    assert order_found(rising, np.linspace(-1, 1, 6))["recovered"] == "yes"


def test_the_lower_limit_of_a_planted_rise_counts_the_shared_training_runs():
    from lateralization.tables.planted import order_found

    by_run = np.random.default_rng(3).normal(0, 0.01, (3, 9)) + np.array([[-0.02], [0.0], [0.02]])
    slopes = (by_run[2] - by_run[0]) / 2
    half = scipy.stats.t.ppf(0.975, 8) * slopes.std(ddof=1) * np.sqrt(1 / 9 + 1 / 8)
    found = order_found(by_run, np.linspace(-1, 1, 3))
    assert found["slope_low"] == pytest.approx(slopes.mean() - half)


def test_a_rise_on_one_side_of_zero_is_no_recovery():
    from lateralization.tables.planted import order_found

    by_run = np.linspace(0.01, 0.05, 6)[:, None] + np.random.default_rng(0).normal(0, 1e-3, (6, 9))
    found = order_found(by_run, np.linspace(-1, 1, 6))
    assert (found["signs"], found["recovered"]) == ("no", "no")


@pytest.mark.parametrize(
    ("models", "kinds"),
    [
        # a folder that is only called so is one trained model among others
        ([("run_step5000", None), ("other_step9000", None)], ["model", "model"]),
        ([("run_step10", None), ("run_step200", None)], ["checkpoint", "checkpoint"]),
        ([("pythia-6.9b_step1000", "step1000"), ("gpt2", None)], ["checkpoint", "model"]),
        ([("early", "step512"), ("pinned", "main"), ("gpt2_steps", None)],
         ["checkpoint", "model", "model"]),
    ],
)  # fmt: skip
def test_training_steps_are_told_from_models_by_revision_or_series(models, kinds):
    entries = [made_model(name, revision=revision) for name, revision in models]
    assert [kind_of(entry, entries) for entry in entries] == kinds


def test_a_fit_has_the_sizes_that_were_counted_before_those_that_were_planned():
    planned = made_model("gpt2", n_parameters=100, n_layers=12, family="gpt2")
    record = {"language": "en", "subject": "average", "layers": [0]}
    record |= {"runs_are": "run", "stories": ["1"]}
    record |= {"n_parameters": 124, "n_layers": None, "n_hid": None}
    plan = made_plan(models=[planned], baselines=[made_baseline("glove", "glove", seed=3)])
    fit = describe_fit(record | {"model": "gpt2"}, plan)
    assert (fit.kind, fit.family, fit.n_parameters, fit.n_layers) == ("model", "gpt2", 124, 12)
    assert np.isnan(fit.n_hid)
    fit = describe_fit(record | {"model": "glove"}, plan)
    assert (fit.kind, fit.family, fit.seed) == ("baseline", "baseline", 3)
    assert np.isnan([fit.n_parameters, fit.n_layers, fit.n_hid]).all()


def test_a_plan_of_another_run_or_release_is_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in", MadeRun(models={"tiny": 1e6}, layers=1))
    plan = read_json(inputs.plan)
    write_json(plan | {"baselines": []}, inputs.plan)
    with pytest.raises(BadInput, match="the plan has no model random_embedding_300d_seed1"):
        lateralize(inputs, tmp_path / "tables")
    del plan["truth"]
    write_json(plan, inputs.plan)
    with pytest.raises(BadInput, match=r"plan\.json is not a plan of this release"):
        lateralize(inputs, tmp_path / "tables")


def test_four_ranks_of_five_in_order_are_a_rank_correlation_of_09():
    """The rule takes 0.9, which scipy gives as 0.8999999999999998."""
    from lateralization.tables.planted import order_found

    noise = np.random.default_rng(0).normal(0, 1e-4, (5, 9))
    by_run = noise + np.array([-0.02, 0.01, 0.05, 0.08, 0.07])[:, None]
    assert order_found(by_run, np.linspace(-1, 1, 5))["recovered"] == "yes"
