"""Which models and baselines a run fits: from names, folders and sheets to the plan's entries."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lateralization.baselines.baselines import BASELINE_KINDS
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.names import (
    STEP_REVISION,
    TRAINING_STEP,
    family_of,
    file_name,
    split_seed,
    split_step,
)
from lateralization.plan import catalogue
from lateralization.plan.baseline_choice import choose_baselines
from lateralization.plan.context import Context, absolute, folders_like, has_wildcard
from lateralization.plan.model_folder import check_model_folder
from lateralization.plan.sheets import Row, read_sheet
from lateralization.problems import Problems, listed, nearest
from lateralization.run_plan import Baseline, Model, entries
from lateralization.sources.hub import GATED, WITHOUT_SAFETENSORS

NAMED_UNTRAINED = "_untrained_seed"
TWIN_SEED = 1
"""Seed of the twins that ``--untrained_twins`` adds."""

Entry = TypeVar("Entry", Model, Baseline)


def choose(context: Context) -> tuple[list[Model], list[Baseline]]:
    """Return the run's models and baselines."""
    models: list[Model] = []
    baselines: list[Baseline] = []
    if context.parameters.sound("models", "languages"):
        models = _models(context.parameters["models"], context)
        if context.parameters["untrained_twins"] == "yes":
            models += _twins(models, context)
    if context.parameters.sound("baselines", "random_dims", "random_seeds", "languages"):
        baselines = choose_baselines(models, context)
    if context.parameters.sound("individual_models", "subjects", "models", "baselines"):
        models, baselines = _fitted_to_subjects(models, baselines, context)
    _check_file_names(models, baselines, context.problems)
    if not models and not baselines and not context.problems:
        context.problems.add(
            "--models and --baselines are both none; name at least one, or give --features"
        )
    _check_dropout(models, context)
    _note_hub_models(models, context)
    return models, baselines


def _check_dropout(models: list[Model], context: Context) -> None:
    """Refuse what a model with dropout cannot give."""
    given = context.parameters
    asked = [name for name in ("context", "surprisal") if given[name] not in (None, "no")]
    untrained = [model.name for model in models if model.seed]
    if asked and untrained and given["untrained_mode"] == "train":
        context.problems.add(
            f"--{asked[0]} needs a model without dropout and {listed(untrained)} would run with "
            "it; use --untrained_mode eval"
        )


def _models(items: Sequence[str], context: Context) -> list[Model]:
    """Return the models of a list of names, folders and sheets."""
    if [item.lower() for item in items] == ["none"]:
        return []
    found: list[Model] = []
    for row, languages in _rows(items, context):
        model = _resolve(row, context)
        if model is None:
            continue
        model = replace(model, languages=languages)
        if row.folder is not None and languages != context.parameters["languages"]:
            # a sheet of one language speaks of it alone
            own = {languages[0]: model.predictors}
            model = replace(model, own_predictors=own, predictors={})
        same = next((i for i, other in enumerate(found) if _continues(other, model)), None)
        if same is None:
            found.append(model)
        else:
            found[same] = _in_more_languages(found[same], model)
    return found


def _twins(models: Sequence[Model], context: Context) -> list[Model]:
    """Return the untrained twins, of seed ``TWIN_SEED``, that the models do not have yet."""
    taken = {(model.source, model.revision) for model in models if model.seed == TWIN_SEED}
    twins = []
    for model in models:
        is_step = STEP_REVISION.fullmatch(model.revision or "") or TRAINING_STEP.fullmatch(
            model.name
        )
        if model.seed or is_step or (model.source, model.revision) in taken:
            continue
        row = Row(
            f"{model.name}{NAMED_UNTRAINED}{TWIN_SEED}", "--untrained_twins", source=model.source,
            revision=model.revision, family=model.family, seed=TWIN_SEED,
            n_parameters=model.n_parameters, n_layers=model.n_layers, n_hid=model.n_hid,
        )  # fmt: skip
        twin = _resolve(row, context)
        if twin is not None:
            known = model.size_is_expected
            twins.append(replace(twin, languages=model.languages, size_is_expected=known))
    return twins


