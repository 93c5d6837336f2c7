"""A draft of dataset.json and runs.tsv from the names of a BIDS tree, and what they leave open."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lateralization.bids.entities import entities, in_natural_order, natural_key
from lateralization.bids.runs_table import (
    STORY_NAME,
    VOLUMES,
    DataRun,
    Naming,
    check_one_space,
    choose_stories,
    runs_by_names,
    with_repetitions,
)
from lateralization.bids.sidecars import EVENTS, SIDECAR, Sidecars, trial_types
from lateralization.errors import BadInput
from lateralization.problems import Problems, listed

TABLE = "runs.tsv"
COLUMNS = ("subject", "session", "story", "repetition", "bold", "confounds", "start")
CHOICES = ("space", "res", "den", "cohort", "desc", "echo", "part", "acq", "rec", "dir")
"""Entities by which files of one recording differ, in the order in which one is chosen."""

PREFERRED = ("MNI152NLin2009cAsym", "MNI152NLin6Asym", "preproc")
NO_STORY = ("rest", "localizer", "loc", "retmap", "retinotopy", "motor", "breath", "flanker")
"""What the names of tasks begin with (or hold, of localizers) in which no story is heard."""

TOLD = (".textgrid", ".json", ".tsv", ".csv")
WORDS_OF = "words/{story}.TextGrid"
MIN_STORIES = 3


@dataclass
class Draft:
    """What names of files tell of a data set.

    Attributes
    ----------
    description
        The content of ``dataset.json``.
    runs
        Rows of ``runs.tsv``.
    open
        What could not be decided, for the user.
    """

    description: dict[str, Any]
    runs: list[DataRun]
    open: list[str] = field(default_factory=list)


def tree_below(root: Path) -> list[str]:
    """Return the paths of all files below a folder, content or not, hidden folders left out."""
    found = []
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(parent, root)
        place = "" if relative == "." else f"{relative}/"
        found += [f"{place}{name}" for name in sorted(names)]
    return found


def draft(root: Path, name: str) -> Draft:
    """Draft the description of a BIDS tree.

    Parameters
    ----------
    root
        Its folder; a clone without content is enough, sidecars and events are read where they are.
    name
        Of the data set.

    Raises
    ------
    BadInput
        There is no run of BOLD in it.
    """
    tree, questions = tree_below(root), list[str]()
    folder = _derivatives(tree, root, questions)
    place = "" if folder == "." else f"{folder}/"
    files = [path for path in tree if path.startswith(f"{place}sub-")]
    bold = [path for path in files if path.endswith(VOLUMES)]
    chosen = _filters(bold, questions)
    naming = _naming(folder, chosen, bold, questions)
    rows, exclude = _rows(files, naming, questions)
    used = sorted((row for row in rows if not row.reason), key=_place)
    beside = Sidecars(root)
    event = _event(root, tree, questions)
    content: dict[str, Any] = {"name": name} | _repetition_time(used, beside, questions)
    content |= {"derivatives": folder, "bold": dict(naming.bold), "story": list(naming.story)}
    if exclude:
        content["stories"] = {"exclude": exclude}
    content["languages"] = {}
    for code, pattern in _languages(used, files, questions).items():
        own = [row for row in used if _is_of(row.subject, pattern)]
        stories = in_natural_order({row.story for row in own})
        entry = {"name": code, "subjects": pattern} | _words(tree, stories, questions)
        content["languages"][code] = entry | ({"events": {"trial_type": event}} if event else {})
        _count(code, own, stories, questions)
    return Draft(content, _with_starts(used, beside, event), list(dict.fromkeys(questions)))


def _languages(
    used: Sequence[DataRun], files: Sequence[str], questions: list[str]
) -> dict[str, str | list[str]]:
    """Return code → subjects: by the letters that ids begin with, where these heard other stories.

    Otherwise one, of all.
    """
    heard: dict[str, set[str]] = defaultdict(set)
    for row in used:
        heard[re.sub(r"[0-9].*", "", row.subject)].add(row.story)
    stories = [story for own in heard.values() for story in own]
    by_letters = all(re.fullmatch(r"[A-Za-z]{2,8}", letters) for letters in heard)
    if len(heard) > 1 and by_letters and len(stories) == len(set(stories)):
        questions.append(f"languages: taken by the letters of ids, {listed(heard)}")
        return {letters.lower(): f"{letters}*" for letters in in_natural_order(heard)}
    questions.append('languages: taken as one, en; give each its own entry, with its "subjects"')
    return {"en": _subjects(files, used, questions)}


def _is_of(subject: str, pattern: str | list[str]) -> bool:
    """Tell whether a subject is one of a pattern or list."""
    return fnmatchcase(subject, pattern) if isinstance(pattern, str) else subject in pattern


def _place(row: DataRun) -> tuple[list[str], list[str], int]:
    """Return the place of a row: in a table the stories are in the order of their first rows."""
    return natural_key(row.story), natural_key(row.subject), row.repetition


def _derivatives(tree: Iterable[str], root: Path, questions: list[str]) -> str:
    """Choose the folder of preprocessed runs: normalised ones before others, many before few."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in tree:
        if path.endswith(VOLUMES) and (place := re.match(r"(.*?)/?sub-[A-Za-z0-9]+/", path)):
            found[place[1] or "."].append(path)
    if not found:
        raise BadInput(
            f"{root} has no run (sub-*/…_bold.nii.gz), by its names; give the folder of a BIDS "
            "data set, preprocessed"
        )

    def rank(folder: str) -> tuple[bool, bool, int]:
        spaces = [entities(path).get("space", "") for path in found[folder]]
        return any("MNI" in space for space in spaces), folder != ".", len(spaces)

    best, *others = sorted(found, key=rank, reverse=True)
    if others:
        questions.append(f"derivatives: {best} is taken; there are runs in {listed(others)}, too")
    if not rank(best)[0]:
        questions.append(
            f"space: no name in {best} says MNI (space-MNI152NLin2009cAsym of fMRIPrep); "
            "hemispheres need runs in MNI space: normalise them, or be sure that they are"
        )
    return best


