"""A simulated data set in the layout of ds003643, with its texts, models and the truth.

``OUT/data`` has the BOLD runs (``derivatives/``), the annotation and ``simulation.json``, what
was planted; ``OUT/texts`` the chapters; ``OUT/models/<name>`` the tiny models. A marker with
the settings is written last, so an interrupted folder is never taken for a whole one.
"""

import hashlib
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats, Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import read_json, write_json, writing
from lateralization.simulation import responses, simulated_models, story, worlds
from lateralization.simulation.own_code import PACKAGE, content_of
from lateralization.simulation.simulated_models import MODELS, TinyModel
from lateralization.study import N_RUNS, TR
from lateralization.volumes import save_volume

MARKER = "simulated.json"
THREADS = 2

FIELD_MM = ((-81.3, 81.0), (-116.7, 82.0), (-76.9, 90.0))
"""Field of view, mm: the whole brain with a rim, its voxel centres off the study's grid."""

BRIGHTNESS = 1000.0
"""Mean intensity of the brain, arbitrary units of the scanner."""

SIGNAL_CHANGE = 0.012
"""One standard deviation of a voxel's time course, as a share of its mean."""

EDGE = (0.4, 0.8)
"""Smoothed brain fraction where a voxel begins to be bright, and where it is as bright as others.

A steep edge: an EPI mask is cut at the largest gap in the sorted intensities, and with a gentle
slope of intensities the largest gap may be anywhere.
"""

RIM = 0.005
"""Smoothed brain fraction above which there is some background noise around the head."""

BACKGROUND = (25.0, 3.0)
"""Mean and standard deviation of the noise around the head."""

RUN_NUMBERS = (
    (15, 16, 17, 18, 19, 20, 21, 22, 23),
    (7, 8, 9, 10, 11, 12, 13, 14, 17),
    (9, 11, 12, 13, 14, 19, 20, 21, 22),
    (1, 2, 3, 4, 5, 6, 7, 8, 9),
)
"""Run numbers in file names: as in the real data, they need not start at 1 or be contiguous."""


@dataclass(frozen=True)
class Settings:
    """What a simulated data set is made from.

    Attributes
    ----------
    world
        One of ``lateralization.simulation.worlds.WORLDS``.
    seed
        Everything random follows from it.
    subjects
        How many.
    first_subject
        Identifier of the first, such as ``EN901``; the others count on.
    voxel_mm
        Edge of the voxels.
    scans
        About how many scans per run; None: as many as the whole chapters need.
    models
        How many of the tiny models, the smallest first.
    runs
        How many runs; with another number than nine the data set gets a ``dataset.json``.
    tr
        Repetition time, seconds; with another than 2 s likewise.
    """

    world: str = "demo"
    seed: int = 1
    subjects: int = 6
    first_subject: str = "EN901"
    voxel_mm: float = 6.0
    scans: int | None = None
    models: int = len(MODELS)
    runs: int = N_RUNS
    tr: float = TR

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.world not in worlds.WORLDS:
            raise BadInput(f"--world {self.world}: choose one of {', '.join(worlds.WORLDS)}")
        if not re.fullmatch(r"EN\d{3}", self.first_subject):
            raise BadInput(f"--first-subject {self.first_subject}: give EN and three digits, EN901")
        if not 1 <= self.subjects <= 1000 - int(self.first_subject[2:]):
            raise BadInput(f"--subjects {self.subjects}: identifiers must stay within three digits")
        if not 2.0 <= self.voxel_mm <= 12.0:
            raise BadInput(f"--voxel-mm {self.voxel_mm}: give an edge between 2 and 12 mm")
        if not 3 <= self.runs <= N_RUNS:
            raise BadInput(f"--runs {self.runs}: give a number from 3 to {N_RUNS}")
        if not 0.5 <= self.tr <= 3.0:
            raise BadInput(f"--tr {self.tr}: give a repetition time between 0.5 and 3 s")
        if not 1 <= self.models <= len(MODELS):
            raise BadInput(f"--models {self.models}: give a number from 1 to {len(MODELS)}")
        if self.scans is not None and self.scans < 30:
            raise BadInput(
                f"--scans {self.scans}: 20 scans are trimmed from a run, give 30 or more"
            )

    @property
    def subject_ids(self) -> list[str]:
        """Identifiers of all subjects."""
        first = int(self.first_subject[2:])
        return [f"EN{first + index:03d}" for index in range(self.subjects)]


@dataclass(frozen=True)
class Head:
    """The voxels of a scanner's grid.

    Attributes
    ----------
    affine : (4, 4)
        Voxel indices to mm.
    mean : (x, y, z) float32
        Mean intensity, bright in the brain.
    brain, rim : (x, y, z) bool
        Voxels with signal; voxels around them with background noise. Elsewhere is 0.
    """

    affine: Floats
    mean: Single
    brain: Booleans
    rim: Booleans

    @property
    def coordinates(self) -> Floats:
        """Centres of the brain's voxels, mm, in C order, (n_voxels, 3)."""
        indices = np.argwhere(self.brain)
        centres: Floats = indices @ self.affine[:3, :3].T + self.affine[:3, 3]
        return centres


