"""Brain pictures from the maps that LATERALIZE wrote beside its tables."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl

mpl.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
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


RESOLUTION = 3
"""Voxels of nilearn's template behind maps, mm: the maps have 4."""

SLOPE = "slope (r per unit of ln N)"
"""What stands beside a scale of slopes."""

N_CUTS = 7
"""Slices in a row."""


@cache
def background() -> Any:
    """Give nilearn's template at that resolution."""
    return datasets.load_mni152_template(resolution=RESOLUTION)


def cuts(volume: Array, affine: Array, axis: int) -> list[float]:
    """Place slices evenly over the voxels that are not 0, but the outermost 5 % on each side, mm.

    ``volume``: (x, y, z); ``affine``: (4, 4), mm.
    """
    place = np.nonzero(volume if volume.any() else np.ones_like(volume))[axis]
    low, high = np.percentile(place, (5, 95)) * affine[axis, axis] + affine[axis, 3]
    return [round(float(at)) for at in np.linspace(low, high, N_CUTS)]


def signed_slices(
    volume: Array, affine: Array, top: float, words: str, clear: Array | None = None
) -> Any:
    """Draw a map with a sign in sagittal and axial slices, each voxel in its own colour.

    A glass brain would show the strongest voxel of each line of sight, and so make most of its
    area look like the ends of the scale.

    Parameters
    ----------
    volume : (x, y, z)
        0 where there is no value.
    affine : (4, 4), mm
    top
        Upper end of the scale; the lower one is its negative.
    words
        What stands beside the scale.
    clear : (x, y, z), optional
        Voxels within a black line.
    """
    figure = plt.figure(figsize=(PAGE, 2.9), layout="none")
    for row, axis in enumerate("xz"):
        display = plotting.plot_stat_map(
            as_image(volume, affine), bg_img=background(), display_mode=axis, figure=figure,
            cut_coords=cuts(volume, affine, "xyz".index(axis)), axes=(0, 0.5 - row / 2, 0.87, 0.5),
            cmap=DIVERGING, vmin=-top, vmax=top, threshold=1e-9, colorbar=False, black_bg=False,
            resampling_interpolation="nearest", annotate=False,
        )  # fmt: skip
        display.annotate(size=7)
        if clear is not None and clear.any():
            display.add_contours(as_image(clear, affine), levels=[0.5], colors=INK, linewidths=0.8)
    scale = ScalarMappable(Normalize(-top, top), DIVERGING)
    figure.colorbar(scale, cax=figure.add_axes((0.88, 0.2, 0.012, 0.6)), label=words)
    return figure


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
        "How well one half of the group predicts the other (mean over split-half trials). The "
        f"{int(reliable.sum()):,} voxels above "
        f"{float(maps.word('isc_threshold')):.2f}, inside the dashed line, are the reliable ones. "
        f"{scale} A bright rim around the brain, stripes, or a map without structure come from "
        "motion, a wrong order of runs, or subjects that did not hear the story.",
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
        "layer of each voxel. No model can predict what does not repeat, so scores far above 0 "
        f"outside reliable cortex (ventricles, edges) are a warning. {scale}",
        f"Glass brain of the brain score of {maps.named}, at most "
        f"{score[maps.written('mask') > 0].max():.2f}.",
    )


def asymmetry_brain(maps: Maps) -> Drawing:
    """Each left voxel minus its mirror image, for the best model."""
    left = maps.volume("left_minus_right", "the mask is not mirror-symmetric")
    top = float(np.percentile(np.abs(left[left != 0]), 99.5)) if left.any() else 1.0
    figure = signed_slices(left, maps.written("affine"), top, "left minus right (r)")
    mean = float(left[left != 0].mean()) if left.any() else 0.0
    higher = f"on average the {'left' if mean > 0 else 'right'} is higher" if mean else "all equal"
    return Drawing(
        figure,
        f"Left minus right, voxel by voxel, of {maps.named}{maps.of_person}",
        "Score of each left voxel minus that of its mirror image, in slices of the left "
        "hemisphere, from lateral to medial and from below to above: orange where the left is "
        "better predicted, purple where the right is. The scale ends where half a percent of the "
        "voxels lie beyond it. Nothing is tested here. Salt and pepper is noise; one colour "
        "everywhere can come from one hemisphere with the better signal.",
        f"Slices of left minus right of {maps.named}; {higher}.",
    )


def slope_brain(maps: Maps) -> Drawing:
    """Slope of the score on ln N in every voxel."""
    slope = maps.volume("slope", NO_SLOPE)
    figure = signed_slices(slope, maps.written("affine"), top_of(slope), SLOPE)
    return Drawing(
        figure,
        f"Slope of the score on model size{maps.of_person}",
        "Slope of the score on the natural logarithm of the number of parameters: orange where "
        "larger models predict better, purple where smaller ones do. Nothing is tested here. "
        "Slopes as large in white matter and primary sensory areas as elsewhere speak of something "
        "else than language, such as better tracking of the word rate.",
        f"Slices of slopes between {limits(maps, slope)} per unit of ln N.",
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
        "Reliable voxels are the quarter above the dashed line; with fewer listeners it lies "
        "lower. A heap at zero with hardly a tail says that subjects do not share a response, as "
        "where runs are in another order or the timing is wrong.",
        f"Histogram of {inside.size:,} voxels with a threshold at {threshold:.2f}.",
    )


