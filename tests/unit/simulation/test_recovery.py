"""What is planted is found, and what is not planted is not: the encoder on simulated worlds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from helpers.simulated_bold import simulate_bold
from lateralization.fmri.hrf import hrf_operator
from lateralization.fmri.outliers import compare_subjects
from lateralization.fmri.signals import clean, standardise, trim
from lateralization.ridge.joint import confound_ridges, joint_ridges
from lateralization.ridge.ridge import encode
from lateralization.ridge.voxels import Voxels
from lateralization.simulation import responses, story
from lateralization.simulation.extraction import extract_features
from lateralization.simulation.simulate import write_story
from lateralization.simulation.simulated_models import MODELS, write_models
from lateralization.simulation.worlds import make_world, truth_per_model
from lateralization.statistics.asymmetry import STRICT, Brain
from lateralization.statistics.intervals import corrected_t
from lateralization.study import N_RUNS, TR
from lateralization.tables.fits import Fit
from lateralization.tables.planted import order_found
from lateralization.tables.unique import unique_rows

STORY = Path(__file__).parents[3] / "assets" / "story"
SEEDS = range(1, 6)
N_SUBJECTS = 6
N_VOXELS = 240


@dataclass
class Bench:
    """Designs and features of all models: they do not depend on a world's seed."""

    designs: list[responses.Design]
    features: list[list[np.ndarray]]
    places: np.ndarray


