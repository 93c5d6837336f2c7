"""``--claim``: what is wrong with a file is one line; the default is as documented."""

import json

import pytest

from helpers.planning import lines_of, own, plan_of, write_world
from helpers.tiny_dataset import ASSETS
from lateralization.files import digest_of, read_json
from lateralization.statistics.asymmetry import CHOICES, RELIABLE, SHARED, STRICT, WHOLE
from lateralization.study import ROI_ORDER

GOOD = {"region": "whole", "midline": "shared", "layer": "best_mean", "subjects": "people",
        "predictor": "ln_n_parameters"}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def test_the_default_is_reliable_voxels_strict_midline_layers_of_other_runs_and_ln_n(world):
    claim = plan_of(world, **own(world))["claim"]
    assert claim == {
        "region": "reliable", "midline": "strict", "layer": "best_cv", "subjects": "auto",
        "predictor": "ln_n_parameters", "digest": digest_of(ASSETS / "claim.json", "sha256"),
    }  # fmt: skip


def test_a_file_of_the_user_s_own_is_taken_with_its_digest(world):
    (world / "mine.json").write_text(json.dumps(GOOD))
    claim = plan_of(world, **own(world, claim="mine.json"))["claim"]
    assert claim == GOOD | {"digest": digest_of(world / "mine.json", "sha256")}


def test_a_column_of_the_sheet_may_be_the_predictor(world):
    (world / "mine.json").write_text(json.dumps(GOOD | {"predictor": "blimp"}))
    sheet = "model,source,blimp\na,models/tiny-a,0.5\nb,models/tiny-b,0.7\n"
    (world / "sheet.csv").write_text(sheet)
    claim = plan_of(world, **own(world, claim="mine.json", models="sheet.csv"))["claim"]
    assert claim["predictor"] == "blimp"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "mine.json"),
        ("[]", "mine.json: it: "),
        (json.dumps({"region": "whole"}), "is a required property"),
        (json.dumps(GOOD | {"colour": "red"}), "colour"),
        (json.dumps(GOOD | {"region": "Broca"}), "region: 'Broca' is not one of"),
        (json.dumps(GOOD | {"midline": None}), "midline: None is not one of"),
        (json.dumps(GOOD | {"layer": 6}), "layer: 6 is not one of"),
        (json.dumps(GOOD | {"subjects": "everybody"}), "subjects: 'everybody' is not one of"),
        (json.dumps(GOOD | {"predictor": "size"}), "predictor is size, which no model"),
        (json.dumps(GOOD | {"predictor": "a b"}), "predictor"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(world, capsys, content, said):
    (world / "mine.json").write_text(content)
    (line,) = lines_of(world, capsys, **own(world, claim="mine.json"))
    assert line.startswith("--claim: ")
    assert said in line


def test_a_file_that_is_missing_is_said(world, capsys):
    (line,) = lines_of(world, capsys, **own(world, claim="nothing.json"))
    assert line.startswith("--claim: ")
    assert "nothing.json" in line


def test_the_schema_has_the_names_of_the_tables():
    known = read_json(ASSETS / "claim.schema.json")["properties"]
    assert known["region"]["enum"] == [WHOLE, RELIABLE, *ROI_ORDER]
    assert set(known["midline"]["enum"]) == {SHARED, STRICT}
    assert set(known["layer"]["enum"]) == set(CHOICES)
