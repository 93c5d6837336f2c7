#!/usr/bin/env python3
"""Check parameters, sheets and data set, and write the plan of the run."""

import argparse
import json
import os
import sys
from pathlib import Path

from lateralization.command import run, say
from lateralization.errors import BadInput
from lateralization.files import write_json, writing
from lateralization.plan.summary import details, summary
from lateralization.plan.validate import make_plan


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="validate", description=__doc__)
    command.add_argument(
        "--assets", type=Path, required=True, help="folder of the study's lists and manifests"
    )
    command.add_argument("--out", type=Path, default=Path("plan.json"), help="the plan, JSON")
    command.add_argument(
        "--summary", type=Path, default=Path("plan.txt"), help="the plan for people, and its notes"
    )
    return command


def main(arguments: argparse.Namespace) -> None:
    """Read the request on stdin and write the plan."""
    try:
        request = json.load(sys.stdin)
        if not isinstance(request["params"], dict):
            raise TypeError("params is not an object")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"standard input is no request ({error}); give {{'params': …}}") from error
    if request.get("home_dir"):  # what ~ means: in a container it is another
        os.environ["HOME"] = request["home_dir"]
    plan = make_plan(request, arguments.assets)
    write_json(plan.to_json(), arguments.out)
    for line in details(plan):
        say(line)
    lines = details(plan) if plan.parameters["stage"] == "plan" else summary(plan)
    with writing(arguments.summary) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, parser())
