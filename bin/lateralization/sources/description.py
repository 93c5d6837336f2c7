"""What a data set is made of, as data: ``dataset.json``.

ds003643's own is ``assets/ds003643.json``. Another data set brings one in its folder, or beside a
manifest when it is fetched.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lateralization.bids.language import FILE, Language, Stories
from lateralization.bids.runs_table import Naming
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.problems import listed
from lateralization.run_plan import Template
from lateralization.study import TRIM
from lateralization.words.annotation import COLUMNS

STUDY = "ds003643"


@dataclass(frozen=True)
class Description:
    """A data set.

    Attributes
    ----------
    name, version
        Accession number and version on OpenNeuro.
    manifest
        Files that are fetched, with their checksums; None for a data set on disk.
    n_runs
        Runs per subject: the sections of the story; 0 in a data set of stories.
    bold
        Pattern of numbered runs; ``{subject}`` is part of a folder's name.
    columns
        Our name of a column of the annotation → the data set's.
    languages
        Code on the command line → language.
    template
        The template of the images; None where that is not known.
    """

    name: str
    version: str
    manifest: Path | None
    n_runs: int
    bold: str
    columns: dict[str, str]
    languages: dict[str, Language]
    template: Template | None

    @property
    def folders(self) -> str:
        """Pattern of the subjects' folders, ``derivatives/sub-{subject}``."""
        parts = self.bold.split("/")
        depth = next(i for i, part in enumerate(parts) if "{subject}" in part)
        return "/".join(parts[: depth + 1])

    def runs(self, subject: str) -> str:
        """Return the pattern of a subject's runs below its folder, ``func/*_bold.nii.gz``."""
        return self.bold[len(self.folders) + 1 :].replace("{subject}", subject)


def read_description(path: Path, schema: Path) -> Description:
    """Read and check a description.

    Parameters
    ----------
    path
        ``dataset.json``.
    schema
        ``assets/dataset.schema.json``.

    Raises
    ------
    BadInput
        No JSON, or an entry is missing, unknown or not what it should be.
    """
    content = read_checked(path, schema)
    _check_values(content, path)
    return _description(content, path)


def read_checked(path: Path, schema: Path) -> Any:
    """Read a JSON file and check it by a JSON schema.

    Raises
    ------
    BadInput
        No JSON, or an entry is missing, unknown or not what it should be.
    """
    content = read_json(path)
    error = best_match(Draft202012Validator(read_json(schema)).iter_errors(content))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or "it"
        hint = error.schema.get("description") if isinstance(error.schema, dict) else None
        # a regular expression says less than its description
        said = repr(error.instance) if error.validator == "pattern" and hint else error.message
        raise BadInput(
            f"{path}: {where}: {said[:200]}{f' ({hint})' if hint else ''}; mend it there"
        )
    return content


def _check_values(content: dict[str, Any], path: Path) -> None:
    """Refuse what a schema lets pass: NaN, and text that cannot be in a path or on a page.

    A schema's ``$`` also stands before a line's end.
    """
    for entry in (content, *content["languages"].values()):
        if not math.isfinite(entry.get("tr", 1)):
            raise BadInput(f"{path}: tr is {entry['tr']}; give the repetition time in seconds")
    for text in _texts(content):
        if not text.isprintable():
            raise BadInput(
                f"{path}: {text!r} holds a character that cannot be printed (a line's end?); mend "
                "it there"
            )


