"""ENCODE: from words and hidden states to brain scores, layer by layer."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from lateralization import study
from lateralization.arrays import Array
from lateralization.baselines import oasm
from lateralization.baselines.own_features import SCANS
from lateralization.command import progress, say
from lateralization.encoding.parts import Part, library_versions, write_part
from lateralization.encoding.regressors import Operators, layer_regressors, word_operators
from lateralization.errors import BadInput
from lateralization.files import open_tensors, read_metadata, read_table, tensor_names
from lateralization.fmri.bold import read_bold
from lateralization.fmri.hrf import Sampling
from lateralization.language_models.devices import check_gpus, say_used
from lateralization.problems import listed
from lateralization.ridge.choices import STUDY, Choices
from lateralization.ridge.folds import FoldDesign, nested_folds, weighted
from lateralization.ridge.joint import Bands, Joint
from lateralization.ridge.race import RISK
from lateralization.ridge.ridge import make_system, nested_ridges
from lateralization.ridge.search import EncodeResult
from lateralization.ridge.voxels import CHUNKS, Precision, Voxels
from lateralization.runs import STORY, by_story, shown, story_of
from lateralization.words.by_story import rows_by_story


@dataclass(frozen=True)
class EncodingTask:
    """What one ENCODE task is asked for.

    ``bold`` has one file per subject, ``joint`` and ``joint_words`` one per band of confounds;
    ``test`` are keys of the stories that never train; ``slice_time``, ``starts``: see ``Sampling``.
    """

    features: Path
    words: Path
    bold: Sequence[Path]
    layers: str
    tr: float
    trim: int
    slice_time: float | None = None
    starts: Mapping[str, float] = field(default_factory=dict)
    test: Sequence[str] = ()
    choices: Choices = STUDY
    joint: Sequence[Path] = ()
    joint_words: Sequence[Path] = ()
    precision: Precision = "float32"
    device: str = "auto"

    @property
    def sampling(self) -> Sampling:
        """When scans are sampled and stories begin."""
        return Sampling(self.tr, self.slice_time, self.starts)

    def told(self) -> dict[str, Any]:
        """Say what the scores depend on, as GATHER records it."""
        return {
            "tr": self.tr,
            "slice_time": self.tr / 2 if self.slice_time is None else self.slice_time,
            "starts": dict(self.starts),
            "test": list(self.test),
            "trim": self.trim,
            **asdict(self.choices),
            "precision": self.precision,
            "search_risk": RISK,
            "features": read_metadata(self.features),
            "joint": [model_of(path) for path in self.joint],
            "versions": library_versions(),
        }


def choose_device(asked: str) -> str:
    """Return ``cuda`` where there is a GPU and nothing else is asked for, else ``cpu``.

    Raises
    ------
    BadInput
        A GPU is asked for and cannot be used.
    """
    if asked not in ("auto", "cpu", "cuda"):
        raise BadInput(f"device {asked} is unknown; give auto, cpu or cuda")
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return "cpu"
    check_gpus(1)
    say_used(1)
    torch.set_float32_matmul_precision("highest")  # no TF32: its 10 bits change the scores
    return "cuda"


def chosen_layers(path: Path, asked: str, stories: Iterable[str]) -> list[int]:
    """Return the layers to encode, in the order asked for; ``all`` gives every layer of the file.

    Raises
    ------
    BadInput
        The file lacks a story of the BOLD data (keys), or a layer; or ``none`` is left of what the
        run asks for.
    """
    pairs = {tuple(name.split("/")) for name in tensor_names(path)}
    known, stories = {story for story, *_ in pairs}, list(stories)
    if absent := [story for story in stories if story not in known]:
        raise BadInput(
            f"{path} lacks {listed(map(shown, absent))}, which the BOLD data have; features and "
            "BOLD data must be of the same stories"
        )
    available = sorted({int(layer.removeprefix("layer-")) for _, layer in pairs})
    if asked == "none":
        raise BadInput(
            f"--layers and --last_layer leave no layer of {path.name}, which has {available[0]} to "
            f"{available[-1]}; ask for layers that it has, or leave the model out"
        )
    try:
        layers = available if asked == "all" else [int(layer) for layer in asked.split(",")]
    except ValueError as error:
        raise BadInput(f"--layers {asked} is no list of numbers; give 0,6,12 or all") from error
    for layer in layers:
        missing = [story for story in stories if (story, f"layer-{layer}") not in pairs]
        if missing:
            raise BadInput(f"{path} has no layer {layer} in {missing[0]}; it has {available}")
    if len(set(layers)) != len(layers):
        raise BadInput(f"--layers {asked} names a layer twice; name each once")
    return layers


@dataclass(frozen=True)
class SubjectVoxels:
    """One subject on the way through the solver; what ``Bold`` held of it is let go.

    Attributes
    ----------
    n_scans : dict of str to int
        Key of each run, in order → its scans before trimming.
    left_out : array of shape (n_stories, n_voxels), uint8
        0, or why the voxel takes no part in a run of the story (codes of ``parts``).
    voxels : Voxels
    """

    n_scans: dict[str, int]
    left_out: NDArray[np.uint8]
    voxels: Voxels


def design_of(keys: Sequence[str], test: Iterable[str] = ()) -> FoldDesign:
    """Return the design of a subject's runs; ``test``: keys of stories that never train."""
    stories, held = by_story(keys), set(test)
    apart = frozenset(place for place, story in enumerate(stories) if story in held)
    return FoldDesign(tuple(tuple(runs) for runs in stories.values()), apart)


