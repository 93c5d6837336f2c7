"""Which models and baselines a run fits: from names, folders and sheets to the plan's entries."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lateralization.baselines.baselines import BASELINE_KINDS
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.names import family_of, file_name, split_seed, split_step
from lateralization.plan import catalogue
from lateralization.plan.baseline_choice import choose_baselines
from lateralization.plan.catalogue import Baseline, Model, entries
from lateralization.plan.model_folder import check_model_folder
from lateralization.plan.model_request import Choice
from lateralization.plan.places import absolute, folders_like, has_wildcard
from lateralization.plan.sheets import Row, read_sheet
from lateralization.problems import Problems, listed, nearest
from lateralization.sources.hub import GATED, WITHOUT_SAFETENSORS

NAMED_UNTRAINED = "_untrained_seed"


def choose(choice: Choice) -> tuple[list[Model], list[Baseline]]:
    """Return the run's models and baselines."""
    models: list[Model] = []
    baselines: list[Baseline] = []
    if choice.parameters.sound("models", "languages"):
        models = _models(choice.parameters["models"], choice)
    if choice.parameters.sound("baselines", "random_dims", "random_seeds", "languages"):
        baselines = choose_baselines(models, choice)
    if choice.parameters.sound("individual_models", "subjects", "models", "baselines"):
        _mark_individuals(models, baselines, choice)
    _check_file_names(models, baselines, choice.problems)
    if not models and not baselines and not choice.problems:
        choice.problems.add(
            "--models and --baselines are both none; name at least one, or give --features"
        )
    _check_dropout(models, choice)
    _note_hub_models(models, choice)
    return models, baselines


def _check_dropout(models: list[Model], choice: Choice) -> None:
    """Refuse what a model with dropout cannot give."""
    given = choice.parameters
    asked = [name for name in ("context", "surprisal") if given[name] not in (None, "no")]
    untrained = [model.name for model in models if model.seed]
    if asked and untrained and given["untrained_mode"] == "train":
        choice.problems.add(
            f"--{asked[0]} needs a model without dropout and {listed(untrained)} would run with "
            "it; use --untrained_mode eval"
        )


def _models(items: Sequence[str], choice: Choice) -> list[Model]:
    """Return the models of a list of names, folders and sheets."""
    if [item.lower() for item in items] == ["none"]:
        return []
    found: list[Model] = []
    for row, languages in _rows(items, choice):
        model = _resolve(row, choice)
        if model is None:
            continue
        model.languages = languages
        if row.folder is not None and languages != choice.parameters["languages"]:
            # a sheet of one language speaks of it alone
            model.own_predictors = {languages[0]: model.predictors}
            model.predictors = {}
        same = next((other for other in found if _same_of_another_language(other, model)), None)
        if same is None:
            found.append(model)
        else:
            same.languages = [*same.languages, *languages]
            same.own_predictors = {**model.own_predictors, **same.own_predictors}
    return found


def _same_of_another_language(one: Model, other: Model) -> bool:
    """Tell whether two entries are one model that is in the sheets of two languages."""
    keys = ("name", "source", "revision", "seed")
    return not set(one.languages) & set(other.languages) and all(
        getattr(one, key) == getattr(other, key) for key in keys
    )


def _rows(items: Sequence[str], choice: Choice) -> Iterator[tuple[Row, list[str]]]:
    """Iterate over the models asked for, and the languages of each."""
    languages: list[str] = choice.parameters["languages"]
    for item in items:
        if item.lower().endswith(".csv"):
            per_language = [[one] for one in languages] if "{lang}" in item else [languages]
            for group in per_language:
                sheet = choice.path(item.replace("{lang}", group[0]))
                for row in read_sheet(sheet, choice.problems, choice.notes):
                    yield row, list(group)
        elif "/" in item and has_wildcard(item) and not choice.path(item).exists():
            folders = folders_like(item, choice.launch)
            if not folders:
                choice.problems.add(f"--models: no folder fits {item}; check the path")
            for folder in folders:
                yield Row(str(folder), "--models"), list(languages)
        else:
            yield Row(item, "--models"), list(languages)


def _resolve(row: Row, choice: Choice) -> Model | None:
    """Return the model that a row means; None, and a problem, when it means none."""
    text = row.source or row.model
    model = _local(text, row, choice) if "/" in text else None
    if model is None:
        model = _remote(text, choice)
    if model is None:
        return None
    if row.source is not None or "/" not in row.model:
        model.name = row.model
    if not _apply(row, model, choice):
        return None
    if not catalogue.is_valid_name(model.name):
        choice.problems.add(
            f"--models: {model.name!r} ({row.where}) becomes part of file names; use letters "
            "a-z, digits and . _ - only: rename the folder, or name the model in a sheet"
        )
        return None
    _set_mapping(model, choice)
    return model


