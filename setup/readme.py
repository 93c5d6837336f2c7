"""Write what the documentation says of parameters and tables from the code (``make readme``)."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "bin"))

MARKS = (
    "<!-- {name}: written by `make readme` -->\n",
    "<!-- end of {name} -->",
)


def parameters() -> dict[str, dict[str, Any]]:
    """Return the properties of all groups of the schema, in order."""
    schema = json.loads((PROJECT / "nextflow_schema.json").read_text(encoding="utf-8"))
    return {
        name: entry
        for group in schema["$defs"].values()
        for name, entry in group["properties"].items()
    }


def parameter_table() -> str:
    """Return the table of parameters as Markdown."""
    rows = ["| parameter | default | meaning |", "|---|---|---|"]
    for name, entry in parameters().items():
        default = entry.get("default")
        shown = "–" if default is None else f"`{default}`"
        rows.append(f"| `--{name}` | {shown} | {_cell(entry['description'])} |")
    return "\n".join(rows) + "\n"


def table_list() -> str:
    """Return the list of the published tables and their columns as Markdown."""
    from lateralization.tables.registry.tables import TABLES

    parts = []
    for name, table in TABLES.items():
        parts += [f"### `tables/{name}.tsv`\n", f"{table.description}.\n"]
        if table.empty:
            parts += [f"May have no rows: {table.empty}.\n"]
        parts += ["| column | type | meaning |", "|---|---|---|"]
        parts += [
            f"| `{column.name}` | {column.type}{f' ({column.unit})' if column.unit else ''} "
            f"| {_cell(column.meaning)} |"
            for column in table.columns
        ]
        parts.append("")
    return "\n".join(parts)


def glossary() -> str:
    """Return the glossary of the report as Markdown."""
    from lateralization.report.glossary import GLOSSARY

    rows = [f"| {word} | {_cell(meaning)} |" for word, meaning in GLOSSARY.items()]
    return "\n".join(["| word | meaning |", "|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


WRITTEN: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"parameters": parameter_table},
    "docs/outputs.md": {"tables": table_list},
    "docs/glossary.md": {"glossary": glossary},
}
"""File → mark → what stands between the mark and its end."""


def current(path: str) -> str:
    """Return a page's text with what is written from the code as it is now."""
    text = (PROJECT / path).read_text(encoding="utf-8")
    for name, content in WRITTEN[path].items():
        start, end = (mark.format(name=name) for mark in MARKS)
        before, rest = text.split(start)
        _old, after = rest.split(end)
        text = before + start + content() + end + after
    return text


if __name__ == "__main__":
    for page in WRITTEN:
        (PROJECT / page).write_text(current(page), encoding="utf-8")
