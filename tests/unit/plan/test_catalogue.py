"""Names of models: hub ids, sheets, folders, baselines."""

import pytest

from helpers.made_plans import made_plan
from helpers.tiny_dataset import ASSETS, PROJECT, STUDY, truncate, write_model
from lateralization.names import file_name
from lateralization.plan import catalogue
from lateralization.plan.context import Context
from lateralization.plan.model_choice import choose
from lateralization.plan.parameters import load_schema, normalise
from lateralization.plan.sheets import read_sheet
from lateralization.problems import Problems
from lateralization.tables.fits import describe_fit


def chosen(tmp_path, problems=None, **raw):
    known = Problems()
    parameters = normalise(raw, load_schema(PROJECT), known)
    assert not known, known
    context = Context(parameters, STUDY, ASSETS, tmp_path, Problems(), [])
    models, baselines = choose(context)
    if problems is None:
        assert not context.problems, context.problems
    else:
        problems += context.problems
    return models, baselines, context.notes


def mistakes(tmp_path, **raw):
    problems = []
    chosen(tmp_path, problems, **raw)
    return problems


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("gpt2", "openai-community/gpt2"),
        ("gpt2-base-chinese", "ckiplab/gpt2-base-chinese"),
        ("gpt2-base-french", "ClassCat/gpt2-base-french"),
        ("opt-125m", "facebook/opt-125m"),
        ("Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"),
        ("Qwen1.5-0.5B", "Qwen/Qwen1.5-0.5B"),
        ("gemma-2b", "google/gemma-2b"),
        ("stablelm-2-12b", "stabilityai/stablelm-2-12b"),
        ("Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.1"),
        ("mamba-130m-hf", "state-spaces/mamba-130m-hf"),
        ("pythia-6.9b", "EleutherAI/pythia-6.9b"),
        ("bloom", None),
    ],
)
def test_short_names_mean_what_they_mean_in_the_study(name, source):
    assert catalogue.hub_id(name) == source


@pytest.mark.parametrize(("language", "n"), [("en", 28), ("fr", 4), ("cn", 10)])
def test_the_studys_lists_are_whole_and_can_be_read(tmp_path, language, n):
    models, _, _ = chosen(tmp_path, models=str(ASSETS / f"models_{language}.csv"))
    assert len(models) == n
    assert all(model.source == catalogue.hub_id(model.name) for model in models)
    assert all(model.mapping == "reference" and model.n_parameters for model in models)
    assert all(set(m.predictors) == ({"ppl", "hellaswag"} if language == "en" else set())
               for m in models)  # fmt: skip


def test_sheets_of_several_languages_share_their_models(tmp_path):
    models, _, _ = chosen(
        tmp_path,
        languages="en,fr,cn",
        models=str(ASSETS / "models_{lang}.csv"),
        baselines="random_vector",
    )
    by_name = {model.name: model for model in models}
    assert len(models) == 28 + 1 + 5
    assert by_name["Qwen1.5-0.5B"].languages == ["en", "cn"]
    assert by_name["Qwen2-7B"].languages == ["fr", "cn"]
    assert by_name["gpt2-base-chinese"].tokenizer_source == "bert-base-chinese"
    # English perplexity says nothing of Chinese scores
    assert by_name["Qwen1.5-0.5B"].predictors == {}
    assert set(by_name["Qwen1.5-0.5B"].own_predictors) == {"en", "cn"}
    assert by_name["Qwen1.5-0.5B"].own_predictors["cn"] == {}


@pytest.mark.parametrize(
    ("languages", "known"), [("en", ["en"]), ("cn", []), ("en,cn", ["en"]), ("fr", [])]
)
def test_a_short_name_has_the_skill_of_its_languages_own_list(tmp_path, languages, known):
    (model,), _, _ = chosen(
        tmp_path, models="Qwen1.5-0.5B", languages=languages, baselines="random_vector"
    )
    assert (model.n_parameters, model.predictors) == (463987712, {})
    assert sorted(model.own_predictors) == known
    plan = made_plan(models=[model])
    for language in languages.split(","):
        record = {"language": language, "subject": "average", "model": model.name}
        record |= {"layers": [0], "runs_are": "run", "stories": ["1"]}
        found = describe_fit(record, plan).predictors
        assert set(found) == ({"ppl", "hellaswag"} if language in known else set())


