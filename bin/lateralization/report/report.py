"""REPORT: one page that opens from disk with no network, made from one ``report.json``."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2

from lateralization import __version__, wording
from lateralization.errors import BadInput
from lateralization.files import digest_of, read_json, write_json, writing
from lateralization.names import LN_N, MODEL
from lateralization.report import findings
from lateralization.report.chips import chips
from lateralization.report.glossary import GLOSSARY
from lateralization.report.methods import CITATIONS, paragraphs
from lateralization.report.not_tested import not_tested
from lateralization.report.panels import panels_of
from lateralization.report.pictures import picture
from lateralization.report.sections import SECTIONS, answers
from lateralization.report.sentences import BAD
from lateralization.report.tables import all_tables, css, linked, written
from lateralization.run_plan import Claim, Plan, read_plan
from lateralization.sources.methods import data_name, stories_heard
from lateralization.tables.read import WORDS, read_tables, subjects_drawn
from lateralization.tables.registry.tables import TABLES, Tables

PIPELINE = "lateralization"
BIDS_VERSION = "1.10.0"
PACKAGES = (
    "numpy", "scipy", "pandas", "statsmodels", "nibabel", "nilearn", "torch", "transformers",
    "accelerate", "safetensors", "matplotlib", "jinja2",
)  # fmt: skip


def all_versions(run: dict[str, Any]) -> dict[str, str]:
    """Versions of the pipeline, Python and the libraries, then what the engine knows of itself."""
    known = {"lateralization": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return known | {str(key): str(value) for key, value in run.items() if value not in (None, "")}


def parameter_rows(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every parameter as it was used, in words."""
    rows = []
    for name, value in sorted(parameters.items()):
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        empty = value is None or text == ""
        rows.append({"name": name, "value": "–" if empty else text})
    return rows


def digests(folder: Path) -> list[dict[str, str]]:
    """Give the sha256 of every table: two runs with equal digests have equal numbers."""
    return [
        {"file": f"tables/{path.name}", "sha256": digest_of(path, "sha256")}
        for path in sorted(folder.glob("*.tsv"))
    ]


def reasons(folder: Path) -> dict[str, str]:
    """Why each empty table is empty, from the data dictionaries."""
    found = {}
    for name in TABLES:
        path = folder / f"{name}.json"
        described = read_json(path) if path.exists() else {}
        if described.get("reason"):
            found[name] = str(described["reason"])
    return found


def _results(tables: Tables, names: dict[str, str]) -> list[dict[str, Any]]:
    """Give the answer and its remarks per language."""
    return [
        {
            "language": names[language],
            "subject": subject,
            "answer": findings.headline(tables, language, names[language]).plain(),
            "remarks": findings.trust(tables, (language, subject)),
        }
        for language, subject in subjects_drawn(tables)
    ]


CLAIM_WORDS = {
    "strict": "hemispheres without the midline",
    "shared": "halves that share the midline",
    "best_cv": "the layer that each voxel prefers on other runs",
    "best_mean": "one layer of each model",
    "best_voxel": "the best layer of each voxel",
    "auto": "the individuals where at least 6 are fitted, else the average brain",
    "average": "the average brain",
    "people": "the individuals",
    LN_N: "against ln N",
}
"""Values of claim.json → words."""


def claim_words(claim: Claim) -> str:
    """Write what the claim is about."""
    region = WORDS.get(claim.region, claim.region)
    others = (claim.midline, claim.layer, claim.subjects)
    predictor = CLAIM_WORDS.get(claim.predictor, f"against {claim.predictor}")
    return ", ".join([region, *(CLAIM_WORDS[one] for one in others), predictor])


def question(claim: Claim) -> str:
    """Write the question that the claim answers."""
    of_size = claim.predictor == LN_N
    models = "larger language models" if of_size else f"models of higher {claim.predictor}"
    return f"Do {models} gain more on one side of the brain?"


def title(plan: Plan) -> str:
    """Name the data set and the claim, for the tab of a browser."""
    region = WORDS.get(plan.claim.region, plan.claim.region)
    predictor = CLAIM_WORDS.get(plan.claim.predictor, f"against {plan.claim.predictor}")
    name = data_name(plan)
    return f"{name[0].upper() + name[1:]}: left minus right {predictor}, {region}"


def facts(plan: Plan, tables: Tables, known: Mapping[str, str], day: str) -> list[dict[str, str]]:
    """Say on what data, of whom, by which models, when and by which code the answer was found.

    Parameters
    ----------
    known
        Versions, with the ``revision`` of the code.
    day
        On which the page was written, ``2026-01-31``.
    """
    several = len(plan.languages) > 1
    kinds = tables["models"].drop_duplicates("model")["kind"]
    models = int((kinds == MODEL).sum())
    heard = [
        f"{entry.name}: {stories_heard(entry)}" if several else stories_heard(entry)
        for entry in plan.languages
    ]
    people = sum(len(entry.subjects) for entry in plan.languages)
    rows = {
        "Data set": data_name(plan),
        "Heard": "; ".join(heard),
        "People": f"{people:,}" if people else "an average brain that was given",
        "Models": f"{models:,}, and {wording.plural(len(kinds) - models, 'control')}",
        "Date": day,
        "Commit": known.get("revision", "")[:10],
        "Version": known.get(PIPELINE, ""),
    }
    return [{"name": name, "value": value or "not known"} for name, value in rows.items()]


