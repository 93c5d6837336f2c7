"""Titles, captions and notes of absence say what is drawn, and no more."""

import numpy as np
import pandas as pd
import pytest

from helpers.figure_tables import model, tables_of
from helpers.made_runs import MadeRun, write_run
from lateralization.figures import (
    area_figures,
    brain_figures,
    model_figures,
    predictor_figures,
    region_figures,
    robustness,
    training_figures,
    trajectory_figures,
)
from lateralization.figures.figure_style import style
from lateralization.figures.figures import FIGURES
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import TooFewError, read_tables

PLACE = ("en", "average")


def sized(n=8, names=("ppl",)):
    return [
        model(f"m{i}", 1e8 * 2.0**i, l_minus_r=0.01 * np.sin(i), score=0.1 + 0.01 * np.cos(3 * i),
              predictors={name: float((i + 1) * (j + 1) + i * j % 3)
                          for j, name in enumerate(names)})
        for i in range(n)
    ]  # fmt: skip


def labels_of(drawing):
    return [axes.get_xlabel() for axes in drawing.figure.axes]


def test_skill_is_shown_before_other_columns_and_the_rest_is_named():
    names = ("arc", "blimp", "hellaswag", "mmlu", "ppl", "tokens_seen")
    with style():
        drawing = predictor_figures.scatters(tables_of(sized(8, names)), *PLACE, region="whole")
        assert labels_of(drawing) == ["perplexity", "HellaSwag (%)", "arc"]
        assert drawing.figure.axes[0].xaxis_inverted()
    assert drawing.title == "Brain score against perplexity, HellaSwag and arc, whole brain"
    assert drawing.caption.startswith("Perplexity runs from bad to good")
    assert drawing.caption.endswith("Not shown: blimp, mmlu, tokens_seen.")
    assert drawing.alt == "3 scatter plots over 8 models."


def test_large_models_are_shown_against_size_perplexity_and_hellaswag_as_in_the_study():
    models = [one | {"n_parameters": 4e9 * 1.3**i}
              for i, one in enumerate(sized(5, ("hellaswag", "ppl")))]  # fmt: skip
    with style():
        drawing = predictor_figures.scatters(
            tables_of([*models, model("small", 1e8, predictors={"ppl": 5.0})]), *PLACE,
            region="whole", subset="n_parameters > 3e9",
        )  # fmt: skip
        assert labels_of(drawing) == ["number of parameters", "perplexity", "HellaSwag (%)"]
    assert drawing.alt == "3 scatter plots over 5 models."
    assert "above three billion" in drawing.title


def test_training_steps_are_no_points_of_a_regression_over_models():
    steps = [model(f"pythia_step{step}", kind="checkpoint", score=0.1 + step % 3,
                   predictors={"loss": float(step)}) for step in (0, 10, 25, 70)]  # fmt: skip
    with style():
        drawing = predictor_figures.scatters(
            tables_of([*sized(9, ["loss"]), *steps]), *PLACE, region="whole"
        )
        points = [line for axes in drawing.figure.axes for line in axes.lines
                  if line.get_marker() not in ("None", "")]  # fmt: skip
        assert sum(len(line.get_xdata()) for line in points) == 9
    assert drawing.alt == "1 scatter plot over 9 models."
    assert "erplexity" not in drawing.caption


@pytest.mark.parametrize(("n", "said"), [(2, False), (5, True)])
def test_trajectories_say_that_they_are_chosen_by_their_p(n, said):
    tables = tables_of(sized(9, [f"column {i}" for i in range(n)]))
    with style():
        drawing = trajectory_figures.trajectories(tables, *PLACE)
    sentence = f"Shown are the 3 predictors of {n + 1} with the smallest p for left minus right"
    assert (sentence in drawing.caption) == said
    rows = tables["trajectories"].query("outcome == 'l_minus_r_reliable'").sort_values("p")
    smallest = set(rows["predictor"].head(3))
    assert set(drawing.alt.split("along ")[1].rstrip(".").split(", ")) == smallest


def test_a_step_that_only_the_revision_tells_is_drawn():
    early = model("early", kind="checkpoint", asked_revision="step512", l_minus_r=0.5,
                  source="EleutherAI/pythia-6.9b")  # fmt: skip
    named = [
        model(f"pythia-6.9b_step{step}", kind="checkpoint", source="EleutherAI/pythia-6.9b")
        for step in (0, 1024)
    ]
    with style():
        drawing = training_figures.steps(tables_of([*named, early]), *PLACE)
        sides = drawing.figure.axes[1]
        line = next(line for line in sides.lines if len(line.get_xdata()) == 3)
        np.testing.assert_allclose(line.get_xdata(), [0, 50, 100])
        assert line.get_ydata()[1] == 0.5
    assert drawing.alt.startswith("Line plots of 3 checkpoints of 1 model;")
    assert "not drawn" not in drawing.caption


def test_steps_of_a_model_of_unknown_size_are_drawn():
    steps = [model(f"pythia_step{step}", np.nan, kind="checkpoint") for step in (0, 1024)]
    with style():
        drawing = training_figures.steps(tables_of([*sized(3), *steps]), *PLACE)
    assert drawing.alt.startswith("Line plots of 2 checkpoints of 1 model")


