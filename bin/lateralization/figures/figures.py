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
    label, variant
        Its name where the report lets one choose between the figures of a section, and what sets
        it apart from others of that label: a region, a form.
    interactive
        An HTML page instead of a picture.
    """

    name: str
    label: str
    section: str
    draw: Callable[..., Any]
    brain: bool = False
    individuals: bool = False
    interactive: bool = False
    variant: str = ""


VARIANTS = {
    "whole": "whole brain", "reliable": "reliable voxels", "whole_p90": "90th percentile",
    "reliable_iscnorm": "divided by reliability", "reliable_paired": "mirror pairs",
    "over_random": "over random embedding", "ceiling": "with reliability",
    "best": "best model", "worst": "worst model",
    "score": "score", "left_minus_right": "left minus right", "isc": "reliability",
}  # fmt: skip
"""Value of an option → what the report calls it."""


def _variants(
    name: str, label: str, section: str, draw: Callable[..., Any],
    option: tuple[str, Sequence[str]], **kinds: Any,
) -> list[Figure]:  # fmt: skip
    """One figure per value of an option: the study's figures that differ in one choice."""
    key, values = option
    return [
        Figure(
            f"{name}_{value}", label, section, partial(draw, **{key: value}),
            variant=VARIANTS[value], **kinds,
        )
        for value in values
    ]  # fmt: skip


BY_REGION = ("region", ("whole", "reliable"))
SELECTIONS = ("whole", "whole_p90", "reliable_iscnorm", "reliable_paired")
FORMS = {"score": "score", "sides": "both sides", "difference": "left minus right"}
STATISTICS = {"mean_r": "mean", "p90_r": "90th percentile"}

FIGURES = (
    Figure("claim", "Claim", "answer", claim_figure.claim),
    Figure("planted", "Planted and recovered", "trust", model_figures.planted),
    Figure("sensitivity", "Threshold", "trust", robustness.sensitivity),
    Figure("baselines", "Baselines", "trust", model_figures.baselines),
    *_variants("densities", "Scores over voxels", "trust", robustness.densities, BY_REGION),
    Figure("asymmetry_by_size", "Left minus right", "published", model_figures.asymmetry_by_size),
    Figure("choices", "Choices", "published", model_figures.choices),
    *_variants("asymmetry", "Left minus right", "hemispheres", model_figures.asymmetry_by_size,
               ("selection", SELECTIONS)),
    Figure("score_by_size", "Score by size", "size", model_figures.score_by_size),
    Figure("predictors", "All predictors", "size", predictor_figures.predictors),
    *_variants("skill", "Skill", "size", predictor_figures.scatters, BY_REGION),
    *_variants("skill_large", "Skill, large models", "size", partial(predictor_figures.scatters,
               subset=LARGE_SUBSET), BY_REGION),
    *_variants("families", "Families", "size", family_figures.families_together, BY_REGION),
    *_variants("families_apart", "Families apart", "size", family_figures.families_apart,
               BY_REGION),
    Figure("specification_curve", "Curve", "specifications", robustness.specification_curve),
    Figure("score_and_sides", "Left on right", "score", robustness.score_and_sides),
    Figure("trajectories", "Bends", "trajectories", trajectory_figures.trajectories),
    Figure("untrained", "Untrained twins", "training", training_figures.untrained),
    Figure("steps", "Training steps", "training", training_figures.steps),
    Figure("layers", "Layer by layer", "layers", layer_figures.layers),
    Figure("best_layer", "Best layer", "layers", predictor_figures.best_layer),
    *_variants("layers_by_family", "Score by family", "layers", family_figures.layers_by_family,
               BY_REGION),
    *_variants("layer_asymmetry_by_family", "Left minus right by family", "layers",
               partial(family_figures.layers_by_family, column="left_minus_right"), BY_REGION),
    Figure("brain_score", "Score", "brain", brain_figures.score_brain, brain=True),
    *_variants("interactive", "Interactive", "brain", interactive_brain.viewer,
               ("what", tuple(interactive_brain.INTERACTIVE)), brain=True, interactive=True),
    Figure("brain_left_minus_right", "Left minus right", "brain", brain_figures.asymmetry_brain,
           brain=True),
    Figure("brain_isc", "Reliability", "brain", brain_figures.isc_brain, brain=True,
           variant="map"),
    Figure("isc_distribution", "Reliability", "brain", brain_figures.isc_distribution, brain=True,
           variant="distribution"),
    *_variants("surface", "Surface", "brain", brain_figures.surface_over_random, ("which",
               ("best", "worst")), brain=True),
    Figure("brain_slope", "Slope on size", "brain", brain_figures.slope_brain, brain=True,
           variant="all voxels"),
    Figure("brain_slope_strong", "Slope on size", "brain", brain_figures.strong_slope_brain,
           brain=True, variant="beyond doubt"),
    Figure("brain_rois", "Places", "regions", brain_figures.roi_brain, brain=True,
           variant="regions"),
    Figure("rois", "Regions", "regions", region_figures.rois, variant="score"),
    Figure("roi_slopes", "Slopes", "regions", region_figures.roi_slopes),
    *_variants("rois", "Regions", "regions", region_figures.rois, ("form",
               ("over_random", "ceiling"))),
    Figure("brain_areas", "Places", "regions", brain_figures.area_brain, brain=True,
           variant="areas"),
    Figure("area_difference", "Areas", "regions", area_figures.area_difference,
           variant="left minus right"),
    Figure("area_reliability", "Areas", "regions", area_figures.area_reliability,
           variant="reliability"),
    Figure("area_slopes", "Areas", "regions", area_figures.area_slopes, variant="slopes"),
    Figure("area_scores", "Areas", "regions", area_figures.area_scores, variant="scores"),
    Figure("people", "Over people", "people", people_figures.people, individuals=True),
    Figure("brain_pairs", "Pairs of voxels", "people", brain_figures.pair_brain, brain=True,
           individuals=True),
    *[
        Figure(f"individuals_{form}_{column}", f"Each person, {STATISTICS[column]}", "people",
               partial(people_figures.individuals, form=form, column=column),
               individuals=True, variant=FORMS[form])
        for column in STATISTICS for form in ("difference", "score", "sides")
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
        "label": figure.label, "variant": figure.variant, "interactive": figure.interactive,
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
