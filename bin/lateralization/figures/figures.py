"""FIGURES: draw every figure that the tables allow, and say of the others why they are absent."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl

from lateralization.command import progress
from lateralization.figures import (
    area_figures,
    brain_figures,
    claim_figure,
    family_figures,
    interactive_brain,
    layer_figures,
    model_figures,
    people_figures,
    predictor_figures,
    region_figures,
    robustness,
    training_figures,
    trajectory_figures,
)
from lateralization.figures.brain_figures import Maps
from lateralization.figures.figure_style import (
    FONT,
    FONTS,
    Drawing,
    of_person,
    settle,
    style,
)
from lateralization.files import write_json, writing
from lateralization.names import LARGE_SUBSET
from lateralization.tables.read import TooFewError, read_tables, subjects_drawn
from lateralization.tables.registry.tables import Tables


@dataclass(frozen=True)
class Figure:
    """One figure: its file name's end, the report's section, and who draws it.

    Attributes
    ----------
    more
        A variant that the report shows folded away below the figures of its section.
    interactive
        An HTML page instead of a picture.
    """

    name: str
    section: str
    draw: Callable[..., Any]
    brain: bool = False
    individuals: bool = False
    more: bool = False
    interactive: bool = False


def _variants(
    name: str, section: str, draw: Callable[..., Any], key: str, values: Sequence[str],
    **kinds: Any,
) -> list[Figure]:  # fmt: skip
    """One figure per value of an option: the study's figures that differ in one choice."""
    return [
        Figure(f"{name}_{value}", section, partial(draw, **{key: value}), **kinds)
        for value in values
    ]


REGIONS = ("whole", "reliable")
SELECTIONS = ("whole", "whole_p90", "reliable_iscnorm", "reliable_paired")

FIGURES = (
    Figure("claim", "answer", claim_figure.claim),
    Figure("planted", "trust", model_figures.planted),
    Figure("sensitivity", "trust", robustness.sensitivity),
    Figure("baselines", "trust", model_figures.baselines),
    *_variants("densities", "trust", robustness.densities, "region", REGIONS, more=True),
    Figure("asymmetry_by_size", "published", model_figures.asymmetry_by_size),
    Figure("choices", "published", model_figures.choices),
    *_variants("asymmetry", "hemispheres", model_figures.asymmetry_by_size, "selection",
               SELECTIONS),
    Figure("score_by_size", "size", model_figures.score_by_size),
    Figure("predictors", "size", predictor_figures.predictors),
    *_variants("skill", "size", predictor_figures.scatters, "region", REGIONS),
    *_variants("skill_large", "size", partial(predictor_figures.scatters,
               subset=LARGE_SUBSET), "region", REGIONS, more=True),
    *_variants("families", "size", family_figures.families_together, "region", REGIONS, more=True),
    *_variants("families_apart", "size", family_figures.families_apart, "region", REGIONS,
               more=True),
    Figure("specification_curve", "specifications", robustness.specification_curve),
    Figure("score_and_sides", "score", robustness.score_and_sides),
    Figure("trajectories", "trajectories", trajectory_figures.trajectories),
    Figure("untrained", "training", training_figures.untrained),
    Figure("steps", "training", training_figures.steps),
    Figure("layers", "layers", layer_figures.layers),
    Figure("best_layer", "layers", predictor_figures.best_layer),
    *_variants("layers_by_family", "layers", family_figures.layers_by_family, "region", REGIONS,
               more=True),
    *_variants("layer_asymmetry_by_family", "layers", partial(family_figures.layers_by_family,
               column="left_minus_right"), "region", REGIONS, more=True),
    Figure("brain_score", "brain", brain_figures.score_brain, brain=True),
    *_variants("interactive", "brain", interactive_brain.viewer, "what",
               tuple(interactive_brain.INTERACTIVE), brain=True, interactive=True),
    Figure("brain_left_minus_right", "brain", brain_figures.asymmetry_brain, brain=True),
    Figure("brain_isc", "brain", brain_figures.isc_brain, brain=True),
    Figure("isc_distribution", "brain", brain_figures.isc_distribution, brain=True),
    *_variants("surface", "brain", brain_figures.surface_over_random, "which", ("best", "worst"),
               brain=True),
    Figure("brain_slope", "brain", brain_figures.slope_brain, brain=True),
    Figure("brain_slope_strong", "brain", brain_figures.strong_slope_brain, brain=True, more=True),
    Figure("brain_rois", "regions", brain_figures.roi_brain, brain=True),
    Figure("rois", "regions", region_figures.rois),
    Figure("roi_slopes", "regions", region_figures.roi_slopes),
    *_variants("rois", "regions", region_figures.rois, "form", ("over_random", "ceiling"),
               more=True),
    Figure("brain_areas", "regions", brain_figures.area_brain, brain=True, more=True),
    Figure("area_difference", "regions", area_figures.area_difference),
    Figure("area_reliability", "regions", area_figures.area_reliability, more=True),
    Figure("area_slopes", "regions", area_figures.area_slopes),
    Figure("area_scores", "regions", area_figures.area_scores, more=True),
    Figure("people", "people", people_figures.people, individuals=True),
    Figure("brain_pairs", "people", brain_figures.pair_brain, brain=True, individuals=True),
    *[
        Figure(f"individuals_{form}_{column}", "people",
               partial(people_figures.individuals, form=form, column=column),
               individuals=True, more=(form, column) != ("difference", "mean_r"))
        for column in ("mean_r", "p90_r") for form in ("score", "sides", "difference")
    ],
)  # fmt: skip