def test_untrained_models_and_checkpoints_are_read_from_their_names(tmp_path):
    (untrained, step), _, _ = chosen(tmp_path, models="gpt2_untrained_seed1,pythia-6.9b_step1000")
    assert (untrained.name, untrained.seed) == ("gpt2_untrained_seed1", 1)
    assert untrained.source == "openai-community/gpt2"
    assert untrained.n_parameters is None
    assert (step.revision, step.tokenizer_source) == ("step1000", "EleutherAI/pythia-6.9b")
    assert step.mapping == untrained.mapping == "reference"


def test_a_hub_id_keeps_its_name_and_is_aligned(tmp_path):
    (model,), _, _ = chosen(tmp_path, models="bigscience/bloom-560m")
    assert (model.name, model.kind, model.mapping) == ("bigscience/bloom-560m", "hub", "aligned")
    assert model.family == "bloom"
    assert file_name(model.name) == "bigscience__bloom-560m"


def test_the_studys_numbers_come_with_a_short_name(tmp_path):
    (model,), _, notes = chosen(tmp_path, models="gpt2")
    assert model.n_parameters == 124439808
    assert model.size_is_expected
    assert model.own_predictors["en"]["hellaswag"] == 31.53
    assert any("published by the study" in note for note in notes)


def test_a_folder_wins_over_a_hub_id_and_gives_its_name(tmp_path):
    write_model(tmp_path / "org é" / "tiny", "llama")
    (model,), _, _ = chosen(tmp_path, models="org é/tiny")
    assert (model.name, model.kind, model.family) == ("tiny", "local", "llama")
    assert model.source == str(tmp_path / "org é" / "tiny")
    assert [path.rsplit("/")[-1] for path in model.files] == [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    ]


def test_a_local_model_can_be_untrained(tmp_path):
    folder = write_model(tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    (model,), _, _ = chosen(tmp_path, models="./tiny_untrained_seed3")
    assert (model.seed, model.source, model.name) == (3, str(folder), "tiny_untrained_seed3")


def test_wildcards_name_several_folders(tmp_path):
    for name in ("b", "a"):
        write_model(tmp_path / "models" / name)
    models, _, _ = chosen(tmp_path, models="models/*")
    assert [model.name for model in models] == ["a", "b"]


def test_word_mapping_can_be_forced(tmp_path):
    (model,), _, _ = chosen(tmp_path, models="gpt2", word_mapping="aligned")
    assert model.mapping == "aligned"


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ("gtp2-medium", "did you mean gpt2-medium"),
        ("bloom", "no short name of the study"),
        ("./nowhere", "does not exist"),
        ("/a/b/c", "does not exist"),
        ("gpt2,gpt2", "two models would get the file name gpt2"),
        ("nowhere/*", "no folder fits"),
        ("nowhere.csv", "does not exist"),
        ("a/../../b", "does not exist"),
        ("none", "name at least one"),
    ],
)
def test_a_name_that_means_nothing_is_one_line(tmp_path, models, says):
    (line,) = mistakes(tmp_path, models=models, baselines="none")
    assert says in line


def test_two_folders_of_one_name_collide(tmp_path):
    for parent in ("x", "y"):
        write_model(tmp_path / parent / "tiny")
    (line,) = mistakes(tmp_path, models="x/tiny,y/tiny")
    assert "two models would get the file name tiny" in line
    assert str(tmp_path / "x" / "tiny") in line
    assert str(tmp_path / "y" / "tiny") in line


def test_a_folder_without_slash_is_pointed_out(tmp_path):
    write_model(tmp_path / "tiny")
    (line,) = mistakes(tmp_path, models="tiny")
    assert "write ./tiny" in line


def test_a_folders_name_must_fit_file_names(tmp_path):
    write_model(tmp_path / "my modèle")
    (line,) = mistakes(tmp_path, models="./my modèle")
    assert "becomes part of file names" in line


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot read"),
        (
            lambda f: (f / "config.json").write_text('{"is_encoder_decoder": true}'),
            "is an encoder–decoder",
        ),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: truncate(f / "model.safetensors", 0.95), "not whole"),
        (lambda f: (f / "model.safetensors").write_bytes(b"<html>no</html>"), "no safetensors"),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "--allow_pickle_weights yes",
        ),
        (
            lambda f: (
                (f / "model.safetensors").rename(f / "a.safetensors")
                and (f / "model.safetensors.index.json").write_text('{"weight_map": {"w": "b"}}')
            ),
            "lacks 1 of 1 parts",
        ),
    ],
)
def test_a_damaged_model_folder_is_one_line(tmp_path, damage, says):
    damage(write_model(tmp_path / "tiny"))
    (line,) = mistakes(tmp_path, models="./tiny")
    assert says in line


