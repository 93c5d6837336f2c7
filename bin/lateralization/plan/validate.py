"""The plan of a run: what VALIDATE finds out, and every other stage follows."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lateralization.baselines.confounds import FROM_SOUND
from lateralization.baselines.glove import glove_width
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.fmri.atlas import TABLES, check_atlas, labels_beside
from lateralization.plan.claim_choice import choose_claim
from lateralization.plan.context import Context, absolute
from lateralization.plan.features_plan import check_features, check_frequencies
from lateralization.plan.language_plan import plan_language
from lateralization.plan.layer_choice import check_layers
from lateralization.plan.model_choice import choose
from lateralization.plan.parameters import FIRST, Parameters, load_schema, normalise
from lateralization.plan.summary import price
from lateralization.problems import Problems, listed, nearest
from lateralization.ridge.choices import MOST_BANDS, Choices
from lateralization.run_plan import Baseline, FitPlan, LanguagePlan, Model, Parcel, Plan, entries
from lateralization.sources.description import STUDY, Description, find_description
from lateralization.sources.given_files import PUBLISHED
from lateralization.sources.hub import OFFICIAL_HUB

SECRET = ("texts_password",)
LAYERS_PER_TASK = 8
"""Layers that one ENCODE task fits: worth the seconds that starting it takes."""
READ_ONLY = ("http://", "https://", "ftp://")
REMOTE = ("s3://", "gs://", "az://", *READ_ONLY)


def project_folder(request: Mapping[str, Any]) -> Path:
    """Return the project's folder: the request's, or the one that this file is in."""
    named = request.get("project_dir")
    return Path(named) if named else Path(__file__).resolve().parents[3]


def make_plan(request: Mapping[str, Any], assets: Path) -> Plan:
    """Check everything that can be checked before anything is queued; return the plan of the run.

    Parameters
    ----------
    request
        ``params`` as Nextflow has them, ``launch_dir``, ``project_dir``, and where known
        ``work_dir``, ``typed`` and ``outdir_writable``.
    assets
        Folder of the study's lists, manifests and addresses.

    Raises
    ------
    BadInput
        With the first mistake; all others have been said before it.
    """
    problems, notes, schema = Problems(), list[str](), load_schema(project_folder(request))
    parameters = normalise(request["params"], schema, problems, request.get("typed", {}))
    launch = Path(request.get("launch_dir") or Path.cwd())
    _check_combinations(parameters, problems)
    described = _described(parameters, assets, launch, problems)
    context = Context(parameters, described, assets, launch, problems, notes)
    models, baselines = choose(context)
    languages, data_runs = _languages(context, models, baselines)
    _note_kept(context, models)
    _check_joint(parameters, baselines, problems)
    check_layers(models, baselines, context)
    _note_choices(parameters, notes)
    fits = _fits(languages, models, baselines)
    _check_fits(languages, fits, context)
    claim = choose_claim(context, models)
    glove, baselines = _glove(context, baselines)
    atlas = _atlas(context)
    places = {name: _place(parameters[name], launch) for name in ("outdir", "cache_dir")}
    _check_places(places, request, context)
    problems.stop()
    plan = Plan(
        parameters=_shown(parameters),
        data_name=described.name,
        cache_dir=places["cache_dir"],
        layers=parameters["layers"],
        notes=list(dict.fromkeys(notes)),
        languages=languages,
        models=models,
        baselines=baselines,
        fits=fits,
        encoder={field.name: parameters[field.name] for field in fields(Choices)},
        joint=parameters["joint"] or [],
        layers_per_task=parameters["layers_per_task"] or LAYERS_PER_TASK,
        claim=claim,
        truth=_truth(context),
        glove=glove,
        atlas=atlas,
        data_runs=data_runs,
        template=described.template,
    )
    cost = price(plan)
    return replace(plan, notes=[*plan.notes, cost]) if cost else plan


def _languages(
    context: Context, models: list[Model], baselines: list[Baseline]
) -> tuple[list[LanguagePlan], list[dict[str, Any]]]:
    """Plan every language, and check what must fit the words of all; none if it is not known.

    Returns
    -------
    languages
        Their entries in the plan.
    data_runs
        Every file of BOLD, once: a file that one language leaves out may be another's.
    """
    if not context.parameters.sound("languages", "dataset", "subjects"):
        return [], []
    languages, known, rows = [], list[str](), dict[str, dict[str, Any]]()
    for language in context.parameters["languages"]:
        planned, subjects, files = plan_language(
            language,
            context,
            has_models=any(language in model.languages for model in models),
            has_sound=any(one.kind in FROM_SOUND for one in baselines),
        )
        languages.append(planned)
        known += subjects
        rows |= {row["file"]: row for row in files if row["used"] or row["file"] not in rows}
    _check_subjects(context, known)
    check_frequencies(baselines, languages, context)
    check_features([one for one in baselines if one.kind == FEATURES], languages, context)
    return languages, list(rows.values())


def _described(
    parameters: Parameters, assets: Path, launch: Path, problems: Problems
) -> Description:
    """Return the data set's description, and check that it has the languages of the run.

    What is wrong with ``--dataset`` or ``--languages`` is noted, and what depends on it not
    looked at.
    """
    dataset = str(parameters["dataset"])
    place = absolute(dataset, launch)
    found = find_description(STUDY, place, assets)
    try:
        if dataset != STUDY and not place.is_dir() and place.suffix != ".json":
            raise BadInput(
                f"{place} is no folder; give {STUDY}, a folder that has its layout or a "
                "dataset.json, or a description with a manifest beside it"
            )
        found = find_description(dataset, place, assets)
    except BadInput as error:
        problems.add(f"--dataset: {error}")
        parameters.failed.add("dataset")
    unknown = [one for one in parameters["languages"] if one not in found.languages]
    if unknown and parameters.sound("dataset", "languages"):
        best = nearest(unknown[0], found.languages, 1)
        hint = f" (did you mean {best[0]}?)" if best else ""
        problems.add(
            f"--languages: {found.name} has no {listed(unknown)}; choose from "
            f"{', '.join(found.languages)}{hint}"
        )
        parameters.failed.add("languages")
    return found


def _place(text: str, launch: Path) -> str:
    """Return an absolute path; an address of a bucket stays as it is."""
    if text.startswith(REMOTE):
        return text
    return str(absolute(text, launch))


def _shown(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters as they may be shown: a password is not."""
    secret = {name for name in SECRET if parameters[name] is not None}
    return {name: "(given)" if name in secret else v for name, v in parameters.values.items()}


