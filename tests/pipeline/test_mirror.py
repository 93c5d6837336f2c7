"""A mirror of the world in x, and of nothing else, exchanges left and right in all results.

Every image that goes in is mirrored at x = 0: its values in reverse order along x, and its affine
such that what was at x is at -x, wherever the grid of the file lies. What a run then finds on the
left must be what it found on the right before: no step, seed or order of voxels prefers a side.
Words, sounds, models and seeds stay as they are; so must scores, penalties and p values.

Two things are no mirror images by their definition, and exempt: the published midline (``shared``),
which gives the back of the middle plane to one side and its front to the other, and bands of a
bootstrap over voxels, whose draws follow the order of the voxels.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from helpers.mirror import compare_tables, mirrored
from lateralization.files import read_json
from lateralization.tables.read import read_tables
from lateralization.volumes import mirror_index

from .conftest import PROJECT, Copy, arguments, copy_project, isolation

pytestmark = pytest.mark.pipeline

PEOPLE = ("average", "EN901", "EN902", "EN903")
MODEL = "tiny-gpt2-small"
ATOL = 1e-6
AREAS = {1: "Area", 2: "Pair", 3: "Pair"}
"""Labels of the atlas: one area on both sides, and one of two labels, with no side in a name."""


def mirrored_folder(source: Path, target: Path) -> Path:
    """Copy a folder with all its images mirrored, and all else as it is."""

    def copied(path: str, to: str) -> str:
        (mirrored if path.endswith(".nii.gz") else shutil.copy2)(Path(path), Path(to))
        return to

    shutil.copytree(source, target, copy_function=copied)
    return target


def write_atlas(path: Path) -> None:
    """Write an atlas whose areas are larger on one side than on the other."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -126, -72
    labels = np.zeros((91, 109, 91), np.int16)
    labels[10:70, 20:60, 20:60] = 1  # from x = -70 to 48
    labels[15:35, 70:90, 30:50] = 2
    labels[60:70, 70:90, 30:50] = 3
    nib.save(nib.Nifti1Image(labels, affine), path)
    rows = [f"{label}\t{name}\n" for label, name in AREAS.items()]
    path.with_name("atlas.tsv").write_text("".join(["index\tname\n", *rows]))


def write_features(world: Path) -> Path:
    """Write features of the user's own: the number of letters of every word."""
    annotation = next((world / "data" / "annotation" / "EN").glob("*.csv"))
    words = pd.read_csv(annotation, na_filter=False).rename(columns={"section": "run"})
    folder = world / "features"
    folder.mkdir()
    words[["run", "word"]].assign(letters=words["word"].str.len()).to_csv(
        folder / "length_lang-en_words.tsv", sep="\t", index=False
    )
    return folder


@dataclass
class Pair:
    """Results of a run and of its mirror image."""

    plain: Path
    mirror: Path

    def both(self, pattern: str) -> list[tuple[Path, Path]]:
        """Find files of the one, and those of the other of the same name."""
        paths = sorted(self.plain.glob(pattern))
        assert paths, pattern
        return [(path, self.mirror / path.relative_to(self.plain)) for path in paths]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate three people and three models: the fewest that have slopes and tests over people."""
    folder = tmp_path_factory.mktemp("world") / "plain"
    given = ("--seed", "5", "--subjects", "3", "--models", "3", "--runs", "4")
    coarse = ("--scans", "40", "--voxel-mm", "10")
    command = [sys.executable, str(PROJECT / "bin" / "simulate.py"), str(folder)]
    subprocess.run([*command, *given, *coarse], check=True, capture_output=True)
    write_atlas(folder / "atlas.nii.gz")
    write_features(folder)
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Copy the project without figures and page, which compute nothing that is compared."""
    made = copy_project(tmp_path_factory.mktemp("copy") / "project")
    script = made.folder / "main.nf"
    text, last = script.read_text(), "        FIGURES(LATERALIZE.out.tables"
    assert text.count(last) == 1
    script.write_text(text[: text.index(last)] + "    }\n}\n")
    return made


def launched(copy: Copy, world: Path, out: Path, *more: str) -> Path:
    """Run the pipeline on a world, with what earlier runs computed of it; return the results."""
    run = copy.run("-resume", *arguments(world, *more, "--outdir", str(out)), prefix=isolation())
    assert run.exit_status == 0, run.stdout + run.stderr
    return out


