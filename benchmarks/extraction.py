"""How fast words become hidden states, beside the bare model and the study's way.

``python benchmarks/extraction.py --cpu`` measures on the processor, ``--gpu`` on a GPU; the table
goes to ``benchmarks/results/``. ``--quick`` tries everything on tiny models: its timings say
nothing.
"""

import argparse
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "benchmarks")]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="extraction", description=__doc__)
    device = parser.add_mutually_exclusive_group(required=True)
    device.add_argument("--cpu", action="store_true", help="the measures for a CPU")
    device.add_argument("--gpu", action="store_true", help="the measures for a GPU")
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    parser.add_argument(
        "--only", nargs="+", default=(), help="parts of --cpu: rates memory command"
    )
    parser.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    arguments = parser.parse_args()
    if arguments.gpu:
        import extraction_gpu

        extraction_gpu.measure(arguments.results, arguments.quick)
    else:
        import extraction_cpu

        extraction_cpu.measure(arguments.results, arguments.quick, arguments.only)


if __name__ == "__main__":
    main()
