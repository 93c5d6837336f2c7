"""Pictures in the page: their room is known, their text is text, their colours are the page's."""

import base64
import re

import pytest
from matplotlib import pyplot as plt

from lateralization.errors import BadInput
from lateralization.figures.figure_style import Drawing, style
from lateralization.figures.figures import _save
from lateralization.report import pictures
from lateralization.report.pictures import picture


def drawn(folder, stem="en_average_made"):
    with style():
        figure, axes = plt.subplots(figsize=(4, 3))
        axes.plot([1, 2, 3], [1, 3, 2], "o-", label="<b>x</b>")
        axes.legend()
        axes.set_title("Title", loc="left")
        return _save(Drawing(figure, "title", "caption", "alt"), stem, folder) | {
            "alt": "<i>alt</i>"
        }


def test_a_drawing_is_part_of_the_page(tmp_path):
    found = picture(tmp_path, drawn(tmp_path))
    assert (found.width, found.height, found.address) == (384, 288, "")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", found.svg)
    assert {"Title", "&lt;b&gt;x&lt;/b&gt;"} <= set(words)
    assert "Verdana" in found.svg  # as wide as DejaVu Sans
    assert 'aria-label="&lt;i&gt;alt&lt;/i&gt;"' in found.svg
    assert not re.search("<metadata|<style|<!--|<!DOCTYPE|<[?]xml|#ffffff|#1f2430", found.svg)
    for variable in ("--card", "--ink", "--quiet", "--line"):
        assert f"var({variable})" in found.svg


def test_names_inside_a_drawing_are_its_own(tmp_path):
    names = [
        set(re.findall(r' id="([^"]+)"', picture(tmp_path, drawn(tmp_path, stem)).svg))
        for stem in ("one", "two")
    ]
    assert names[0]
    assert not names[0] & names[1]
    svg = picture(tmp_path, drawn(tmp_path, "one")).svg
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    assert used
    assert used <= names[0]


def test_a_large_drawing_is_a_picture_of_the_same_size(tmp_path, monkeypatch):
    figure = drawn(tmp_path)
    monkeypatch.setattr(pictures, "SVG_LIMIT", 10)
    found = picture(tmp_path, figure)
    assert (found.width, found.height, found.svg) == (384, 288, "")
    content = base64.b64decode(found.address.removeprefix("data:image/png;base64,"))
    assert content == (tmp_path / figure["png"]).read_bytes()


@pytest.mark.parametrize("content", [None, b"<svg", b"\xff"])
def test_a_figure_that_is_missing_or_damaged_is_bad_input(tmp_path, content):
    figure = drawn(tmp_path)
    path = tmp_path / figure["svg"]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a figure of figures\.json is missing or damaged"):
        picture(tmp_path, figure)