def signal_voxels(n: int) -> np.ndarray:
    """Draw voxels where the profile is strong, the left half first, each with its mirror image."""
    rng = np.random.default_rng(0)
    cloud = rng.uniform((8, -90, -50), (68, 60, 60), (4000, 3))
    strong = cloud[np.argsort(responses.language_profile(cloud))[-1000:]]
    right = strong[rng.permutation(1000)[: n // 2]]
    return np.concatenate([right * [-1, 1, 1], right])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small products: threads would only wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    out = tmp_path_factory.mktemp("recovery")
    chapters = story.read_story(STORY, seed=1)
    annotation, texts = write_story(chapters, out)
    write_models(MODELS, [chapter.text for chapter in chapters], 1, out)
    states: list[list[np.ndarray]] = []
    for model in MODELS:
        tensors = extract_features(out / model.name, annotation, texts, "en", mapping="aligned")
        layer = f"layer-{model.planted_layer}"
        states.append([tensors[f"run-{run}/{layer}"] for run in range(1, N_RUNS + 1)])
    words = [chapter.words for chapter in chapters]
    lengths = [chapter.n_scans for chapter in chapters]
    operators = [
        hrf_operator(table["onset"], table["offset"] - table["onset"], n_scans, TR)
        for table, n_scans in zip(words, lengths, strict=True)
    ]
    features = [
        [
            standardise(trim(operator @ run.astype(float)))
            for operator, run in zip(operators, runs, strict=True)
        ]
        for runs in states
    ]
    designs = responses.make_designs(words, states, lengths)
    return Bench(designs, features, signal_voxels(N_VOXELS))


def average(subjects: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Clean every subject, average, trim and standardise, as the pipeline does."""
    means = [np.mean([clean(s[run], TR) for s in subjects], axis=0) for run in range(N_RUNS)]
    return [standardise(trim(standardise(mean.astype(float)))) for mean in means]


def asymmetry_per_run(bench: Bench, world: str, seed: int) -> np.ndarray:
    """Simulate a world and return left minus right, (n_models, n_runs)."""
    planted = make_world(world, len(MODELS), N_SUBJECTS, (1, 2))
    subjects = simulate_bold(bench.designs, planted, bench.places, N_SUBJECTS, seed)
    bold = average(subjects)
    r = np.stack([encode(features, bold).r for features in bench.features])
    half = N_VOXELS // 2
    difference: np.ndarray = r[..., :half].mean(axis=2) - r[..., half:].mean(axis=2)
    return difference


def planted_asymmetry(bench: Bench, world: str) -> np.ndarray:
    """Return what the simulator's truth says, (n_models,)."""
    planted = make_world(world, len(MODELS), N_SUBJECTS, (1, 2))
    profile = responses.language_profile(bench.places)
    truth = truth_per_model(planted, profile, bench.places, N_SUBJECTS)
    return np.array([model["planted_left_minus_right"] for model in truth])


@pytest.fixture(scope="module")
def found(bench: Bench) -> dict[str, np.ndarray]:
    """Left minus right per world: (n_seeds, n_models, n_runs)."""
    return {
        world: np.stack([asymmetry_per_run(bench, world, seed) for seed in SEEDS])
        for world in ("demo", "equal", "word_rate")
    }


def slopes(by_run: np.ndarray) -> np.ndarray:
    """Return the rise of left minus right per step of model size, (n_seeds,)."""
    steps = np.arange(by_run.shape[1]) - (by_run.shape[1] - 1) / 2
    rise: np.ndarray = by_run.mean(axis=2) @ steps / (steps @ steps)
    return rise


@pytest.mark.slow
def test_the_order_over_model_sizes_is_recovered_in_every_seed(
    bench: Bench, found: dict[str, np.ndarray]
) -> None:
    planted = planted_asymmetry(bench, "demo")
    for by_run in found["demo"]:
        assert spearmanr(planted, by_run.mean(axis=1)).statistic > 0.8
        assert order_found(by_run, planted)["recovered"] == "yes"


@pytest.mark.slow
def test_on_the_mean_of_the_seeds_the_order_is_strict(found: dict[str, np.ndarray]) -> None:
    means = found["demo"].mean(axis=(0, 2))
    assert (np.diff(means) > 0).all()


@pytest.mark.slow
def test_the_smallest_model_leans_right_and_the_largest_left(
    found: dict[str, np.ndarray],
) -> None:
    means = found["demo"].mean(axis=2)
    assert (means[:, 0] < -0.02).all()
    assert (means[:, -1] > 0.02).all()


@pytest.mark.slow
@pytest.mark.parametrize("world", ["equal", "word_rate"])
def test_where_nothing_is_planted_no_order_is_found(
    bench: Bench, found: dict[str, np.ndarray], world: str
) -> None:
    planted = planted_asymmetry(bench, world)
    verdicts = [order_found(by_run, planted)["recovered"] for by_run in found[world]]
    assert verdicts == ["no"] * len(SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("world", ["equal", "word_rate"])
def test_where_nothing_is_planted_the_asymmetry_does_not_rise_with_size(
    found: dict[str, np.ndarray], world: str
) -> None:
    """The rise stays below a tenth of the planted one in each seed, a thirtieth on average."""
    planted_rise = slopes(found["demo"]).mean()
    assert abs(slopes(found[world])).max() < planted_rise / 10
    assert abs(slopes(found[world]).mean()) < planted_rise / 30


@pytest.mark.slow
def test_what_the_word_rate_makes_is_no_unique_part_of_a_model(bench: Bench) -> None:
    """In the word-rate world raw left minus right is not 0, and the unique part is."""
    planted = make_world("word_rate", len(MODELS), N_SUBJECTS, (1, 2))
    subjects = simulate_bold(bench.designs, planted, bench.places, N_SUBJECTS, 1)
    bold = average(subjects)
    rate = [[standardise(trim(design.word_rate[:, None])) for design in bench.designs]]
    halves = np.arange(N_VOXELS) < N_VOXELS // 2
    brain = Brain({STRICT: (halves, ~halves)})
    alone = confound_ridges(rate, [Voxels(bold)])[0].r
    for features in (bench.features[0], bench.features[-1]):
        raw = encode(features, bold).r
        assert corrected_t(raw[:, halves].mean(1) - raw[:, ~halves].mean(1))[0].low > 0
        joint = joint_ridges(features, rate, [Voxels(bold)])[0].r
        fit = Fit("en", "average", "m", record={"joint": {"confounds": ["word_rate"]}})
        rows = {row["hemisphere"]: row for row in unique_rows(fit, joint[None], alone, brain)}
        assert rows["left_minus_right"]["ci_low"] < 0 < rows["left_minus_right"]["ci_high"]
        assert abs(rows["left_minus_right"]["unique_r"]) < 0.01
        assert rows["both"]["confounds_r"] > 0.2


def simulated_alarms(bench: Bench, world: str, seed: int) -> list[tuple[int, int, list[str]]]:
    """Check every run of a world's subjects: subject, run (from 1) and what is wrong."""
    planted = make_world(world, len(MODELS), N_SUBJECTS, (1, 2))
    subjects = simulate_bold(bench.designs, planted, bench.places, N_SUBJECTS, seed)
    cleaned = [[clean(run, TR) for run in own] for own in subjects]
    checks = compare_subjects(cleaned, TR)
    return [(one.subject, one.run + 1, one.reasons) for one in checks if one.reasons]


@pytest.mark.slow
def test_the_clean_world_raises_no_alarm_in_20_seeds(bench: Bench) -> None:
    assert [simulated_alarms(bench, "demo", seed) for seed in range(1, 21)] == [[]] * 20


@pytest.mark.slow
def test_the_shifted_run_is_caught_and_no_other(bench: Bench) -> None:
    for seed in SEEDS:
        assert simulated_alarms(bench, "shifted_run", seed) == [(3, 1, ["is 4 scans late"])]


@pytest.mark.slow
def test_swapped_runs_are_caught_and_no_other(bench: Bench) -> None:
    for seed in SEEDS:
        assert simulated_alarms(bench, "swapped_runs", seed) == [
            (3, 1, ["follows run 2 of the others"]), (3, 2, ["follows run 1 of the others"]),
        ]  # fmt: skip


@pytest.mark.slow
def test_noise_on_one_side_makes_every_model_lean_to_the_other(
    found: dict[str, np.ndarray],
) -> None:
    """The trap of the word-rate world is there: an asymmetry that says nothing about models."""
    means = found["word_rate"].mean(axis=2)
    assert (means > 0.03).all()
    assert np.ptp(means, axis=1).max() < 0.02
