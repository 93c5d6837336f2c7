"""Which layers are fitted: one rule, in Python for VALIDATE and in Groovy for ENCODE's tasks."""

import json

import numpy as np
import pytest

from helpers.groovy import LIB, groovy
from helpers.made_plans import made_baseline, made_model, made_plan
from helpers.setup_programs import PROJECT
from helpers.tiny_dataset import ASSETS
from lateralization.encoding.encode import chosen_layers
from lateralization.errors import BadInput
from lateralization.files import save_tensors
from lateralization.plan.layer_choice import fitted_layers
from lateralization.plan.summary import n_layers
from lateralization.plan.validate import make_plan

ASKED = ("all", "every:2", "every:5", [0, 6, 12], [12], [13], [0, 99], [99], [0])
CASES = [(asked, depth, last, kind)
         for asked in ASKED for depth in (0, 1, 12, 13) for last in ("yes", "no")
         for kind in (None, "features", "glove")]  # fmt: skip


def layers_of(case):
    asked, depth, last, kind = case
    return fitted_layers(asked, depth, last=last == "yes" or kind is not None)


def test_the_last_layer_is_the_models():
    assert fitted_layers([0, 6, 12], 12, last=False) == [0, 6]
    assert fitted_layers([0, 6, 12], 12, last=True) == [0, 6, 12]
    assert fitted_layers("all", 12, last=False) == list(range(12))
    assert fitted_layers("every:5", 12, last=True) == [0, 5, 10]
    assert fitted_layers("every:5", 10, last=False) == [0, 5]
    assert fitted_layers([99], 12, last=True) == []
    assert fitted_layers([99], 0, last=False) == [0]


@pytest.mark.skipif(not LIB.is_dir(), reason="the engine's jars are not installed")
def test_the_tasks_have_the_layers_that_the_plan_counts(tmp_path):
    source = (PROJECT / "modules" / "scores.nf").read_text(encoding="utf-8")
    function = source[source.index("def layer_blocks(") :]
    cases = [
        {"features": {"n_layers": depth + 1} | ({"kind": kind} if kind else {}),
         "plan": {"layers": asked, "layers_per_task": 2, "parameters": {"last_layer": last}}}
        for asked, depth, last, kind in CASES
    ]  # fmt: skip
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    script = tmp_path / "blocks.groovy"
    script.write_text(
        "def cases = new groovy.json.JsonSlurper().parse(new File('cases.json'))\n"
        "println groovy.json.JsonOutput.toJson(\n"
        f"    cases.collect {{ one -> layer_blocks(one.features, one.plan) }})\n{function}"
    )
    ran = groovy(tmp_path, script)
    assert ran.returncode == 0, ran.stderr
    for case, blocks in zip(CASES, json.loads(ran.stdout), strict=True):
        if blocks == ["none"]:
            assert layers_of(case) == [], case
        else:
            found = [int(layer) for block in blocks for layer in block.split(",")]
            assert found == layers_of(case), case
            assert all(block.count(",") < 2 for block in blocks)


def test_the_plan_counts_the_layers_of_each():
    for asked, depth, last, kind in CASES:
        is_model = kind is None
        if is_model and not depth:
            continue
        plan = made_plan(
            models=[made_model("one", n_layers=depth)] if is_model else [],
            baselines=[] if is_model else [made_baseline("one", kind, n_layers=depth + 1)],
            layers=asked,
            parameters={"last_layer": last},
        )
        assert n_layers(plan, "one") == len(layers_of((asked, depth, last, kind)))


def plan_with(tmp_path, **parameters):
    request = {"params": parameters, "launch_dir": str(tmp_path), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"layers": 99}, "none of 99 is a layer of gpt2, which has 0 to 12;"),
        ({"layers": "12", "last_layer": "no"}, "0 to 12, and --last_layer no leaves the last"),
        ({"layers": "12,13", "last_layer": "no", "models": "gpt2,gpt2-xl"}, "a layer of gpt2,"),
    ],
)
def test_layers_beyond_a_model_are_refused_before_anything_runs(tmp_path, more, says):
    with pytest.raises(BadInput, match=says):
        plan_with(tmp_path, **more)


def test_layers_that_only_deeper_models_have_are_not_refused(tmp_path):
    plan = plan_with(tmp_path, models="gpt2,gpt2-xl", layers="12,20,50")
    assert any(note == "--layers: nothing has layer 50" for note in plan.notes)
    assert (n_layers(plan, "gpt2"), n_layers(plan, "gpt2-xl")) == (1, 2)
    # unknown until it is fetched: left to ENCODE
    plan_with(tmp_path, models="someone/some-model", layers="99")


def test_a_folder_tells_its_depth(tmp_path):
    from helpers.tiny_dataset import write_model

    folder = write_model(tmp_path / "tiny")
    for config, layers in (({"n_layer": 3}, "4"), ({"num_hidden_layers": 2}, "3-9")):
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **config}))
        with pytest.raises(BadInput, match=r"--layers: none of .* is a layer of tiny"):
            plan_with(tmp_path, models="./tiny", layers=layers)
    (folder / "config.json").write_text("[")
    with pytest.raises(BadInput, match=r"config\.json"):
        plan_with(tmp_path, models="./tiny", layers="3")


def test_own_features_keep_their_last_layer_and_are_checked(tmp_path):
    (tmp_path / "features").mkdir()
    runs = {f"run-{run}/layer-{layer}": np.zeros((20, 4), np.float32)
            for run in range(1, 10) for layer in range(3)}  # fmt: skip
    save_tensors(tmp_path / "features" / "mine_lang-en_words.safetensors", runs)
    plan = plan_with(tmp_path, features="features", layers="2", last_layer="no")
    assert n_layers(plan, "mine") == 1
    with pytest.raises(BadInput, match="none of 3 is a layer of mine, which has 0 to 2;"):
        plan_with(tmp_path, features="features", layers="3")


def test_encode_refuses_a_model_of_which_nothing_is_left(tmp_path):
    path = tmp_path / "states.safetensors"
    save_tensors(path, {f"run-1/layer-{layer}": np.zeros((2, 2), np.float32) for layer in (0, 1)})
    with pytest.raises(BadInput, match=r"leave no layer of states\.safetensors, which has 0 to 1"):
        chosen_layers(path, "none", ["run-1"])
