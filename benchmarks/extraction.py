"""How fast words become hidden states, beside the bare model and the study's way.

``python benchmarks/extraction.py --gpu`` measures on a GPU; the table goes to
``benchmarks/results/``. ``--quick`` tries everything on tiny models: its timings say nothing.
"""

import argparse
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "benchmarks")]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="extraction", description=__doc__)
    parser.add_argument("--gpu", action="store_true", required=True, help="the measures for a GPU")
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    parser.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    arguments = parser.parse_args()
    import extraction_gpu

    extraction_gpu.measure(arguments.results, arguments.quick)


if __name__ == "__main__":
    main()
