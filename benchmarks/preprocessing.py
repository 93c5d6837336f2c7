"""RESAMPLE beside nilearn's ``resample_img``, and the memory of AVERAGE.

``python benchmarks/preprocessing.py`` writes a table and a plot to ``benchmarks/results/``. Every
measurement is a process of its own on a given number of cores; both sides take turns, and the
medians are compared. What reads a ``.nii.gz`` finds it in the page cache.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.image import resample_img
from scipy.ndimage import gaussian_filter

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "bin"))

from lateralization.arrays import Array  # noqa: E402
from lateralization.files import save_tensors  # noqa: E402
from lateralization.fmri.average import write_average  # noqa: E402
from lateralization.fmri.resample import Resampler, resample_file, resample_subject  # noqa: E402
from lateralization.study import GRID_AFFINE, GRID_SHAPE  # noqa: E402
from lateralization.volumes import load_image, save_volume  # noqa: E402

ORIGINS = {(72, 90, 77): (-71.0, -105.3, -63.2), (91, 109, 91): (-90.0, -126.0, -72.0)}
"""First voxel, mm, of the made 2 mm sources: one off the target's grid, one on it."""
RUNS: list[tuple[tuple[int, int, int], str, int]] = [
    ((72, 90, 77), "f4", 141),
    ((72, 90, 77), "i2", 141),
    ((91, 109, 91), "f4", 70),
]
"""Shape, data type and scans of the made runs; 141 is half of an English run."""
GROWTH = (35, 70, 141)
SUBJECTS = (4, 8, 16)
AVERAGED = (2, 282)
"""Runs of a made subject, and their scans."""
COLUMNS = ["measure", "source", "scans", "subjects", "cores", "unit", "nilearn", "ours", "ratio"]


def made_run(shape: tuple[int, int, int], dtype: str, n_scans: int, path: Path) -> None:
    """Write a run as .nii and .nii.gz: a smooth brain with smooth noise, 0 around it."""
    rng = np.random.default_rng(0)
    place = np.indices(shape).reshape(3, -1).T / (np.array(shape) - 1) - 0.5
    brain = (np.linalg.norm(place, axis=1) < 0.42).reshape(shape)
    still = 600 + 2500 * gaussian_filter(rng.normal(size=shape), 3)
    data = np.empty((*shape, n_scans), dtype=dtype, order="F")
    for scan in range(n_scans):
        noise = gaussian_filter(rng.normal(0, 60, shape).astype(np.float32), 1)
        data[..., scan] = (still + noise) * brain
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = ORIGINS[shape]
    save_volume(data, affine, path.with_suffix(".nii"), 2.0)
    save_volume(data, affine, path.with_suffix(".nii.gz"), 2.0)


def nilearns(image: Any) -> Array:
    """Resample an image as the study did."""
    resampled = resample_img(
        image, target_affine=GRID_AFFINE, target_shape=GRID_SHAPE, copy_header=True
    )
    return np.asarray(resampled.dataobj)


def in_memory(data: Array, affine: Array) -> Array:
    """Resample a run that is in memory, in one block."""
    resampler = Resampler(data.shape, affine)
    resampler.add(data)
    return resampler.result()


def work(kind: str, path: Path, n: int) -> Callable[[], Array | None]:
    """Prepare what is not timed and return what is."""
    if kind.startswith("arrays"):
        image = nib.load(path.with_suffix(".nii"))
        data = np.array(image.dataobj[..., :n], order="F")
        if kind == "arrays nilearn":
            loaded = nib.Nifti1Image(data, image.affine)
            return lambda: nilearns(loaded)
        return lambda: in_memory(data, image.affine)
    packed = path.with_suffix(".nii.gz")
    if kind == "file nilearn":
        return lambda: nilearns(nib.load(packed))
    if kind == "file ours":
        return lambda: resample_file(load_image(packed, 4), packed)[0]
    if kind == "stage ours":
        return lambda: resample_subject("made", [packed], str(path.parent / "stage"), ["run-1"])
    paths = [path / f"{number}.safetensors" for number in range(n)]
    out = path / "average.safetensors"
    return lambda: (
        write_average(path / "mask.nii.gz", paths, [], out, str(path / "average_")) and None
    )


def child(kind: str, path: Path, n: int) -> None:
    """Measure one thing and print seconds and peak memory; keep the resampled array."""
    timed = work(kind, path, n)
    start = time.perf_counter()
    result = timed()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    if result is not None:
        np.save(path.parent / f"{kind}.npy", result)
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def measured(kind: str, path: Path, n: int, cores: int) -> dict[str, float]:
    """Run :func:`child` on the first ``cores`` cores with as many threads."""
    command = [sys.executable, __file__, "--child", kind, str(path), str(n)]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(cores), "OPENBLAS_NUM_THREADS": str(cores)},
        preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def side_by_side(
    measure: str, path: Path, n: int, cores: int, repeats: int
) -> list[dict[str, Any]]:
    """Compare both ways of one measure, in turn; rows of the table."""
    ways = ["nilearn", "ours"] if measure != "stage" else ["ours"]
    got: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            got[way].append(measured(f"{measure} {way}", path, n, cores))
    common = {"measure": measure, "source": path.name, "scans": n, "cores": cores}
    rows = []
    for unit in ("seconds", "peak_mb"):
        row = {way: float(np.median([one[unit] for one in got[way]])) for way in ways}
        if len(ways) == 2:
            row["ratio"] = row["nilearn"] / row["ours"]
        rows.append(common | {"unit": unit} | row)
    if len(ways) == 2:
        theirs, ours = (np.load(path.parent / f"{measure} {way}.npy") for way in ways)
        share = np.abs(ours - theirs).max() / np.abs(theirs).max()
        rows.append(common | {"unit": "greatest difference / greatest value", "ours": float(share)})
    return rows