def _filters(bold: Sequence[str], questions: list[str]) -> dict[str, str]:
    """Choose the labels that the runs have where files of one recording differ."""
    left, chosen = [entities(path) for path in bold], dict[str, str]()
    for key in CHOICES:
        counts = Counter(own.get(key, "") for own in left)
        several = len(counts) > 1 and _are_versions(left, key)
        if not several and (key not in ("space", "desc") or len(counts) > 1 or "" in counts):
            continue
        labels = [label for label in counts if label]
        label = max(labels, key=lambda one: (_rank(one), counts[one]))
        if several:
            others = ", ".join(one or f"no {key}-" for one in counts if one != label)
            questions.append(f"bold: {key}-{label} is taken; there are {others}, too")
        chosen[key] = label
        left = [own for own in left if own.get(key) == label]
    return chosen


def _are_versions(found: Sequence[Mapping[str, str]], key: str) -> bool:
    """Tell whether files differ in an entity alone: they are versions of one recording."""
    rest = Counter(
        tuple(sorted(pair for pair in own.items() if pair[0] not in CHOICES)) for own in found
    )
    spread = len({own.get(key, "") for own in found}) > 1
    return spread and max(rest.values()) > 1


def _rank(label: str) -> int:
    """Return how much a label is preferred."""
    if label in PREFERRED:
        return len(PREFERRED) + 1 - PREFERRED.index(label)
    return int("MNI" in label) - int("mask" in label.lower())


def _naming(
    folder: str, bold: Mapping[str, str], files: Sequence[str], questions: list[str]
) -> Naming:
    """Choose the entities that name a story: the task; and the run, where people have one task."""
    runs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for own in map(entities, files):
        if _tells_story(own.get("task", "")):
            runs[own["sub"]][own.get("task", "")].add(own.get("run", ""))
    single = [own for own in runs.values() if len(own) == 1 and len(*own.values()) > 1]
    if len(single) <= len(runs) / 2:
        return Naming(folder, bold, ("task",))
    numberings = Counter[frozenset[str]](frozenset(*own.values()) for own in single)
    if len(numberings) > 1:
        questions.append(
            f"story: runs are numbered in {len(numberings)} ways over the subjects "
            f"({listed((_shown(one) for one in numberings), 3)}), so a number does not tell what "
            "was heard; write the stories into the table by hand, or take file k as section k with "
            "n_runs (the older form)"
        )
    else:
        questions.append(
            "story: task and run are taken together, each run being another part; if runs repeat "
            'one story, write "story": ["task"]'
        )
    return Naming(folder, bold, ("task", "run"))


def _shown(numbers: Iterable[str]) -> str:
    """Return the numbers of runs for a message."""
    return "+".join(in_natural_order(numbers))


def _tells_story(task: str) -> bool:
    """Tell whether a task may be a story, by its name."""
    return not task.lower().startswith(NO_STORY) and "localizer" not in task.lower()


def _rows(
    files: Sequence[str], naming: Naming, questions: list[str]
) -> tuple[list[DataRun], list[str]]:
    """Return the rows of the runs, and the tasks that are left out."""
    problems = Problems()
    rows = runs_by_names(files, naming, bool, problems)
    names = {row.story for row in rows if row.story and not row.reason}
    left_out = in_natural_order(name for name in names if not _tells_story(name))
    rows = choose_stories(rows, ("*",), left_out)
    check_one_space(rows, naming, problems)
    rows = with_repetitions(rows, naming, problems)
    if left_out:
        questions.append(f"stories: {listed(left_out)} are taken as no stories, by their names")
    questions.extend(problem.removeprefix("--dataset: ") for problem in problems)
    return rows, left_out