def test_pickled_weights_pass_when_allowed(tmp_path):
    folder = write_model(tmp_path / "tiny")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (model,), _, _ = chosen(tmp_path, models="./tiny", allow_pickle_weights="yes")
    assert model.files[-1].endswith("pytorch_model.bin")


def sheet(tmp_path, text):
    path = tmp_path / "sheet.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_sheet_gives_names_seeds_and_predictors(tmp_path):
    write_model(tmp_path / "m" / "tiny")
    text = (
        "model,source,revision,seed,n_parameters,blimp,comment\n"
        "A,gpt2,main,,1e3,81.5,first\nB,m/tiny,,2,,,\ngpt2_untrained_seed1,,,,,,\n"
    )
    models, _, notes = chosen(tmp_path, models=sheet(tmp_path, text))
    a, b, c = models
    assert (a.name, a.source, a.revision, a.seed) == ("A", "openai-community/gpt2", "main", 0)
    assert (a.n_parameters, a.predictors, a.mapping) == (1000, {"blimp": 81.5}, "aligned")
    assert (b.kind, b.seed, b.n_parameters, b.predictors) == ("local", 2, None, {})
    assert (c.seed, c.source, c.mapping) == (1, "openai-community/gpt2", "reference")
    assert any("comment" in note for note in notes)


def test_a_sheets_folders_are_relative_to_it_too(tmp_path):
    write_model(tmp_path / "lists" / "tiny")
    (tmp_path / "lists" / "s.csv").write_text("model,source\nT,./tiny\n")
    (model,), _, _ = chosen(tmp_path, models="lists/s.csv")
    assert model.source == str(tmp_path / "lists" / "tiny")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model\ngpt2\ngpt2\n", "gpt2 twice"),
        ("model_name\ngpt2\n", "no column named model; rename model_name"),
        ("model;seed\ngpt2;0\n", "has semicolons between its columns where commas"),
        ("model,n_parameters\ngpt2,big\n", "n_parameters of gpt2 is 'big'"),
        ("model,n_parameters\ngpt2,-5\n", "n_parameters"),
        ("model,seed\ngpt2,0.5\n", "seed of gpt2"),
        ("model,blimp\ngpt2,80\nopt-125m,n/a\n", "blimp of opt-125m is 'n/a'"),
        ("model,ppl\ngpt2,inf\n", "ppl of gpt2"),
        ("model,ppl\ngpt2,1,2\n", "3 cells"),
        ("model,ppl\n,1\n", "no name"),
        ("model,model\ngpt2,gpt2\n", "two columns model"),
        ("model,ppl\n", "no models"),
        ("", "is empty"),
        ("model,seed\ngpt2_untrained_seed1,2\n", "make them equal"),
        ("model,revision\npythia-6.9b_step0,step1000\n", "make them equal"),
        ("model\nnot a name\n", "no short name"),
        (
            "model,Seed\ngpt2,1\n",
            "a column Seed, which would be a predictor of that name; rename it seed",
        ),
        ("model,sources\na,gpt2\n", "rename it source"),
        ("model,n_layer\ngpt2,12\n", "rename it n_layers"),
        ("model,PPL\ngpt2,12\n", "rename it ppl"),
        ("model,source,seed\nmine_untrained_seed01,gpt2,\n", "mine_untrained_seed1, or another"),
    ],
)
def test_a_wrong_sheet_is_reported_with_its_place(tmp_path, text, says):
    lines = mistakes(tmp_path, models=sheet(tmp_path, text))
    assert says in lines[0]
    assert "sheet.csv" in lines[0] or "no short name" in lines[0] or "_seed" in lines[0]


@pytest.mark.parametrize(
    "column", ["hellaswag_0shot", "ppl2", "tokens_seen", "step", "layers_used"]
)
def test_a_further_measure_may_be_called_much_like_a_known_one(tmp_path, column):
    models, _, _ = chosen(tmp_path, models=sheet(tmp_path, f"model,{column}\ngpt2,5\n"))
    assert models[0].predictors[column] == 5


