"""The interactive brain: nilearn's viewer in a page of its own, with the areas by name."""

import html
import json
import re

import numpy as np
from nilearn import plotting
from numpy.typing import NDArray

from lateralization.arrays import Array
from lateralization.figures.brain_figures import (
    DIVERGING,
    SEQUENTIAL,
    Maps,
    above_zero,
    as_image,
    background,
    top_of,
)
from lateralization.tables.read import NO_RELIABILITY

POSITIVE = "What is not above 0 or was left out has no colour and no value."
INTERACTIVE = {
    "score": (SEQUENTIAL, False, "Brain score of {model}", POSITIVE),
    "left_minus_right": (
        DIVERGING, True, "Left minus right of {model}",
        "Each left voxel minus its mirror image, drawn on the left.",
    ),
    "isc": (SEQUENTIAL, False, "Reliability", POSITIVE),
}  # fmt: skip
"""Map → colours, whether they are signed, the title of its viewer, and what it says below."""

LINE = """
<p style="font: 14px sans-serif; margin: .3em 0"><span id="area" role="status">%s</span>
<span style="color: #6b7280">%s</span></p>
"""
"""What stands below the brain: a part that follows the clicks, and one that stays."""

READOUT = """
<script>
const atlas = %(atlas)s;
const labels = new Int16Array(atlas.shape[0] * atlas.shape[1] * atlas.shape[2]);
for (let i = 0, at = 0; i < atlas.runs.length; i += 2) {
  labels.fill(atlas.runs[i], at, at += atlas.runs[i + 1]);
}
function sayArea() {
  const p = this.coordinatesSlice, mm = [p.X, p.Y, p.Z, 1];
  const place = row => Math.round(row.reduce((sum, k, i) => sum + k * mm[i], 0));
  const [x, y, z] = atlas.to_voxel.map(place);
  const [nx, ny, nz] = atlas.shape;
  const inside = x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz;
  const area = inside ? labels[(x * ny + y) * nz + z] : 0;
  const right = mm[0] >= 0, means = right && atlas.on_right || atlas.means[area - 1];
  document.getElementById("area").textContent = area
    ? (right ? "Right " : "Left ") + atlas.names[area - 1] + ": " + means
    : "No area of the atlas here.";
}
</script>
"""
"""Names the area under the crosshair with the means of its two sides; filled with % formatting.

``on_right`` stands for the means on the right of a map that has none there.
"""


def run_length_code(values: NDArray[np.integer]) -> list[int]:
    """Write an array, in C order, as pairs of value and count, one after the other."""
    flat = values.ravel()
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    counts = np.diff(np.append(starts, flat.size))
    return [int(number) for number in np.column_stack([flat[starts], counts]).ravel()]


ABSENT = {
    "score": "no score map", "isc": NO_RELIABILITY,
    "left_minus_right": "the mask is not mirror-symmetric",
}  # fmt: skip
"""Map → why there is none."""

KNOWN = {"score": "mask", "isc": "isc_known"}
"""Map → the map of the voxels where it is known; a difference is 0 where a voxel has no partner."""


def area_means(areas: Array, volume: Array, n: int, difference: bool) -> list[str]:
    """Say the mean of a map on both sides of every area; of a difference, on the left alone.

    Parameters
    ----------
    areas, volume : (x, y, z) arrays
        Numbers of the areas from 1 where the map is known, and the map; x < middle is left.
    """
    from_middle = 2 * np.arange(areas.shape[0]) - (areas.shape[0] - 1)
    sides = {"left": from_middle < 0, "right": from_middle > 0}
    told = []
    for number in range(1, n + 1):
        inside = areas == number
        means = {
            name: volume[inside & side[:, None, None]] for name, side in sides.items()
        }  # fmt: skip
        words = [
            f"{'left minus right' if difference else name} {values.mean():.3f}"
            for name, values in means.items()
            if values.size and (name == "left" or not difference)
        ]
        told.append(", ".join(words) or "no voxel")
    return told


def readout(maps: Maps, what: str) -> str:
    """Give the script of the page that names areas; empty without an atlas."""
    if "areas" not in maps.values:
        return ""
    areas, volume = maps.values["areas"].astype(np.int16), maps.values[what]
    known = maps.written(KNOWN[what]) > 0 if what in KNOWN else volume != 0
    names = maps.word("areas").split("\n")
    atlas = {
        "shape": areas.shape,
        "to_voxel": np.linalg.inv(maps.written("affine"))[:3].tolist(),
        "runs": run_length_code(areas),
        "names": names,
        "means": area_means(areas * known, volume, len(names), what not in KNOWN),
        "on_right": "see the left side" if what == "left_minus_right" else "",
    }
    text = json.dumps(atlas, separators=(",", ":")).replace("</", "<\\/")
    return READOUT % {"atlas": text}


def _replace_once(page: str, old: str, new: str) -> str:
    """Change the one place of a page that nilearn wrote; another page is not ours to guess at."""
    if page.count(old) != 1:
        raise RuntimeError(f"nilearn's viewer has {page.count(old)} times {old!r}, not once")
    return page.replace(old, new)


def viewer(maps: Maps, what: str) -> tuple[str, str]:
    """Make an interactive viewer: a page on its own that asks nothing of a network.

    Returns
    -------
    page, title

    Raises
    ------
    TooFewError
        The map is not there.
    """
    volume = maps.volume(what, ABSENT[what])
    colours, signed, words, note = INTERACTIVE[what]
    title = words.format(model=maps.named) + maps.of_person
    shown = volume if signed else above_zero(volume)
    view = plotting.view_img(
        as_image(shown, maps.written("affine")), bg_img=background(), cmap=colours,
        symmetric_cmap=signed, vmin=None if signed else 0, vmax=top_of(shown), threshold=1e-9,
        title=None, width_view=720,
    )  # fmt: skip
    page = re.sub(r"<link rel=\"icon\"[^>]*>", "", view.html)  # it would be fetched
    # Names made at random would give equal maps unequal pages.
    for place, name in enumerate(dict.fromkeys(re.findall(r"[0-9a-f]{32}", page))):
        page = page.replace(name, f"viewer{place}")
    page = _replace_once(page, '"flagValue": false', '"flagValue": true')
    page = _replace_once(page, 'class="slider"', 'class="slider" aria-label="Opacity"')
    # nilearn waits for each picture's own event, and misses one now and then: the page stays empty
    images = "var images = ["
    begin = f'window.addEventListener("load", initializeBrainSprite);\n{images}'
    page = _replace_once(page, images, begin)
    areas = readout(maps, what)
    hint = "Click into a slice: its area is named here." if areas else ""
    # below the brain, and before the scripts that call it
    scripts = page.index("<script", page.index("</canvas>"))
    page = page[:scripts] + LINE % (hint, note) + areas + page[scripts:]
    if areas:
        page = _replace_once(page, "brainsprite({", 'brainsprite({"onclick": sayArea, ')
    return page.replace("<title>", f"<title>{html.escape(title)}: ", 1), title
