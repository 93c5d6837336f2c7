"""One language's part of the plan: subjects, annotation, texts, corrections, given files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lateralization.baselines.confounds import SOUND, check_table
from lateralization.encoding.regressors import words_outside
from lateralization.errors import BadInput
from lateralization.files import digest_of, read_json
from lateralization.plan.parameters import Parameters
from lateralization.plan.places import absolute
from lateralization.problems import Problems, listed
from lateralization.sources import dataset, given_files
from lateralization.sources.bold_headers import check_headers
from lateralization.sources.dataset import Subject
from lateralization.sources.description import STUDY, Description
from lateralization.sources.given_files import Grid
from lateralization.volumes import check_same_grid
from lateralization.words import stories
from lateralization.words.annotation import is_published, read_words
from lateralization.words.story_check import check_told, odd_words

EARLY = 0.2
"""Share of a run: where no word ends after it, times may be minutes instead of seconds."""


@dataclass
class Site:
    """What planning depends on: parameters, data set, the study's lists, the user's folder."""

    parameters: Parameters
    described: Description
    assets: Path
    launch: Path
    problems: Problems
    notes: list[str]

    @property
    def remote(self) -> bool:
        """Whether the data set is fetched."""
        return not self.root.is_dir() or self.parameters["dataset"] == STUDY

    @property
    def root(self) -> Path:
        """Folder of a data set on disk."""
        return self.path(self.parameters["dataset"])

    def path(self, text: str, language: str = "") -> Path:
        """Return the absolute path that a text names; ``{lang}`` is the language."""
        return absolute(text.replace("{lang}", language), self.launch)


def plan_language(
    language: str, site: Site, *, has_models: bool, has_sound: bool
) -> dict[str, Any]:
    """Check what one language needs, and return its entry in the plan.

    The key ``known_subjects`` (all ids of the data set) is for the check of ``--subjects``.
    """
    described = site.described
    given, grid = _given(language, site)
    wanted: list[str] = site.parameters["subjects"]
    average = "average" in wanted or "all" in wanted
    group = not (given["mask"] and given["isc"] and (given["average_subject"] or not average))
    manifest = []  # a data set on disk has its files, whatever its description names
    if site.remote and described.manifest:
        manifest = dataset.read_manifest(described.manifest)
    subjects = _subjects(manifest, language, site)
    individuals = [s.subject for s in subjects if "all" in wanted or s.subject in wanted]
    used = [s for s in subjects if group or s.subject in individuals]
    if used:
        _check_mask(grid, site)
    if group and not given["isc"] and len(used) == 1:
        site.problems.add(
            f"--dataset: there is one subject of {language}, and the reliability compares halves "
            "of a group; add subjects, or give --mask, --isc and --average_subject"
        )
    annotation = _annotation(manifest, language, site)
    if not site.remote and (group or "all" in wanted):
        dataset.check_group(site.root, described, language, subjects, site.problems)
    scans = {} if site.remote else _check_local(language, used, annotation, site, group=group)
    texts = _texts(language, site) if has_models else None
    _check_told(language, annotation, texts, site)
    return {
        "language": language,
        "name": described.languages[language].name,
        "scans": described.languages[language].scans,
        "n_runs": described.n_runs,
        "tr": described.tr,
        "trim": described.trim,
        "annotation": annotation,
        "prosody": _prosody(manifest, language, site) if has_sound else None,
        "texts": texts,
        "corrections": _corrections(language, annotation, site),
        **given,
        "subjects": [_subject(s, language, s.subject in individuals, group, site) for s in used],
        "average": average,
        "stacks": stacks([s.subject for s in subjects], individuals, site.parameters),
        "n_scans": scans,
        "known_subjects": [s.subject for s in subjects],
    }


def _check_local(
    language: str, used: list[Subject], annotation: dict[str, Any], site: Site, *, group: bool
) -> dict[str, list[int]]:
    """Check what is used of a data set on disk; return the scans of each subject's runs."""
    described = site.described
    dataset.check_subjects(site.root, described, used, site.problems)
    scans = check_headers(
        used, group, site.problems, site.notes, tr=described.tr, n_trim=described.trim
    )
    _check_ends(language, annotation, scans, site)
    return scans