def left_out_of_stories(left_out: NDArray[np.uint8], design: FoldDesign) -> NDArray[np.uint8]:
    """Return why voxels take no part in a story, (n_stories, n_voxels): in any run of it.

    Where reasons differ between its runs, the first of ``names.REASONS``.
    """
    last = np.iinfo(np.uint8).max
    coded = np.where(left_out, left_out, last)
    first = np.stack([coded[list(runs)].min(axis=0) for runs in design.stories])
    return np.where(first == last, 0, first).astype(np.uint8)


def model_of(features: Path) -> str:
    """Return the name of the model that a features file is of; the file's where it has none."""
    return read_metadata(features).get("model", features.name)


def load_subject(path: Path, task: EncodingTask, device: str) -> SubjectVoxels:
    """Read a bold file for the solver.

    Raises
    ------
    BadInput
        See ``read_bold``; fewer than 3 stories that train; or no voxel has a signal in every run.
    """
    bold = read_bold(path, task.trim)
    design = design_of(list(bold.n_scans), task.test)
    try:
        nested_folds(design)
        voxels = Voxels(
            weighted(bold.runs, design),
            bold.left_out.astype(bool),
            precision=task.precision,
            chunk=CHUNKS[device],
            device=device,
        )
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return SubjectVoxels(bold.n_scans, left_out_of_stories(bold.left_out, design), voxels)


def equal_runs(subjects: Sequence[SubjectVoxels]) -> list[list[int]]:
    """Group subjects (their places in the list) with the same runs of equal numbers of scans."""
    groups: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for place, subject in enumerate(subjects):
        groups.setdefault(tuple(subject.n_scans.items()), []).append(place)
    return list(groups.values())


def operators_of(
    features: Path, words: Path, task: EncodingTask, n_scans: Mapping[str, int]
) -> list[Operators]:
    """Build each run's operators from the rows of a features file to scans.

    Rows of words are convolved; rows of scans stay.

    Raises
    ------
    BadInput
        See ``word_operators``.
    """
    if read_metadata(features).get("rows") in (SCANS, oasm.BLOCKS):
        return [[sparse.eye_array(scans, format="csr")] for scans in n_scans.values()]
    table = read_table(words, text_columns=("word", "text", STORY))
    return word_operators(rows_by_story(table), n_scans, task.sampling, task.choices.hrf)


def read_layer(
    handle: Any, layer: int, n_scans: Mapping[str, int], rows: str | None
) -> list[Array]:
    """Read one layer, run by run; rows that depend on the number of scans are made here.

    A repetition that has no rows of its own has those of its story.
    """
    there = set(handle.keys())
    known = {key: key if f"{key}/layer-{layer}" in there else story_of(key) for key in n_scans}
    states = {
        key: handle.get_tensor(f"{key}/layer-{layer}") for key in dict.fromkeys(known.values())
    }
    if rows == oasm.BLOCKS:
        return [oasm.scan_rows(states[known[key]], scans) for key, scans in n_scans.items()]
    return [states[known[key]] for key in n_scans]


