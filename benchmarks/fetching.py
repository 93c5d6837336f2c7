"""How fast downloads are, beside plain curl, from one server on loopback.

``python benchmarks/fetching.py`` writes a table and a plot to ``benchmarks/results/``.
"""

import argparse
import hashlib
import os
import resource
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

SETS = {"large files": (4, 256 << 20), "many small files": (400, 64 << 10)}
CONNECTIONS = 4


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, keeps connections open, prints nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


def make_files(folder: Path) -> None:
    """Write the files of all sets; random, so that nothing compresses them."""
    for name, (count, size) in SETS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            with (folder / name / f"{number}.bin").open("wb") as handle:
                for _ in range(max(1, size >> 20)):
                    handle.write(os.urandom(min(size, 1 << 20)))


def fetch_ours(folder: Path, name: str, address: str, out: Path) -> None:
    """Fetch one set with the pipeline's own downloads."""
    from lateralization.cache import Wanted
    from lateralization.download import Policy, download

    wanted = []
    for path in sorted((folder / name).iterdir()):
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "md5").hexdigest()
        url = f"{address}/{name.replace(' ', '%20')}/{path.name}"
        size = path.stat().st_size
        wanted.append(Wanted(out / path.name, (url,), size, "md5", digest))
    start = time.perf_counter()
    download(wanted, Policy(connections=CONNECTIONS))
    print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def curl(folder: Path, name: str, address: str, out: Path) -> float:
    """Fetch one set with curl, as many at a time as ours; nothing is verified."""
    out.mkdir()
    lines = []
    for path in sorted((folder / name).iterdir()):
        lines.append(f'url = "{address}/{name.replace(" ", "%20")}/{path.name}"')
        lines.append(f'output = "{out / path.name}"')
    config = out.with_suffix(".txt")
    config.write_text("\n".join(lines))
    start = time.perf_counter()
    command = ["curl", "-s", "-f", "-Z", "--parallel-max", str(CONNECTIONS), "-K", str(config)]
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def ours(folder: Path, name: str, address: str, out: Path) -> tuple[float, float]:
    """Fetch one set in a process of its own; return seconds and its peak memory, MB."""
    command = [sys.executable, __file__, "--ours", str(folder), name, address, str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes / 1000


def measure(folder: Path, repeats: int) -> pd.DataFrame:
    """Fetch every set with both, in turn; the fastest time of each counts."""
    make_files(folder / "served")
    handler = partial(Handler, directory=str(folder / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    rows = []
    for name, (count, size) in SETS.items():
        plain, own, memory = [], [], []
        for number in range(repeats):
            place = folder / f"got-{number}"
            plain.append(curl(folder / "served", name, address, place))
            shutil.rmtree(place)
            seconds, peak = ours(folder / "served", name, address, place)
            own.append(seconds)
            memory.append(peak)
            shutil.rmtree(place)
        total = count * size / 1e6
        rows.append(
            {
                "files": name,
                "n_files": count,
                "megabytes": round(total, 1),
                "curl_mb_per_s": round(total / min(plain), 1),
                "ours_mb_per_s": round(total / min(own), 1),
                "ours_over_curl": round(min(plain) / min(own), 2),
                "peak_memory_mb": round(max(memory)),
            }
        )
    server.shutdown()
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw the throughput of both."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(table), figsize=(3 * len(table), 3), layout="constrained")
    for axis, row in zip(axes, table.itertuples(), strict=True):
        axis.bar(
            ["curl", "ours, verified"], [row.curl_mb_per_s, row.ours_mb_per_s], color="#4477aa"
        )
        axis.set_title(f"{row.n_files} {row.files}")
        axis.set_ylabel("MB/s")
    figure.savefig(path)


def main() -> None:
    """Measure, write the table and the plot."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--ours", nargs=4, help=argparse.SUPPRESS)
    command.add_argument("--repeats", type=int, default=3)
    given = command.parse_args()
    if given.ours:
        folder, name, address, out = given.ours
        fetch_ours(Path(folder), name, address, Path(out))
        return
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), given.repeats)
    table.insert(0, "load_before", round(os.getloadavg()[0], 2))
    table.to_csv(results / "fetching.tsv", sep="\t", index=False)
    plot(table, results / "fetching.svg")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