def resampling(folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Compare on arrays, from .nii.gz, and over the number of scans."""
    rows = []
    for shape, dtype, n_scans in RUNS:
        path = folder / f"{'x'.join(map(str, shape))}-{dtype}"
        made_run(shape, dtype, n_scans, path)
        for cores in (1, 2) if (shape, dtype) == RUNS[0][:2] else (1,):
            rows += side_by_side("arrays", path, n_scans, cores, repeats)
            rows += side_by_side("file", path, n_scans, cores, repeats)
            rows += side_by_side("stage", path, n_scans, cores, repeats)
    path = folder / f"{'x'.join(map(str, RUNS[0][0]))}-{RUNS[0][1]}"
    growth = [side_by_side("arrays", path, n, 1, repeats)[0] for n in GROWTH[:-1]]
    whole = next(row for row in rows if row["measure"] == "arrays" and row["cores"] == 1)
    exponents = {
        way: np.polyfit(np.log(GROWTH), np.log([row[way] for row in [*growth, whole]]), 1)[0]
        for way in ("nilearn", "ours")
    }
    return [*rows, *growth, {"measure": "arrays", "unit": "exponent of scans"} | exponents]


def averaging(folder: Path) -> list[dict[str, Any]]:
    """Measure the peak memory and time of AVERAGE over the number of subjects."""
    path = folder / "average"
    path.mkdir()
    mask = np.zeros(GRID_SHAPE, dtype=np.int8)
    mask[4:33, 5:41, 6:31] = 1  # 26,100 voxels; the English mask has 25,870
    save_volume(mask, GRID_AFFINE, path / "mask.nii.gz")
    n_runs, n_scans = AVERAGED
    n_voxels = int(mask.sum())
    rng = np.random.default_rng(0)
    for number in range(max(SUBJECTS)):
        tensors: dict[str, Array] = {
            f"run-{run}": rng.normal(size=(n_scans, n_voxels)).astype(np.float32)
            for run in range(1, n_runs + 1)
        }
        tensors["left_out"] = np.zeros((n_runs, n_voxels), dtype=np.uint8)
        save_tensors(path / f"{number}.safetensors", tensors)
    rows = []
    for n_subjects in SUBJECTS:
        got = measured("average", path, n_subjects, 1)
        common = {"measure": "average", "scans": n_scans, "subjects": n_subjects, "cores": 1}
        rows += [common | {"unit": unit, "ours": got[unit]} for unit in ("seconds", "peak_mb")]
    return rows


def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw seconds of both ways, and the memory of AVERAGE."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    longest = [("x".join(map(str, shape)) + f"-{dtype}", n) for shape, dtype, n in RUNS]
    chosen = table[
        (table["unit"] == "seconds")
        & table["measure"].isin(["arrays", "file"])
        & np.array([row in longest for row in zip(table["source"], table["scans"], strict=True)])
    ]
    names = {"arrays": "in memory", "file": "from .nii.gz"}
    labels = [
        f"{row.source}, {names[row.measure]}, cores: {row.cores}" for row in chosen.itertuples()
    ]
    place = np.arange(len(chosen))
    left.barh(place - 0.2, chosen["nilearn"], 0.4, label="nilearn", color="#bbbbbb")
    left.barh(place + 0.2, chosen["ours"], 0.4, label="ours", color="#4477aa")
    left.set_yticks(place, labels, fontsize=7)
    left.invert_yaxis()
    left.set_xlabel("s per run")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=2, frameon=False)
    memory = table[(table["measure"] == "average") & (table["unit"] == "peak_mb")]
    right.plot(memory["subjects"], memory["ours"], "o-", color="#4477aa")
    right.set_ylim(0, 1.3 * memory["ours"].max())
    right.set_xlabel("subjects averaged")
    right.set_ylabel("peak memory, MB")
    figure.savefig(path)


def main() -> None:
    """Measure, write the table and the plot."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    command.add_argument("--repeats", type=int, default=3)
    given = command.parse_args()
    if given.child:
        kind, path, n = given.child
        child(kind, Path(path), int(n))
        return
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        rows = resampling(Path(folder), given.repeats) + averaging(Path(folder))
    table = pd.DataFrame(rows)[COLUMNS]
    table = table.astype(dict.fromkeys(("scans", "subjects", "cores"), "Int64"))
    for name in ("nilearn", "ours", "ratio"):
        table[name] = [float(f"{value:.3g}") for value in table[name]]
    table.insert(0, "load_before", load)
    table.to_csv(results / "preprocessing.tsv", sep="\t", index=False)
    plot(table, results / "preprocessing.svg")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