def _local(text: str, row: Row, choice: Choice) -> Model | None:
    """Return the model in a local folder; None when there is no such folder."""
    candidates = [choice.path(text)]
    if row.folder is not None:
        candidates.append(absolute(text, row.folder))
    for folder in candidates:
        if folder.is_dir():
            return Model(name=folder.name, source=str(folder), kind="local")
        base, seed = split_seed(str(folder))
        if seed and Path(base).is_dir():
            return Model(name=folder.name, source=base, kind="local", seed=seed)
    return None


def _remote(text: str, choice: Choice) -> Model | None:
    """Return the model of the hub that a short name or a hub id means."""
    base, seed = split_seed(text)
    base, revision = split_step(base)
    if "/" not in base:
        source = catalogue.hub_id(base)
        if source is None or not catalogue.is_valid_name(base):
            choice.problems.add(_unknown_name(text, choice))
            return None
    elif catalogue.is_hub_id(base):
        source = base
        if (choice.launch / base.split("/")[0]).is_dir():
            choice.notes.append(
                f"{text} is no folder here, so it is taken for a model of the hub; write ./{text} "
                "for a folder"
            )
    else:
        path = choice.path(text)
        what = "is a file, not a folder" if path.exists() else "does not exist"
        choice.problems.add(
            f"--models: {path} {what}; give a folder in save_pretrained form, a short name of the "
            "study or a hub id org/name"
        )
        return None
    known = {split_step(name)[0] for name in catalogue.study_names(choice.assets)}
    near = nearest(base, sorted(known), 1)
    if "/" not in base and base not in known and near:
        choice.notes.append(
            f"{base} is not in the study's lists and is taken for {source} of the hub (the nearest "
            f"name of the lists is {near[0]})"
        )
    tokenizer = catalogue.tokenizer_of(source, revision)
    return Model(text, source, "hub", revision=revision, tokenizer_source=tokenizer, seed=seed)


def _unknown_name(text: str, choice: Choice) -> str:
    """Say that a name is no short name of the study."""
    if choice.path(text).is_dir():
        return f"--models: {text} is no short name of the study; for the folder write ./{text}"
    best = nearest(text, catalogue.study_names(choice.assets))
    hint = f"did you mean {' or '.join(best)}?" if best else "write org/name for a model of the hub"
    return f"--models: {text} is no short name of the study; {hint}"


def _apply(row: Row, model: Model, choice: Choice) -> bool:
    """Put what a row says over what its name says; False when they contradict each other."""
    _, named_seed = split_seed(model.name)
    implied = model.seed or named_seed
    if row.seed is not None and implied and row.seed != implied:
        choice.problems.add(
            f"--models: {row.where}: {row.model} is named untrained with seed {implied} and its "
            f"seed is {row.seed}; make them equal or leave the seed empty"
        )
        return False
    if row.revision and model.revision and row.revision != model.revision:
        choice.problems.add(
            f"--models: {row.where}: {row.model} is named {model.revision} and its revision is "
            f"{row.revision}; make them equal or leave the revision empty"
        )
        return False
    model.seed = row.seed or implied
    if NAMED_UNTRAINED in model.name and not model.seed:
        choice.problems.add(
            f"--models: {model.name} is named untrained, and its seed is not one that can be read; "
            f"write {model.name.split(NAMED_UNTRAINED)[0]}{NAMED_UNTRAINED}1, or another seed from "
            "1 on"
        )
        return False
    if model.kind == "hub":
        model.revision = row.revision or model.revision
        model.family = row.family or family_of(model.source)
        _add_published(row, model, choice)
    else:
        _check_local(row, model, choice)
    for name in ("n_parameters", "n_layers", "n_hid"):
        setattr(model, name, getattr(row, name) or getattr(model, name))
    model.predictors.update(row.predictors)
    return True


def _check_local(row: Row, model: Model, choice: Choice) -> None:
    """Check a local model's files and take its family from its configuration."""
    if row.revision:
        choice.notes.append(f"{model.name} is a local folder: its revision is not used")
    model.files, config = check_model_folder(
        Path(model.source),
        pickles=choice.parameters["allow_pickle_weights"] == "yes",
        trained=model.seed == 0,
        problems=choice.problems,
    )
    model.family = row.family or str(config.get("model_type", "unknown"))