def make_head(voxel_mm: float) -> Head:
    """Put the MNI brain that nilearn carries on a coarse grid, off the study's grid."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
    from nilearn.image import resample_img, smooth_img

    lows, highs = np.array(FIELD_MM).T
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = lows
    shape = tuple(int(n) for n in np.floor((highs - lows) / voxel_mm) + 1)
    on_grid = []
    for image in (load_mni152_brain_mask(resolution=2), load_mni152_template(resolution=2)):
        smooth = smooth_img(image, voxel_mm)
        coarse = resample_img(
            smooth,
            target_affine=affine,
            target_shape=shape,
            interpolation="linear",
            force_resample=True,
            copy_header=True,
        )
        on_grid.append(np.clip(coarse.get_fdata(), 0, 1))
    fraction, contrast = on_grid
    low, high = EDGE
    mean = BRIGHTNESS * np.clip((fraction - low) / (high - low), 0, 1) * (0.8 + 0.2 * contrast)
    brain = mean > BRIGHTNESS / 10
    rim = (fraction > RIM) & ~brain
    return Head(affine, mean.astype(np.float32), brain, rim)


def to_image(head: Head, bold: Single, rng: np.random.Generator) -> NDArray[np.int16]:
    """Scale responses to scanner units and put them into the grid.

    Parameters
    ----------
    head
        The grid.
    bold : (n_scans, n_voxels)
        Responses of the brain's voxels, standard deviation about 1.
    rng
        Source of the background noise.

    Returns
    -------
    (x, y, z, n_scans) int16
    """
    n_scans = len(bold)
    image = np.zeros((*head.brain.shape, n_scans), np.int16)
    mean = head.mean[head.brain]
    floor = BACKGROUND[0] * (1 - mean / mean.max())
    image[head.brain] = np.rint((mean * (1 + SIGNAL_CHANGE * bold) + floor).T)
    noise = rng.standard_normal((int(head.rim.sum()), n_scans), dtype=np.float32)
    image[head.rim] = np.rint(BACKGROUND[0] + BACKGROUND[1] * noise)
    return image


def bold_path(data: Path, subject: str, index: int, run: int) -> Path:
    """Name a run as in ds003643; ``index`` (0-based) chooses the subject's run numbers."""
    number = RUN_NUMBERS[index % len(RUN_NUMBERS)][run - 1]
    name = f"sub-{subject}_task-lppEN_run-{number:02d}_space-MNIColin27_desc-preproc_bold.nii.gz"
    return data / "derivatives" / f"sub-{subject}" / "func" / name