class _Noted(dict[str, Any]):
    """Tables that note which of them were read."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)


def _save(drawing: Drawing, stem: str, out: Path) -> dict[str, str]:
    """Write SVG and PNG; no date goes in, so equal tables give equal files."""
    settle(drawing.figure)
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
        # Saving would give a figure without a layout engine (a glass brain) the style's.
        keep = mpl.rc_context({"figure.constrained_layout.use": False})
        with writing(out / f"{stem}{suffix}") as temporary, keep:
            drawing.figure.savefig(temporary, metadata=metadata, facecolor="white")
            if suffix == ".svg":
                text = temporary.read_text(encoding="utf-8").replace(FONT, FONTS)
                temporary.write_text(text, encoding="utf-8")
            drawing.figure.set_layout_engine(None)  # both have one layout, computed once
    return {"svg": f"{stem}.svg", "png": f"{stem}.png"}


def _save_page(page: str, title: str, stem: str, out: Path) -> dict[str, Any]:
    """Write an interactive page."""
    with writing(out / f"{stem}.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return {"drawn": True, "html": f"{stem}.html", "title": title}


def draw_one(figure: Figure, tables: Tables, maps: Maps, place: tuple[str, str], out: Path) -> Any:
    """Draw one figure, or note why it is absent; returns its entry of figures.json."""
    language, subject = place
    shown = "individuals" if figure.individuals else subject
    stem = re.sub(r"[^\w.-]", "_", f"{language}_{shown}_{figure.name}")
    entry = {
        "name": figure.name, "section": figure.section, "language": language, "subject": shown,
        "more": figure.more, "interactive": figure.interactive,
    }  # fmt: skip
    noted = _Noted(tables)
    with style():
        try:
            if figure.interactive:
                page, title = figure.draw(maps)
                return entry | _save_page(page, title, stem, out)
            drawing = figure.draw(maps) if figure.brain else figure.draw(noted, language, subject)
        except TooFewError as reason:
            return entry | {"drawn": False, "note": str(reason)}
        files = _save(drawing, stem, out)
    # those of people name them, and those of brains have their own
    whose = "" if figure.individuals or figure.brain else of_person(subject)
    data = ["maps.safetensors"] if figure.brain else [f"{name}.tsv" for name in sorted(noted.read)]
    words = {
        "data": data,
        "title": drawing.title + whose,
        "caption": drawing.caption,
        "alt": drawing.alt,
    }
    return entry | {"drawn": True, **files, **words}


def draw_share(
    share: Sequence[tuple[Figure, tuple[str, str]]], tables_folder: Path, out: Path
) -> list[Any]:
    """Draw some of the figures, each of a subject; returns their entries of figures.json."""
    tables = read_tables(tables_folder)
    maps = {place: Maps(tables_folder / "maps.safetensors", *place) for _, place in share}
    return [
        draw_one(figure, tables, maps[place], place, out)
        for figure, place in progress(share, "figures")
    ]


def draw_all(tables_folder: Path, out: Path, processes: int = 1) -> str:
    """Draw all figures of a run and write ``figures.json``.

    Parameters
    ----------
    tables_folder, out
        What LATERALIZE wrote, and the folder to make.
    processes
        How many draw side by side; the files are the same whatever their number.

    Returns
    -------
    One line that says what was drawn.
    """
    places = subjects_drawn(read_tables(tables_folder))
    jobs = [(plan, place) for place in places for plan in FIGURES]
    # Dealt out in turn: the figures that take long stand together.
    shares = [jobs[first::processes] for first in range(processes)]
    work = partial(draw_share, tables_folder=tables_folder, out=out)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            drawn_shares = list(pool.map(work, shares))
    else:
        drawn_shares = [work(share) for share in shares]
    entries = [drawn_shares[at % processes][at // processes] for at in range(len(jobs))]
    write_json(entries, out / "figures.json")
    drawn = sum(entry["drawn"] for entry in entries)
    return f"{drawn} figures drawn, {len(entries) - drawn} absent for want of data"
