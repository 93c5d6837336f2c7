"""Which baselines, confounds and features of the user's own a run fits: the plan's entries."""

from collections.abc import Sequence
from dataclasses import replace

from lateralization.baselines.confounds import FREQUENCY, SURPRISAL, check_table
from lateralization.plan import catalogue
from lateralization.plan.context import Context
from lateralization.plan.features_plan import plan_features
from lateralization.problems import listed
from lateralization.run_plan import Baseline, Model


def choose_baselines(models: Sequence[Model], context: Context) -> list[Baseline]:
    """Return the entries of ``--baselines`` and ``--features``; mistakes are noted."""
    found = _baselines(context) + _surprisals(models, context)
    given = context.parameters["features"]
    if given is not None and context.parameters.sound("features"):
        languages = context.parameters["languages"]
        found += plan_features(context.path(given), languages, context.problems)
    return found


def _baselines(context: Context) -> list[Baseline]:
    """Return the sweep of the baselines."""
    kinds: list[str] = context.parameters["baselines"]
    languages: list[str] = context.parameters["languages"]
    if "none" in kinds:
        if len(kinds) > 1:
            context.problems.add("--baselines: none stands beside others; write none alone")
        return []
    if "glove" in kinds and "en" not in languages:
        if "baselines" in context.parameters.given:
            context.problems.add(
                f"--baselines: glove is English only and --languages is {listed(languages)}; "
                "leave glove out"
            )
        else:
            context.notes.append("glove is English only: it is left out")
        kinds = [kind for kind in kinds if kind != "glove"]
    dims, seeds = context.parameters["random_dims"], context.parameters["random_seeds"]
    kinds = [kind for kind in kinds if kind != SURPRISAL]
    names = [name for kind in kinds for name in catalogue.baseline_names(kind, dims, seeds)]
    found = [catalogue.make_baseline(name, languages) for name in names]
    if "word_frequency" in kinds:
        files = _frequencies(context, languages)
        return [replace(one, files=files) if one.kind == "word_frequency" else one for one in found]
    if context.parameters["word_frequencies"] is not None:
        context.problems.add(
            "--word_frequencies is given and no baseline is word_frequency; add it to --baselines"
        )
    return found


def _frequencies(context: Context, languages: Sequence[str]) -> dict[str, str]:
    """Return the list of word frequencies of each language; none: the annotation's own."""
    given = context.parameters["word_frequencies"]
    if given is None:
        return {}
    if len(languages) > 1 and "{lang}" not in given:
        context.problems.add(
            f"--word_frequencies is {given} for {len(languages)} languages; put {{lang}} into the "
            "path"
        )
    files = {language: context.path(given, language) for language in languages}
    for path in files.values():
        with context.problems.collect("--word_frequencies"):
            check_table(path, ("word", FREQUENCY), (FREQUENCY,), "name its columns so")
    return {language: str(path) for language, path in files.items()}


def _surprisals(models: Sequence[Model], context: Context) -> list[Baseline]:
    """Return the surprisal of every model as a baseline, where it is asked for."""
    if SURPRISAL not in context.parameters["baselines"]:
        return []
    if context.parameters["surprisal"] != "yes":
        context.problems.add("--baselines: surprisal comes from the models; give --surprisal yes")
    if not models:
        context.problems.add("--baselines: surprisal is that of a model, and --models is none")
    return [
        Baseline(f"surprisal_{one.name}", SURPRISAL, 1, 0, list(one.languages), source=one.name)
        for one in models
    ]