def _check_combinations(parameters: Parameters, problems: Problems) -> None:
    """Report parameters that contradict each other."""
    languages = parameters["languages"]
    for name in ("isc", "average_subject"):
        if parameters[name] is not None and parameters["mask"] is None:
            problems.add(
                f"--{name} is given without --mask, and its voxels are those of a mask; give the "
                "mask that belongs to it"
            )
    for name in ("mask", "isc", "average_subject"):
        value = parameters[name]
        if value not in (None, PUBLISHED) and len(languages) > 1 and "{lang}" not in value:
            problems.add(
                f"--{name} is {value} for {len(languages)} languages; put {{lang}} into the path"
            )
    if parameters["texts_password"] is not None and parameters["texts"] is None:
        problems.add("--texts_password is given without --texts; give the zip that it opens")
    if "none" in parameters["confounds"] and len(parameters["confounds"]) > 1:
        problems.add("--confounds: none stands beside others; leave it or the others out")
    if "none" in (parameters["individual_models"] or []):
        problems.add("--individual_models is none; leave individuals out of --subjects instead")


def _check_joint(parameters: Parameters, baselines: list[Baseline], problems: Problems) -> None:
    """Report confounds that cannot go jointly with the models."""
    wanted = parameters["joint"] or []
    if not wanted or not parameters.sound("joint", "baselines", "languages"):
        return
    known = {baseline.name: baseline for baseline in baselines}
    for name in wanted:
        if name not in known:
            choice = listed(nearest(name, known) or known, 5)
            hint = f"choose from {choice}" if choice else "leave --joint out"
            problems.add(
                f"--joint: {name} is none of the run's baselines; add it to --baselines, or {hint}"
            )
            continue
        if known[name].n_layers != 1:
            problems.add(f"--joint: {name} has {known[name].n_layers} layers; one layer is needed")
        missing = [one for one in parameters["languages"] if one not in known[name].languages]
        if missing:
            problems.add(f"--joint: there is no {name} in {listed(missing)}; leave it out")
    if len(wanted) > MOST_BANDS:
        problems.add(f"--joint names {len(wanted)} baselines; at most {MOST_BANDS} can go jointly")
    if parameters["components"]:
        problems.add("--joint and --components cannot be combined; leave one out")


