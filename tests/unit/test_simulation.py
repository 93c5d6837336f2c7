"""The simulator: its story, its worlds, its responses and the files it writes."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from lateralization import simulation, story, worlds
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.signals import standardise
from lateralization.simulated_dataset import (
    Settings,
    bold_files,
    make_head,
    run_lengths,
    simulate,
    to_image,
)
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.worlds import make_world

STORY = Path(__file__).parents[2] / "assets" / "story"
WIDTHS = (4, 6, 8)
N_SCANS = (60, 50, 50, 70)
ALTERED = (2, 3)


def fake_designs(seed: int = 0) -> list[simulation.Design]:
    """Random words with random states: components that do not depend on each other."""
    rng = np.random.default_rng(seed)
    words, states = [], [[] for _ in WIDTHS]
    for n_scans in N_SCANS:
        n_words = int(n_scans * 1.5)
        onsets = np.sort(rng.uniform(0, 2 * n_scans - 10, n_words))
        letters = ["x" * int(n) for n in rng.integers(1, 12, n_words)]
        words.append(pd.DataFrame({"word": letters, "onset": onsets, "offset": onsets + 0.3}))
        for width, runs in zip(WIDTHS, states, strict=True):
            runs.append(rng.standard_normal((n_words, width)))
    return simulation.make_designs(words, states, N_SCANS)


def mirrored_places(n: int = 120, seed: int = 0) -> np.ndarray:
    """Voxels of the language-like regions, the left half first, each with its mirror image."""
    rng = np.random.default_rng(seed)
    right = simulation.CENTRES[rng.integers(0, len(simulation.CENTRES), n // 2)]
    right = right + rng.normal(0, 6, right.shape)
    return np.concatenate([right * [-1, 1, 1], right])


@pytest.fixture(scope="module")
def designs() -> list[simulation.Design]:
    return fake_designs()


@pytest.fixture(scope="module")
def chapters() -> list[story.Chapter]:
    return story.read_story(STORY, seed=1)


# ---------------------------------------------------------------------------------------------
# The story


def test_words_lose_outer_punctuation_and_keep_what_is_inside_them() -> None:
    text = "“Don’t,” said the lamp-keeper - 37 times; and (why not?)\nHe isn’t!"
    expected = ["Don’t", "said", "the", "lamp-keeper", "37", "times", "and", "why", "not", "He"]
    words = story.spoken_words(text)
    assert [word for word, _, _ in words] == [*expected, "isn’t"]
    assert all(text[start:end] == word for word, start, end in words)


def test_the_story_has_nine_chapters_with_what_tokenizers_stumble_over(
    chapters: list[story.Chapter],
) -> None:
    text = "".join(chapter.text for chapter in chapters)
    assert len(chapters) == 9
    assert all(mark in text for mark in "“”’-;:?!,.\n")
    assert any(character.isdigit() for character in text)
    assert "isn’t" in text
    assert all(75 <= chapter.n_scans <= 95 for chapter in chapters)
    assert len({chapter.n_scans for chapter in chapters}) > 3


def test_words_follow_each_other_and_long_words_last_longer(chapters: list[story.Chapter]) -> None:
    for chapter in chapters:
        words = chapter.words
        assert (words["offset"] > words["onset"]).all()
        assert (words["onset"].to_numpy()[1:] >= words["offset"].to_numpy()[:-1]).all()
    letters = chapters[0].words["word"].str.len()
    seconds = chapters[0].words["offset"] - chapters[0].words["onset"]
    assert np.corrcoef(letters, seconds)[0, 1] > 0.7


def test_a_full_stop_makes_a_longer_pause_than_a_comma_and_a_new_line_the_longest() -> None:
    pauses = [story.pause_after(between) for between in (" ", ", ", ".” ", ".\n\n")]
    assert pauses[0] == 0
    assert pauses == sorted(set(pauses))


@pytest.mark.parametrize("scans", [30, 45, 60])
def test_cutting_cuts_text_and_words_at_the_same_place(
    chapters: list[story.Chapter], scans: int
) -> None:
    for whole, short in zip(chapters, story.read_story(STORY, 1, scans), strict=True):
        spoken = [word.replace("’", "'") for word, _, _ in story.spoken_words(short.text)]
        assert spoken == short.words["word"].tolist()
        assert whole.text.startswith(short.text.rstrip("\n"))
        pd.testing.assert_frame_equal(short.words, whole.words.iloc[: len(short.words)])
        assert abs(short.n_scans - scans) < 0.25 * scans
        assert short.text.rstrip("\n")[-1] in ".!?”"


def test_runs_longer_than_the_story_are_refused_with_what_it_can_fill() -> None:
    with pytest.raises(BadInput, match=r"the story fills \d+ scans in run 1, not"):
        story.read_story(STORY, 1, 200)


def test_a_missing_chapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"text_en_run1\.txt"):
        story.read_story(tmp_path, 1)


def test_the_annotation_survives_the_defaults_of_pandas(
    chapters: list[story.Chapter], tmp_path: Path
) -> None:
    table = story.annotation(chapters)
    table.to_csv(tmp_path / "a.csv", index=False)
    again = pd.read_csv(tmp_path / "a.csv")
    assert {"word", "onset", "offset", "section"} <= set(again.columns)
    assert again["word"].map(type).eq(str).all()
    assert again["section"].tolist() == table["section"].tolist()
    assert sorted(set(again["section"])) == list(range(1, 10))


def test_timings_follow_the_seed(chapters: list[story.Chapter]) -> None:
    pd.testing.assert_frame_equal(story.read_story(STORY, 1)[3].words, chapters[3].words)
    assert not story.read_story(STORY, 2)[3].words.equals(chapters[3].words)


# ---------------------------------------------------------------------------------------------
# The worlds


@pytest.mark.parametrize("n_models", [1, 2, 6])
def test_left_shares_rise_right_shares_are_flat_and_both_sum_to_the_same(n_models: int) -> None:
    world = make_world("demo", n_models, 6, (1, 2))
    assert sum(world.left) == pytest.approx(sum(world.right))
    assert len(set(world.right)) == 1
    assert list(world.left) == sorted(set(world.left))


@pytest.mark.parametrize("name", ["equal", "word_rate"])
def test_where_nothing_is_planted_the_truth_says_so(name: str) -> None:
    world = make_world(name, 6, 6, (1, 2))
    places = mirrored_places()
    profile = simulation.language_profile(places)
    for model in worlds.truth_per_model(world, profile, places, 6):
        assert model["planted_left_minus_right"] == pytest.approx(0, abs=1e-12)


def test_an_unknown_world_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="demo, equal, word_rate, shifted_run, swapped_runs"):
        make_world("heaven", 6, 6, (1, 2))


def test_a_voxel_on_the_midline_takes_the_mean_of_both_shares() -> None:
    world = make_world("demo", 3, 6, (1, 2))
    shares = worlds.hemisphere_shares(world, np.array([[-4.0, 0, 0], [0, 0, 0], [4.0, 0, 0]]))
    assert shares[:, 0] == pytest.approx(world.left)
    assert shares[:, 2] == pytest.approx(world.right)
    assert shares[:, 1] == pytest.approx((shares[:, 0] + shares[:, 2]) / 2)


# ---------------------------------------------------------------------------------------------
# The responses


def test_the_profile_is_the_same_on_both_sides_and_strongest_in_language_regions() -> None:
    places = mirrored_places()
    profile = simulation.language_profile(places)
    assert profile[:60] == pytest.approx(profile[60:])
    assert simulation.language_profile(simulation.CENTRES) == pytest.approx(1)
    assert simulation.language_profile(np.array([[20.0, -100, 0]]))[0] < 0.05


def test_fields_are_mirrored_smooth_and_of_unit_variance() -> None:
    places = np.array([[30.0, 0, 0], [-30.0, 0, 0], [30.0, 5, 0], [30.0, 60, 0]])
    draws = [
        simulation.smooth_fields(places, 20, np.random.default_rng(seed)) for seed in range(100)
    ]
    fields = np.concatenate(draws)
    assert np.array_equal(fields[:, 0], fields[:, 1])
    near, far = np.corrcoef(fields.T)[0, [2, 3]]
    assert near == pytest.approx(np.exp(-(5**2) / (2 * simulation.SMOOTHNESS_MM**2)), abs=0.02)
    assert abs(far) < 0.1
    assert fields.var() == pytest.approx(1, abs=0.05)


def test_noise_has_unit_variance_and_follows_its_generator() -> None:
    places = mirrored_places(400)
    noise = [
        simulation.subject_noise(90, places, np.random.default_rng(seed)) for seed in range(40)
    ]
    assert np.mean([run.var(axis=0) for run in noise]) == pytest.approx(1, abs=0.05)
    again = simulation.subject_noise(90, places, np.random.default_rng(3))
    assert np.array_equal(noise[3], again)


def test_one_models_planted_time_course_has_its_share_of_the_variance(
    designs: list[simulation.Design],
) -> None:
    places = mirrored_places()
    world = make_world("demo", len(WIDTHS), 4, ALTERED)
    forward = simulation.make_forward(world, designs, places, seed=1)
    for k in range(len(WIDTHS)):
        course = np.concatenate([d.components[k] @ forward.weights[k] for d in designs])
        share = course.var(axis=0) / forward.profile
        assert share[:60] == pytest.approx(world.left[k], rel=1e-3)
        assert share[60:] == pytest.approx(world.right[k], rel=1e-3)


def test_the_expected_r_is_what_a_perfect_encoder_of_the_component_gets() -> None:
    """The formula of the truth against the correlation with the planted component itself."""
    designs, places = fake_designs(3), mirrored_places(200)
    world, n_subjects = make_world("demo", len(WIDTHS), 4, ALTERED), 4
    expected = worlds.expected_r(world, simulation.language_profile(places), places, n_subjects)
    found = []
    for seed in range(4):
        subjects = simulation.simulate_bold(designs, world, places, n_subjects, seed)
        mean = np.mean([np.concatenate(runs) for runs in subjects], axis=0)
        forward = simulation.make_forward(world, designs, places, seed)
        courses = [
            np.concatenate([d.components[k] @ forward.weights[k] for d in designs])
            for k in range(len(WIDTHS))
        ]
        found.append([(standardise(mean) * standardise(one)).mean(axis=0) for one in courses])
    assert np.mean(found, axis=(0, 2)) == pytest.approx(expected.mean(axis=1), abs=0.05)


def test_the_right_hemisphere_is_noisier_in_the_world_of_word_rate_only(
    designs: list[simulation.Design],
) -> None:
    places = mirrored_places()
    for name, ratio in (("demo", 1.0), ("word_rate", worlds.NOISY_RIGHT)):
        world = make_world(name, len(WIDTHS), 4, ALTERED)
        runs = simulation.simulate_bold(designs, world, places, 4, 1)
        sd = np.sqrt(np.mean([np.concatenate(one).var(axis=0) for one in runs], axis=0))
        assert sd[60:].mean() / sd[:60].mean() == pytest.approx(ratio, rel=0.1)


def test_the_same_seed_gives_the_same_responses_and_another_one_others(
    designs: list[simulation.Design],
) -> None:
    world, places = make_world("demo", len(WIDTHS), 2, ALTERED), mirrored_places(20)
    first, again, other = (
        simulation.simulate_bold(designs, world, places, 2, seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first[1][2], again[1][2])
    assert not np.allclose(first[1][2], other[1][2])


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two runs, over all voxels."""
    return float(np.mean(standardise(a.astype(float)) * standardise(b.astype(float))))


