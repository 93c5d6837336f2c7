"""Brain pictures from the maps that LATERALIZE wrote beside its tables."""

from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl

mpl.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from nilearn import datasets, plotting, surface

from lateralization import wording
from lateralization.arrays import Array
from lateralization.errors import BadInput
from lateralization.figures.figure_style import COLUMN, INK, LEFT, PAGE, RIGHT, Drawing, of_person
from lateralization.files import read_metadata, read_tensors
from lateralization.tables.read import NO_RELIABILITY, TooFewError

SEQUENTIAL, DIVERGING = "magma_r", "PuOr_r"

KINDS = {
    "baseline": "a baseline", "untrained": "an untrained model", "checkpoint": "a training step",
    "features": "own features",
}  # fmt: skip
"""What stands for the best model where no trained model was fitted."""

NO_SLOPE = "fewer than 3 models of different size"
NO_REGION = "no region of interest has a voxel on both sides in the mask, or none was given"

Entry = TypeVar("Entry")


class Maps:
    """Maps of one language and subject.

    Attributes
    ----------
    model, named
        The best model, and that with what it is where it is no trained model.
    of_person
        End of a title: whose brain it is, where it is not the average.
    """

    def __init__(self, path: Path, language: str, subject: str) -> None:
        prefix = f"{language}/{subject}/"
        everything = read_tensors(path) if path.exists() else {}
        self.values = {
            name.removeprefix(prefix): values
            for name, values in everything.items()
            if name.startswith(prefix)
        }
        known = read_metadata(path) if path.exists() else {}
        self.words = {
            name.removeprefix(prefix): word
            for name, word in known.items()
            if name.startswith(prefix)
        }
        self.path = path
        self.model = self.words.get("model", "")
        self.kind = KINDS.get(self.words.get("kind", ""), "")
        self.named = f"{self.model} ({self.kind})" if self.kind else self.model
        self.of_person = of_person(subject)

    def volume(self, what: str, missing: str) -> Array:
        """Give a map.

        Raises
        ------
        TooFewError
            It is not there; ``missing`` says why.
        """
        if what not in self.values:
            raise TooFewError(missing)
        return self.values[what]

    def written(self, what: str) -> Array:
        """Give a map that LATERALIZE always writes beside another that is there."""
        return self._entry(self.values, what)

    def word(self, what: str) -> str:
        """Give a word that LATERALIZE always writes beside a map that is there."""
        return self._entry(self.words, what)

    def _entry(self, entries: dict[str, Entry], what: str) -> Entry:
        if what not in entries:
            raise BadInput(
                f"{self.path} has no {what}: it was made by another version of the pipeline; run "
                "LATERALIZE again"
            )
        return entries[what]


def glass_brain(volume: Array, affine: Array, **look: Any) -> Any:
    """Project a volume (x, y, z) through a glass brain: the strongest voxel of each line is seen.

    ``affine``: (4, 4), mm; ``look`` goes to nilearn. Returns the figure and nilearn's display.
    """
    figure = plt.figure(figsize=(PAGE, 1.9), layout="none")
    display = plotting.plot_glass_brain(
        as_image(volume, affine), figure=figure, colorbar=True, threshold=1e-9, annotate=True,
        **look,
    )  # fmt: skip
    return figure, display


def as_image(volume: Array, affine: Array) -> Any:
    """Make an image of a map (x, y, z) with its affine (4, 4), mm."""
    return nib.Nifti1Image(np.asarray(volume, dtype=np.float32), affine)


def top_of(values: Array) -> float:
    """Upper end of a colour scale: the largest value, never 0."""
    return float(np.abs(values).max()) or 1.0


def limits(maps: Maps, volume: Array) -> str:
    """Write the lowest and the highest value of the voxels that are used: ``−0.020 and +0.310``."""
    inside = volume[maps.written("mask") > 0]
    return f"{wording.signed(float(inside.min()), 3)} and {wording.signed(float(inside.max()), 3)}"


def above_zero(volume: Array) -> Array:
    """Set what is below 0 to 0, where it is not drawn.

    A glass brain shows the strongest voxel of each line whatever its sign, and a scale from 0 has
    no colour for a correlation below: it would look like the same value above, or hide one.
    """
    positive: Array = np.maximum(volume, 0)
    return positive


