"""What a data set is made of, as data: ``dataset.json``.

ds003643's own is ``assets/ds003643.json``. Another data set brings one in its folder, or beside a
manifest when it is fetched.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.run_plan import Template
from lateralization.study import TRIM
from lateralization.words.annotation import COLUMNS

STUDY = "ds003643"
FILE = "dataset.json"


@dataclass(frozen=True)
class Language:
    """One language of a data set.

    Attributes
    ----------
    name
        As the report calls it.
    subjects
        A pattern of ids (``EN*``), or their list.
    annotation
        Path of the annotation below the data set's folder.
    scans
        Scans of a subject over all runs; None when that is not known.
    prosody
        Path of the table of f0 and intensity; None when there is none.
    """

    name: str
    subjects: str | tuple[str, ...]
    annotation: str
    scans: int | None = None
    prosody: str | None = None

    def has(self, subject: str) -> bool:
        """Tell whether a subject belongs to the language."""
        if isinstance(self.subjects, str):
            return fnmatchcase(subject, self.subjects)
        return subject in self.subjects


@dataclass(frozen=True)
class Description:
    """A data set.

    Attributes
    ----------
    name, version
        Accession number and version on OpenNeuro.
    manifest
        Files that are fetched, with their checksums; None for a data set on disk.
    tr
        Repetition time, seconds.
    n_runs
        Runs per subject: the sections of the story.
    trim
        Scans dropped at each end of a run.
    bold
        Pattern of the runs; ``{subject}`` is part of a folder's name.
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
    tr: float
    n_runs: int
    trim: int
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
    if not math.isfinite(content["tr"]):
        raise BadInput(f"{path}: tr is {content['tr']}; give the repetition time in seconds")
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
    languages = {}
    for code, entry in content["languages"].items():
        subjects = entry["subjects"]
        languages[code] = Language(
            entry.get("name", code),
            subjects if isinstance(subjects, str) else tuple(subjects),
            entry["annotation"],
            entry.get("scans"),
            entry.get("prosody"),
        )
    paths = [content["bold"], *(entry.annotation for entry in languages.values())]
    paths += [entry.prosody for entry in languages.values() if entry.prosody]
    outside = [one for one in paths if ".." in one.split("/")]
    if outside:
        raise BadInput(f"{path}: {outside[0]} leaves the data set's folder; mend it there")
    manifest = content.get("manifest")
    return Description(
        content["name"],
        content.get("version", "any"),
        path.parent / manifest if manifest else None,
        float(content["tr"]),
        int(content["n_runs"]),  # a schema takes 9.0 for a whole number
        int(content.get("trim", TRIM)),
        content["bold"],
        dict(zip(COLUMNS, COLUMNS, strict=True)) | content.get("columns", {}),
        languages,
        Template(**content["template"]) if "template" in content else None,
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