def _texts(value: Any) -> Iterator[str]:
    """Iterate over every text in what JSON holds, names of entries included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from (name, *_texts(entry))
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _description(content: dict[str, Any], path: Path) -> Description:
    """Fill in what a description leaves out."""
    numbered = "n_runs" in content
    columns = dict(zip(COLUMNS, COLUMNS, strict=True)) | content.get("columns", {})
    languages, paths = {}, [content["bold"]] if numbered else []
    for code, entry in content["languages"].items():
        # what a language does not say itself is that of the data set
        own = entry if numbered else _of_all(content, entry) | entry
        subjects = entry["subjects"]
        tr = content["tr"] if numbered else own.get("tr")
        languages[code] = Language(
            entry.get("name", code),
            subjects if isinstance(subjects, str) else tuple(subjects),
            entry["annotation"] if numbered else "",
            None if tr is None else float(tr),
            int((content if numbered else own).get("trim", TRIM)),
            entry.get("scans"),
            entry.get("prosody"),
            None
            if numbered
            else replace(
                _stories(own, f"{path}: languages.{code}"),
                shared="stories" not in entry and len(content["languages"]) > 1,
            ),
        )
        paths += [
            own[name]
            for name in ("annotation", "prosody", "runs", "derivatives", "words", "text")
            if name in own
        ]
    outside = [one for one in paths if ".." in one.split("/")]
    if outside:
        raise BadInput(f"{path}: {outside[0]} leaves the data set's folder; mend it there")
    manifest = content.get("manifest")
    return Description(
        content["name"],
        content.get("version", "any"),
        path.parent / manifest if manifest else None,
        int(content.get("n_runs", 0)),  # a schema takes 9.0 for a whole number
        content["bold"] if numbered else "",
        columns,
        languages,
        Template(**content["template"]) if "template" in content else None,
    )


BY_TABLE = "runs"
BY_NAMES = ("derivatives", "bold", "story")
"""Entries that tell which files are runs: a table, or what their names mean."""


def _of_all(content: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return what holds for all languages of a data set of stories, and so for this one."""
    other = BY_NAMES if BY_TABLE in entry else (BY_TABLE,) if set(BY_NAMES) & set(entry) else ()
    names = {BY_TABLE, *BY_NAMES, "stories", "tr", "trim"}.difference(other)
    return {name: content[name] for name in names if name in content}


def _stories(own: dict[str, Any], where: str) -> Stories:
    """Read the part of a description that tells runs, stories and words."""
    by_names = [name for name in BY_NAMES if name in own]
    if BY_TABLE in own and by_names:
        raise BadInput(
            f"{where} has both runs and {listed(by_names)}; keep the table of runs, or what the "
            "names of files mean"
        )
    if BY_TABLE not in own and len(by_names) < len(BY_NAMES):
        missing = [name for name in BY_NAMES if name not in own]
        raise BadInput(
            f"{where} lacks {listed(missing)}; give derivatives, bold and story, or a table of "
            "runs (bin/describe.py drafts both)"
        )
    words, form = own["words"], own["words"].rpartition(".")[2].lower()
    if "{story}" not in words and form not in ("csv", "tsv"):
        raise BadInput(
            f"{where}: words is {words!r}, one file of one story; write {{story}} where the paths "
            "of the stories differ, or give a table (.csv, .tsv) with a column story"
        )
    if "tier" in own and form != "textgrid":
        raise BadInput(f"{where}: tier is of TextGrids, and words is {words!r}; leave it out")
    patterns = own.get("stories", {})
    naming = None
    if BY_TABLE not in own:
        naming = Naming(own["derivatives"].rstrip("/"), own["bold"], tuple(own["story"]))
    return Stories(
        own.get(BY_TABLE),
        naming,
        tuple(patterns.get("include", ("*",))),
        tuple(patterns.get("exclude", ())),
        tuple(patterns.get("test", ())),
        words,
        own.get("text"),
        own.get("tier", ""),
        own.get("events", {}).get("trial_type"),
    )


def find_description(dataset: str, place: Path, assets: Path) -> Description:
    """Return the description that ``--dataset`` means.

    Parameters
    ----------
    dataset
        The parameter: ``ds003643``, a folder, or a description with a manifest beside it.
    place
        The absolute path that it names.
    assets
        Folder of the study's lists.

    Raises
    ------
    BadInput
        The description is wrong, or lacks its manifest.
    """
    own = place / FILE if place.is_dir() else place
    schema = assets / "dataset.schema.json"
    if dataset == STUDY:
        return read_description(assets / f"{STUDY}.json", schema)
    if not own.is_file():  # the study's layout; nothing tells the template of the images
        return replace(read_description(assets / f"{STUDY}.json", schema), template=None)
    found = read_description(own, schema)
    if place.is_file() and (found.manifest is None or not found.manifest.is_file()):
        raise BadInput(
            f"{own} names no manifest that is beside it, so nothing can be fetched; make one with "
            "bin/manifest.py, or give the data set's folder"
        )
    return found
