"""The same nested search by four hands, for ``encoding.py``: A, B, C and D.

A is the study's procedure said with scikit-learn, B the closest that himalaya offers, C and D are
ours on CPU and CUDA. All take regressors and voxels, run by run; none includes the HRF.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lateralization.arrays import Array
from lateralization.ridge.race import RISK
from lateralization.ridge.ridge import encode
from lateralization.ridge.search import EncodeResult
from lateralization.ridge.voxels import CHUNKS

Runs = Sequence[Array]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Call and return the seconds that it took with the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


@dataclass(frozen=True)
class Scores:
    """What a search gives: r (n_runs, n_voxels) and the penalty chosen for each run."""

    r: Array
    alphas: Array


def train_runs(test: int, n_runs: int) -> list[int]:
    """Return the runs to train on; the first of them is the validation run of the search."""
    return [run for run in range(n_runs) if run != test]


# --- A: the reference's procedure -------------------------------------------------------------


class Piece(NamedTuple):
    """One measured step of A: ``stack`` joins runs, ``search`` and ``refit`` are one fit each."""

    kind: Literal["stack", "search", "refit"]
    seconds: float


def per_voxel_r(predicted: Array, measured: Array) -> Array:
    """Correlate voxel by voxel, as the reference did, (n_scans, n_voxels) → (n_voxels,)."""
    columns = range(measured.shape[1])
    return np.array([np.corrcoef(predicted[:, v], measured[:, v])[0, 1] for v in columns])


class Reference:
    """A, step by step, so that some steps can be measured and the rest be scaled from them."""

    def __init__(self, features: Runs, bold: Runs) -> None:
        self.features, self.bold = features, bold
        self.pieces: list[Piece] = []

    def stack(self, runs: Sequence[int]) -> tuple[Array, Array]:
        """Put training runs one below the other."""
        seconds, stacked = timed(
            lambda: tuple(np.vstack([x[run] for run in runs]) for x in (self.features, self.bold))
        )
        self.pieces.append(Piece("stack", seconds))
        return stacked[0], stacked[1]

    def fit(
        self, kind: Literal["search", "refit"], train: tuple[Array, Array], run: int, alpha: float
    ) -> Array:
        """Fit one penalty, predict a run and return its r, (n_voxels,)."""
        from sklearn.linear_model import Ridge

        def work() -> Array:
            model = Ridge(alpha, fit_intercept=False).fit(*train)
            return per_voxel_r(model.predict(self.features[run]), self.bold[run])

        seconds, r = timed(work)
        self.pieces.append(Piece(kind, seconds))
        return np.asarray(r)

    def search(self, test: int, alphas: Sequence[float]) -> Array:
        """Return the mean validation r of some penalties for one test run, (n_alphas,)."""
        held, *rest = train_runs(test, len(self.bold))
        train = self.stack(rest)
        return np.array([self.fit("search", train, held, alpha).mean() for alpha in alphas])

    def refit(self, test: int, alpha: float) -> Array:
        """Return r on the test run after training on all others, (n_voxels,)."""
        return self.fit("refit", self.stack(train_runs(test, len(self.bold))), test, alpha)

    def whole(self, alphas: Sequence[float]) -> Scores:
        """Do everything: all penalties, all test runs."""
        r, chosen = [], []
        for test in range(len(self.bold)):
            alpha = alphas[int(np.argmax(self.search(test, alphas)))]
            chosen.append(alpha)
            r.append(self.refit(test, alpha))
        return Scores(np.array(r), np.array(chosen))


def scaled(pieces: Sequence[Piece], n_alphas: int, n_runs: int) -> float:
    """Extend measured steps of A to the whole search: medians times the number of such steps.

    Each of ``n_runs`` test runs joins runs twice, fits ``n_alphas`` penalties and refits once.

    Raises
    ------
    statistics.StatisticsError
        A kind of step was not measured.
    """
    each = {
        kind: median(piece.seconds for piece in pieces if piece.kind == kind)
        for kind in ("stack", "search", "refit")
    }
    return n_runs * (2 * each["stack"] + n_alphas * each["search"] + each["refit"])


# --- B: himalaya --------------------------------------------------------------------------------


class Himalaya(NamedTuple):
    """A way to use himalaya.

    ``kernel`` is ``KernelRidgeCV`` on one precomputed linear kernel of all scans, ``ridge`` is
    ``RidgeCV`` (a singular value decomposition of the features). Batches bound the temporaries.
    """

    kind: Literal["kernel", "ridge"]
    backend: Literal["torch", "numpy"]
    voxels: int
    alphas: int

    def __str__(self) -> str:
        """Name it for tables."""
        return f"{self.kind}, {self.backend}, batches of {self.voxels} voxels, {self.alphas} alphas"


def himalaya_ways(n_features: int, n_train: int, n_voxels: int, n_alphas: int) -> list[Himalaya]:
    """Return the ways worth trying; with more features than scans himalaya advises the kernel."""
    kinds: tuple[Literal["kernel", "ridge"], ...] = ("kernel", "ridge")
    if n_features > n_train:
        kinds = ("kernel",)
    backends: tuple[Literal["torch", "numpy"], ...] = ("torch", "numpy")
    batches = ((min(1024, n_voxels), n_alphas), (min(4096, n_voxels), 4), (n_voxels, 1))
    return [
        Himalaya(kind, name, *batch) for kind in kinds for name in backends for batch in batches
    ]


def _himalaya_model(way: Himalaya, alphas: Array, split: list[tuple[Array, Array]]) -> Any:
    """Return the estimator of a way, with one penalty for all voxels chosen by their mean r."""
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import correlation_score

    solver = {
        "local_alpha": False,
        "score_func": correlation_score,
        "n_targets_batch": way.voxels,
        "n_alphas_batch": way.alphas,
    }
    if way.kind == "kernel":
        return KernelRidgeCV(alphas, kernel="precomputed", solver_params=solver, cv=split)
    return RidgeCV(alphas, solver_params={**solver, "warn": False}, cv=split)


def himalaya_search(
    way: Himalaya,
    features: Runs,
    bold: Runs,
    alphas: Array,
    tests: Sequence[int] | None = None,
) -> Scores:
    """Search, refit and score with himalaya in float32: one penalty for all voxels.

    Parameters
    ----------
    way : Himalaya
    features, bold : lists over runs
    alphas : array of shape (n_alphas,)
    tests : list of int, optional
        Test runs to do; all without.
    """
    from himalaya.backend import set_backend
    from himalaya.scoring import correlation_score

    backend = set_backend(way.backend)
    x = backend.asarray(np.vstack(features), dtype="float32")
    y = backend.asarray(np.vstack(bold), dtype="float32")
    if way.kind == "kernel":
        x = x @ x.T
    ends = np.cumsum([len(run) for run in bold])
    scans = [np.arange(end - len(run), end) for end, run in zip(ends, bold, strict=True)]
    r, chosen = [], []
    for test in range(len(bold)) if tests is None else tests:
        runs = train_runs(test, len(bold))
        train, held = np.concatenate([scans[run] for run in runs]), len(scans[runs[0]])
        split = [(np.arange(held, len(train)), np.arange(held))]
        inputs = x[train], x[scans[test]]
        if way.kind == "kernel":
            inputs = inputs[0][:, train], inputs[1][:, train]
        model = _himalaya_model(way, alphas, split)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.fit(inputs[0], y[train])
            predicted = model.predict(inputs[1])
            r.append(backend.to_numpy(correlation_score(y[scans[test]], predicted)))
        chosen.append(float(backend.to_numpy(model.best_alphas_)[0]))
    nearest = np.abs(np.log(np.array(chosen)[:, None] / alphas)).argmin(1)  # they are float32
    return Scores(np.array(r, np.float64), alphas[nearest])


def best_way(features: Runs, bold: Runs, alphas: Array, n_tuning: int) -> tuple[Himalaya, str]:
    """Choose the fastest way on the second test run and a part of the voxels, of two tries each.

    Returns
    -------
    way, and what every way took as one line; the number of voxels of a batch is that of the whole
    """
    n_voxels, (n_train, n_features) = bold[0].shape[1], np.vstack(features[1:]).shape
    seconds: dict[Himalaya, float] = {}
    for way in himalaya_ways(n_features, n_train, n_voxels, len(alphas)):
        part = [run[:, :n_tuning] for run in bold]
        small = way._replace(voxels=min(way.voxels, n_tuning))
        seconds[way] = min(
            timed(lambda: himalaya_search(small, features, part, alphas, [1]))[0]  # noqa: B023
            for _ in range(2)
        )
    told = "; ".join(f"{way}: {spent:.2f} s" for way, spent in seconds.items())
    return min(seconds, key=lambda way: seconds[way]), told


# --- C and D: ours ------------------------------------------------------------------------------


def ours(
    features: Runs, bold: Runs, alphas: Array, device: str, risk: float = RISK
) -> EncodeResult:
    """Run the pipeline's own search with what ENCODE uses by default."""
    return encode(features, bold, alphas, chunk=CHUNKS[device], device=device, risk=risk)