def _add_published(row: Row, model: Model, choice: Choice) -> None:
    """Add what the study published of a model that was given by its short name alone.

    Its size is the same in every list; perplexity and HellaSwag are those of the language's own.
    """
    lists = catalogue.study_lists(choice.assets)
    published = {code: models[model.name] for code, models in lists.items() if model.name in models}
    if row.folder is not None or not published or model.seed or model.revision:
        return
    for name in ("n_parameters", "n_layers", "n_hid"):
        setattr(model, name, int(next(iter(published.values()))[name]))
    model.size_is_expected = True
    for code, entry in published.items():
        skill = {name: float(entry[name]) for name in ("ppl", "hellaswag") if entry[name]}
        if skill and code in choice.parameters["languages"]:
            model.own_predictors[code] = skill


def _set_mapping(model: Model, choice: Choice) -> None:
    """Choose how the model's words find their tokens."""
    wanted = choice.parameters["word_mapping"]
    study = catalogue.study_names(choice.assets)
    ours = catalogue.is_study_model(model.name, study)
    model.mapping = ("reference" if ours else "aligned") if wanted == "auto" else wanted


def _mark_individuals(models: list[Model], baselines: list[Baseline], choice: Choice) -> None:
    """Mark what is fitted to the individual subjects; what is only for them is added."""
    subjects = choice.parameters["subjects"]
    individuals = "all" in subjects or any(subject != "average" for subject in subjects)
    average = "all" in subjects or "average" in subjects
    for entry in entries(models, baselines):
        entry.average = average
    wanted = choice.parameters["individual_models"]
    if not individuals:
        if wanted:
            choice.problems.add(
                "--individual_models is given and --subjects has no individual; add their ids "
                "(--subjects average,EN057)"
            )
        return
    if wanted is None:
        for model in models:
            model.individual = True
        return
    for item in wanted:
        if not _mark_known(item, models, baselines, choice):
            for model in _models([item], choice):
                same = next((m for m in models if _is_same(m, model)), None)
                if same is None:
                    models.append(replace(model, individual=True, average=False))
                else:
                    same.individual = True


def _is_same(one: Model, other: Model) -> bool:
    keys = ("name", "source", "revision", "seed")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _mark_known(item: str, models: list[Model], baselines: list[Baseline], choice: Choice) -> bool:
    """Mark the model or baselines of a name; False when the name is another model's."""
    known = [entry for entry in entries(models, baselines) if item == entry.name]
    known += [entry for entry in baselines if item == entry.kind and entry not in known]
    for entry in known:
        entry.individual = True
    if known:
        return True
    kind = item if item in BASELINE_KINDS else (catalogue.parse_baseline(item) or [""])[0]
    if not kind:
        return False
    dims, seeds = choice.parameters["random_dims"], choice.parameters["random_seeds"]
    names = catalogue.baseline_names(item, dims, seeds) if kind == item else [item]
    languages = choice.parameters["languages"]
    if kind == "glove" and "en" not in languages:
        choice.problems.add("--individual_models: glove is English only; leave it out")
        return True
    baselines += [
        catalogue.make_baseline(name, languages, individual=True, average=False) for name in names
    ]
    return True


def _check_file_names(models: list[Model], baselines: list[Baseline], problems: Problems) -> None:
    """Report models and baselines that would write the same files."""
    taken: dict[str, str] = {}
    for entry in entries(models, baselines):
        kind = f"--{FEATURES}" if entry.kind == FEATURES else "a baseline"
        source = entry.source if isinstance(entry, Model) else kind
        name = file_name(entry.name)
        if name in taken:
            problems.add(
                f"--models: two models would get the file name {name} ({taken[name]} and "
                f"{source}); leave one out, or give one another name in a sheet"
            )
        taken.setdefault(name, source)


def _note_hub_models(models: list[Model], choice: Choice) -> None:
    """Say which models need a token, or may need pickled weights."""
    gated = [m.name for m in models if m.kind == "hub" and m.source.startswith(tuple(GATED))]
    if gated:
        choice.notes.append(
            f"gated models, which need the secret HF_TOKEN and an accepted licence: {listed(gated)}"
        )
    pickled = [
        m.name for m in models if m.kind == "hub" and m.source.startswith(WITHOUT_SAFETENSORS)
    ]
    if pickled and choice.parameters["allow_pickle_weights"] == "no":
        choice.notes.append(
            "models that may have no safetensors weights on the hub, and then need "
            f"--allow_pickle_weights yes: {listed(pickled)}"
        )
    published = [
        m.name
        for m in models
        if m.own_predictors and m.kind == "hub" and "models" not in choice.parameters.failed
    ]
    if published and not any(item.endswith(".csv") for item in choice.parameters["models"]):
        choice.notes.append(
            f"parameters, perplexity and HellaSwag as published by the study: {listed(published)}"
        )