def _continues(one: Model, other: Model) -> bool:
    """Tell whether two entries are one model that is in the sheets of two languages."""
    return _is_same(one, other) and not set(one.languages) & set(other.languages)


def _in_more_languages(one: Model, other: Model) -> Model:
    """Return a model with the languages of its entry in another sheet."""
    return replace(
        one,
        languages=[*one.languages, *other.languages],
        own_predictors={**other.own_predictors, **one.own_predictors},
    )


def _rows(items: Sequence[str], context: Context) -> Iterator[tuple[Row, list[str]]]:
    """Iterate over the models asked for, and the languages of each."""
    languages: list[str] = context.parameters["languages"]
    for item in items:
        if item.lower().endswith(".csv"):
            per_language = [[one] for one in languages] if "{lang}" in item else [languages]
            for group in per_language:
                sheet = context.path(item.replace("{lang}", group[0]))
                for row in read_sheet(sheet, context.problems, context.notes):
                    yield row, list(group)
        elif "/" in item and has_wildcard(item) and not context.path(item).exists():
            folders = folders_like(item, context.launch)
            if not folders:
                context.problems.add(f"--models: no folder fits {item}; check the path")
            for folder in folders:
                yield Row(str(folder), "--models"), list(languages)
        else:
            yield Row(item, "--models"), list(languages)


def _resolve(row: Row, context: Context) -> Model | None:
    """Return the model that a row means; None, and a problem, when it means none."""
    text = row.source or row.model
    model = _local(text, row, context) if "/" in text else None
    if model is None:
        model = _remote(text, context)
    if model is None:
        return None
    if row.source is not None or "/" not in row.model:
        model = replace(model, name=row.model)
    model = _with_row(row, model, context)
    if model is None:
        return None
    if not catalogue.is_valid_name(model.name):
        context.problems.add(
            f"--models: {model.name!r} ({row.where}) becomes part of file names; use letters "
            "a-z, digits and . _ - only: rename the folder, or name the model in a sheet"
        )
        return None
    return replace(model, mapping=_mapping(model.name, context))


def _local(text: str, row: Row, context: Context) -> Model | None:
    """Return the model in a local folder; None when there is no such folder."""
    candidates = [context.path(text)]
    if row.folder is not None:
        candidates.append(absolute(text, row.folder))
    for folder in candidates:
        if folder.is_dir():
            return Model(name=folder.name, source=str(folder), kind="local")
        base, seed = split_seed(str(folder))
        if seed and Path(base).is_dir():
            return Model(name=folder.name, source=base, kind="local", seed=seed)
    return None


def _remote(text: str, context: Context) -> Model | None:
    """Return the model of the hub that a short name or a hub id means."""
    base, seed = split_seed(text)
    base, revision = split_step(base)
    if "/" not in base:
        source = catalogue.hub_id(base)
        if source is None or not catalogue.is_valid_name(base):
            context.problems.add(_unknown_name(text, context))
            return None
    elif catalogue.is_hub_id(base):
        source = base
        if (context.launch / base.split("/")[0]).is_dir():
            context.notes.append(
                f"{text} is no folder here, so it is taken for a model of the hub; write ./{text} "
                "for a folder"
            )
    else:
        path = context.path(text)
        what = "is a file, not a folder" if path.exists() else "does not exist"
        context.problems.add(
            f"--models: {path} {what}; give a folder in save_pretrained form, a short name of the "
            "study or a hub id org/name"
        )
        return None
    known = {split_step(name)[0] for name in catalogue.study_names(context.assets)}
    near = nearest(base, sorted(known), 1)
    if "/" not in base and base not in known and near:
        context.notes.append(
            f"{base} is not in the study's lists and is taken for {source} of the hub (the nearest "
            f"name of the lists is {near[0]})"
        )
    tokenizer = catalogue.tokenizer_of(source, revision)
    return Model(text, source, "hub", revision=revision, tokenizer_source=tokenizer, seed=seed)