def _subjects(
    files: Sequence[str], used: Sequence[DataRun], questions: list[str]
) -> str | list[str]:
    """Return the pattern of the subjects, or the list of those that have runs."""
    known, with_runs = {entities(path)["sub"] for path in files}, {row.subject for row in used}
    if known == with_runs:
        return "*"
    lacking = in_natural_order(known - with_runs)
    questions.append(f"subjects: {listed(f'sub-{one}' for one in lacking)} have no such run")
    return in_natural_order(with_runs)


def _words(tree: Iterable[str], stories: Sequence[str], questions: list[str]) -> dict[str, str]:
    """Return where words and texts of the stories may be: files whose paths name the stories."""
    patterns: dict[str, set[str]] = defaultdict(set)
    for path in tree:
        if path.startswith("sub-") or "/sub-" in path:
            continue
        if not path.lower().endswith((*TOLD, ".txt")) or path.endswith((SIDECAR, EVENTS)):
            continue
        for story in stories:
            named = rf"(?<![A-Za-z0-9]){re.escape(story)}(?![A-Za-z0-9])"
            if re.search(named, path):
                patterns[re.sub(named, "{story}", path)].add(story)
    ranked = sorted(patterns, key=lambda one: (-len(patterns[one]), _form(one), len(one), one))
    words = [one for one in ranked if not one.lower().endswith(".txt")]
    texts = [one for one in ranked if one.lower().endswith(".txt")]
    if not words:
        questions.append(
            "words: no file of words with their times is named after the stories; align words and "
            f"sound, and say where they are ({WORDS_OF} is written)"
        )
        return {"words": WORDS_OF}
    if others := [one for one in words[1:] if patterns[one] == patterns[words[0]]]:
        questions.append(f"words: {words[0]} is taken; there are {listed(others, 4)}, too")
    if lacking := [story for story in stories if story not in patterns[words[0]]]:
        questions.append(f"words: {words[0]} is missing of {listed(lacking)}")
    found = {"words": words[0]}
    if texts and patterns[texts[0]] == set(stories):
        found["text"] = texts[0]
    return found


def _form(pattern: str) -> int:
    """Return the place of a file's form among those that words are read from."""
    return next((at for at, end in enumerate(TOLD) if pattern.lower().endswith(end)), len(TOLD))


def _event(root: Path, tree: Iterable[str], questions: list[str]) -> str | None:
    """Return the type of the event that a story begins with; None where events tell none."""
    raw = [path for path in tree if path.startswith("sub-") and path.endswith(EVENTS)]
    if not raw:
        questions.append(
            "events: there are none, so stories begin with the first scan; where they do not, "
            "write the column start (seconds) into the table"
        )
        return None
    types = {one for path in raw if (root / path).is_file() for one in trial_types(root / path)}
    if "story" in types:
        return "story"
    questions.append(
        f"events: {len(raw)} files ({raw[0]}) have the types {listed(sorted(types)) or 'unread'}; "
        'write the one that a story begins with as "events": {"trial_type": …}'
    )
    return None


def _repetition_time(
    used: Sequence[DataRun], beside: Sidecars, questions: list[str]
) -> dict[str, float]:
    """Return the repetition time where no sidecar says it; nothing where they all say one."""
    told = {beside.seconds(row.bold, "RepetitionTime") for row in used}
    known = sorted(value for value in told if value is not None)
    if len(known) == 1:
        return {"tr": known[0]}
    if known:
        questions.append(
            f"tr: sidecars say {listed(f'{value:g}' for value in known)} s; a language has one: "
            "make a language of each, or leave runs out"
        )
    else:
        questions.append("tr: no sidecar says the repetition time; write it, in seconds")
    return {}


def _count(
    code: str, used: Sequence[DataRun], stories: Sequence[str], questions: list[str]
) -> None:
    """Say who heard few stories, and which stories few heard."""
    heard: dict[str, set[str]] = defaultdict(set)
    for row in used:
        heard[row.subject].add(row.story)
    few = [one for one, names in heard.items() if len(names) < MIN_STORIES]
    if few:
        questions.append(
            f"subjects: {len(few)} of {len(heard)} of {code} heard fewer than {MIN_STORIES} "
            "stories: they count in the average, and cannot be fitted alone"
        )
    if used and len(stories) < MIN_STORIES:
        questions.append(
            f"stories: {code} has {len(stories)} ({listed(stories)}), and {MIN_STORIES} are "
            "needed: each is predicted from the others"
        )
    bad = [story for story in stories if not STORY_NAME.fullmatch(story)]
    if bad:
        questions.append(f"stories: {listed(bad)} cannot be names of files")


def _with_starts(used: Sequence[DataRun], beside: Sidecars, event: str | None) -> list[DataRun]:
    """Return the rows with the beginnings of the stories, where events tell them."""
    if event is None:
        return list(used)
    return [_with_start(row, beside, event) for row in used]


def _with_start(row: DataRun, beside: Sidecars, event: str) -> DataRun:
    """Return a row with the beginning of its story."""
    try:
        return replace(row, start=beside.first_event(row.bold, event, row.subject))
    except BadInput:  # VALIDATE says so
        return row
