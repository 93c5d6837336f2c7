#!/usr/bin/env python3
"""Put a model into a folder, at a resolved revision, and describe it."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import read_json, write_json
from lateralization.language_models.checkpoint import called
from lateralization.language_models.loading import quiet
from lateralization.sources.hub import forget_server_of_environment
from lateralization.sources.model import look_up, prepare


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="model", description=__doc__)
    command.add_argument(
        "--spec",
        type=Path,
        required=True,
        help="JSON: one model of the plan, or {look_up: models, refuse: bool}",
    )
    command.add_argument("--source", type=Path, nargs="*", default=[], help="of a local model")
    command.add_argument("--cache", type=Path, required=True, help="where downloads are kept")
    command.add_argument("--out", type=Path, required=True, help="folder; model.json is beside it")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Prepare one model of the plan and describe it; or look up the names of all of them."""
    quiet()
    forget_server_of_environment()
    spec = read_json(arguments.spec)
    if "look_up" in spec:
        found = look_up(spec["look_up"], arguments.cache, refuse=bool(spec["refuse"]))
        arguments.out.mkdir(parents=True, exist_ok=True)
        for path in (arguments.out / "revisions.json", arguments.out.parent / "model.json"):
            write_json(found, path)
        return
    with called(arguments.out, str(spec.get("name"))):
        model = prepare(spec, arguments.source, arguments.cache, arguments.out)
    write_json(model, arguments.out.parent / "model.json")
    say(
        f"{model['name']}: {model['architecture']}, {model['n_parameters']:,} parameters, "
        f"{model['n_layers']} layers of {model['n_hid']}, {model['max_length']} tokens, "
        f"revision {model['revision'] or 'local'}"
    )


if __name__ == "__main__":
    run(main, parser())
