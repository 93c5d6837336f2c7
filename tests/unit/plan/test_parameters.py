"""One typed form of the parameters, whatever way they came."""

import json
from types import MappingProxyType

import pytest
from jsonschema import Draft202012Validator

from helpers.tiny_dataset import PROJECT
from lateralization.plan.parameters import load_schema, normalise, properties
from lateralization.problems import Problems

SCHEMA = load_schema(PROJECT)


def typed(raw, as_typed=MappingProxyType({})):
    problems = Problems()
    found = normalise(raw, SCHEMA, problems, as_typed)
    assert not problems, problems
    return found


def mistakes(raw, as_typed=MappingProxyType({})):
    problems = Problems()
    normalise(raw, SCHEMA, problems, as_typed)
    return problems


def test_the_schema_is_valid_and_every_default_fits_it():
    Draft202012Validator.check_schema(SCHEMA)
    for name, entry in properties(SCHEMA).items():
        assert entry["description"], name
        assert Draft202012Validator(entry).is_valid(entry["default"]), name
    assert [ref["$ref"] for ref in SCHEMA["allOf"]] == [f"#/$defs/{key}" for key in SCHEMA["$defs"]]


def test_nothing_given_is_all_defaults():
    found = typed({})
    assert found["languages"] == ["en"]
    assert found["models"] == ["gpt2"]
    assert found["random_dims"] == [300]
    assert found["random_seeds"] == [1, 2, 3]
    assert found["layers"] == "all"
    assert found["isc_seed"] == 1234
    assert found["glove"] is None
    assert found.given == set()


@pytest.mark.parametrize("value", ["en,fr", "en, fr ,", ["en", "fr"], ["EN", "FR"]])
def test_a_list_comes_as_text_or_as_list(value):
    assert typed({"languages": value})["languages"] == ["en", "fr"]


@pytest.mark.parametrize("value", [300, "300", [300], ["300"], 300.0])
def test_a_number_comes_as_number_text_or_list(value):
    assert typed({"random_dims": value})["random_dims"] == [300]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1-3,7", [1, 2, 3, 7]), ([1, "4-5"], [1, 4, 5]), (2, [2]), ("0", [0]), ("3,3,1", [3, 1])],
)
def test_seeds_are_numbers_and_ranges(value, expected):
    assert typed({"random_seeds": value})["random_seeds"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("all", "all"), ("every:2", "every:2"), (3, [3]), ("6,0,6", [0, 6]), ([0, 12], [0, 12])],
)
def test_layers_are_all_or_a_list_of_numbers(value, expected):
    assert typed({"layers": value})["layers"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("no", "no"), (False, "no"), (True, "yes"), ("YES", "yes"), ("true", "yes"), ("off", "no")],
)
def test_yes_and_no_come_in_many_spellings(value, expected):
    assert typed({"keep_raw": value})["keep_raw"] == expected


def test_a_name_of_digits_keeps_its_zeros():
    as_typed = {"subjects": "001", "models": "0450", "isc_seed": "007", "slurm_account": "123"}
    raw = {"subjects": 1, "models": 450, "isc_seed": 7, "slurm_account": 123}
    found = typed(raw, as_typed)
    assert found["subjects"] == ["001"]
    assert found["models"] == ["0450"]
    assert found["isc_seed"] == 7
    assert found["slurm_account"] == "123"


def test_an_account_that_would_lose_its_zeros_on_the_way_to_the_scheduler_is_refused():
    (line,) = mistakes({"slurm_account": 123}, {"slurm_account": "0123"})
    assert line == ("--slurm_account: 0123 reaches the engine as 123; give it in a -params-file")


@pytest.mark.parametrize("names", [("word-mapping", "wordMapping"), ("wordMapping",)])
def test_kebab_and_camel_case_are_refused_with_the_name_to_write(names):
    raw = {"word_mapping": "auto"} | dict.fromkeys(names, "aligned")
    (line,) = mistakes(raw)
    assert line == "--word-mapping is written with underscores here; give --word_mapping"


@pytest.mark.parametrize("name", ["subjetcs", "Subjects-", "subject"])
def test_an_unknown_parameter_names_the_nearest(name):
    (line,) = mistakes({name: "average"})
    assert "did you mean --subjects?" in line


