"""The files of a simulated data set: complete, reproducible, and as the real ones lie."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers.keys import by_run
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.simulation import story
from lateralization.simulation.simulate import Settings, make_head, simulate, to_image
from lateralization.study import GRID_AFFINE, GRID_SHAPE

STORY = Path(__file__).parents[3] / "assets" / "story"


@pytest.fixture(scope="module")
def chapters() -> list[story.Chapter]:
    return story.read_story(STORY, seed=1)


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


def bold_files(data: Path) -> list[Path]:
    """List the BOLD runs of a data set, subjects and runs in sorted order."""
    return sorted(data.glob("derivatives/sub-EN*/func/*_desc-preproc_bold.nii.gz"))


def test_a_data_set_has_the_layout_of_the_real_one(written: Path) -> None:
    files = bold_files(written / "data")
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
    assert len(bold_files(out / "data")) == 9
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
    from lateralization.simulation.simulated_models import MODELS, train_tokenizer
    from lateralization.words.words import map_words

    model = next(model for model in MODELS if model.family == family)
    chapters = story.read_story(STORY, 1, scans)
    texts = [chapter.text for chapter in chapters]
    tables = [c.words.assign(run=c.run, row=range(len(c.words))) for c in chapters]
    mapped = map_words(
        train_tokenizer(texts, family, model.vocabulary),
        pd.concat(tables, ignore_index=True),
        by_run(texts),
        language="en",
        mapping="reference",
        max_length=model.positions,
    )
    assert [len(run.anchors) for run in mapped] == [len(table) for table in tables]