def _unknown_name(text: str, context: Context) -> str:
    """Say that a name is no short name of the study."""
    if context.path(text).is_dir():
        return f"--models: {text} is no short name of the study; for the folder write ./{text}"
    best = nearest(text, catalogue.study_names(context.assets))
    hint = f"did you mean {' or '.join(best)}?" if best else "write org/name for a model of the hub"
    return f"--models: {text} is no short name of the study; {hint}"


def _with_row(row: Row, model: Model, context: Context) -> Model | None:
    """Put what a row says over what its name says; None when they contradict each other."""
    _, named_seed = split_seed(model.name)
    implied = model.seed or named_seed
    if row.seed is not None and implied and row.seed != implied:
        context.problems.add(
            f"--models: {row.where}: {row.model} is named untrained with seed {implied} and its "
            f"seed is {row.seed}; make them equal or leave the seed empty"
        )
        return None
    if row.revision and model.revision and row.revision != model.revision:
        context.problems.add(
            f"--models: {row.where}: {row.model} is named {model.revision} and its revision is "
            f"{row.revision}; make them equal or leave the revision empty"
        )
        return None
    model = replace(model, seed=row.seed or implied)
    if NAMED_UNTRAINED in model.name and not model.seed:
        context.problems.add(
            f"--models: {model.name} is named untrained, and its seed is not one that can be read; "
            f"write {model.name.split(NAMED_UNTRAINED)[0]}{NAMED_UNTRAINED}1, or another seed from "
            "1 on"
        )
        return None
    model = _of_hub(row, model, context) if model.kind == "hub" else _of_folder(row, model, context)
    return replace(
        model,
        n_parameters=row.n_parameters or model.n_parameters,
        n_layers=row.n_layers or model.n_layers,
        n_hid=row.n_hid or model.n_hid,
        predictors=row.predictors,
    )


def _of_folder(row: Row, model: Model, context: Context) -> Model:
    """Check a local model's files and take its family from its configuration."""
    if row.revision:
        context.notes.append(f"{model.name} is a local folder: its revision is not used")
    files, config = check_model_folder(
        Path(model.source),
        pickles=context.parameters["allow_pickle_weights"] == "yes",
        trained=model.seed == 0,
        problems=context.problems,
    )
    family = row.family or str(config.get("model_type", "unknown"))
    return replace(model, files=files, family=family)


def _of_hub(row: Row, model: Model, context: Context) -> Model:
    """Add revision and family, and what the study published of a model named alone.

    Its size is the same in every list; perplexity and HellaSwag are those of the language's own.
    """
    model = replace(
        model,
        revision=row.revision or model.revision,
        family=row.family or family_of(model.source),
    )
    lists = catalogue.study_lists(context.assets)
    published = {code: models[model.name] for code, models in lists.items() if model.name in models}
    if row.folder is not None or not published or model.seed or model.revision:
        return model
    size = next(iter(published.values()))
    skills = {
        code: {name: float(entry[name]) for name in ("ppl", "hellaswag") if entry[name]}
        for code, entry in published.items()
        if code in context.parameters["languages"]
    }
    return replace(
        model,
        n_parameters=int(size["n_parameters"]),
        n_layers=int(size["n_layers"]),
        n_hid=int(size["n_hid"]),
        size_is_expected=True,
        own_predictors={code: skill for code, skill in skills.items() if skill},
    )


def _mapping(name: str, context: Context) -> str:
    """Choose how a model's words find their tokens."""
    wanted: str = context.parameters["word_mapping"]
    if wanted != "auto":
        return wanted
    ours = catalogue.is_study_model(name, catalogue.study_names(context.assets))
    return "reference" if ours else "aligned"


