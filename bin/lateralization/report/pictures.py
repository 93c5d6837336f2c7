"""Figures as the page holds them: drawings as SVG with text that is text, the rest as PNG."""

import base64
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lateralization.errors import BadInput

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)

SVG_LIMIT = 400_000
"""Larger drawings (brains hold pictures) go into the page as PNG."""

DOTS = 300
"""Dots per inch of the PNG files, of which 96 are a pixel of the page."""

THEME = {
    "#ffffff": "var(--card)", "#000000": "var(--ink)", "#1f2430": "var(--ink)",
    "#6b7280": "var(--quiet)", "#e5e7eb": "var(--line)",
}  # fmt: skip
"""Colour of a drawing that is not data → the page's, which is another in the dark."""

_COLOUR = re.compile("|".join(THEME), re.IGNORECASE)
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Picture:
    """A picture with the room that it takes, so that nothing below it moves when it arrives.

    Attributes
    ----------
    svg
        The drawing; empty for a PNG.
    address
        Data address of a PNG; empty for a drawing.
    width, height
        Pixels of the page.
    """

    svg: str
    address: str
    width: int
    height: int


def picture(folder: Path, figure: dict[str, Any]) -> Picture:
    """Return a figure for the page: its SVG, or its PNG where the SVG is large.

    Parameters
    ----------
    folder
        The folder of ``figures.json``.
    figure
        An entry of ``figures.json``, with ``svg``, ``png`` and ``alt``.

    Raises
    ------
    BadInput
        A figure of ``figures.json`` is missing or damaged.
    """
    svg, png = folder / str(figure["svg"]), folder / str(figure["png"])
    try:
        if svg.stat().st_size <= SVG_LIMIT:
            return _drawing(svg.read_text(encoding="utf-8"), svg.stem, str(figure["alt"]))
        content = png.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
    except (OSError, ValueError, KeyError, ElementTree.ParseError, struct.error) as error:
        raise BadInput(f"a figure of figures.json is missing or damaged: {error}") from error
    address = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture("", address, round(width * 96 / DOTS), round(height * 96 / DOTS))


def _drawing(text: str, name: str, alt: str) -> Picture:
    """Make a drawing part of a page: names of its own, colours of the page, no metadata."""
    root = ElementTree.fromstring(text)  # noqa: S314 - a file of FIGURES
    _, _, width, height = (float(number) for number in root.attrib["viewBox"].split())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            element.set(key, _own(key, value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {"class": "drawing", "role": "img", "aria-label": alt}
    markup = ElementTree.tostring(root, encoding="unicode")
    return Picture(markup, "", round(width * 96 / 72), round(height * 96 / 72))


def _own(key: str, value: str, name: str) -> str:
    """Return an attribute with the drawing's name before every name, and colours of the page."""
    if key == "id":
        return f"{name}-{value}"
    if key == f"{{{XLINK}}}href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    return _COLOUR.sub(lambda found: THEME[found[0].lower()], value) if key == "style" else value