def write_bold(
    settings: Settings, head: Head, forward: responses.Forward, signals: Sequence[Single], to: Path
) -> None:
    """Write all runs of all subjects; the same files whatever the number of threads."""

    def write(job: tuple[int, int]) -> None:
        index, run = job
        rng = np.random.default_rng([settings.seed, 4, index, run])
        bold = responses.subject_run(forward, signals, index, run, rng)
        path = bold_path(to, settings.subject_ids[index], index, run)
        save_volume(to_image(head, bold, rng), head.affine, path, settings.tr)

    jobs = [
        (index, run) for index in range(settings.subjects) for run in range(1, settings.runs + 1)
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in progress(pool.map(write, jobs), "BOLD runs", len(jobs)):
            pass


def scans_per_run(
    chapters: Sequence[story.Chapter], world: str
) -> tuple[list[int], tuple[int, int]]:
    """Return scans per run, and the two runs (1-based) of most equal length.

    To swap two runs they must have equal lengths: in that world the shorter one is recorded
    until the longer one ends.
    """
    lengths = [chapter.n_scans for chapter in chapters]
    order = np.argsort(lengths, kind="stable")
    closest = int(np.argmin(np.diff(np.sort(lengths))))
    first, second = sorted(int(run) for run in order[closest : closest + 2])
    if world == "swapped_runs":
        lengths[first] = lengths[second] = max(lengths[first], lengths[second])
    return lengths, (first + 1, second + 1)


def write_story(chapters: Sequence[story.Chapter], out: Path) -> tuple[Path, list[Path]]:
    """Write annotation and texts; return their paths."""
    table = out / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    with writing(table) as temporary:
        story.annotation(chapters).to_csv(temporary, index=False, lineterminator="\n")
    texts = [out / "texts" / f"text_en_run{chapter.run}.txt" for chapter in chapters]
    for path, chapter in zip(texts, chapters, strict=True):
        with writing(path) as temporary:
            temporary.write_text(chapter.text, encoding="utf-8", newline="\n")
    return table, texts


def planted_states(
    models: Sequence[TinyModel], out: Path, annotation: Path, texts: list[Path]
) -> list[list[Floats]]:
    """Compute the planted layer's hidden states, per model and run, (n_words, width)."""
    from lateralization.simulation.extraction import extract_features

    states = []
    for model in progress(models, "hidden states"):
        features = extract_features(
            out / "models" / model.name, annotation, texts, "en", mapping="aligned"
        )
        layer = f"layer-{model.planted_layer}"
        states.append([features[f"run-{run}/{layer}"] for run in range(1, len(texts) + 1)])
    return states


def truth(
    settings: Settings, forward: responses.Forward, n_parameters: Sequence[int], lengths: list[int]
) -> dict[str, Any]:
    """Describe what was planted, the content of ``simulation.json``."""
    world = forward.world
    planted = worlds.truth_per_model(world, forward.profile, forward.coordinates, settings.subjects)
    models = [
        {
            "k": k + 1,
            "name": model.name,
            "family": model.family,
            "n_parameters": n_parameters[k],
            "layer": model.planted_layer,
            **planted[k],
        }
        for k, model in enumerate(MODELS[: settings.models])
    ]
    rising = sorted(models, key=lambda model: model["planted_left_minus_right"])
    damage = world.damage
    return {
        "world": world.name,
        "seed": settings.seed,
        "subjects": settings.subject_ids,
        "n_scans": lengths,
        "models": models,
        "increases_with_size": len(models) > 1 and world.left[-1] > world.left[0],
        "expected_order": [m["name"] for m in rising] if world.left[-1] > world.left[0] else None,
        "word_rate_share": world.word_rate,
        "word_length_share": world.word_length,
        "noise_right_over_left": world.noise_right,
        "damage": damage
        and {
            "subject": settings.subject_ids[damage.subject],
            "kind": "shifted" if damage.scans else "swapped",
            "runs": list(damage.runs),
            "scans": damage.scans,
        },
        "formula": worlds.FORMULA,
    }


def _digest(folder: Path) -> str:
    """Return a digest of the code that makes the data, and of the story."""
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.txt")))
    return hashlib.sha256(
        content_of(str(Path(__file__).resolve().relative_to(PACKAGE))) + text
    ).hexdigest()


def _claim(out: Path, marker: Path) -> None:
    """Empty a folder that an earlier simulation wrote; refuse any other folder with files."""
    if out.exists() and any(out.iterdir()):
        if not marker.is_file():
            raise BadInput(f"{out} has files of another origin: give a new or an empty folder")
        for name in ("data", "texts", "models"):
            shutil.rmtree(out / name, ignore_errors=True)
    write_json({"complete": False}, marker)


def simulate(out: Path, settings: Settings, story_folder: Path, if_missing: bool = False) -> None:
    """Write a whole simulated data set.

    Parameters
    ----------
    out
        A new folder, or one that an earlier simulation wrote: that one is replaced.
    settings
        What to simulate.
    story_folder
        Where the chapters are.
    if_missing
        Do nothing when ``out`` is complete and was made with the same settings, code and story.

    Raises
    ------
    BadInput
        Settings that cannot be met, a missing chapter, or a folder with other files in it.
    """
    marker = out / MARKER
    made = {"complete": True, "settings": asdict(settings), "digest": _digest(story_folder)}
    if if_missing and marker.is_file() and read_json(marker) == made:
        say(f"{out} is there already, made with the same settings")
        return
    chapters = story.read_story(
        story_folder, settings.seed, settings.scans, settings.runs, settings.tr
    )
    _claim(out, marker)
    annotation, texts = write_story(chapters, out)
    models = MODELS[: settings.models]
    n_parameters = simulated_models.write_models(
        models, [chapter.text for chapter in chapters], settings.seed, out / "models"
    )
    states = planted_states(models, out, annotation, texts)
    lengths, equal_runs = scans_per_run(chapters, settings.world)
    designs = responses.make_designs(
        [chapter.words for chapter in chapters], states, lengths, settings.tr
    )
    world = worlds.make_world(settings.world, settings.models, settings.subjects, equal_runs)
    head = make_head(settings.voxel_mm)
    forward = responses.make_forward(world, designs, head.coordinates, settings.seed, settings.tr)
    signals = [responses.planted_signal(forward, design) for design in designs]
    write_bold(settings, head, forward, signals, out / "data")
    write_json(truth(settings, forward, n_parameters, lengths), out / "data" / "simulation.json")
    if (settings.runs, settings.tr) != (N_RUNS, TR):
        write_json(own_description(settings), out / "data" / "dataset.json")
    write_json(made, marker)


def own_description(settings: Settings) -> dict[str, Any]:
    """Describe a data set that differs from ds003643, the content of ``dataset.json``."""
    words = "annotation/EN/lppEN_word_information.csv"
    bold = "derivatives/sub-{subject}/func/*_desc-preproc_bold.nii.gz"
    english = {"name": "English", "subjects": "EN*", "annotation": words}
    made = {"name": "simulated", "tr": settings.tr, "n_runs": settings.runs, "bold": bold}
    return {**made, "languages": {"en": english}}