def _operations(name: str, shapes: list[Sequence[int]]) -> float:
    """Count the operations of one call on matrices, 0 for what is no product or factorisation.

    Products 2 m n k; Cholesky n³/3, its solutions 2 n² k, the inverse from it 2 n³/3; eigenvectors
    9 n³ (what LAPACK's divide and conquer needs at the most); Q of (m, n) 4 m n².
    """
    first, *others = shapes
    rows, columns = first[-2], first[-1]
    width = others[0][-1] if others else 0
    return {
        "mm": 2.0 * rows * columns * width,
        "linalg_cholesky_ex": rows**3 / 3,
        "cholesky_solve": 2.0 * (others[0][-1] ** 2 if others else 0) * columns,
        "cholesky_inverse": 2 * rows**3 / 3,
        "_linalg_eigh": 9.0 * rows**3,
        "linalg_qr": 4.0 * rows * columns**2,
    }.get(name, 0.0)


class Work(TorchDispatchMode):
    """Counts the operations of the products and factorisations that are done inside it.

    Norms, sums and copies are not counted. ``gflop[torch.float32]`` is what meets the voxels,
    ``gflop[torch.float64]`` what does not (and near ties that are scored again).
    """

    def __init__(self) -> None:
        super().__init__()
        self.gflop = {torch.float32: 0.0, torch.float64: 0.0}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Count, and do what was called."""
        given = [one for one in args if isinstance(one, torch.Tensor)]
        if given and given[0].ndim >= 2 and given[0].dtype in self.gflop:
            shapes = [tuple(one.shape) for one in given if one.ndim >= 2]
            name = function.overloadpacket.__name__
            self.gflop[given[0].dtype] += _operations(name, shapes) / 1e9
        return function(*args, **(kwargs or {}))