def stacks(known: list[str], individuals: list[str], parameters: Parameters) -> list[list[str]]:
    """Group the individual subjects that one ENCODE task fits together.

    A subject's group follows from its place among all subjects of the language, not among those
    asked for: one more subject changes the tasks of its own group and of no other.
    """
    size = parameters["subjects_per_task"]
    groups = (known[start : start + size] for start in range(0, len(known), size))
    chosen = ([subject for subject in group if subject in individuals] for group in groups)
    return [group for group in chosen if group]


def _subjects(manifest: list[dict[str, Any]], language: str, site: Site) -> list[Subject]:
    """Return all subjects of a language."""
    if site.remote:
        name = site.described.name
        if (site.launch / name).is_dir():
            site.notes.append(
                f"the data set is fetched; for the folder here write --dataset ./{name}"
            )
        return dataset.remote_subjects(manifest, language)
    return dataset.local_subjects(site.root, site.described, language)


def _remote_file(row: dict[str, Any], site: Site) -> dict[str, Any]:
    """Return what FETCH needs to know of one file of the manifest."""
    urls = dataset.urls(site.described.name, row["path"], site.parameters["data_endpoint"])
    pinned = {name: row[name] for name in dataset.CHECKSUMS if row.get(name)}
    return {"path": row["path"], "bytes": row["bytes"], **pinned, "urls": urls}


def _subject(
    subject: Subject, language: str, individual: bool, group: bool, site: Site
) -> dict[str, Any]:
    """Return a subject's entry in the plan."""
    remote = None
    if subject.remote:
        remote = {
            "dataset": site.described.name,
            "version": site.described.version,
            "language": language,
            "subject": subject.subject,
            "n_runs": site.described.n_runs,
            "files": [_remote_file(row, site) for row in subject.remote],
        }
    return {
        "subject": subject.subject,
        "bold": [str(path) for path in subject.bold],
        "remote": remote,
        "individual": individual,
        "group": group,
    }


def _annotation(manifest: list[dict[str, Any]], language: str, site: Site) -> dict[str, Any]:
    """Return where a language's annotation comes from; a local one is checked.

    ``published`` says that it is the study's own, whatever the data set is called: its rows and
    the study's corrections belong together.
    """
    described = site.described
    name = described.languages[language].annotation
    entry: dict[str, Any] = {"path": None, "source": [], "files": [], "columns": described.columns}
    if site.remote:
        try:
            files = [_remote_file(dataset.remote_annotation(manifest, name), site)]
        except BadInput as error:
            site.problems.add(str(error))
            files = []
        pinned = {"dataset": described.name, "version": described.version, "files": files}
        return entry | pinned | {"published": described.name == STUDY}
    path = dataset.local_annotation(site.root, name, site.problems)
    if path is None:
        return entry | {"published": False}
    published = is_published(path, language)
    return entry | {"path": str(path), "source": [str(path)], "published": published}


def _prosody(manifest: list[dict[str, Any]], language: str, site: Site) -> dict[str, Any] | None:
    """Return where the table of f0 and intensity comes from."""
    described = site.described
    name = described.languages[language].prosody
    if name is None:
        site.problems.add(
            f"--baselines: f0 and intensity need a prosody table of {language}; name it in "
            "dataset.json, or leave them out"
        )
        return None
    entry: dict[str, Any] = {"source": [], "files": [], "columns": described.columns}
    if not site.remote:
        path = site.root / name
        try:
            check_table(path, (), [described.columns.get(name, name) for name in SOUND], "")
        except BadInput as error:
            site.problems.add(f"--baselines: f0 and intensity: {error}")
        return entry | {"source": [str(path)]}
    row = next((row for row in manifest if row["path"] == name), None)
    if row is None:
        site.problems.add(f"--baselines: the manifest has no {name}, which f0 and intensity need")
        return None
    pinned = {"dataset": described.name, "version": described.version}
    return entry | pinned | {"files": [_remote_file(row, site)]}


