"""The run's parameters: one typed form, whatever way they came.

Nextflow types what it reads on a command line (``300`` comes as a number, ``0123`` as 123, ``''``
and a bare flag as true), a YAML file gives lists and turns ``no`` into false, a configuration
gives text. ``normalise`` makes one form of all, checked against ``nextflow_schema.json``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator

from lateralization.files import read_json
from lateralization.names import AVERAGE
from lateralization.problems import Problems, listed, nearest

NUMBER_LISTS = ("random_dims", "random_seeds")
OF_THE_ENGINE = (
    "stage", "on_error", "outdir", "publish_activations", "gpus", "gpu_type", "task_cpus",
    "max_cpus", "max_memory", "max_time", "image", "slurm_account", "slurm_partition",
    "slurm_gpu_partition", "slurm_qos",
)  # fmt: skip
"""What the engine's configuration reads as it came, before there is a plan: one form counts."""

ADDRESSES = ("hf_endpoint", "data_endpoint")
"""Web addresses; they are published in params.json."""

FIRST = "first:"
"""What ``--subjects`` begins with where it asks for a number of individuals."""

MAX_RANGE = 100_000
"""Longest list that a range such as 1-10 may stand for."""

FLAG = {True: "yes", False: "no"}


@dataclass
class Parameters:
    """Typed parameters, and which of them could not be understood.

    Attributes
    ----------
    values
        Parameter → value; lists are lists, numbers are numbers. A parameter that could not be
        understood has its default.
    given
        Parameters whose value is not the default.
    failed
        Parameters that could not be understood: what depends on them is not looked at.
    """

    values: dict[str, Any]
    given: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def sound(self, *names: str) -> bool:
        """Tell whether all these parameters were understood."""
        return not self.failed.intersection(names)


class _Mistake(Exception):
    """What is wrong with one value."""


def load_schema(folder: Path) -> dict[str, Any]:
    """Read ``nextflow_schema.json`` of the project."""
    schema: dict[str, Any] = read_json(folder / "nextflow_schema.json")
    return schema


