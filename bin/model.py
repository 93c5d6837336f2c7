#!/usr/bin/env python3
"""Put a model into a folder, at a resolved revision, and describe it."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import read_json, write_json
from lateralization.model_preparation import prepare


def main(arguments: argparse.Namespace) -> None:
    """Prepare one model of the plan."""
    spec = read_json(arguments.spec)
    if arguments.allow_pickle:
        spec["allow_pickle"] = True
    if arguments.endpoint:
        spec["endpoint"] = arguments.endpoint
    model = prepare(spec, arguments.source, arguments.cache, arguments.out)
    write_json(model, arguments.json or arguments.out.parent / "model.json")
    say(
        f"{model['name']}: {model['architecture']}, {model['n_parameters']:,} parameters, "
        f"{model['n_layers']} layers of {model['n_hid']}, {model['max_length']} tokens, "
        f"revision {model['revision'] or 'local'}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="model", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="JSON: one model of the plan")
    parser.add_argument("--source", type=Path, nargs="*", default=[], help="files of a local model")
    parser.add_argument("--cache", type=Path, required=True, help="where downloads are kept")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--json", type=Path, help="description; model.json beside the folder")
    parser.add_argument("--allow-pickle", action="store_true", help="accept .bin weights")
    parser.add_argument("--endpoint", help="another server than the official hub")
    run(main, parser)