def _check_ends(
    language: str, annotation: dict[str, Any], scans: dict[str, list[int]], site: Site
) -> None:
    """Check the annotation, and compare its length with that of the runs.

    The rows of the published annotation are what they are.
    """
    path = annotation["path"]
    if path is None or annotation["published"]:
        return
    described = site.described
    try:
        words, report = read_words(path, language, None, described.n_runs, described.columns)
    except BadInput as error:
        site.problems.add(f"--dataset: {error}")
        return
    early = words[words["onset"] < 0]
    if len(early):
        site.problems.add(
            f"--dataset: {path}: {len(early)} words begin before 0 s (first: "
            f"{early['word'].iloc[0]!r}, row {early['row'].iloc[0]}); mend their times"
        )
    site.notes.extend(f"{language}: {path}: {odd}" for odd in odd_words(words, report))
    if scans:
        _check_clock(language, path, words, next(iter(scans.values())), site)


def _check_clock(
    language: str, path: str, words: pd.DataFrame, scans: list[int], site: Site
) -> None:
    """Refuse onsets on another clock than the scans; note words after the last scan."""
    durations = [n_scans * site.described.tr for n_scans in scans]
    for run, duration in enumerate(durations, start=1):
        onsets = words.loc[words["run"] == run, "onset"].to_numpy(float)
        if outside := words_outside(onsets, duration):
            site.problems.add(f"--dataset: {path}: words of run {run}: {outside}")
            return
    ends = words.groupby("run")["offset"].max().reindex(range(1, len(durations) + 1), fill_value=0)
    late = [run for run, duration in enumerate(durations, start=1) if ends[run] > duration]
    if durations and all(
        ends[run] < EARLY * duration for run, duration in enumerate(durations, start=1)
    ):
        site.notes.append(
            f"{language}: {path}: the last word of run 1 ends at {ends[1]:g} s and the scans at "
            f"{durations[0]:g} s, and so in all runs; are the times seconds?"
        )
    if late:
        site.notes.append(
            f"{language}: words of run {listed(late)} end after the last scan; what lies after it "
            "is not used"
        )


def _check_told(
    language: str, annotation: dict[str, Any], texts: dict[str, Any] | None, site: Site
) -> None:
    """Compare a user's texts with the annotation; what cannot be read has been said."""
    if not (texts and texts["source"] and annotation["path"]):
        return
    n_runs, columns = site.described.n_runs, site.described.columns
    sources = [Path(source) for source in texts["source"]]
    try:
        words, _ = read_words(annotation["path"], language, None, n_runs, columns)
        found = stories.texts_from(sources, language, texts["password"], n_runs)
    except (BadInput, OSError):
        return
    try:
        check_told(words, list(found.items()))
    except BadInput as error:
        site.problems.add(f"--texts: {error}")


def _texts(language: str, site: Site) -> dict[str, Any] | None:
    """Return where a language's texts come from; local ones are read and checked."""
    if not site.parameters.sound("texts", "texts_password"):
        return None
    given, password = site.parameters["texts"], site.parameters["texts_password"]
    n_runs = site.described.n_runs
    pinned = read_json(site.assets / "texts.json")
    known = pinned["texts"].get(language) if site.described.name == STUDY else None
    if given is None:
        if known is None:
            site.problems.add(
                f"--texts: the study has no texts for {language} of {site.described.name}; give a "
                f"folder with {stories.text_name(language, 1)} … {n_runs}"
            )
            return None
        if not site.remote:
            site.notes.append("--texts is not given: the study's texts are used")
        urls = given_files.study_urls(known["file"], site.assets, site.parameters["data_endpoint"])
        pin = {"url": urls[-1], "urls": urls, "sha256": known["sha256"]}
        return {**pin, "password": pinned["password"], "source": []}
    path = site.path(given, language)
    try:
        if path.is_dir():
            return _text_folder(path, language, password, site)
        if not path.is_file():
            raise BadInput(f"--texts: {path} does not exist; give a folder or a zip")
        if password is None and known is not None and digest_of(path, "sha256") == known["sha256"]:
            password = pinned["password"]
        _note_hidden(stories.read_text_zip(path, language, password, n_runs), site)
    except BadInput as error:
        site.problems.add(str(error))
    return {"password": password, "source": [str(path)]}