def make_report(
    plan: Plan, tables: Tables, why_empty: dict[str, str], figures: list[dict[str, Any]]
) -> dict[str, Any]:
    """Collect all that the page prints, except versions and facts.

    Parameters
    ----------
    plan, tables
        The plan of the run, and the tables of LATERALIZE.
    why_empty
        Table → reason.
    figures
        ``figures.json``.
    """
    shown_tables = all_tables(tables)
    text, references = paragraphs(plan, findings.not_averaged(plan, tables))
    names = {entry.language: entry.name for entry in plan.languages}
    general = [
        *findings.about_losses(tables),
        *findings.about_planted(tables),
        *findings.about_alignment(tables),
        findings.about_published(tables, why_empty.get("published", "")),
    ]
    places = subjects_drawn(tables)
    sections = []
    for name, section in SECTIONS.items():
        mine = [one for one in figures if one["section"] == name]
        content = {
            "id": name, "title": section.title, "question": section.question,
            "answers": answers(name, tables, places, names),
            "figures": mine, "panels": panels_of(mine, names),
            "tables": [one for one in shown_tables if one["section"] == name],
        }  # fmt: skip
        if content["figures"] or content["tables"]:
            sections.append(content)
    results = _results(tables, names)
    of_trust = panels_of([one for one in figures if one["section"] == "trust"], names)
    lacking = not_tested(plan, tables)
    remarks = [one for result in results for one in result["remarks"]]
    against = {one["name"] for one in remarks if one["tone"] == BAD}
    against |= {remark.name for remark in general if remark.tone == BAD}
    shown = {str(section["id"]) for section in sections}
    found = chips(tables, places, {one.name for one in lacking}, shown, against)
    return {
        "title": title(plan),
        "question": question(plan.claim),
        "chips": [vars(chip) for chip in found],
        "simulated": plan.truth is not None,
        "claim": {"words": claim_words(plan.claim), "digest": plan.claim.digest},
        "results": results,
        "most_panels": max(len(of_trust), *(len(section["panels"]) for section in sections), 1),
        "panels": panels_of([one for one in figures if one["section"] == "answer"], names),
        "not_tested": [remark.text for remark in lacking],
        "trust": {
            "remarks": [remark.plain() for remark in findings.worst_first(general)],
            "notes": plan.notes,
            "figures": [one for one in figures if one["section"] == "trust"],
            "panels": of_trust,
            "tables": [one for one in shown_tables if one["section"] == "trust"],
        },
        "sections": sections,
        "methods": text,
        "references": [{"key": key} | one.plain() for key, one in references.items()],
        "used": [one for one in shown_tables if one["section"] == "used"],
        "parameters": parameter_rows(plan.parameters),
        "empty_tables": why_empty,
    }


def embedded_page(folder: Path, figure: dict[str, Any]) -> str:
    """Return the text of an interactive page, to be put into a frame.

    Raises
    ------
    BadInput
        A page of ``figures.json`` is missing.
    """
    try:
        return (folder / str(figure["html"])).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"a figure of figures.json is missing: {error}") from error


def render(report: dict[str, Any], template: Path, figures: Path) -> str:
    """Fill the page; whatever comes from data is escaped.

    Raises
    ------
    BadInput
        The template is missing or damaged.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = written
    environment.filters["linked"] = linked
    environment.filters["css"] = css
    environment.globals["embedded"] = lambda figure: embedded_page(figures, figure)
    environment.globals["glossary"] = GLOSSARY
    environment.globals["picture"] = lambda figure: picture(figures, figure)
    try:
        return environment.get_template(template.name).render(report=report).lstrip()
    except jinja2.TemplateError as error:
        raise BadInput(f"{template}: {error}; take the template from assets") from error


def dataset_description(plan: Plan, known: dict[str, str]) -> dict[str, Any]:
    """Describe the published tree in the form of BIDS: what it is, and what it was made from."""
    dataset = plan.parameters["dataset"]
    if plan.truth is not None:
        source = {"URL": "simulated data of this project"}
    elif dataset == "ds003643":
        source = {"DOI": "doi:10.18112/openneuro.ds003643.v2.0.5", "Version": "2.0.5"}
    else:
        source = {"URL": f"file://{dataset}"}
    return {
        "Name": "Brain scores of language models and their left-right asymmetry",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": PIPELINE,
                "Version": known.get(PIPELINE) or known.get("revision") or "unknown",
                "Description": "Encoding models of fMRI from language models, left against right",
            }
        ],
        "SourceDatasets": [source],
        "HowToAcknowledge": CITATIONS["study"].text,
    }


def write_report(  # noqa: PLR0917
    plan_file: Path,
    tables_folder: Path,
    figures_folder: Path,
    template: Path,
    out: Path,
    run: dict[str, Any] | None = None,
) -> str:
    """Write ``report.html``; beside it JSON, references and the description of a derivative.

    Returns
    -------
    One line: the answer of the first language.

    Raises
    ------
    BadInput
        The plan, a table, a figure or the template is missing or damaged.
    """
    plan = read_plan(plan_file)
    tables = read_tables(tables_folder)
    figures = [
        figure
        for figure in read_json(figures_folder / "figures.json")
        if figure["drawn"] or figure["name"] != "planted" or plan.truth is not None
    ]
    report = make_report(plan, tables, reasons(tables_folder), figures)
    report["versions"] = all_versions(run or {})
    today = datetime.now(UTC).date().isoformat()
    report["facts"] = facts(plan, tables, report["versions"], today)
    report["digests"] = digests(tables_folder)
    page = render(report, template, figures_folder)
    write_json(report, out.parent / "report.json")
    write_json(
        dataset_description(plan, report["versions"]), out.parent / "dataset_description.json"
    )
    with writing(out.parent / "references.bib") as temporary:
        entries = [CITATIONS[one["key"]].bibtex(one["key"]) for one in report["references"]]
        temporary.write_text("\n".join(entries), encoding="utf-8")
    with writing(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return str(report["results"][0]["answer"]["text"]) if report["results"] else "no results"