def correlation_brain(volume: Array, affine: Array) -> tuple[Any, Any, str]:
    """Draw a map of correlations in a glass brain; the last is what its caption says of the scale.

    Parameters as in :func:`glass_brain`, whose figure and display come first.
    """
    shown = above_zero(volume)
    figure, display = glass_brain(
        shown, affine, cmap=SEQUENTIAL, vmin=0, vmax=top_of(shown), display_mode="lyrz"
    )
    scale = (
        "Each line of sight shows its highest value; values below 0 are drawn as 0, without "
        f"colour ({wording.plural(int((volume < 0).sum()), 'voxel')})."
    )
    return figure, display, scale


def isc_brain(maps: Maps) -> Drawing:
    """Inter-subject reliability in a glass brain."""
    isc = maps.volume("isc", NO_RELIABILITY)
    reliable, affine = maps.written("reliable"), maps.written("affine")
    inside = isc[maps.written("isc_known") > 0]
    figure, display, scale = correlation_brain(isc, affine)
    if reliable.any():  # the contour of the reliable voxels, as published
        display.add_contours(
            as_image(reliable, affine), levels=[0.5], colors=INK, linestyles="dashed",
            linewidths=0.8,
        )  # fmt: skip
    return Drawing(
        figure,
        f"Where people agree: reliability{maps.of_person}",
        "How well one half of the group predicts the other (mean over split-half trials). In "
        "good data, auditory cortex and the superior temporal lobes on both sides are darkest, "
        f"then frontal language areas; the {int(reliable.sum()):,} voxels above "
        f"{float(maps.word('isc_threshold')):.2f}, inside the dashed line, are the reliable ones. "
        f"{scale} A bright rim around the brain, stripes, or a map without structure mean motion, "
        "wrong order of runs, or subjects that did not hear the story.",
        f"Glass brain of the reliability, from {inside.min():.2f} to {inside.max():.2f}.",
    )


def score_brain(maps: Maps) -> Drawing:
    """Score of the best model in a glass brain."""
    score = maps.volume("score", "no score map")
    figure, _, scale = correlation_brain(score, maps.written("affine"))
    which = "the model with the highest mean"
    if maps.kind:
        which = f"{maps.kind}: it has the highest mean where no fully trained model was fitted"
    return Drawing(
        figure,
        f"Brain score of {maps.named}{maps.of_person}",
        f"Correlation of predicted and measured signal for {maps.model} ({which}), at the best "
        "layer of each voxel. The map should resemble that of the reliability: no model can "
        f"predict what does not repeat. {scale} High scores outside reliable cortex (ventricles, "
        "edges) are a warning.",
        f"Glass brain of the brain score of {maps.named}, at most "
        f"{score[maps.written('mask') > 0].max():.2f}.",
    )


def asymmetry_brain(maps: Maps) -> Drawing:
    """Each left voxel minus its mirror image, for the best model."""
    left = maps.volume("left_minus_right", "the mask is not mirror-symmetric")
    top = float(np.percentile(np.abs(left[left != 0]), 99.5)) if left.any() else 1.0
    figure, _ = glass_brain(
        left, maps.written("affine"), cmap=DIVERGING, vmin=-top, vmax=top, plot_abs=False,
        display_mode="ortho",
    )  # fmt: skip
    mean = float(left[left != 0].mean()) if left.any() else 0.0
    higher = f"on average the {'left' if mean > 0 else 'right'} is higher" if mean else "all equal"
    return Drawing(
        figure,
        f"Left minus right, voxel by voxel, of {maps.named}{maps.of_person}",
        "Score of each left voxel minus that of its mirror image, drawn on the left: orange "
        "where the left is better predicted, purple where the right is. Lateralised language "
        "shows as broad orange patches in temporal, parietal and inferior frontal cortex. Salt "
        "and pepper is noise; one colour everywhere means that one hemisphere has the better "
        "signal, not that language lives there.",
        f"Glass brain of left minus right of {maps.named}; {higher}.",
    )


def slope_brain(maps: Maps) -> Drawing:
    """Slope of the score on ln N in every voxel."""
    slope = maps.volume("slope", NO_SLOPE)
    figure, _ = glass_brain(
        slope, maps.written("affine"), cmap=DIVERGING, vmin=-top_of(slope), vmax=top_of(slope),
        plot_abs=False, display_mode="lyrz",
    )  # fmt: skip
    return Drawing(
        figure,
        f"Where larger models predict better{maps.of_person}",
        "Slope of the score on the natural logarithm of the number of parameters. Orange in the "
        "language network is expected. Slopes as large in primary sensory areas or white matter "
        "speak of something else than language, such as better tracking of the word rate.",
        f"Glass brain of slopes between {limits(maps, slope)} per unit of ln N.",
    )