def test_checkpoints_without_a_place_are_counted_as_left_out():
    named = [model(f"pythia_step{step}", kind="checkpoint", l_minus_r=0.02) for step in (0, 1024)]
    others = [model("early", kind="checkpoint", l_minus_r=0.9),
              model("olmo_step5", kind="checkpoint")]  # fmt: skip
    with style():
        drawing = training_figures.steps(tables_of([*named, *others]), *PLACE)
    assert drawing.alt == (
        "Line plots of 2 checkpoints of 1 model; left minus right ends at +0.0200 for pythia."
    )
    assert "2 checkpoints are not drawn" in drawing.caption


def test_the_caption_says_which_measure_is_drawn():
    tables = tables_of(sized(4))
    starts = {
        "whole": "Mean brain score of each hemisphere (whole brain",
        "whole_p90": "90th percentile of the brain score over the voxels of each hemisphere",
        "reliable_iscnorm": "Mean over each hemisphere of the brain score divided by the reliab",
    }
    for selection, start in starts.items():
        with style():
            drawing = model_figures.asymmetry_by_size(tables, *PLACE, selection=selection)
            words = [axes.get_ylabel() for axes in drawing.figure.axes]
        assert drawing.caption.startswith(start)
        assert ("bars are 95 % intervals" in drawing.caption) == (selection != "reliable_iscnorm")
        assert "ceiling" not in " ".join([drawing.title, drawing.caption, *words])
    assert words == ["score / reliability", "left minus right (score / reliability)"]


@pytest.mark.parametrize(
    ("names", "said", "unsaid"),
    [
        (["random_vector_300d"], ["Random baselines"], ["GloVe", "Surprisal", "Untrained"]),
        (["glove", "surprisal_gpt2"], ["GloVe knows more", "Surprisal knows more"], ["Random"]),
        (["word_rate"], ["one number per word"], ["Random", "GloVe"]),
    ],
)
def test_what_baselines_know_is_said_of_those_that_are_drawn(names, said, unsaid):
    models = [*sized(3), *(model(name, np.nan, kind="baseline") for name in names)]
    with style():
        caption = model_figures.baselines(tables_of(models), *PLACE).caption
    assert all(words in caption for words in said)
    assert not any(words in caption for words in unsaid)
    assert "Baselines know nothing" not in caption


@pytest.mark.parametrize("empty", ["", np.nan])
def test_two_planted_models_are_too_few_to_say_whether_they_are_recovered(empty):
    tables = tables_of(sized(3))
    tables["planted"] = pd.DataFrame([
        {"language": "en", "subject": "average", "model": f"m{i}", "order": i,
         "planted_left_minus_right": i, "recovered_left_minus_right": i, "ci_low": 0, "ci_high": 1,
         "spearman": np.nan, "recovered": empty} for i in (0, 1)
    ])  # fmt: skip
    with style():
        alt = model_figures.planted(tables, *PLACE).alt
    assert alt.endswith("3 models are needed to say whether their order is recovered.")
    tables["planted"] = tables["planted"].assign(spearman=0.5, recovered="no")
    with style():
        assert "rank correlation 0.50, recovered: no" in model_figures.planted(tables, *PLACE).alt


SAME_SIZE = [one | {"n_parameters": 1e8} for one in sized(3)]


@pytest.mark.parametrize(
    ("models", "reason"),
    [(SAME_SIZE, "the predictor has one value only"), (sized(2), "2 models, 3 needed")],
)
def test_a_note_of_absence_says_the_tables_reason(models, reason):
    tables = tables_of(models)
    rows = tables["regressions"].query("predictor == 'ln_n_parameters' and subset == 'all'")
    tables["sensitivity"] = rows[rows["outcome"] == "l_minus_r_whole"]
    with style():
        for draw in (model_figures.choices, robustness.sensitivity):
            with pytest.raises(TooFewError) as note:
                draw(tables, *PLACE)
            assert str(note.value).endswith(f": {reason}")
            assert "3 models are" not in str(note.value)


def test_skill_and_bends_that_are_absent_say_why():
    tables = tables_of(sized(2))
    with style():
        for draw, how, reason in (
            (predictor_figures.scatters, {"region": "whole"}, "2 models, 3 needed"),
            (predictor_figures.predictors, {}, "2 models, 3 needed"),
            (predictor_figures.best_layer, {}, "2 models, 3 needed"),
            (trajectory_figures.trajectories, {}, "2 different values, 6 needed"),
        ):
            with pytest.raises(TooFewError, match=reason):
                draw(tables, *PLACE, **how)
        with pytest.raises(TooFewError, match="no regions with slopes: 2 models, 3 needed"):
            region_figures.roi_slopes(tables_of(sized(2), ["TP"]), *PLACE)