def _note_hidden(texts: dict[str, bytes], site: Site) -> None:
    """Mention characters of the texts that nobody sees and every model reads."""
    if hidden := stories.hidden_characters(texts):
        site.notes.append(
            "--texts has invisible characters, which models read like any others: "
            + "; ".join(hidden)
        )


def _text_folder(path: Path, language: str, password: str | None, site: Site) -> dict[str, Any]:
    """Return the texts of a folder."""
    if password is not None:
        raise BadInput(f"--texts_password is given and --texts is a folder ({path}); leave it out")
    paths = stories.texts_of_folder(path, language, site.described.n_runs)
    _note_hidden(stories.read_text_files(paths, language, site.described.n_runs), site)
    names = [str(text) for text in paths]
    return {"source": names, "password": None}


def _corrections(language: str, annotation: dict[str, Any], site: Site) -> str:
    """Return which corrections are applied: ``ds003643``, ``none`` or a file."""
    if not site.parameters.sound("corrections"):
        return "none"
    wanted = str(site.parameters["corrections"])
    if wanted.lower() in (STUDY, "none"):
        return wanted.lower()
    if wanted.lower() == "auto":
        if annotation["published"]:
            return STUDY
        site.notes.append(
            f"{language}: the annotation is not the published one (md5), so the study's "
            "corrections are not applied"
        )
        return "none"
    path = site.path(wanted, language)
    _check_corrections(path, site)
    return str(path)


def _check_corrections(path: Path, site: Site) -> None:
    """Check a user's table of corrections."""
    if not path.is_file():
        site.problems.add(
            f"--corrections: {path} does not exist; give auto, {STUDY}, none or a TSV"
        )
        return
    from lateralization.words.annotation import read_corrections  # the words' own reader and rules

    try:
        read_corrections(path)
    except BadInput as error:
        site.problems.add(f"--corrections: {error}")
    except (OSError, ValueError) as error:
        site.problems.add(f"--corrections: cannot read {path} ({error}); give a TSV in UTF-8")


def _given(language: str, site: Site) -> tuple[dict[str, Any], Grid]:
    """Return the parcels of mask, reliability and average subject, and the grid of the mask.

    What is computed has None; a mask that is computed or published is on the study's grid.
    """
    found: dict[str, Any] = dict.fromkeys(given_files.KINDS)
    grid = given_files.STUDY_GRID
    for kind in given_files.KINDS:
        value = site.parameters[kind]
        if value is None or not site.parameters.sound(kind):
            continue
        try:
            if value == given_files.PUBLISHED:
                found[kind] = _published(kind, language, site)
                continue
            path = site.path(value, language)
            found[kind] = {"source": [str(path)], "files": []}  # what depends on it is planned
            found[kind] = given_files.own_file(kind, path, site.described.n_runs, grid)
            if kind == "mask":
                grid = given_files.grid_of(path)
        except BadInput as error:
            site.problems.add(f"--{kind}: {error}")
    return found, grid


def _check_mask(grid: Grid, site: Site) -> None:
    """Report a given mask that is on another grid than the runs will be."""
    common = given_files.STUDY_GRID
    try:
        check_same_grid(grid, common.shape, common.affine, grid.name, common.name)
    except BadInput as error:
        site.problems.add(f"--mask: {error}")


def _published(kind: str, language: str, site: Site) -> dict[str, Any]:
    """Return the parcel of one of the study's own files."""
    given_files.refuse_published(site.described.name)
    return given_files.published_files(
        kind, language, site.described.n_runs, site.assets, site.parameters["data_endpoint"]
    )