def test_a_shifted_run_agrees_with_the_others_only_when_shifted_back(
    designs: list[simulation.Design],
) -> None:
    places, lag = mirrored_places(), worlds.SHIFT_SCANS
    world = make_world("shifted_run", len(WIDTHS), 4, ALTERED)
    assert world.damage is not None
    subject, run = world.damage.subject, world.damage.runs[0] - 1
    bold = simulation.simulate_bold(designs, world, places, 4, 1)
    others = np.mean([bold[one][run] for one in range(4) if one != subject], axis=0)
    damaged = bold[subject][run]
    assert similarity(damaged[lag:], others[:-lag]) > 0.3
    assert abs(similarity(damaged, others)) < 0.15
    assert similarity(bold[0][run], others) > 0.3


def test_swapped_runs_agree_with_the_others_crosswise(designs: list[simulation.Design]) -> None:
    world = make_world("swapped_runs", len(WIDTHS), 4, ALTERED)
    assert world.damage is not None
    subject = world.damage.subject
    bold = simulation.simulate_bold(designs, world, mirrored_places(), 4, 1)
    one, two = (run - 1 for run in world.damage.runs)
    others = [np.mean([bold[s][run] for s in range(4) if s != subject], axis=0) for run in range(4)]
    assert similarity(bold[subject][one], others[two]) > 0.3
    assert similarity(bold[subject][two], others[one]) > 0.3
    assert abs(similarity(bold[subject][one], others[one])) < 0.15
    assert similarity(bold[subject][3], others[3]) > 0.3