@pytest.fixture(scope="module")
def runs(copy: Copy, world: Path) -> Pair:
    """Run all stages on the world and on its mirror image."""
    pair = []
    for images in (world, mirrored_folder(world, world.with_name("mirror"))):
        more = (
            *("--dataset", str(images / "data"), "--atlas", str(images / "atlas.nii.gz")),
            *("--subjects", ",".join(PEOPLE), "--isc_trials", "2"),
            *("--baselines", "random_vector,word_rate", "--joint", "word_rate"),
            *("--features", str(world / "features")),
        )
        pair.append(launched(copy, world, copy.folder / images.name, *more))
    return Pair(*pair)


@pytest.fixture(scope="module")
def given(copy: Copy, world: Path, runs: Pair) -> Pair:
    """Run from a given average, reliability and mask, which lacks a part of the left."""
    made = runs.plain / "lang-en"
    folder = world.with_name("given")
    shutil.copytree(made / "average_subject", folder / "average")
    shutil.copy(made / "isc.nii.gz", folder)
    image = nib.load(made / "mask.nii.gz")
    mask = np.asarray(image.dataobj).copy()
    mask[:14, 20:30] = 0  # in TP, AG_TPJ and others
    nib.save(nib.Nifti1Image(mask, image.affine, image.header), folder / "mask.nii.gz")
    pair = []
    for place in (folder, mirrored_folder(folder, world.with_name("given mirror"))):
        more = (
            *("--mask", str(place / "mask.nii.gz"), "--isc", str(place / "isc.nii.gz")),
            *("--average_subject", str(place / "average"), "--subjects", "average"),
            *("--atlas", "none", "--models", str(world / "models" / MODEL)),
        )
        pair.append(launched(copy, world, copy.folder / f"from {place.name}", *more))
    return Pair(*pair)


# ---- what is compared ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("scores", "asymmetry", "layers", "regressions", "ols", "sensitivity", "claim_runs"),
        *("parcels", "areas", "ceilings", "unique", "roi", "subjects", "voxel_pairs", "checks"),
    ],
)
def test_left_and_right_are_exchanged_in_a_table(runs: Pair, name: str) -> None:
    plain, mirror = (read_tables(folder / "tables")[name] for folder in (runs.plain, runs.mirror))
    assert compare_tables(name, plain, mirror) > 10


def test_the_brain_is_mirrored_and_regions_stay_where_their_centres_are(runs: Pair) -> None:
    masks = runs.both("lang-en/**/mask.nii.gz")
    assert len(masks) == len(PEOPLE)
    for plain, mirror in [*masks, *runs.both("lang-en/isc.nii.gz")]:
        one, other = (nib.load(path).get_fdata() for path in (plain, mirror))
        np.testing.assert_allclose(other[::-1], one, atol=ATOL)
    for plain, mirror in runs.both("lang-en/rois/*.nii.gz"):
        np.testing.assert_array_equal(nib.load(plain).dataobj, nib.load(mirror).dataobj)


def test_every_voxel_has_the_score_of_its_mirror_image_and_the_penalties_are_the_same(
    runs: Pair,
) -> None:
    fits = runs.both("lang-en/scores/sub-*/*_runs.safetensors")
    assert len(fits) == len(PEOPLE) * 4 + 2  # models and features, and of the average baselines
    for plain, mirror in fits:
        one, other = (load_file(path) for path in (plain, mirror))
        folder = plain.parents[2] if plain.parent.name == "sub-average" else plain.parent
        mask = nib.load(folder / "mask.nii.gz").get_fdata() > 0
        for key, values in one.items():
            if values.shape[-1] == mask.sum():
                found = other[key][..., mirror_index(mask)]
                np.testing.assert_allclose(found, values, atol=ATOL, err_msg=f"{plain} {key}")
        records = [
            read_json(path.with_name(path.name.replace("_runs.safetensors", ".json")))
            for path in (plain, mirror)
        ]
        np.testing.assert_allclose(records[1]["alphas"], records[0]["alphas"], rtol=1e-6)


@pytest.mark.parametrize("name", ["scores", "asymmetry", "layers", "roi"])
def test_given_files_are_exchanged_too(given: Pair, name: str) -> None:
    """The mask lacks a part of one side."""
    plain, mirror = (read_tables(folder / "tables")[name] for folder in (given.plain, given.mirror))
    assert compare_tables(name, plain, mirror) > 10