def confound_bands(task: EncodingTask, n_scans: Mapping[str, int], design: FoldDesign) -> Bands:
    """Make the weighted regressors of the features that go jointly with every layer.

    Raises
    ------
    BadInput
        A file has more than one layer, or words and features do not fit each other.
    """
    bands = []
    for features, words in zip(task.joint, task.joint_words, strict=True):
        layers = chosen_layers(features, "all", by_story(list(n_scans)))
        if len(layers) != 1:
            raise BadInput(
                f"{features} has {len(layers)} layers; features that go jointly have one"
            )
        operators = operators_of(features, words, task, n_scans)
        rows = read_metadata(features).get("rows")
        with open_tensors(features) as handle:
            states = read_layer(handle, layers[0], n_scans, rows)
        made, _ = layer_regressors(states, operators, list(n_scans), model_of(features), task.trim)
        bands.append(weighted(made, design))
    return bands


def encode_stack(
    task: EncodingTask, subjects: Sequence[SubjectVoxels], layers: Sequence[int], device: str
) -> list[Part]:
    """Encode some layers for subjects with the same runs of equal lengths, layer by layer.

    One layer and one chunk of voxels are in memory at a time, beside the BOLD data; what the
    subjects share (regressors, Gram matrices, their factors) is made once for all of them.

    Returns
    -------
    list over subjects of Part
    """
    chosen, n_scans = task.choices, subjects[0].n_scans
    keys = list(n_scans)
    design = design_of(keys, task.test)
    operators = operators_of(task.features, task.words, task, n_scans)
    model = model_of(task.features)
    rows = read_metadata(task.features).get("rows")
    voxels = [subject.voxels for subject in subjects]
    bands = confound_bands(task, n_scans, design)
    results: list[list[EncodeResult]] = []
    constant = {}
    joint = Joint(bands, voxels, chosen, device, design) if bands else None
    with open_tensors(task.features) as handle:
        for layer in progress(layers, f"layers of {len(subjects)} subjects"):
            states = read_layer(handle, layer, n_scans, rows)
            name = f"{model}, layer {layer}"
            made, flat = layer_regressors(states, operators, keys, name, task.trim)
            made = weighted(made, design)
            if flat:
                constant[str(layer)] = flat
            system = make_system(made, float(study.ALPHAS.min()), device, chosen.components)
            results.append(nested_ridges(system, voxels, choices=chosen, design=design))
            if joint is not None:
                joint.add(made)
    if constant:
        say(f"constant regressors, taken as 0 (layer: run: number): {json.dumps(constant)}")
    told = task.told() | {
        "device": device, "constant_regressors": constant, "stories": list(by_story(keys)),
    }  # fmt: skip
    return [
        Part(
            r=np.stack([result.r for result in own]).astype(np.float32),
            alphas=np.stack([result.alphas for result in own]),
            validation_r=np.stack([result.validation_r for result in own]),
            layers=np.array(layers, np.int64),
            left_out=subject.left_out,
            told=told,
            more=joint.tensors(place) if joint is not None else {},
        )
        for place, (subject, own) in enumerate(
            zip(subjects, zip(*results, strict=True), strict=True)
        )
    ]


def encode_files(task: EncodingTask, outs: Sequence[Path]) -> list[Part]:
    """Encode the layers of a features file for one or more subjects: one part file for each.

    Parameters
    ----------
    task : Task
    outs : list of Path
        The files to write, in the order of ``task.bold``.

    Returns
    -------
    list over subjects of Part

    Raises
    ------
    BadInput
        Another number of files to write than of subjects, or inputs that do not fit each other.
    """
    if len(outs) != len(task.bold):
        raise BadInput(f"{len(task.bold)} subjects and {len(outs)} --out; give one for each")
    device = choose_device(task.device)
    subjects = [load_subject(path, task, device) for path in task.bold]
    parts: dict[int, Part] = {}
    for places in equal_runs(subjects):
        stack = [subjects[place] for place in places]
        layers = chosen_layers(task.features, task.layers, by_story(list(stack[0].n_scans)))
        made = encode_stack(task, stack, layers, device)
        parts |= dict(zip(places, made, strict=True))
    for place, out in enumerate(outs):
        write_part(parts[place], out)
    return [parts[place] for place in range(len(outs))]