@pytest.fixture(scope="module")
def unreliable(tmp_path_factory):
    """Tables and maps of a run without a reliability map and without regions of interest."""
    folder = tmp_path_factory.mktemp("unreliable")
    models = {"a": 1e8, "b": 3e8, "c": 1e9}
    run = MadeRun(models=models, layers=2, isc=False, rois=False, baselines=False, atlas=True)
    lateralize(write_run(folder / "in", run), folder / "tables")
    maps = brain_figures.Maps(folder / "tables" / "maps.safetensors", *PLACE)
    return read_tables(folder / "tables"), maps


def note_of(plan, tables, maps):
    """Say why a figure is absent; empty where it is drawn."""
    with style():
        try:
            plan.draw(maps) if plan.brain else plan.draw(tables, *PLACE)
        except TooFewError as reason:
            return str(reason)
    return ""


def test_without_a_reliability_map_that_is_the_reason_for_all_that_it_takes_away(unreliable):
    plans = [plan for plan in FIGURES if "reliable" in plan.name or plan.name in (
        "brain_isc", "isc_distribution", "area_difference", "area_reliability", "area_slopes",
        "area_scores")]  # fmt: skip
    notes = {plan.name: note_of(plan, *unreliable) for plan in plans}
    assert len(notes) == 6 + 9
    assert set(notes.values()) == {"no reliability map"}, notes
    by_name = {plan.name: plan for plan in FIGURES}
    note = note_of(by_name["sensitivity"], *unreliable)
    assert note == "no reliability map: there is one cut, of all voxels, and no other"
    note = note_of(by_name["brain_rois"], *unreliable)
    assert note.endswith("or none was given")
    for name in ("asymmetry_whole", "asymmetry_whole_p90", "densities_whole", "choices"):
        assert note_of(by_name[name], *unreliable) == ""


def test_a_mask_without_pairs_is_not_blamed_on_the_models():
    with style(), pytest.raises(TooFewError, match="the mask is not mirror-symmetric"):
        model_figures.asymmetry_by_size(tables_of(sized(4)), *PLACE, selection="reliable_paired")


def test_areas_that_are_absent_say_the_tables_reason():
    tables = tables_of(sized(1))
    tables["areas"] = pd.DataFrame([
        {"language": "en", "subject": "average", "parcel": f"area {i}", "isc_left": 0.3,
         "isc_right": 0.2, "isc_left_minus_right": 0.1 if i else np.nan, "slope": np.nan,
         "reason": "1 model, 3 needed"} for i in range(2)
    ])  # fmt: skip
    with style():
        with pytest.raises(TooFewError) as note:
            area_figures.area_slopes(tables, *PLACE)
        assert str(note.value) == "no areas of the atlas with values: 1 model, 3 needed"
        with pytest.raises(TooFewError) as note:
            area_figures.area_difference(tables, *PLACE)
        few = "only 1 of the 2 areas of the atlas with a reliability that are needed"
        assert str(note.value) == few
        tables["areas"] = tables["areas"][:0]
        with pytest.raises(TooFewError, match="no areas of an atlas"):
            area_figures.area_slopes(tables, *PLACE)


@pytest.mark.parametrize("midlines", [["shared", "strict", "paired"], ["shared", "strict"]])
def test_every_cut_is_drawn_along_the_lines_that_there_are(midlines):
    tables = tables_of(sized(4))
    tables["sensitivity"] = pd.DataFrame([
        {"language": "en", "subject": "average", "percentile": percentile, "midline": midline,
         "slope": 0.1, "slope_low": 0.0, "slope_high": 0.2, "reason": ""}
        for midline in midlines for percentile in (0, 75)
    ])  # fmt: skip
    with style():
        drawing = robustness.sensitivity(tables, *PLACE)
        names = [text.get_text() for text in drawing.figure.axes[0].get_legend().get_texts()]
    assert names == [robustness.MIDLINES[name][2] for name in midlines]
    assert "along every line" in drawing.caption


def test_a_region_without_voxels_is_not_blamed_on_the_models():
    tables = tables_of(sized(4), ["TP"])
    tables["roi"]["n_right"] = 0
    with style(), pytest.raises(TooFewError, match="voxel on both sides"):
        region_figures.rois(tables, *PLACE)
    tables["roi"] = tables["roi"].iloc[:0]
    with style(), pytest.raises(TooFewError, match="no regions of interest"):
        region_figures.rois(tables, *PLACE)


def test_the_reliability_of_a_region_is_not_called_a_ceiling_of_models():
    tables = tables_of([model(f"m{i}", 1e8 * 3.0**i, score=0.5) for i in range(4)], ["TP", "BA44"])
    with style():
        drawing = region_figures.rois(tables, *PLACE, form="ceiling")
        axes = drawing.figure.axes[0]
        dashed = {float(line.get_ydata()[0]) for line in axes.lines
                  if line.get_linestyle() == "--" and len(line.get_ydata())}  # fmt: skip
        names = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert dashed == {0.3, 0.2}
    assert names == ["left", "right (mirror)", "reliability (half against half)"]
    assert "ceiling" not in drawing.title
    assert "below the line" not in drawing.caption
    assert "may lie above" in drawing.caption