def strong_slope_brain(maps: Maps) -> Drawing:
    """Slopes that reach the study's threshold (p < 1e-7 in each voxel)."""
    maps.volume("slope", NO_SLOPE)
    slope = maps.volume("slope_strong", "no voxel's slope reaches p < 1e-7")
    figure = signed_slices(slope, maps.written("affine"), top_of(slope), SLOPE)
    n = int((slope != 0).sum())
    return Drawing(
        figure,
        f"Slopes on model size at the published threshold{maps.of_person}",
        f"Slopes on ln N in the {n:,} voxels whose t over models exceeds "
        f"{maps.words.get('t_threshold', '')} (two-sided p < 10⁻⁷), as published; orange where "
        "larger models predict better. The models are taken as independent, which those of one "
        "family are not. With few models hardly any voxel passes.",
        f"Slices of {n:,} voxels with slopes of at most {slope.max():.3f}.",
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
        "much come from a side that lost voxels with its signal, and compare unlike regions; "
        "spheres that stick out of the brain come from a mask in another space.",
        f"Glass brain with regions of {counts}.",
    )


def pair_brain(maps: Maps) -> Drawing:
    """Slope of left minus right in people, pair by pair, with what is beyond chance."""
    mean = maps.volume("pairs", "fewer than 3 individuals with 3 models of different size")
    clear = maps.written("pairs_clear")
    figure = signed_slices(mean, maps.written("affine"), top_of(mean), SLOPE, clear)
    n = int(clear.sum())
    return Drawing(
        figure,
        "Slope of left minus right on model size over people, voxel against mirror image",
        "Slope of left minus right on ln N, mean over people, in slices of the left hemisphere: "
        f"orange where the left gains more. {n:,} pairs, inside the black line, are beyond chance "
        "when all pairs are tested together (sign flips over people, largest |t|). Outside it "
        "nothing is found, however strong the colour. With five people or fewer no pair can be.",
        f"Slices of mean slopes of at most {float(np.abs(mean).max()):.3f}; {n:,} pairs are "
        "beyond chance.",
    )


CUTS = (0, -43, 8)
"""Sagittal, coronal and axial plane of the picture of the areas, mm, as published."""


GOLDEN = (5**0.5 - 1) / 2
"""Steps of this share of a scale, modulo 1, come to no place twice and keep neighbours apart."""


def area_colours(n: int) -> ListedColormap:
    """Give ``n`` colours of a perceptually uniform map, neighbours of the list far apart in it."""
    return ListedColormap(colormaps["viridis"]((np.arange(1, n + 1) * GOLDEN) % 1))


def area_brain(maps: Maps) -> Drawing:
    """Areas of the atlas within the mask, a colour each, in three slices."""
    areas = maps.volume("areas", "no atlas of areas")
    names = maps.word("areas").split("\n")
    figure = plt.figure(figsize=(PAGE, 2.2), layout="none")
    plotting.plot_roi(
        as_image(areas, maps.written("affine")), figure=figure, cut_coords=CUTS,
        cmap=area_colours(len(names)), vmin=0.5, vmax=len(names) + 0.5,
        display_mode="ortho", colorbar=False, black_bg=False, annotate=True, draw_cross=False,
    )  # fmt: skip
    return Drawing(
        figure,
        f"The areas of the atlas{maps.of_person}",
        "Areas of the atlas that are compared, on the grid of the mask, both sides in the colour "
        "of their pair. Where colours are shifted to one side against the folds behind them, the "
        "atlas is in another space. Areas that are missing lie outside the mask, or their sides "
        "are no mirror images (atlas_pairs.tsv).",
        f"Three slices through {len(names)} areas.",
    )


def surface_over_random(maps: Maps, which: str = "best") -> Drawing:
    """Best or worst model minus the random embedding on the fsaverage5 surface."""
    missing = "no random embedding was fitted"
    volume = maps.volume(f"{which}_over_random", missing)
    top = top_of(np.maximum(maps.volume("best_over_random", missing), 0))
    meshes = datasets.fetch_surf_fsaverage("fsaverage5")
    image = as_image(volume, maps.written("affine"))
    figure = plt.figure(figsize=(PAGE * 0.8, 3.9), layout="none")
    for at, side in ((0.0, "left"), (0.44, "right")):
        values = surface.vol_to_surf(image, meshes[f"pial_{side}"])
        for row, view in ((0.48, "lateral"), (0.0, "medial")):
            axes = figure.add_axes((at, row, 0.44, 0.48), projection="3d")
            plotting.plot_surf_stat_map(
                meshes[f"pial_{side}"], values, hemi=side, view=view, axes=axes, figure=figure,
                bg_map=meshes[f"sulc_{side}"], bg_on_data=True, cmap=SEQUENTIAL, vmin=0, vmax=top,
                threshold=1e-6, colorbar=False, engine="matplotlib",
            )  # fmt: skip
            axes.set_title(f"{side}, {view}", fontsize=8, loc="center", y=0.95)
            axes.set_box_aspect(None, zoom=1.25)
            for mesh in axes.collections:
                mesh.set_rasterized(True)  # 20,000 triangles a side are 4 MB of SVG
    scale = ScalarMappable(Normalize(0, top), SEQUENTIAL)
    figure.colorbar(scale, cax=figure.add_axes((0.88, 0.25, 0.018, 0.5)),
                    label="score over the baseline (r)")  # fmt: skip
    model = maps.model if which == "best" else maps.words.get("worst", "")
    return Drawing(
        figure,
        f"{model} over the random embedding{maps.of_person}",
        f"Score of {model}, the {which} model, minus that of {maps.words.get('random', '')}, on "
        "the fsaverage5 surface; best and worst share one scale. Cortex without colour is "
        "outside the mask, or the baseline predicts it as well or better. What remains is what the "
        "model knows beyond which word is heard when.",
        "Surface maps of both hemispheres, from outside and from the midline; less the baseline "
        f"the voxels lie between {limits(maps, volume)}.",
    )
