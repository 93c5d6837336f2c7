"""Time a banded fit beside a plain one: a layer and confounds, at the study's size.

python benchmarks/banded.py --features 768 --confounds 1 --voxels 25870
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "bin"))

from encoding_data import ENGLISH_SCANS, ENGLISH_WORDS, make_bold, make_features, make_story

from lateralization import study
from lateralization.fmri.signals import standardise, trim
from lateralization.ridge.joint import joint_ridges
from lateralization.ridge.ridge import make_system, nested_ridges
from lateralization.ridge.voxels import Voxels


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(
    n_features: int, widths: list[int], n_voxels: int, repeats: int = 1
) -> dict[str, float]:
    """Return the median seconds of a plain and of a banded fit, made in turn, and their ratio."""
    story = make_story(ENGLISH_SCANS, ENGLISH_WORDS, seed=1)
    features, bold = make_features(story, n_features), make_bold(story, n_voxels)
    rng = np.random.default_rng(0)
    bands = []
    for width in widths:
        word = [rng.standard_normal((len(own), width)) for own in story.onsets]
        pairs = zip(story.operators, word, strict=True)
        bands.append([standardise(trim(op @ amplitudes, study.TRIM)) for op, amplitudes in pairs])
    voxels = [Voxels(bold)]

    def plain() -> None:
        nested_ridges(make_system(features, float(study.ALPHAS.min())), voxels)

    def banded() -> None:
        joint_ridges(features, bands, voxels)

    plain()  # the first call pays for starting threads
    spent = [(seconds_of(plain), seconds_of(banded)) for _ in range(repeats)]
    middle = [statistics.median(column) for column in zip(*spent, strict=True)]
    return {"plain": middle[0], "banded": middle[1], "ratio": middle[1] / middle[0]}


if __name__ == "__main__":
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--features", type=int, default=768)
    command.add_argument("--confounds", default="1", help="columns of each band: 1 or 1,7")
    command.add_argument("--voxels", type=int, default=25870)
    command.add_argument("--repeats", type=int, default=3)
    given = command.parse_args()
    widths = [int(width) for width in given.confounds.split(",")]
    found = measure(given.features, widths, given.voxels, given.repeats)
    print(
        f"p = {given.features}, confounds {widths}, {given.voxels} voxels: plain "
        f"{found['plain']:.2f} s, banded {found['banded']:.2f} s, {found['ratio']:.2f} times"
    )
