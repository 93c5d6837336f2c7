"""Trained less untrained: which models are twins, and what is left of an effect of size."""

import json

import numpy as np
import pytest

from helpers.encoder_oracle import zscored
from helpers.made_runs import STUDY_MODELS, UNTRAINED, MadeRun, made_mask, write_run
from lateralization.files import read_tensors, save_tensors
from lateralization.report.sections import answers
from lateralization.ridge.ridge import encode
from lateralization.statistics.asymmetry import Asymmetry
from lateralization.statistics.intervals import corrected_t, t_interval
from lateralization.statistics.regressions import regress
from lateralization.tables.control_tables import _gain, is_twin
from lateralization.tables.fits import Fit
from lateralization.tables.lateralize import build
from lateralization.tables.summaries import FitSummary, Place

WHERE = {"selection": "reliable", "layer": "best_voxel", "midline": "shared"}


def rows_of(table, **where):
    chosen = where | {k: v for k, v in WHERE.items() if k not in where}
    kept = np.logical_and.reduce([table[name] == value for name, value in chosen.items()])
    return table[kept]


@pytest.fixture(scope="module", params=["dimension only", "training"])
def world(request, tmp_path_factory):
    """Untrained models lean as trained ones of their size, or not at all."""
    inputs = write_run(
        tmp_path_factory.mktemp("run"),
        MadeRun(study=True, baselines=False, run_noise=0.0015, n_runs=10),
    )
    if request.param == "training":
        side = np.sign(np.argwhere(made_mask())[:, 0] - 18)
        for path in inputs.runs:
            name = path.name.split("_model-")[1].removesuffix("_runs.safetensors")
            if "untrained" in name:
                r = read_tensors(path)["r"]
                size = np.log(STUDY_MODELS[name.split("_untrained")[0]] / 1e6)
                flat = r + (0.5 * 0.01 * size * side).astype(np.float32)  # takes the lead away
                save_tensors(path, {"r": flat})
    return request.param, build(inputs).tables


@pytest.mark.slow
def test_the_effect_of_size_vanishes_where_width_makes_it(world):
    name, tables = world
    found = {row.outcome: row for row in rows_of(tables["twin_regressions"]).itertuples()}
    assert found["trained_l_minus_r"].crossed_low > 0
    assert found["trained_l_minus_r"].n_models == len(UNTRAINED)
    before, added = found["untrained_l_minus_r"], found["l_minus_r_gain"]
    if name == "dimension only":
        assert before.crossed_low > 0
        assert added.crossed_low < 0 < added.crossed_high
        assert abs(added.slope) < 0.2 * before.slope
    else:
        assert abs(before.slope) < 0.3 * added.slope
        assert added.crossed_low > 0


@pytest.mark.slow
def test_the_report_says_so(world):
    name, tables = world
    (told,) = answers("twins", tables, [("en", "average")])
    claim = (
        "there before training" if name == "dimension only" else "adds to left minus right changes"
    )
    assert claim in json.dumps(told)


def test_a_gain_is_the_difference_of_the_tables(world):
    _, tables = world
    for row in rows_of(tables["twins"]).itertuples():
        both = {
            model: rows_of(tables["asymmetry"], model=model)["left_minus_right"].item()
            for model in (row.model, f"{row.model}_untrained_seed1")
        }
        assert row.trained_l_minus_r == pytest.approx(both.pop(row.model))
        assert row.untrained_l_minus_r == pytest.approx(*both.values())
        assert row.l_minus_r_gain == pytest.approx(row.trained_l_minus_r - row.untrained_l_minus_r)
        assert row.ci_low < row.l_minus_r_gain < row.ci_high
    assert set(rows_of(tables["twins"])["model"]) == set(UNTRAINED)


def test_the_interval_of_a_gain_is_over_runs_and_means_of_twins():
    by_run = np.random.default_rng(3).normal(0.01, 0.02, (3, 9))
    place = Place("reliable", "best_voxel", "shared")
    members = []
    for score, runs in zip((0.5, 0.2, 0.1), by_run, strict=True):
        sides = Asymmetry(
            "reliable", 1.0, 0.0, 5, 5, t_interval(runs), "", np.stack([runs, 0 * runs])
        )
        means = np.full((3, 3), score)
        members.append(FitSummary(None, None, scores={place: means}, asymmetry={place: sides}))
    row = _gain(members[0], members[1:], place)
    interval, p = corrected_t(by_run[0] - by_run[1:].mean(axis=0))
    assert (row["ci_low"], row["ci_high"], row["p"]) == (interval.low, interval.high, p)
    assert row["n_twins"] == 2
    gain = (row["trained_score"], row["untrained_score"], row["score_gain"])
    assert gain == pytest.approx((0.5, 0.15, 0.35))


def test_twins_are_known_by_name_or_source():
    trained = Fit("en", "average", "gpt2", record={"source": "org/gpt2", "resolved_revision": "1"})
    assert is_twin(Fit("en", "average", "gpt2_untrained_seed3"), trained)
    assert not is_twin(Fit("en", "average", "gpt2-xl_untrained_seed1"), trained)
    other = {"source": "org/gpt2", "resolved_revision": "1"}
    assert is_twin(Fit("en", "average", "blank", record=other), trained)
    assert not is_twin(
        Fit("en", "average", "blank", record=other | {"resolved_revision": "2"}), trained
    )


def test_in_a_world_of_dimension_only_the_encoder_finds_no_gain():
    # Voxels follow a word code, more of it on the left; every model is a random view of the code,
    # so a wider one predicts better, trained or not.
    rng = np.random.default_rng(0)
    code = [rng.standard_normal((60, 40)) for _ in range(6)]
    weights = rng.standard_normal((40, 200))
    noise = np.r_[np.full(100, 6.0), np.full(100, 12.0)]
    bold = [zscored(c @ weights + noise * rng.standard_normal((60, 200))) for c in code]

    def lead(width, seed):
        view = np.random.default_rng([seed, width]).standard_normal((40, width))
        r = encode([zscored(c @ view) for c in code], bold).r
        return r[:, :100].mean(1) - r[:, 100:].mean(1)

    widths = (2, 4, 8, 16, 32)
    trained, untrained = (np.array([lead(width, seed) for width in widths]) for seed in (1, 2))
    size = np.log(widths)
    assert regress(size, trained.mean(1)).slope_low > 0
    gain = regress(size, (trained - untrained).mean(1))
    assert gain.slope_low < 0 < gain.slope_high