@pytest.mark.parametrize(
    "name", ["gpt2_untrained_seed0", "gpt2_untrained_seedx", "gpt2_untrained_seed01"]
)
def test_a_seed_that_cannot_be_read_is_no_trained_model(tmp_path, name):
    (line,) = mistakes(tmp_path, models=name)
    assert f"{name} is named untrained" in line


def test_a_name_that_is_not_the_studys_but_like_it_is_said(tmp_path):
    _, _, notes = chosen(tmp_path, models="gpt2-mediun,pythia-6.9b_step1000,gpt2_untrained_seed1")
    (note,) = [note for note in notes if "study's lists" in note]
    assert "gpt2-mediun is not in" in note
    assert "openai-community/gpt2-mediun" in note
    assert "(the nearest name of the lists is gpt2-medium)" in note


def test_a_sheet_that_is_not_utf8_is_reported(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes("model\ngpté".encode("latin-1"))
    problems = Problems()
    assert read_sheet(path, problems, []) == []
    assert "UTF-8" in problems[0]


def test_a_first_run_has_few_baselines(tmp_path):
    _, baselines, _ = chosen(tmp_path)
    assert [baseline.name for baseline in baselines] == [
        *(f"random_{kind}_300d_seed{k}" for kind in ("vector", "embedding") for k in (1, 2, 3)),
        "glove",
    ]


def test_the_baselines_are_the_studys_sweep(tmp_path):
    _, baselines, _ = chosen(tmp_path, random_dims="300,1024", random_seeds="1-10")
    names = [baseline.name for baseline in baselines]
    assert len(names) == 41
    assert names[0] == "random_vector_300d_seed1"
    assert names[-1] == "glove"


def test_none_gives_no_baseline_and_stands_alone(tmp_path):
    assert chosen(tmp_path, baselines="none")[1] == []
    assert "none stands beside" in mistakes(tmp_path, baselines="none,glove")[0]


def test_glove_is_english_only(tmp_path):
    _, baselines, notes = chosen(tmp_path, languages="fr", models="gpt2-base-french")
    assert not any(baseline.kind == "glove" for baseline in baselines)
    assert any("glove" in note for note in notes)
    _, baselines, _ = chosen(tmp_path, languages="en,fr", baselines="glove")
    assert baselines[0].languages == ["en"]
    (line,) = mistakes(tmp_path, languages="fr", baselines="glove")
    assert "English only" in line


def test_individual_models_default_to_the_models_without_baselines(tmp_path):
    models, baselines, _ = chosen(tmp_path, subjects="average,EN057")
    assert models[0].individual
    assert not any(baseline.individual for baseline in baselines)


def test_individual_models_may_name_baselines_and_further_models(tmp_path):
    models, baselines, _ = chosen(
        tmp_path,
        subjects="average,EN057",
        models="gpt2,opt-125m",
        baselines="random_vector",
        random_dims=300,
        random_seeds="1-2",
        individual_models="opt-125m,random_vector,glove,gpt2-large",
    )
    assert [(m.name, m.individual, m.average) for m in models] == [
        ("gpt2", False, True),
        ("opt-125m", True, True),
        ("gpt2-large", True, False),
    ]
    assert [(b.name, b.individual, b.average) for b in baselines] == [
        ("random_vector_300d_seed1", True, True),
        ("random_vector_300d_seed2", True, True),
        ("glove", True, False),
    ]


def test_individual_models_without_individuals_contradict(tmp_path):
    (line,) = mistakes(tmp_path, individual_models="gpt2")
    assert "--subjects has no individual" in line


def test_a_model_cannot_take_a_baselines_name(tmp_path):
    write_model(tmp_path / "glove")
    (line,) = mistakes(tmp_path, models="./glove")
    assert "file name glove" in line


def test_gated_and_pickled_models_are_pointed_out(tmp_path):
    _, _, notes = chosen(tmp_path, models="Llama-2-7b-hf,opt-125m")
    assert any("HF_TOKEN" in note and "Llama-2-7b-hf" in note for note in notes)
    assert any("--allow_pickle_weights yes: opt-125m" in note for note in notes)
