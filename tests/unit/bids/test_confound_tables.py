"""Tables of confounds against nilearn's load_confounds, and what is refused of them."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from helpers.planning import lines_of
from helpers.story_dataset import HEARD, asked, language, refusal, run_file, write_stories
from helpers.tiny_dataset import write_dataset, write_model, write_texts
from lateralization.bids.confounds import (
    CHOICES,
    MOTION,
    chosen_columns,
    degrees_of_freedom,
    read_confounds,
)
from lateralization.errors import BadInput

STEM = "sub-1_task-a"
STRATEGIES = {
    "motion": {"strategy": ("motion",), "motion": "basic"},
    "motion24": {"strategy": ("motion",), "motion": "full"},
    "motion+wm_csf": {"strategy": ("motion", "wm_csf"), "motion": "basic", "wm_csf": "basic"},
    "compcor": {"strategy": ("high_pass", "compcor"), "compcor": "anat_combined"},
}


@pytest.fixture
def table(tmp_path):
    """Write a table as fMRIPrep leaves it beside a run, of whose components two are combined."""
    rng = np.random.default_rng(0)
    components = [f"a_comp_cor_{number:02d}" for number in range(4)]
    names = [*CHOICES["motion24"], "csf", "white_matter", *components, "cosine00"]
    values = pd.DataFrame(rng.normal(size=(30, len(names))), columns=names)
    values.loc[0, [name for name in names if "derivative1" in name]] = np.nan
    path = tmp_path / f"{STEM}_desc-confounds_timeseries.tsv"
    values.to_csv(path, sep="\t", index=False, na_rep="n/a")
    masks = ("CSF", "combined", "combined", "WM")
    told = {name: {"Mask": mask} for name, mask in zip(components, masks, strict=True)}
    told |= {"dropped_0": {"Mask": "combined"}, "trans_x": {}}
    path.with_suffix(".json").write_text(json.dumps(told))
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 30), np.float32), np.eye(4))
    nib.save(image, tmp_path / f"{STEM}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz")
    return path


@pytest.mark.parametrize("choice", STRATEGIES)
def test_a_choice_is_a_strategy_of_nilearn(table, choice):
    image = next(table.parent.glob("*_bold.nii.gz"))
    expected, _ = load_confounds(str(image), demean=False, **STRATEGIES[choice])
    expected = expected[[name for name in expected if "cosine" not in name]]
    columns = chosen_columns(table, [choice])
    assert set(columns) == set(expected)
    np.testing.assert_array_equal(read_confounds(table, columns), expected[columns])


def test_choices_and_columns_are_joined_each_column_once(table):
    columns = chosen_columns(table, ["motion", "csf", "motion+wm_csf"])
    assert columns == [*MOTION, "csf", "white_matter"]


def test_components_need_the_sidecar(table):
    table.with_suffix(".json").unlink()
    with pytest.raises(BadInput, match=r"timeseries.json tells no component of the combined mask"):
        chosen_columns(table, ["compcor"])


def test_a_missing_value_after_the_first_scan_is_refused(table):
    values = pd.read_csv(table, sep="\t")
    values.loc[4, "rot_x"] = np.nan
    values.to_csv(table, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(BadInput, match="rot_x is 'n/a' in row 5, no number"):
        read_confounds(table, MOTION)


def test_a_table_that_is_not_here_or_lacks_columns_is_refused(table):
    with pytest.raises(BadInput, match=r"timeseries.tsv; no column dvars, rmsd: mend the table"):
        read_confounds(table, ["csf", "dvars", "rmsd"])
    with pytest.raises(BadInput, match="does not exist here"):
        read_confounds(table.with_name("other.tsv"), MOTION)


def test_the_filter_costs_what_cosines_below_its_cutoff_would():
    # 280 scans of 2 s: cosines of 1120 / k s are slower than 128 s for k = 1 … 8
    assert degrees_of_freedom(280, 2.0, 6) == 280 - 2 - 8 - 6


@pytest.fixture
def root(tmp_path):
    return write_stories(tmp_path / "data")


def write_confounds(root, subject, story, n_rows=40, names=MOTION):
    """Write a table of noise beside a run."""
    path = root / run_file(subject, story)
    name = f"sub-{subject}_task-{story}_desc-confounds_timeseries.tsv"
    values = np.random.default_rng(0).normal(size=(n_rows, len(names)))
    rows = ["\t".join(names), *("\t".join(map(str, row)) for row in values)]
    path.with_name(name).write_text("\n".join(rows) + "\n")
    return path.with_name(name)


def test_confounds_are_columns_of_the_plan(tmp_path, root):
    for subject, stories in HEARD.items():
        for story in stories:
            write_confounds(root, subject, story, names=(*MOTION, "dvars"))
    planned = language(tmp_path, root, confounds="motion,dvars")
    runs = [run for one in planned["subjects"] for run in one["runs"]]
    assert all(run["confound_columns"] == [*MOTION, "dvars"] for run in runs)
    without = language(tmp_path, root)["subjects"][0]["runs"]
    assert [run["confound_columns"] for run in without] == [[]] * 3


def test_what_is_wrong_with_tables_is_a_line_for_all_that_have_it(tmp_path, root, capsys):
    for subject, stories in HEARD.items():
        for story in stories:
            write_confounds(root, subject, story)
    first = write_confounds(root, "01", "bees", n_rows=39)
    second = write_confounds(root, "02", "bees", n_rows=41)
    lacking = [write_confounds(root, "03", name, names=MOTION[1:]) for name in ("bees", "cats")]
    write_confounds(root, "04", "dogs").unlink()
    said = lines_of(tmp_path, capsys, **asked(root, confounds="motion"))
    assert len(said) == 3
    text = "\n".join(said)
    assert f"{first} has 39 rows and the run 40 scans, {second} has 41 rows" in text
    assert f"{lacking[0]}, {lacking[1]}; no column trans_x: mend the table" in text
    assert f"{run_file('04', 'dogs')} has no table of confounds; put fMRIPrep's" in text


def test_too_many_confounds_leave_nothing_to_score(tmp_path, root, capsys):
    names = (*MOTION, *(f"noise{number}" for number in range(10)))
    for subject, stories in HEARD.items():
        for story in stories:
            write_confounds(root, subject, story, names=names)
    language(tmp_path, root, confounds=",".join(names[:15]))  # 22 of 40 are left
    (said,) = lines_of(tmp_path, capsys, **asked(root, confounds=",".join(names)))
    assert "40 scans, of which filter and 16 confounds leave 21 degrees of freedom" in said


@pytest.mark.parametrize("dataset", ["ds003643", "data"])
def test_numbered_runs_have_no_confounds(tmp_path, capsys, dataset):
    write_dataset(tmp_path / "data")
    write_texts(tmp_path / "texts")
    said = lines_of(tmp_path, capsys, dataset=dataset, texts="texts", confounds="motion",
                    models=str(write_model(tmp_path / "tiny")))  # fmt: skip
    (line,) = [one for one in said if one.startswith("--confounds")]
    assert line.startswith("--confounds: tables of confounds are known of data sets of stories on")


@pytest.mark.parametrize("wanted", ["none,motion", "motion,a b"])
def test_confounds_that_say_two_things_or_no_name_are_refused(tmp_path, root, wanted):
    assert refusal(tmp_path, root, confounds=wanted).startswith("--confounds: ")
