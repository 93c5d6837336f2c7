"""The plan of a run, ``plan.json``: VALIDATE writes it, every other stage follows it.

Field names and their order are those of the JSON objects. Python reads the plan with
``read_plan``; the workflow (``modules/*.nf``) reads the same fields by name.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from lateralization import runs
from lateralization.errors import BadInput
from lateralization.files import read_json


class Parcel(TypedDict, total=False):
    """What FETCH brings, handed to it as it stands in the plan: a key is there where it applies.

    Attributes
    ----------
    source
        The user's own files, absolute; empty where something is fetched.
    files
        Files of a data set or repository: ``path``, ``bytes``, checksums, ``urls``.
    dataset, version
        What ``files`` belong to, and at which version.
    url, urls, sha256, password
        A single file that is fetched, its checksum, and what opens it.
    language, subject, n_runs
        Whose BOLD it is.
    path, published
        A local annotation, and whether the annotation is the study's own.
    columns
        Our name of a column → the data set's.
    stories
        Key and path of each story that has a file of its own, in the order of the files; empty
        where one table has the words of all.
    tier
        Tier of the words in TextGrids.
    joined
        Whether texts are joined from the words, whose files the parcel then has.
    """

    source: list[str]
    files: list[dict[str, Any]]
    dataset: str
    version: str
    url: str
    urls: list[str]
    sha256: str | None
    password: str | None
    language: str
    subject: str
    n_runs: int
    path: str | None
    published: bool
    columns: dict[str, str]
    stories: list[list[str]]
    tier: str
    joined: bool


@dataclass(frozen=True)
class RunPlan:
    """One run of a subject: a story that it heard.

    Attributes
    ----------
    key
        ``run-3``, ``story-wheels``, ``story-wheels_rep-2`` (see ``runs``).
    session
        Label of the session; empty where there is none.
    bold
        The file: absolute on this machine, below the data set's folder where it is fetched.
    confounds
        Table of confounds, absolute; None where there is none.
    scans
        Number of scans; None where the file is not here yet.
    average_scans
        Scans that are kept, from the start, for the average subject; None: all.
    confound_columns
        Columns of ``confounds`` that are regressed off the run; empty: none.
    """

    key: str
    session: str
    bold: str
    confounds: str | None = None
    scans: int | None = None
    average_scans: int | None = None
    confound_columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SubjectPlan:
    """One subject of a language.

    Attributes
    ----------
    subject
        Id without ``sub-``.
    runs
        What it heard, in the order of the language's stories and their repetitions.
    remote
        The runs that are fetched; None where they are on this machine.
    individual, group
        Whether the subject is fitted alone, and whether it is part of the average.
    """

    subject: str
    remote: Parcel | None
    individual: bool
    group: bool
    runs: list[RunPlan]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SubjectPlan":
        """Return the subject of a JSON object of ``subjects``."""
        runs = [RunPlan(**one) for one in content["runs"]]
        return cls(**{**content, "runs": runs})


@dataclass(frozen=True)
class LanguagePlan:
    """One language of a run.

    Attributes
    ----------
    language, name
        Code on the command line and in file names; name for readers.
    scans
        Scans of a subject over all runs, as the description has it; None: not known.
    tr, trim
        Repetition time (s), scans dropped at each end of a run.
    stories
        Keys of the stories in the order of arrays and folds: ``run-1`` …, or ``story-wheels`` ….
    test
        Those that are never trained on.
    starts
        Beginning of each story after the first scan, seconds.
    slice_time
        Time within a scan at which its regressors are sampled, seconds.
    annotation, prosody, texts
        What is heard; None where no model or baseline reads it.
    corrections
        Corrections of the annotation: ``ds003643``, ``none`` or a file.
    mask, isc, average_subject
        Given files; None: computed.
    subjects
        Those that are used, in order.
    average
        Whether the average subject is fitted.
    stacks
        Individual subjects that one ENCODE task fits together.
    handedness
        How many of ``subjects`` are ``right``, ``left``, ``ambidextrous`` or ``unknown`` by
        ``participants.tsv``; empty where it does not say.
    """

    language: str
    name: str
    scans: int | None
    tr: float
    trim: int
    annotation: Parcel
    prosody: Parcel | None
    texts: Parcel | None
    corrections: str
    mask: Parcel | None
    isc: Parcel | None
    average_subject: Parcel | None
    subjects: list[SubjectPlan]
    average: bool
    stacks: list[list[str]]
    stories: list[str]
    test: list[str]
    starts: list[float]
    slice_time: float
    handedness: dict[str, int]

    @property
    def individuals(self) -> list[str]:
        """Ids of the subjects that are fitted one by one."""
        return [one.subject for one in self.subjects if one.individual]

    @property
    def kind_of_runs(self) -> str:
        """What the stories are called: ``run`` where they are numbered, else ``story``."""
        return runs.RUN if self.stories[0].startswith(f"{runs.RUN}-") else runs.STORY

    @property
    def hearers(self) -> dict[str, int]:
        """Story → number of people who heard it, in the order of the stories."""
        heard = [{runs.story_of(run.key) for run in one.runs} for one in self.subjects]
        return {story: sum(story in own for own in heard) for story in self.stories}

    @property
    def has_gaps(self) -> bool:
        """Whether somebody lacks a story."""
        return any(n < len(self.subjects) for n in self.hearers.values())

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "LanguagePlan":
        """Return the language of a JSON object of ``languages``."""
        subjects = [SubjectPlan.from_json(one) for one in content["subjects"]]
        return cls(**{**content, "subjects": subjects})


@dataclass(frozen=True)
class Model:
    """One language model of a run.

    Attributes
    ----------
    name
        Name in tables and file names.
    source, kind
        Hub id (``hub``) or absolute folder (``local``).
    files
        Files of a local model, absolute.
    revision
        Branch, tag or commit; None: the default branch, resolved when it is fetched.
    tokenizer_source
        Hub id of the tokenizer when it is not the model's own.
    seed
        0: pretrained; >0: untrained, initialised with this seed.
    n_parameters, n_layers, n_hid
        As given in a sheet or by the study; None: counted from the model.
    size_is_expected
        They are the study's, for the plan only: what is counted from the model counts.
    predictors
        Numbers that the asymmetry is regressed on (ppl, hellaswag, a sheet's further columns).
    own_predictors
        Language → numbers that hold in it alone, as a perplexity that was measured on its text.
    mapping
        How words find their tokens: ``reference`` or ``aligned``.
    languages
        Languages that it is fitted to.
    individual, average
        Whether it is fitted to the individual subjects, to the average.
    """

    name: str
    source: str
    kind: str
    files: list[str] = field(default_factory=list)
    revision: str | None = None
    tokenizer_source: str | None = None
    seed: int = 0
    n_parameters: int | None = None
    n_layers: int | None = None
    n_hid: int | None = None
    size_is_expected: bool = False
    predictors: dict[str, float] = field(default_factory=dict)
    own_predictors: dict[str, dict[str, float]] = field(default_factory=dict)
    mapping: str = "aligned"
    languages: list[str] = field(default_factory=list)
    family: str = ""
    individual: bool = False
    average: bool = True


@dataclass(frozen=True)
class Baseline:
    """One feature space of a run that no model is run for.

    Attributes
    ----------
    kind
        One of ``BASELINE_KINDS``; ``surprisal`` of a model; or ``features``, the user's own.
    files
        Language → file of the user's own features.
    n_layers
        Layers of the features file.
    source
        Name of the model whose surprisal it is.
    """

    name: str
    kind: str
    dims: int
    seed: int
    languages: list[str]
    individual: bool = False
    average: bool = True
    files: dict[str, str] = field(default_factory=dict)
    n_layers: int = 1
    source: str = ""


def entries(models: list[Model], baselines: list[Baseline]) -> list[Model | Baseline]:
    """Return models and baselines as one list, models first."""
    return [*models, *baselines]


@dataclass(frozen=True)
class FitPlan:
    """One fit: a model or baseline to a subject (or ``average``) of a language."""

    language: str
    subject: str
    model: str


@dataclass(frozen=True)
class Claim:
    """What the first sentence of the report is about, fixed before anything is fitted.

    Attributes
    ----------
    region, midline, layer
        Voxels, hemispheres and the rule by which a layer is chosen, as the tables name them.
    subjects
        ``average``, ``people`` or ``auto``: people where enough of them are fitted.
    predictor
        ``ln_n_parameters``, or a numeric column of the model sheet.
    digest
        sha256 of the file.
    """

    region: str
    midline: str
    layer: str
    subjects: str
    predictor: str
    digest: str


@dataclass(frozen=True)
class Template:
    """The template that the images of a data set were brought to.

    Attributes
    ----------
    symmetric
        Whether its left and right are mirror images of each other, so that a voxel's mirror image
        is its homologue.
    """

    name: str
    symmetric: bool


class _Parameters(dict[str, Any]):
    """Parameters of a plan that was read; another release may have written it, and lack some."""

    def __missing__(self, name: str) -> Any:
        raise BadInput(f"the plan has no parameter {name}; run VALIDATE of this release again")


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes
    ----------
    parameters
        Parameter → value, in its one form; a password is not shown.
    data_name
        Name of the data set, as its description has it.
    cache_dir
        Folder of what is fetched, absolute.
    layers
        Layers that are fitted: ``all``, ``every:2`` or a list.
    notes
        What the user should know.
    languages, models, baselines, fits
        What is fitted to what.
    encoder
        The encoder's options: the fields of ``ridge.choices.Choices``.
    joint
        Baselines that go jointly with every model.
    layers_per_task
        Layers that one ENCODE task fits.
    claim
        What the first sentence of the report is about.
    truth
        File in which a simulated data set describes itself.
    glove, atlas
        Where they come from; None where they are not needed.
    data_runs
        Every file of BOLD of the data set: ``subject``, ``session``, ``story``, ``repetition``,
        ``file`` (below the data set's folder), ``n_scans``, ``tr``, ``words_seconds`` (from the
        first word's onset to the last one's end), ``space``, ``used`` and, where it is not,
        ``reason``. None: not known before the data are fetched.
    template
        Of the images; None where the data set does not say which.
    """

    parameters: dict[str, Any]
    data_name: str
    cache_dir: str
    layers: list[int] | str
    notes: list[str]
    languages: list[LanguagePlan]
    models: list[Model]
    baselines: list[Baseline]
    fits: list[FitPlan]
    encoder: dict[str, Any]
    joint: list[str]
    layers_per_task: int
    claim: Claim
    truth: str | None
    glove: Parcel | None
    atlas: Parcel | None
    data_runs: list[dict[str, Any]]
    template: Template | None

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``plan.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Plan":
        """Return the plan of the content of ``plan.json``.

        Raises
        ------
        KeyError, TypeError
            A field is missing, or is not one of the plan.
        """
        typed = {
            "parameters": _Parameters(**content["parameters"]),
            "languages": [LanguagePlan.from_json(one) for one in content["languages"]],
            "models": [Model(**one) for one in content["models"]],
            "baselines": [Baseline(**one) for one in content["baselines"]],
            "fits": [FitPlan(**one) for one in content["fits"]],
            "claim": Claim(**content["claim"]),
            "template": Template(**content["template"]) if content["template"] else None,
        }
        return cls(**{**content, **typed})


def read_plan(path: Path) -> Plan:
    """Read ``plan.json``.

    Raises
    ------
    BadInput
        The file cannot be read, or is not a plan as this release of VALIDATE writes it.
    """
    try:
        return Plan.from_json(read_json(path))
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a plan of this release ({error}); run VALIDATE again") from (
            error
        )
