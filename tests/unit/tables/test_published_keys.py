"""Every published value has a place in the tables that the study's own list of models makes.

The comparison leaves out what a run has no counterpart of, so a key that no table can hold (a
family that is written otherwise) would vanish without a word.
"""

from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from helpers.tiny_dataset import ASSETS, PROJECT
from lateralization.files import read_json, save_tensors, write_json
from lateralization.plan.validate import make_plan
from lateralization.statistics.areas import Areas
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, FitScores
from lateralization.study import ROI_ORDER
from lateralization.tables.comparison import MODEL_COLUMNS, comparison_rows
from lateralization.tables.fits import Space, iterate_fits
from lateralization.tables.lateralize import frame
from lateralization.tables.model_tables import groups, ols_rows, regression_rows, regressions
from lateralization.tables.region_tables import atlas_rows, roi_rows
from lateralization.tables.summaries import asymmetry_rows, score_rows, summarise

PUBLISHED = read_json(ASSETS / "published.json")
NINE = ("gpt2,gpt2-medium,gpt2-large,gpt2-xl,Qwen1.5-0.5B,Qwen1.5-1.8B,Qwen1.5-4B,Qwen1.5-7B,"
        "Qwen1.5-14B")  # fmt: skip
STEPS = (0, 1000, 14000, 36000, 72000, 143000)
N_AREAS, N_RUNS = 48, 9
TRAITS = ("n_parameters", "n_layers", "n_hid", "ppl", "hellaswag", "best_layer_index")
"""What is published of a model as a trait of it: sheets hold it, or a regression does."""


def brain(individual: bool) -> Brain:
    """Two voxels a side in each area, and the seven regions; individuals have no reliability."""
    n = 4 * N_AREAS
    left = np.arange(n) < n // 2
    regions = {}
    for place, name in enumerate(ROI_ORDER):
        region = np.arange(n) // 6 == place
        regions[name] = (region, np.roll(region, n // 2))
    isc = None if individual else np.random.default_rng(1).uniform(0.1, 0.8, n)
    halves = (left, ~left)
    return Brain({SHARED: halves, STRICT: halves}, isc, regions)


def study_plan(folder):
    """The plan of all the study's fits: its lists, untrained models, training steps, people."""
    untrained = [f"{name}_untrained_seed1" for name in NINE.split(",")]
    steps = [f"pythia-6.9b_step{step}" for step in STEPS]
    sheet = str(ASSETS / "models_{lang}.csv")
    parameters = {
        "languages": "en,cn,fr",
        "models": [sheet, *untrained, *steps],
        "subjects": "average,EN057,EN058,EN059,EN061,EN062",
        "individual_models": NINE,
        "random_dims": "300,1024",
        "random_seeds": "1,2",
    }
    request = {"params": parameters, "launch_dir": str(folder), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS)


STORIES = [str(run) for run in range(1, N_RUNS + 1)]


def write_fits(folder, plan):
    """Write scores of three layers for every fit of a plan."""
    models = {model.name: model for model in plan.models}
    rng = np.random.default_rng(2)
    for fit in plan.fits:
        stem = folder / f"lang-{fit.language}_sub-{fit.subject}_model-{fit.model}"
        n_layers = 3 if fit.model in models else 1
        r = rng.normal(0.2, 0.05, (n_layers, N_RUNS, 4 * N_AREAS)).astype(np.float32)
        save_tensors(f"{stem}_runs.safetensors", {"r": r})
        trained = models.get(fit.model.removesuffix("_untrained_seed1"))
        size = {"n_parameters": 6.9e9, "n_layers": 2, "n_hid": 64}  # where no list says it
        size |= {name: known for name in size if (known := getattr(trained, name, None))}
        record = (
            asdict(fit)
            | size
            | {"layers": list(range(n_layers)), "runs_are": "run", "stories": STORIES}
        )
        write_json(record, f"{stem}_scores.json")
    return sorted(folder.glob("*_scores.json")), sorted(folder.glob("*_runs.safetensors"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """How often each kind of published value found its counterpart, and every row."""
    folder = tmp_path_factory.mktemp("keys")
    plan = study_plan(folder)
    brains = {individual: brain(individual) for individual in (True, False)}
    fits = iterate_fits(*write_fits(folder, plan), plan)
    summaries = [summarise(fit, FitScores(r), brains[fit.subject != "average"]) for fit, r in fits]
    spaces = {
        one.fit.key[:2]: Space(np.empty(0, bool), np.eye(4), brains[one.fit.subject != "average"])
        for one in summaries
    }
    place = np.arange(4 * N_AREAS) // 2
    sides = {str(i): (place == i, place == N_AREAS + i) for i in range(N_AREAS)}
    areas = {key: Areas(sides) for key in spaces if key[1] == "average"}
    found = {key: regressions(members) for key, members in groups(summaries).items()}
    rows = {
        "scores": (row for one in summaries for row in score_rows(one)),
        "asymmetry": (
            row for one in summaries for row in asymmetry_rows(one, spaces[one.fit.key[:2]].brain)
        ),
        "regressions": regression_rows(summaries, found),
        "ols": ols_rows(summaries),
        **atlas_rows(summaries, spaces, areas),
    }
    tables = {name: frame(name, content) for name, content in rows.items()}
    tables["roi"] = frame("roi", roi_rows(summaries, spaces, found))
    return list(comparison_rows(tables, spaces, PUBLISHED))


def expected() -> Counter:
    """Return the name of every published value, as the table writes it."""
    names: list[str] = [name for known in PUBLISHED["languages"].values() for name in known]
    for group in PUBLISHED["models"]:
        for model, cells in group["values"].items():
            columns = [name for name in cells if name not in TRAITS and cells[name] is not None]
            names += [f"{column}, {model}" for column in columns]
    for entry in PUBLISHED["regressions"]:
        names.append(f"r of {entry['outcome']} and {entry['predictor']} ({entry['subset']})")
    for outcome, known in PUBLISHED["ols"].items():
        names.append(f"R² of {outcome}")
        names += [f"t of {term} for {outcome}" for term in known if isinstance(known[term], dict)]
    for name in PUBLISHED["roi"]:
        names += [f"{kind}, {name}" for kind in ("slope_left", "slope_right", "slope_t_test_p")]
    for area in PUBLISHED["parcels"]["values"]:
        names += [f"reliability left minus right, {area['name']}"] * 2
    names += [f"r of {what}" for known in PUBLISHED["area_relations"].values() for what in known]
    return Counter(names)


def test_no_published_value_vanishes(compared):
    found = Counter(row["quantity"] for row in compared)
    assert expected() - found == Counter()
    assert found - expected() == Counter()


def test_every_published_column_of_models_is_compared():
    columns = {
        column
        for group in PUBLISHED["models"]
        for cells in group["values"].values()
        for column in cells
    }
    assert columns - set(MODEL_COLUMNS) - set(TRAITS) == set()
