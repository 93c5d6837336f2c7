"""What the profile paper asks for: the first individuals, untrained twins, oasm, and its price."""

import re
from pathlib import Path

import pytest

from helpers.planning import lines_of, own, plan_of, write_world
from helpers.tiny_dataset import PROJECT, write_dataset, write_texts
from lateralization.baselines import oasm
from lateralization.plan.summary import summary
from lateralization.run_plan import Plan


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("paper"))


def individuals(plan):
    (language,) = plan["languages"]
    return [one["subject"] for one in language["subjects"] if one["individual"]]


def test_the_first_individuals_are_those_of_natural_order(world, tmp_path):
    data = write_dataset(tmp_path / "data", ("EN10", "EN9", "EN8"))
    write_texts(tmp_path / "texts")
    plan = plan_of(world, **own(world, dataset=str(data), subjects="average,First:2"))
    assert individuals(plan) == ["EN8", "EN9"]
    assert plan["languages"][0]["average"]
    assert plan["parameters"]["subjects"] == ["average", "first:2"]
    plan = plan_of(world, **own(world, dataset=str(data), subjects="first:1,EN10"))
    assert individuals(plan) == ["EN10", "EN8"]
    assert not plan["languages"][0]["average"]


@pytest.mark.parametrize(
    ("subjects", "says"),
    [
        ("first:4", "--subjects: first:4 asks for more than the 3 subjects of en; ask for fewer"),
        ("first:0", "--subjects: is 'first:0', which does not have the form that is needed"),
        ("first:", "--subjects: is 'first:', which does not have the form that is needed"),
    ],
)
def test_a_number_of_individuals_that_cannot_be_is_one_line(world, capsys, subjects, says):
    assert lines_of(world, capsys, **own(world, subjects=subjects))[0].startswith(says)


def untrained(plan):
    return {one["name"]: one for one in plan["models"] if one["seed"]}


def test_every_model_gets_its_untrained_twin_once(world):
    assert untrained(plan_of(world, **own(world))) == {}
    found = untrained(plan_of(world, **own(world, untrained_twins="yes")))
    assert list(found) == ["tiny-a_untrained_seed1", "tiny-b_untrained_seed1"]
    assert all(one["seed"] == 1 and one["languages"] == ["en"] for one in found.values())
    given = (
        "models/tiny-a,models/tiny-a_untrained_seed1,models/tiny-b,models/tiny-b_untrained_seed7"
    )
    again = untrained(plan_of(world, **own(world, models=given, untrained_twins="yes")))
    assert set(again) == {*found, "tiny-b_untrained_seed7"}
    assert again["tiny-a_untrained_seed1"] == found["tiny-a_untrained_seed1"]


def test_twins_of_the_hub_keep_size_and_revision_and_steps_have_none(tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("model,source,revision,n_parameters,ppl\nmine,org/big,v2,7000000,12.5\n")
    models = f"gpt2,pythia-6.9b_step1000,{sheet}"
    found = untrained(plan_of(tmp_path, models=models, untrained_twins="yes"))
    assert list(found) == ["gpt2_untrained_seed1", "mine_untrained_seed1"]
    assert found["gpt2_untrained_seed1"]["source"] == "openai-community/gpt2"
    assert found["gpt2_untrained_seed1"]["mapping"] == "reference"
    mine = found["mine_untrained_seed1"]
    assert (mine["source"], mine["revision"]) == ("org/big", "v2")
    assert (mine["n_parameters"], mine["predictors"]) == (7_000_000, {})


def test_oasm_is_ten_draws(world):
    plan = plan_of(world, **own(world, baselines="oasm,word_rate"))
    draws = [one for one in plan["baselines"] if one["kind"] == oasm.KIND]
    assert [one["name"] for one in draws] == [f"oasm_seed{seed}" for seed in range(1, 11)]
    assert [one["seed"] for one in draws] == list(oasm.SEEDS)
    single = own(world, subjects="average,EN901", individual_models="oasm_seed3")
    (draw,) = [one for one in plan_of(world, **single)["baselines"] if one["kind"] == oasm.KIND]
    assert (draw["seed"], draw["individual"], draw["average"]) == (3, True, False)


def test_three_confounds_go_jointly_and_four_do_not(world, capsys):
    baselines = "word_rate,word_position,word_length,random_vector"
    three = "word_rate,word_position,word_length"
    assert plan_of(world, **own(world, baselines=baselines, joint=three))["joint"] == (
        three.split(",")
    )
    four = f"{three},random_vector_300d_seed1"
    (line,) = lines_of(world, capsys, **own(world, baselines=baselines, joint=four))
    assert line.startswith("--joint names 4 baselines; at most 3 can go jointly")


def paper() -> dict[str, str]:
    """Return the parameters of the profile."""
    text = Path(PROJECT, "conf", "profiles.config").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    paper \{\n(.*?)^    \}", text, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r"params\.(\w+) = '([^']*)'", block))


def test_the_profile_asks_for_every_control_and_the_plan_says_its_price(tmp_path):
    given = paper()
    plan = plan_of(tmp_path, models="gpt2,gpt2-medium", **given)
    assert len(individuals(plan)) == 6
    assert list(untrained(plan)) == ["gpt2_untrained_seed1", "gpt2-medium_untrained_seed1"]
    assert {"word_rate", "word_position"} < set(plan["joint"])
    (note,) = [note for note in plan["notes"] if note.startswith("price of the controls")]
    n = len(plan["fits"])
    assert n == 4 * 7 + 6 + 1 + 3 + 10
    for said in (f"{n} fits, 24 of them to individuals", "2 untrained models", "10 draws of oasm",
                 "31.9 GB of data", "word_rate + word_position + word_length jointly",
                 "disk about ", "hours of two cores (most of it"):  # fmt: skip
        assert said in note, (said, note)
    assert any(line.startswith("plan: time") for line in summary(Plan.from_json(plan)))
    assert not any("price" in note for note in plan_of(tmp_path, models="gpt2")["notes"])
