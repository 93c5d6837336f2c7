"""How fast downloads are, beside plain curl, from one server on loopback.

``python benchmarks/fetching.py`` writes a table and a plot to ``benchmarks/results/``.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "bin"))

SETS = {
    "large files": (4, 256 << 20),
    "files a quarter as large": (4, 64 << 20),
    "many small files": (400, 64 << 10),
}
"""Number and bytes of the files; of two lengths, so that memory that grows with a file is seen."""

CONNECTIONS = 4


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, keeps connections open, prints nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


def make_files(folder: Path, sets: dict[str, tuple[int, int]]) -> None:
    """Write the files of all sets; random, so that nothing compresses them."""
    for name, (count, size) in sets.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            with (folder / name / f"{number}.bin").open("wb") as handle:
                for _ in range(max(1, size >> 20)):
                    handle.write(os.urandom(min(size, 1 << 20)))


def fetch_ours(folder: Path, name: str, address: str, out: Path, algorithm: str) -> None:
    """Fetch one set with the pipeline's own downloads, pinned by a checksum."""
    from lateralization.sources.cache import Wanted
    from lateralization.sources.download import Policy, download

    wanted = []
    for path in sorted((folder / name).iterdir()):
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, algorithm).hexdigest()
        url = f"{address}/{name.replace(' ', '%20')}/{path.name}"
        size = path.stat().st_size
        wanted.append(Wanted(out / path.name, (url,), size, algorithm, digest))
    start = time.perf_counter()
    download(wanted, Policy(connections=CONNECTIONS))
    print(time.perf_counter() - start, peak_memory())


def peak_memory() -> int:
    """Return this process's own peak memory, kB; ``ru_maxrss`` would begin with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def listed(folder: Path, name: str, address: str) -> list[tuple[str, str]]:
    """Return name and address of every file of a set."""
    place = f"{address}/{name.replace(' ', '%20')}"
    return [(path.name, f"{place}/{path.name}") for path in sorted((folder / name).iterdir())]


def curl(folder: Path, name: str, address: str, out: Path) -> float:
    """Fetch one set with plain curl, a file after another; return seconds. Nothing is verified."""
    out.mkdir()
    start = time.perf_counter()
    for file, url in listed(folder, name, address):
        subprocess.run(["curl", "-s", "-f", "-o", str(out / file), url], check=True)
    return time.perf_counter() - start


def curl_parallel(folder: Path, name: str, address: str, out: Path) -> tuple[float, float]:
    """Fetch one set with one curl, as many at a time as ours.

    Returns
    -------
    tuple of float
        Seconds of the transfer, and of the transfer and md5sum of as many files at a time.
    """
    out.mkdir()
    lines = [
        f'url = "{url}"\noutput = "{out / file}"' for file, url in listed(folder, name, address)
    ]
    config = out.with_suffix(".txt")
    config.write_text("\n".join(lines))
    start = time.perf_counter()
    command = ["curl", "-s", "-f", "-Z", "--parallel-max", str(CONNECTIONS), "-K", str(config)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    transferred = time.perf_counter() - start
    files = "\0".join(str(path) for path in out.iterdir())
    verify = ["xargs", "-0", "-P", str(CONNECTIONS), "-n", "25", "md5sum"]
    if len(lines) < 25 * CONNECTIONS:
        verify[-2] = "1"
    subprocess.run(verify, input=files, text=True, check=True, stdout=subprocess.DEVNULL)
    return transferred, time.perf_counter() - start


def digest_rate(algorithm: str) -> float:
    """Return the rate at which one core computes a checksum, MB/s."""
    data = bytes(64 << 20)
    start = time.perf_counter()
    hashlib.new(algorithm, data, usedforsecurity=False)
    return len(data) / 1e6 / (time.perf_counter() - start)


def ours(folder: Path, name: str, address: str, out: Path, algorithm: str) -> tuple[float, float]:
    """Fetch one set in a process of its own; return seconds and its peak memory, MB."""
    command = [sys.executable, __file__, "--ours", str(folder), name, address, str(out), algorithm]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes / 1000


def measure(folder: Path, repeats: int, sets: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Fetch every set with all contenders, in turn; the fastest time of each counts."""
    make_files(folder / "served", sets)
    handler = partial(Handler, directory=str(folder / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    rows = []
    for name, (count, size) in sets.items():
        rounds = []
        for number in range(repeats):
            places = [folder / f"{who}-{number}" for who in ("curl", "parallel", "md5", "sha256")]
            plain = curl(folder / "served", name, address, places[0])
            both = curl_parallel(folder / "served", name, address, places[1])
            own = [ours(folder / "served", name, address, out, out.name.split("-")[0])
                   for out in places[2:]]  # fmt: skip
            rounds.append((plain, *both, own[0][0], own[1][0], max(own[0][1], own[1][1])))
            for place in places:
                shutil.rmtree(place)
        rows.append({"files": name, "n_files": count, **_row(rounds, count * size / 1e6)})
    server.shutdown()
    return pd.DataFrame(rows)


def _row(rounds: list[tuple[float, ...]], megabytes: float) -> dict[str, float]:
    """Summarise the rounds of one set."""
    plain, parallel, verified, own, sha256, memory = zip(*rounds, strict=True)
    rates = {
        "curl": plain,
        "curl_parallel": parallel,
        "curl_parallel_md5sum": verified,
        "ours": own,
        "ours_sha256": sha256,
    }
    row = {"megabytes": round(megabytes, 1)}
    row |= {f"{who}_mb_per_s": round(megabytes / min(times), 1) for who, times in rates.items()}
    row |= {
        f"ours_over_{who}": round(min(times) / min(own), 2)
        for who, times in rates.items()
        if who.startswith("curl")
    }
    row |= {f"core_{name}_mb_per_s": round(digest_rate(name)) for name in ("md5", "sha256")}
    return row | {"peak_memory_mb": round(max(memory))}


def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw the throughput of both."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(table), figsize=(4.6 * len(table), 3), layout="constrained")
    for axis, row in zip(axes, table.itertuples(), strict=True):
        rates = {
            "curl": row.curl_mb_per_s,
            "curl -Z": row.curl_parallel_mb_per_s,
            "curl -Z,\nmd5sum": row.curl_parallel_md5sum_mb_per_s,
            "ours,\nmd5": row.ours_mb_per_s,
            "ours,\nsha256": row.ours_sha256_mb_per_s,
        }
        axis.bar(list(rates), list(rates.values()), color=["#bbbbbb"] * 3 + ["#4477aa"] * 2)
        axis.set_title(f"{row.n_files} {row.files}")
        axis.set_ylabel("MB/s")
    figure.savefig(path)


def main() -> None:
    """Measure, write the table and the plot."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--ours", nargs=5, help=argparse.SUPPRESS)
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--quick", action="store_true", help="small files: shows that it runs")
    command.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = command.parse_args()
    if given.ours:
        folder, name, address, out, algorithm = given.ours
        fetch_ours(Path(folder), name, address, Path(out), algorithm)
        return
    results: Path = given.results
    results.mkdir(exist_ok=True)
    sets = dict.fromkeys(SETS, (2, 100000)) if given.quick else SETS
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), given.repeats, sets)
    table.insert(0, "load_before", round(os.getloadavg()[0], 2))
    table.to_csv(results / "fetching.tsv", sep="\t", index=False)
    plot(table, results / "fetching.svg")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