def test_runs_to_swap_get_equal_lengths(chapters: list[story.Chapter]) -> None:
    lengths, (first, second) = run_lengths(chapters, "swapped_runs")
    assert first != second
    assert lengths[first - 1] == lengths[second - 1]
    assert run_lengths(chapters, "demo")[0] == [chapter.n_scans for chapter in chapters]


# ---------------------------------------------------------------------------------------------
# The files


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"world": "heaven"}, "--world heaven"),
        ({"first_subject": "901"}, "--first-subject 901"),
        ({"first_subject": "EN998"}, "--subjects 6"),
        ({"subjects": 0}, "--subjects 0"),
        ({"voxel_mm": 1.0}, "--voxel-mm 1.0"),
        ({"models": 7}, "--models 7"),
        ({"scans": 20}, "--scans 20"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_by_name(
    wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        Settings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("voxel_mm", [6.0, 8.0])
def test_the_head_gives_a_sane_mask_on_the_studys_grid(voxel_mm: float) -> None:
    from nilearn.image import resample_img
    from nilearn.masking import compute_epi_mask

    head = make_head(voxel_mm)
    rng = np.random.default_rng(0)
    bold = rng.standard_normal((20, int(head.brain.sum()))).astype(np.float32)
    volume = to_image(head, bold, rng).mean(axis=-1, keepdims=True, dtype=np.float32)
    on_grid = resample_img(
        nib.Nifti1Image(volume, head.affine),
        target_affine=GRID_AFFINE,
        target_shape=GRID_SHAPE,
        force_resample=True,
        copy_header=True,
    )
    mask = compute_epi_mask(on_grid).get_fdata() > 0
    assert 20_000 <= mask.sum() <= 30_000
    assert (mask & mask[::-1]).sum() > 0.95 * mask.sum()
    off_grid = (head.affine[:3, 3] - GRID_AFFINE[:3, 3]) % 4
    assert ((off_grid > 0.01) & (off_grid < 3.99)).all()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "out"
    simulate(out, SMALL, STORY)
    return out


SMALL = Settings(subjects=2, first_subject="EN908", voxel_mm=12.0, scans=32, models=2, seed=3)


def test_a_data_set_has_the_layout_of_the_real_one(written: Path) -> None:
    files = list(bold_files(written / "data"))
    assert len(files) == 18
    assert files[0].name == (
        "sub-EN908_task-lppEN_run-15_space-MNIColin27_desc-preproc_bold.nii.gz"
    )
    assert files[17].name.split("_")[2] == "run-17"  # 07 to 14, then 17
    truth = read_json(written / "data" / "simulation.json")
    images = [nib.load(path) for path in files[:9]]
    assert [image.shape[3] for image in images] == truth["n_scans"]
    assert len(set(truth["n_scans"])) > 1
    assert all(image.header.get_zooms() == (12, 12, 12, 2) for image in images)


def test_texts_and_annotation_agree(written: Path) -> None:
    table = pd.read_csv(written / "data" / "annotation" / "EN" / "lppEN_word_information.csv")
    for run in range(1, 10):
        text = (written / "texts" / f"text_en_run{run}.txt").read_text(encoding="utf-8")
        spoken = [word.replace("’", "'") for word, _, _ in story.spoken_words(text)]
        assert table.loc[table["section"] == run, "word"].tolist() == spoken


def test_the_truth_names_the_models_in_increasing_size(written: Path) -> None:
    truth = read_json(written / "data" / "simulation.json")
    sizes = [model["n_parameters"] for model in truth["models"]]
    assert sizes == sorted(set(sizes))
    assert [model["name"] for model in truth["models"]] == truth["expected_order"]
    assert all((written / "models" / model["name"]).is_dir() for model in truth["models"])


def test_the_same_settings_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", SMALL, STORY)
    assert digests(tmp_path / "again") == digests(written)


def test_what_is_there_is_made_again_only_when_settings_differ(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in bold_files(written / "data")}
    simulate(written, SMALL, STORY, if_missing=True)
    assert "there already" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in bold_files(written / "data")}


def test_an_interrupted_folder_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = Settings(subjects=1, voxel_mm=12.0, scans=32, models=1)
    (out / "data" / "derivatives" / "sub-EN950").mkdir(parents=True)
    (out / "simulated.json").write_text('{"complete": false}')
    simulate(out, settings, STORY, if_missing=True)
    assert len(list(bold_files(out / "data"))) == 9
    assert not (out / "data" / "derivatives" / "sub-EN950").exists()


def test_a_folder_with_files_of_another_origin_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="files of another origin"):
        simulate(tmp_path, SMALL, STORY)
    assert (tmp_path / "data" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("scans", [None, 30, 45, 60])
def test_the_studys_matching_rule_walks_through_the_whole_story(
    family: str, scans: int | None
) -> None:
    """The rule is easily led astray (three numbers in a row are enough): not by this story."""
    from lateralization.mapping import map_words
    from lateralization.simulated_models import MODELS, train_tokenizer

    model = next(model for model in MODELS if model.family == family)
    chapters = story.read_story(STORY, 1, scans)
    texts = [chapter.text for chapter in chapters]
    tables = [c.words.assign(run=c.run, row=range(len(c.words))) for c in chapters]
    mapped = map_words(
        train_tokenizer(texts, family, model.vocabulary),
        pd.concat(tables, ignore_index=True),
        texts,
        language="en",
        mapping="reference",
        max_length=model.positions,
    )
    assert [len(run.anchors) for run in mapped] == [len(table) for table in tables]