def _note_kept(context: Context, models: list[Model]) -> None:
    """Say what is not removed though the user asks for it."""
    if context.parameters["keep_raw"] == "no" and not context.remote:
        context.notes.append(
            "--keep_raw no: the data set is your own folder, nothing of it is removed"
        )
    if context.parameters["keep_models"] == "no" and any(model.kind == "local" for model in models):
        context.notes.append("--keep_models no: models of your own folders are not removed")


def _note_choices(parameters: Parameters, notes: list[str]) -> None:
    """Say where the encoder is not the study's."""
    changed = [f for f in fields(Choices) if parameters[f.name] != f.default]
    if changed:
        said = ", ".join(f"--{field.name} {parameters[field.name]}" for field in changed)
        notes.append(f"the encoder is not the study's ({said}): published values may differ")


def _check_subjects(context: Context, known: list[str]) -> None:
    """Report ids that no language of the run has, by those that are known."""
    parameters = context.parameters
    for name in parameters["subjects"]:
        if name in ("all", "average") or name in known or name.startswith(FIRST):
            continue
        spoken = context.described.languages.items()
        other = next((code for code, entry in spoken if entry.has(name)), None)
        if other is not None and other not in parameters["languages"]:
            hint = f"it is {other}, and --languages is {listed(parameters['languages'])}"
        else:
            near = listed(nearest(name, known) or known, 5)
            hint = f"the nearest are {near}" if near else "there is no subject's folder"
        context.problems.add(f"--subjects: {name} is not in the data set; {hint}")


def _fits(
    languages: list[LanguagePlan], models: list[Model], baselines: list[Baseline]
) -> list[FitPlan]:
    """Return every (language, subject, model) that is fitted."""
    fits = []
    for language in languages:
        for entry in entries(models, baselines):
            if language.language not in entry.languages:
                continue
            subjects = ["average"] if entry.average and language.average else []
            subjects += language.individuals if entry.individual else []
            fits += [FitPlan(language.language, subject, entry.name) for subject in subjects]
    return fits


def _check_fits(languages: list[LanguagePlan], fits: list[FitPlan], context: Context) -> None:
    """Report a language for which nothing would be fitted, where nothing else is wrong."""
    if not context.parameters.sound(*context.parameters.values):
        return
    for language in languages:
        name = language.language
        if not context.problems and not any(fit.language == name for fit in fits):
            context.problems.add(
                f"--languages: nothing is fitted for {name}; name a model and a subject of this "
                "language, or leave it out"
            )