def isc_distribution(maps: Maps) -> Drawing:
    """Distribution of the reliability with the threshold of the reliable voxels."""
    isc = maps.volume("isc", NO_RELIABILITY)
    known = maps.written("isc_known") > 0
    inside, reliable = isc[known], maps.written("reliable")[known] > 0
    threshold = float(maps.word("isc_threshold"))
    figure, axes = plt.subplots(figsize=(COLUMN * 1.2, 2.4))
    # Stacked, so that the bar which the threshold cuts has both colours.
    counts, _, _ = axes.hist(
        [inside[reliable], inside[~reliable]], bins=60, stacked=True, color=["#0072b2", "#c3c8d0"]
    )
    axes.axvline(threshold, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        f"75th percentile: {threshold:.2f}\n{int(reliable.sum()):,} reliable voxels",
        (threshold, np.max(counts)), xytext=(6, -2), textcoords="offset points", va="top",
        fontsize=7.5,
    )  # fmt: skip
    axes.set_xlabel("reliability (r)")
    axes.set_ylabel("voxels")
    return Drawing(
        figure,
        f"Distribution of the reliability{maps.of_person}",
        "Reliable voxels are the quarter above the dashed line. With about fifty listeners the "
        "line lies near 0.5, with fewer it lies lower. A heap at zero with hardly a tail means "
        "that subjects do not share a response: check the order of runs and the timing.",
        f"Histogram of {inside.size:,} voxels with a threshold at {threshold:.2f}.",
    )


def strong_slope_brain(maps: Maps) -> Drawing:
    """Slopes that reach the study's threshold (p < 1e-7 in each voxel)."""
    maps.volume("slope", NO_SLOPE)
    slope = maps.volume("slope_strong", "no voxel's slope reaches p < 1e-7")
    figure, _ = glass_brain(
        slope, maps.written("affine"), cmap=DIVERGING, vmin=-top_of(slope), vmax=top_of(slope),
        plot_abs=False, display_mode="lyrz",
    )  # fmt: skip
    n = int((slope != 0).sum())
    return Drawing(
        figure,
        f"Where larger models predict better beyond doubt{maps.of_person}",
        f"Slopes on ln N in the {n:,} voxels whose t over models exceeds "
        f"{maps.words.get('t_threshold', '')} (two-sided p < 10⁻⁷), as published. With few models "
        "hardly any voxel passes; with many, those in the temporal and parietal language areas "
        "should be the steepest.",
        f"Glass brain of {n:,} voxels with slopes of at most {slope.max():.3f}.",
    )


def roi_brain(maps: Maps) -> Drawing:
    """Regions of interest on the left and their mirror images."""
    left, right = (maps.volume(f"rois_{side}", NO_REGION) for side in ("left", "right"))
    figure = plt.figure(figsize=(PAGE, 1.9), layout="none")
    affine = maps.written("affine")
    display = plotting.plot_glass_brain(None, figure=figure, display_mode="lyrz")
    for volume, colour in ((left, LEFT), (right, RIGHT)):
        display.add_contours(as_image(volume, affine), levels=[0.5], filled=True, colors=[colour])
    n_left, n_right = int(left.sum()), int(right.sum())
    counts = f"{n_left:,} voxels on the left and {n_right:,} on the right"
    if n_left == n_right:
        counts = f"{n_left:,} voxels on each side"
    return Drawing(
        figure,
        f"The regions of interest{maps.of_person}",
        "Spheres of 10 mm around published peaks of the language network (orange), cut to the "
        f"voxels that are used, and their mirror images (green): {counts}. Counts that differ "
        "much mean a side that lost voxels with its signal, and a comparison of unlike regions; "
        "spheres that stick out of the brain mean a mask in another space.",
        f"Glass brain with regions of {counts}.",
    )


