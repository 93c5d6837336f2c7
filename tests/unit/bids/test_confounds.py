"""Tables of confounds against nilearn's load_confounds."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds

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
    with pytest.raises(BadInput, match="has no column dvars, rmsd; mend the table"):
        read_confounds(table, ["csf", "dvars", "rmsd"])
    with pytest.raises(BadInput, match="does not exist here"):
        read_confounds(table.with_name("other.tsv"), MOTION)


def test_the_filter_costs_what_cosines_below_its_cutoff_would():
    # 280 scans of 2 s: cosines of 1120 / k s are slower than 128 s for k = 1 … 8
    assert degrees_of_freedom(280, 2.0, 6) == 280 - 2 - 8 - 6
