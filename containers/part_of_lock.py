#!/usr/bin/env python3
"""Print the part of the one hashed lock that an image of a kind holds.

``gpu`` holds all of it; ``cpu`` leaves out what only code on a GPU loads; ``light`` also leaves out
torch and what is there for torch alone. The lock's lines stay as they are, hashes and all.
"""

import re
import sys
from pathlib import Path

GPU_ONLY = r"triton|cuda-(bindings|pathfinder|toolkit)|nvidia-(cuda-cccl|cusolver|nvtx)"
"""Packages that ``import torch`` and the processor's code never load (torch's wheel for Linux is
linked against all other libraries of CUDA and does not start without them)."""

TORCH = r"torch|accelerate|transformers|nvidia-.*|sympy|mpmath|networkx"
"""torch, what needs it, and what nothing else needs."""

LEFT_OUT = {"gpu": "(?!)", "cpu": GPU_ONLY, "light": f"{GPU_ONLY}|{TORCH}"}


def entries(lock: str) -> dict[str, str]:
    """Return the lines of each package of a lock, by its name."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return {block.split("==")[0].strip(): block for block in blocks if "==" in block}


def select(lock: str, kind: str) -> dict[str, str]:
    """Return the lines of the packages that an image of a kind holds, by their names."""
    return {
        name: block
        for name, block in entries(lock).items()
        if not re.fullmatch(LEFT_OUT[kind], name)
    }


if __name__ == "__main__":
    sys.stdout.write("".join(select(Path(sys.argv[1]).read_text(), sys.argv[2]).values()))