def test_an_unknown_parameter_in_two_spellings_is_one_mistake():
    assert len(mistakes({"word-maping": "x", "wordMaping": "x"})) == 1


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"precision": "float31"}, "choose from float32, bfloat16, float16 (did you mean float32"),
        ({"languages": "en,d3"}, "--languages: is 'd3'"),
        ({"isc_trials": 0}, "the smallest possible is 1"),
        ({"isc_trials": "ten"}, "give a whole number"),
        ({"isc_trials": 2.5}, "give a whole number"),
        ({"isc_trials": True}, "given without a value"),
        ({"random_dims": "300,x"}, "give a whole number"),
        ({"random_seeds": "9-1"}, "write the smaller number first"),
        ({"random_seeds": "1-999999999"}, "range"),
        ({"random_seeds": -1}, "--random_seeds: is -1; the smallest possible is 0"),
        ({"layers": "every:0"}, "every:2"),
        ({"layers": "first"}, "give a whole number"),
        ({"models": True}, "given without a value"),
        ({"models": ""}, "given without a value"),
        ({"models": [["a"]]}, "flat list"),
        ({"outdir": {"a": 1}}, "is a map"),
        ({"outdir": ["a", "b"]}, "takes one value"),
        ({"outdir": None}, "has no value"),
        ({"subjects": "EN 57"}, "form"),
        ({"data_endpoint": "example.org"}, "form"),
        ({"slurm_qos": "a b; rm"}, "form"),
    ],
)
def test_a_wrong_value_is_one_clear_line(raw, says):
    (line,) = mistakes(raw)
    assert says in line
    assert line.startswith(f"--{next(iter(raw))}")
    assert "\n" not in line


def test_all_mistakes_are_gathered_and_the_rest_is_still_understood():
    problems = Problems()
    found = normalise({"precision": "x", "languages": "d3", "isc_trials": 3}, SCHEMA, problems)
    assert len(problems) == 2
    assert found.failed == {"precision", "languages"}
    assert found["isc_trials"] == 3
    assert found["precision"] == "float32"


def test_subjects_may_be_written_as_folders():
    assert typed({"subjects": "sub-EN057,Average"})["subjects"] == ["EN057", "average"]


def test_a_path_keeps_its_spaces_accents_and_commas():
    assert typed({"models": ["/tmp/mes modèles, ici/a"]})["models"] == ["/tmp/mes modèles, ici/a"]
    assert typed({"outdir": "my results/é"})["outdir"] == "my results/é"


def test_the_typed_form_is_json():
    assert json.loads(json.dumps(typed({"layers": "0,6"}).values))["layers"] == [0, 6]


@pytest.mark.parametrize("name", ["stage", "on_error", "outdir", "gpus", "max_memory", "image"])
@pytest.mark.parametrize("form", ["[{}]", " {}", "{} "])
def test_what_the_engine_reads_has_one_form(name, form):
    value = {"stage": "fetch", "on_error": "report", "outdir": "out", "gpus": "1",
             "max_memory": "8.GB", "image": "a/b:1"}[name]  # fmt: skip
    typed({name: value})
    given = [value] if form == "[{}]" else form.format(value)
    (line,) = mistakes({name: given})
    assert line.startswith(f"--{name}: is ")
    assert "write" in line


@pytest.mark.parametrize("value", ["0.GB", "0.00 MB", "0.h", "0d 0s", 0, "1.5", "128gb", "soon"])
@pytest.mark.parametrize("name", ["max_memory", "max_time"])
def test_a_limit_of_nothing_is_refused(name, value):
    (line,) = mistakes({name: value})
    assert f"--{name}: is " in line


def test_a_folder_of_digits_keeps_its_zeros_or_is_refused():
    assert typed({"outdir": 12}, {"outdir": "12"})["outdir"] == "12"
    (line,) = mistakes({"outdir": 12}, {"outdir": "0012"})
    assert "--outdir: 0012 reaches the engine as 12" in line


@pytest.mark.parametrize("name", ["hf_endpoint", "data_endpoint"])
@pytest.mark.parametrize(
    "address",
    [
        "https://me:Marked@mirror/x",
        "http://Marked@mirror",
        "https://me:Mar@ked@mirror",
        "https://me:Mar/ked@mirror",
        "htp://me:Marked@mirror",
        "me:Marked@mirror",
        "https://me:Marked word@mirror",
        ["https://me:Marked@mirror", "https://other"],
        {"url": "https://me:Marked@mirror"},
    ],
)
def test_a_password_in_an_address_is_refused_and_not_quoted(name, address):
    (line,) = mistakes({name: address})
    assert line.startswith(f"--{name}: holds a user name or a password")
    assert "Mar" not in line
    assert "ked" not in line


def test_an_address_without_a_password_is_taken():
    found = typed({"hf_endpoint": "https://mirror:8/a%40b", "data_endpoint": "http://[::1]:9/x"})
    assert found["hf_endpoint"] == "https://mirror:8/a%40b"