def _glove(context: Context, baselines: list[Baseline]) -> tuple[Parcel | None, list[Baseline]]:
    """Return where the GloVe vectors come from, and the baselines with the width of a user's own.

    The first is None when no baseline needs them.
    """
    given = context.parameters["glove"]
    if not any(baseline.kind == "glove" for baseline in baselines):
        if given is not None:
            context.problems.add("--glove is given and no baseline is glove; add it to --baselines")
        return None, baselines
    pinned = read_json(context.assets / "texts.json")["glove"]
    if given is None:
        hub = context.parameters["hf_endpoint"]
        url = pinned["url"] if hub is None else pinned["url"].replace(OFFICIAL_HUB, hub.rstrip("/"))
        return {"url": url, "sha256": pinned["sha256"], "source": []}, baselines
    path = context.path(given)
    if not path.is_file():
        context.problems.add(f"--glove: {path} does not exist; check the path")
    elif path.suffix.lower() not in (".zip", ".txt"):
        context.problems.add(f"--glove: {path} is neither .txt nor .zip; rename or unpack it")
    else:
        with context.problems.collect("--glove"):
            dims = glove_width(path)
            baselines = [replace(b, dims=dims) if b.kind == "glove" else b for b in baselines]
    return {"source": [str(path)]}, baselines


def _atlas(context: Context) -> Parcel | None:
    """Return where the atlas comes from; None where areas are not asked for."""
    given = context.parameters["atlas"]
    if given == "none" or (given == "auto" and not context.remote):
        return None
    if given == "auto":
        return {"source": []}
    first, _, second = given.partition(",")
    image = context.path(first.strip())
    table = context.path(second.strip()) if second.strip() else labels_beside(image)
    for path in (image, table):
        if not path.is_file():
            context.problems.add(
                f"--atlas: {path} does not exist; give IMAGE,LABELS: a NIfTI of labels and a TSV "
                "or CSV of index and name"
            )
    if table.suffix not in TABLES:
        context.problems.add(f"--atlas: {table} ends in neither .tsv nor .csv; rename it")
    elif table.is_file() and image.is_file():
        with context.problems.collect("--atlas"):
            check_atlas(image, table)
    return {"source": [str(image), str(table)]}


def _truth(context: Context) -> str | None:
    """Return what a simulated data set says about itself."""
    if context.remote:
        return None
    path = context.root / "simulation.json"
    return str(path) if path.is_file() else None


def _check_places(places: Mapping[str, str], request: Mapping[str, Any], context: Context) -> None:
    """Report folders that cannot hold what is written into them."""
    for name, place in places.items():
        _check_writable(name, place, request, context.problems)
    _check_own_folder(places["outdir"], request, context)


def _check_writable(name: str, place: str, request: Mapping[str, Any], problems: Problems) -> None:
    """Report a folder that is a file, or below one; a read-only cache is allowed."""
    if place.startswith(REMOTE):
        if name == "cache_dir":
            problems.add(
                f"--cache_dir: {place} is an address; give a folder of this machine: what is "
                "fetched is checked and kept there"
            )
        return
    if "'" in place:
        problems.add(f"--{name}: {place} has a quotation mark in it; give another folder")
    path = Path(place)
    while not path.exists() and path != path.parent:
        path = path.parent
    if not path.is_dir():
        problems.add(f"--{name}: {path} is a file; give a folder")
    # a container does not see the folder; the request says what is so outside of it
    elif name == "outdir" and not request.get("outdir_writable", os.access(path, os.W_OK)):
        problems.add(f"--outdir: {path} is not writable; give another folder")


def _check_own_folder(outdir: str, request: Mapping[str, Any], context: Context) -> None:
    """Report results that could not be written, would be removed, or would overwrite the data."""
    if outdir.startswith(READ_ONLY):
        context.problems.add(
            f"--outdir: {outdir} cannot be written to; give a folder or a bucket (s3://, gs://)"
        )
    if outdir.startswith(REMOTE):
        return
    place, work = Path(outdir), request.get("work_dir")
    if work and (place == Path(work) or Path(work) in place.parents):
        context.problems.add(
            f"--outdir: {outdir} is in the work folder {work}, which may be removed after a run; "
            "give a folder outside"
        )
    if not context.remote and place.resolve() == context.root.resolve():
        context.problems.add(
            f"--outdir: {outdir} is the data set, whose files the results would overwrite; give "
            "another folder"
        )