def pair_brain(maps: Maps) -> Drawing:
    """Slope of left minus right in people, pair by pair, with what is beyond chance."""
    mean = maps.volume("pairs", "fewer than 3 individuals with 3 models of different size")
    clear = maps.written("pairs_clear")
    figure, display = glass_brain(
        mean, maps.written("affine"), cmap=DIVERGING, vmin=-top_of(mean), vmax=top_of(mean),
        plot_abs=False, display_mode="ortho",
    )  # fmt: skip
    n = int(clear.sum())
    if n:
        display.add_contours(
            as_image(clear, maps.written("affine")), levels=[0.5], colors=INK, linewidths=0.8
        )
    return Drawing(
        figure,
        "Where people lateralise with model size, voxel against mirror image",
        "Slope of left minus right on ln N, mean over people, drawn on the left: orange where the "
        f"left gains more. {n:,} pairs, inside the black line, are beyond chance when all pairs "
        "are tested together (sign flips over people, largest |t|). Outside it nothing is shown, "
        "however strong the colour. With five people or fewer no pair can be; in more, a finding "
        "is a patch over temporal or parietal cortex, not single voxels at the edge.",
        f"Glass brain of mean slopes of at most {float(np.abs(mean).max()):.3f}; {n:,} pairs are "
        "beyond chance.",
    )


CUTS = (0, -43, 8)
"""Sagittal, coronal and axial plane of the picture of the areas, mm, as published."""


def area_brain(maps: Maps) -> Drawing:
    """Areas of the atlas within the mask, a colour each, in three slices."""
    areas = maps.volume("areas", "no atlas of areas")
    names = maps.word("areas").split("\n")
    figure = plt.figure(figsize=(PAGE, 2.2), layout="none")
    plotting.plot_roi(
        as_image(areas, maps.written("affine")), figure=figure, cut_coords=CUTS, cmap="Spectral",
        display_mode="ortho", colorbar=False, black_bg=False, annotate=True, draw_cross=False,
    )  # fmt: skip
    return Drawing(
        figure,
        f"The areas of the atlas{maps.of_person}",
        "Areas of the atlas on the grid of the mask, both sides in the colour of their pair. "
        "Colours should follow the folds of the brain behind them and mirror each other; a shift "
        "to one side means an atlas in another space, and areas that are missing lie outside the "
        "mask.",
        f"Three slices through {len(names)} areas.",
    )


def surface_over_random(maps: Maps, which: str = "best") -> Drawing:
    """Best or worst model minus the random embedding on the fsaverage5 surface."""
    missing = "no random embedding was fitted"
    volume = maps.volume(f"{which}_over_random", missing)
    top = top_of(np.maximum(maps.volume("best_over_random", missing), 0))
    meshes = datasets.fetch_surf_fsaverage("fsaverage5")
    image = as_image(volume, maps.written("affine"))
    figure = plt.figure(figsize=(PAGE * 0.8, 2.3), layout="none")
    panels = [figure.add_axes((at, 0.0, 0.44, 0.92), projection="3d") for at in (0.0, 0.44)]
    scale = ScalarMappable(Normalize(0, top), "Spectral_r")
    figure.colorbar(scale, cax=figure.add_axes((0.9, 0.2, 0.018, 0.55)))
    for axes, side in zip(panels, ("left", "right"), strict=True):
        values = surface.vol_to_surf(image, meshes[f"pial_{side}"])
        plotting.plot_surf_stat_map(
            meshes[f"pial_{side}"], values, hemi=side, view="lateral", axes=axes, figure=figure,
            bg_map=meshes[f"sulc_{side}"], bg_on_data=True, cmap="Spectral_r", vmin=0, vmax=top,
            threshold=1e-6, colorbar=False, engine="matplotlib",
        )  # fmt: skip
        axes.set_title(side, fontsize=8, loc="center", y=0.95)
        axes.set_box_aspect(None, zoom=1.25)
        for mesh in axes.collections:
            mesh.set_rasterized(True)  # 20,000 triangles a side are 4 MB of SVG
    model = maps.model if which == "best" else maps.words.get("worst", "")
    return Drawing(
        figure,
        f"{model} over the random embedding{maps.of_person}",
        f"Score of {model}, the {which} model, minus that of {maps.words.get('random', '')}, on "
        "the fsaverage5 surface; best and worst share one scale. Cortex without colour is "
        "outside the mask, or the baseline predicts it as well or better. What remains is what the "
        "model knows beyond which word is heard when: temporal, parietal and inferior frontal "
        "cortex should stand out, auditory cortex should not.",
        "Surface maps of both hemispheres; less the baseline the voxels lie between "
        f"{limits(maps, volume)}.",
    )
