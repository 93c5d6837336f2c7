"""Write the README's table of parameters from nextflow_schema.json (``make readme``)."""

import json
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
START = "<!-- parameters: written by `make readme` -->\n"
END = "<!-- end of parameters -->"


def parameters() -> dict[str, dict[str, Any]]:
    """Return the properties of all groups of the schema, in order."""
    schema = json.loads((PROJECT / "nextflow_schema.json").read_text(encoding="utf-8"))
    return {
        name: entry
        for group in schema["$defs"].values()
        for name, entry in group["properties"].items()
    }


def table() -> str:
    """Return the table as Markdown."""
    rows = ["| parameter | default | meaning |", "|---|---|---|"]
    for name, entry in parameters().items():
        default = entry.get("default")
        shown = "–" if default is None else f"`{default}`"
        meaning = entry["description"].replace("|", r"\|")
        rows.append(f"| `--{name}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str) -> str:
    """Return the README's text with the current table between its two marks."""
    before, rest = readme.split(START)
    _old, after = rest.split(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    path = PROJECT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