def _fitted_to_subjects(
    models: list[Model], baselines: list[Baseline], context: Context
) -> tuple[list[Model], list[Baseline]]:
    """Mark what is fitted to the average and to individuals; add what is only for the latter."""
    subjects = context.parameters["subjects"]
    individuals = "all" in subjects or any(subject != "average" for subject in subjects)
    average = "all" in subjects or "average" in subjects
    models = [replace(model, average=average) for model in models]
    baselines = [replace(baseline, average=average) for baseline in baselines]
    wanted: list[str] | None = context.parameters["individual_models"]
    if not individuals:
        if wanted:
            context.problems.add(
                "--individual_models is given and --subjects has no individual; add their ids "
                "(--subjects average,EN057)"
            )
        return models, baselines
    if wanted is None:
        baselines = [replace(one, individual=one.kind == FEATURES) for one in baselines]
        return [replace(model, individual=True) for model in models], baselines
    for item in wanted:
        if any(item in _names(entry) for entry in entries(models, baselines)):
            models = [_marked(model, item) for model in models]
            baselines = [_marked(baseline, item) for baseline in baselines]
        elif kind := _kind(item):
            baselines = baselines + _more_baselines(kind, item, context)
        else:
            models = _with_models(models, _models([item], context))
    return models, baselines


def _names(entry: Model | Baseline) -> tuple[str, ...]:
    """Return what an entry may be called in ``--individual_models``: a baseline also by kind."""
    return (entry.name,) if isinstance(entry, Model) else (entry.name, entry.kind)


def _marked(entry: Entry, item: str) -> Entry:
    """Return an entry, marked as fitted to individuals if ``item`` names it."""
    return replace(entry, individual=True) if item in _names(entry) else entry


def _kind(item: str) -> str:
    """Return the kind of baseline that a kind or a full name means; empty if none."""
    return item if item in BASELINE_KINDS else (catalogue.parse_baseline(item) or ("", 0, 0))[0]


def _more_baselines(kind: str, item: str, context: Context) -> list[Baseline]:
    """Return the baselines of a kind or full name that are fitted to individuals only."""
    languages = context.parameters["languages"]
    if kind == "glove" and "en" not in languages:
        context.problems.add("--individual_models: glove is English only; leave it out")
        return []
    dims, seeds = context.parameters["random_dims"], context.parameters["random_seeds"]
    names = catalogue.baseline_names(item, dims, seeds) if kind == item else [item]
    return [
        catalogue.make_baseline(name, languages, individual=True, average=False) for name in names
    ]


def _with_models(models: list[Model], more: Iterable[Model]) -> list[Model]:
    """Mark models as fitted to individuals; those that the run does not have are added."""
    models = list(models)
    for model in more:
        same = next((i for i, other in enumerate(models) if _is_same(other, model)), None)
        if same is None:
            models.append(replace(model, individual=True, average=False))
        else:
            models[same] = replace(models[same], individual=True)
    return models


def _is_same(one: Model, other: Model) -> bool:
    keys = ("name", "source", "revision", "seed")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


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


def _note_hub_models(models: list[Model], context: Context) -> None:
    """Say which models need a token, or may need pickled weights."""
    gated = [m.name for m in models if m.kind == "hub" and m.source.startswith(tuple(GATED))]
    if gated:
        context.notes.append(
            f"gated models, which need the secret HF_TOKEN and an accepted licence: {listed(gated)}"
        )
    pickled = [
        m.name for m in models if m.kind == "hub" and m.source.startswith(WITHOUT_SAFETENSORS)
    ]
    if pickled and context.parameters["allow_pickle_weights"] == "no":
        context.notes.append(
            "models that may have no safetensors weights on the hub, and then need "
            f"--allow_pickle_weights yes: {listed(pickled)}"
        )
    published = [
        m.name
        for m in models
        if m.own_predictors and m.kind == "hub" and "models" not in context.parameters.failed
    ]
    if published and not any(item.endswith(".csv") for item in context.parameters["models"]):
        context.notes.append(
            f"parameters, perplexity and HellaSwag as published by the study: {listed(published)}"
        )
