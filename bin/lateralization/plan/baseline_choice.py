"""Which baselines, confounds and features of the user's own a run fits: the plan's entries."""

from collections.abc import Sequence

from lateralization.baselines.confounds import FREQUENCY, SURPRISAL, check_table
from lateralization.errors import BadInput
from lateralization.plan import catalogue
from lateralization.plan.catalogue import Baseline, Model
from lateralization.plan.features_plan import plan_features
from lateralization.plan.model_request import Choice
from lateralization.problems import listed


def choose_baselines(models: Sequence[Model], choice: Choice) -> list[Baseline]:
    """Return the entries of ``--baselines`` and ``--features``; mistakes are noted."""
    found = _baselines(choice) + _surprisals(models, choice)
    given = choice.parameters["features"]
    if given is not None and choice.parameters.sound("features"):
        languages = choice.parameters["languages"]
        found += plan_features(choice.path(given), languages, choice.problems)
    return found


def _baselines(choice: Choice) -> list[Baseline]:
    """Return the sweep of the baselines."""
    kinds: list[str] = choice.parameters["baselines"]
    languages: list[str] = choice.parameters["languages"]
    if "none" in kinds:
        if len(kinds) > 1:
            choice.problems.add("--baselines: none stands beside others; write none alone")
        return []
    if "glove" in kinds and "en" not in languages:
        if "baselines" in choice.parameters.given:
            choice.problems.add(
                f"--baselines: glove is English only and --languages is {listed(languages)}; "
                "leave glove out"
            )
        else:
            choice.notes.append("glove is English only: it is left out")
        kinds = [kind for kind in kinds if kind != "glove"]
    dims, seeds = choice.parameters["random_dims"], choice.parameters["random_seeds"]
    kinds = [kind for kind in kinds if kind != SURPRISAL]
    names = [name for kind in kinds for name in catalogue.baseline_names(kind, dims, seeds)]
    found = [catalogue.make_baseline(name, languages) for name in names]
    listed_words = [entry for entry in found if entry.kind == "word_frequency"]
    for entry in listed_words:
        entry.files = _frequencies(choice, languages)
    if choice.parameters["word_frequencies"] is not None and not listed_words:
        choice.problems.add(
            "--word_frequencies is given and no baseline is word_frequency; add it to --baselines"
        )
    return found


def _frequencies(choice: Choice, languages: Sequence[str]) -> dict[str, str]:
    """Return the list of word frequencies of each language; none: the annotation's own."""
    given = choice.parameters["word_frequencies"]
    if given is None:
        return {}
    if len(languages) > 1 and "{lang}" not in given:
        choice.problems.add(
            f"--word_frequencies is {given} for {len(languages)} languages; put {{lang}} into the "
            "path"
        )
    files = {language: choice.path(given.replace("{lang}", language)) for language in languages}
    for path in files.values():
        try:
            check_table(path, ("word", FREQUENCY), (FREQUENCY,), "name its columns so")
        except BadInput as error:
            choice.problems.add(f"--word_frequencies: {error}")
    return {language: str(path) for language, path in files.items()}


def _surprisals(models: Sequence[Model], choice: Choice) -> list[Baseline]:
    """Return the surprisal of every model as a baseline, where it is asked for."""
    if SURPRISAL not in choice.parameters["baselines"]:
        return []
    if choice.parameters["surprisal"] != "yes":
        choice.problems.add("--baselines: surprisal comes from the models; give --surprisal yes")
    if not models:
        choice.problems.add("--baselines: surprisal is that of a model, and --models is none")
    return [
        Baseline(f"surprisal_{one.name}", SURPRISAL, 1, 0, list(one.languages), source=one.name)
        for one in models
    ]