def properties(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return parameter → its entry in the schema, over all groups."""
    groups = schema["$defs"].values()
    return {name: entry for group in groups for name, entry in group["properties"].items()}


def normalise(
    raw: Mapping[str, Any],
    schema: Mapping[str, Any],
    problems: Problems,
    typed: Mapping[str, str] = MappingProxyType({}),
) -> Parameters:
    """Make the typed form of the parameters and check it.

    Parameters
    ----------
    raw
        Parameters as Nextflow has them.
    schema
        ``nextflow_schema.json``.
    problems
        Gathers the mistakes.
    typed
        What was typed where Nextflow made a number of it: ``0123`` became 123.
    """
    known = properties(schema)
    found = _by_name(raw, known, problems)
    result = Parameters(values={})
    for name, entry in known.items():
        default = _convert(name, entry["default"], entry)
        result.values[name] = default
        if name not in found:
            continue
        try:
            result.values[name] = _checked(name, found[name], entry, typed.get(name))
        except _Mistake as mistake:
            problems.add(f"--{name}: {mistake}")
            result.failed.add(name)
        if result.values[name] != default:
            result.given.add(name)
    return result


def _snake(name: str) -> str:
    """Return the snake_case form of a name in kebab-case or camelCase."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name.replace("-", "_")).lower()


def _by_name(
    raw: Mapping[str, Any],
    known: Mapping[str, Any],
    problems: Problems,
) -> dict[str, Any]:
    """Take what has a name of the schema, and say of the rest what was meant.

    From ``--word-mapping x`` Nextflow makes both ``word-mapping`` and ``wordMapping`` beside the
    configuration's ``word_mapping``, which keeps its default: a value that half of the pipeline
    would see is refused.
    """
    refused: set[str] = set()
    for name in raw.keys() - known.keys():
        meant = _snake(name)
        if meant in known:
            dashed = meant.replace("_", "-")
            refused.add(f"--{dashed} is written with underscores here; give --{meant}")
        else:
            refused.add(_unknown(meant, known))
    for line in sorted(refused):
        problems.add(line)
    return {name: value for name, value in raw.items() if name in known}


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    """Say that a parameter is not known, with the nearest that is."""
    best = nearest(_snake(name), known, 1)
    hint = f"did you mean --{best[0]}?" if best else "--help lists all"
    return f"--{name} is not a parameter of this pipeline; {hint}"


def _checked(name: str, value: Any, entry: Mapping[str, Any], typed: str | None) -> Any:
    """Convert one value and check it against its entry in the schema."""
    if name in ADDRESSES and "@" in f"{value}{typed}":  # before any message quotes the value
        raise _Mistake(
            "holds a user name or a password (something before an @), and the run's parameters are "
            "published; give an address without (an @ in a path is written %40)"
        )
    if name in OF_THE_ENGINE:
        _as_the_engine_reads(value)
    if _lost_text(value, entry, typed):
        if name in OF_THE_ENGINE and typed != str(value):
            raise _Mistake(f"{typed} reaches the engine as {value}; give it in a -params-file")
        value = typed
    converted = _convert(name, value, entry)
    special = name == "layers" and (converted == "all" or str(converted).startswith("every:"))
    if special:
        return _every(converted)
    for error in Draft202012Validator(dict(entry)).iter_errors(converted):
        raise _Mistake(_explain(error.validator, error.validator_value, error.instance, entry))
    return converted


def _as_the_engine_reads(value: Any) -> None:
    """Refuse what the engine would take for another value than the plan does."""
    if isinstance(value, list) and len(value) == 1:
        raise _Mistake(f"is a list; write the value alone: {value[0]}")
    if isinstance(value, str) and value != value.strip():
        raise _Mistake(f"is {value!r}; write it without the blanks around it")


def _lost_text(value: Any, entry: Mapping[str, Any], typed: str | None) -> bool:
    """Tell whether a text became a number on its way, and its spelling is known."""
    if typed is None or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return "string" in _types(entry) and float(typed) == float(value)
    except ValueError:
        return False


def _types(entry: Mapping[str, Any]) -> list[str]:
    """Return the JSON types that a parameter may have."""
    types = entry["type"]
    return [types] if isinstance(types, str) else list(types)


def _convert(name: str, value: Any, entry: Mapping[str, Any]) -> Any:
    """Bring one value to the form that the schema's types ask for."""
    types = _types(entry)
    if value is None:
        if "null" in types:
            return None
        raise _Mistake(f"has no value; give one or leave it out (default {entry['default']})")
    if isinstance(value, Mapping):
        raise _Mistake("is a map; give text, a number or a list")
    if "array" in types:
        return _list(name, value)
    if isinstance(value, list):
        if len(value) != 1:
            raise _Mistake(f"takes one value, and {len(value)} are given: {listed(value)}")
        value = value[0]
    if "boolean" in types:
        return _boolean(value)
    if "integer" in types:
        return _integer(value)
    return _text(value, entry)


def _text(value: Any, entry: Mapping[str, Any]) -> str:
    """Return a text; yes/no come as true/false from YAML and from a bare flag."""
    choices = entry.get("enum", ())
    if isinstance(value, bool):
        if "yes" in choices:
            return FLAG[value]
        raise _Mistake(_without_value(value))
    text = _plain(value)
    for choice in choices:
        if text.lower() == choice.lower() or (text.lower(), choice) in _SPELLINGS:
            return str(choice)
    if not text:
        raise _Mistake(_without_value(True))
    return text


_SPELLINGS = {("true", "yes"), ("false", "no"), ("on", "yes"), ("off", "no")}


def _without_value(value: bool) -> str:
    """Explain a bare flag, an empty text, or an unquoted yes/no."""
    if value:
        return "is given without a value; write one after it or leave it out"
    return "is false (an unquoted no in YAML); write the text in quotes"


def _boolean(value: Any) -> bool:
    """Return a truth value."""
    if isinstance(value, bool):
        return value
    text = _plain(value).lower()
    if text in ("true", "false", "yes", "no"):
        return text in ("true", "yes")
    raise _Mistake(f"is {value!r}; give true or false")


def _integer(value: Any) -> int:
    """Return a whole number, from a number or a text."""
    if isinstance(value, bool):
        raise _Mistake("is given without a value; write a whole number after it")
    try:
        number = float(_plain(value))
        if number == int(number):
            return int(_plain(value)) if isinstance(value, str | int) else int(number)
    except (ValueError, OverflowError):
        pass
    raise _Mistake(f"is {value!r}; give a whole number")


def _plain(value: Any) -> str:
    """Return the text of a value; a whole number has no decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if not text.isprintable():
        raise _Mistake(f"is {text!r}, which holds a line's end or another character that cannot "
                       "be printed; write it without")  # fmt: skip
    return text


def _items(value: Any) -> Iterator[str]:
    """Iterate over the items of a comma list, a YAML list, or a list of comma lists."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, bool):
            raise _Mistake(_without_value(part))
        if isinstance(part, list | Mapping) or part is None:
            raise _Mistake(f"has the item {part!r}; give a flat list")
        # An item of a YAML list is whole: a comma in it belongs to a path.
        texts = [_plain(part)] if isinstance(value, list) else _plain(part).split(",")
        yield from (text.strip() for text in texts if text.strip())


def _list(name: str, value: Any) -> Any:
    """Return a list; numbers and ranges of numbers are written out."""
    items = list(_items(value))
    if not items:
        raise _Mistake(_without_value(True))
    if name in NUMBER_LISTS:
        return list(dict.fromkeys(number for item in items for number in _range(item)))
    if name == "layers":
        if len(items) == 1 and (items[0].lower() == "all" or items[0].lower().startswith("every:")):
            return items[0].lower()
        return sorted({number for item in items for number in _range(item)})
    if name in ("languages", "baselines"):
        return list(dict.fromkeys(item.lower() for item in items))
    if name == "subjects":
        # The folder's name sub-EN057 is accepted for the id EN057.
        return list(dict.fromkeys(_subject(item) for item in items))
    return items


def _subject(item: str) -> str:
    """Return a subject's id as the data set spells it."""
    item = item.removeprefix("sub-")
    word = item.lower()
    return word if word in ("all", AVERAGE) or word.startswith(FIRST) else item


def _range(item: str) -> list[int]:
    """Return the numbers of ``7`` or of ``1-10``."""
    match = re.fullmatch(r"(\d+)\s*-\s*(\d+)", item)
    if not match:
        return [_integer(item)]
    low, high = int(match[1]), int(match[2])
    if not low <= high <= low + MAX_RANGE:
        raise _Mistake(f"has the range {item}; write the smaller number first, as in 1-10")
    return list(range(low, high + 1))


def _every(value: str) -> str:
    """Check ``all`` or ``every:2``."""
    if value != "all" and not re.fullmatch(r"every:0*[1-9]\d{0,3}", value):
        raise _Mistake(f"is {value!r}; write all, a list (0,6,12) or every:2")
    return value


def _explain(keyword: str, wanted: Any, value: Any, entry: Mapping[str, Any]) -> str:
    """Say in words what a schema rule found."""
    if keyword == "enum":
        choices = [str(choice) for choice in wanted]
        best = nearest(str(value), choices, 1)
        hint = f" (did you mean {best[0]}?)" if best else ""
        return f"is {value!r}; choose from {', '.join(choices)}{hint}"
    if keyword == "minimum":
        return f"is {value}; the smallest possible is {wanted}"
    if keyword == "maximum":
        return f"is {value}; the largest possible is {wanted}"
    if keyword == "pattern":
        return f"is {value!r}, which does not have the form that is needed: {entry['description']}"
    return f"is {value!r}; needed: {entry['description']}"
