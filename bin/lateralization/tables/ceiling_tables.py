"""The ceilings of a run's subjects, brought to the voxels that their scores are in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lateralization.arrays import Array, Booleans, Floats, Row
from lateralization.files import read_metadata, read_tensors
from lateralization.names import AVERAGE
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, FitScores
from lateralization.statistics.ceilings import (
    LEAST_VOXELS,
    LEAVE_ONE_OUT,
    LOWEST,
    SPLIT_HALF,
    ShareDifference,
    average_ceiling,
    chosen_elsewhere,
)
from lateralization.statistics.intervals import corrected_t
from lateralization.tables.fits import Fit, Space, Spaces
from lateralization.volumes import from_volume, to_volume

HALVES, OTHERS = "_isc_runs.safetensors", "_leave_one_out.safetensors"


class Ceilings:
    """Ceilings by language and subject; those of a language are read when first needed.

    Parameters
    ----------
    paths
        ``lang-en_isc_runs.safetensors`` and ``lang-en_leave_one_out.safetensors`` of each language.
    spaces
        Masks of the group and the individuals.
    """

    def __init__(self, paths: Sequence[Path], spaces: Spaces) -> None:
        self.paths, self.spaces = {path.name: path for path in paths}, spaces
        self._read: dict[str, dict[str, Array]] = {}
        self._trials: dict[str, Floats] = {}

    def _tensors(self, name: str) -> dict[str, Array]:
        if name not in self._read:
            path = self.paths.get(name)
            self._read[name] = {} if path is None else read_tensors(path)
        return self._read[name]

    def stories(self, language: str, subject: str) -> list[str]:
        """Return the keys of the stories that a subject has a ceiling of, in their order."""
        name = f"lang-{language}{HALVES if subject == AVERAGE else OTHERS}"
        if name not in self.paths:
            return []
        told = json.loads(read_metadata(self.paths[name])["stories"])
        return list(told if subject == AVERAGE else told.get(subject, []))

    def of(self, language: str, subject: str, space: Space) -> tuple[str, Floats] | None:
        """Return the kind of ceiling and its values, (n_runs, n_voxels); None where there is none.

        Runs are those of :meth:`stories`. An individual's voxels outside the group's mask have NaN.
        """
        if subject == AVERAGE:
            halves = self._tensors(f"lang-{language}{HALVES}").get("split_half")
            return None if halves is None else (SPLIT_HALF, average_ceiling(halves.astype(float)))
        others = self._tensors(f"lang-{language}{OTHERS}").get(subject)
        if others is None:
            return None
        group = self.spaces.get(language, AVERAGE).mask
        volume = to_volume(others, group, np.nan)
        return LEAVE_ONE_OUT, from_volume(volume, space.mask).astype(np.float64)

    def trials(self, language: str, subject: str) -> Floats:
        """Return the ceiling of each split of the subjects, (n_trials, n_runs, n_voxels).

        Runs as of :meth:`of`. No trials for an individual, whose ceiling has none.
        """
        halves = self._tensors(f"lang-{language}{HALVES}").get("split_half")
        if subject != AVERAGE or halves is None:
            return np.empty((0, 0, 0))
        if language not in self._trials:
            each = [average_ceiling(trial[None].astype(float)) for trial in halves]
            self._trials[language] = np.stack(each)
        return self._trials[language]

    def shares(
        self, fit: Fit, scores: FitScores, space: Space
    ) -> tuple[list[Row], dict[str, ShareDifference]]:
        """Give the rows of the table ``ceilings`` of one fit, and its left minus right by midline.

        Both are over the stories that have a score and a ceiling, and empty where none has.
        """
        found = self.of(fit.language, fit.subject, space)
        known = self.stories(fit.language, fit.subject)
        shared = [story for story in fit.stories if story in known]
        if found is None or not shared:
            return [], {}
        mine, theirs = ([keys.index(story) for story in shared] for keys in (fit.stories, known))
        kind, ceiling = found[0], found[1][theirs]
        r = scores.best_cv.values[mine]
        rows = list(ceiling_rows(fit, r, ceiling, space.brain, kind))
        trials = self.trials(fit.language, fit.subject)
        trials = trials[:, theirs] if len(trials) else trials
        return rows, share_differences(r, ceiling, trials, space.brain)


def _side(r: Floats, ceiling: Floats, inside: Booleans) -> tuple[Floats, Floats]:
    """Return mean score and mean ceiling of each run over that run's voxels, (n_runs,) each."""
    found = np.full((2, len(r)), np.nan)
    for run, voxels in enumerate(inside & np.isfinite(r) & np.isfinite(ceiling)):
        if voxels.sum() >= LEAST_VOXELS:
            found[:, run] = r[run, voxels].mean(), ceiling[run, voxels].mean()
    return found[0], found[1]


def _shares(sides: Mapping[str, tuple[Floats, Floats]]) -> dict[str, Floats]:
    """Divide scores by ceilings, run by run; NaN where the mean ceiling is near 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            name: np.where(top > LOWEST, score / top, np.nan)
            for name, (score, top) in sides.items()
        }
    shares["left_minus_right"] = shares["left"] - shares["right"]
    return shares


def _by_trial(r: Floats, trials: Floats, inside: Booleans) -> Floats:
    """Return a side's share with the ceiling of each trial alone, (n_trials, n_runs)."""
    shares = np.full((len(trials), len(r)), np.nan)
    for run, voxels in enumerate(inside & np.isfinite(r)):
        if voxels.sum() >= LEAST_VOXELS:
            shares[:, run] = r[run, voxels].mean() / trials[:, run, voxels].mean(axis=1)
    return shares


def share_differences(
    r: Floats, ceiling: Floats, trials: Floats, brain: Brain
) -> dict[str, ShareDifference]:
    """Left minus right of a fit's shares of the ceiling under each midline rule.

    Parameters
    ----------
    r, ceiling : (n_runs, n_voxels)
        As of :func:`ceiling_rows`, in whose voxels they are.
    trials : (n_trials, n_runs, n_voxels)
        Ceilings of the trials that ``ceiling`` is made of; fewer than two have no spread.
    """
    chosen = chosen_elsewhere(ceiling) & np.isfinite(ceiling)
    found = {}
    for midline in (SHARED, STRICT):
        inside = [chosen & side for side in brain.halves[midline]]
        left, right = (_side(r, ceiling, side) for side in inside)
        by_run = _shares({"left": left, "right": right})["left_minus_right"]
        by_trial, known = np.empty(0), np.isfinite(by_run)
        if len(trials) > 1 and known.any():
            sides = [_by_trial(r, trials, side)[:, known] for side in inside]
            by_trial = (sides[0] - sides[1]).mean(axis=1)
        found[midline] = ShareDifference(by_run, by_trial)
    return found


def ceiling_rows(fit: Fit, r: Floats, ceiling: Floats, brain: Brain, kind: str) -> Iterator[Row]:
    """Give a fit's score as a share of its ceiling, on either side and between them.

    Parameters
    ----------
    r : (n_runs, n_voxels)
        Score of each test run, at a layer that was chosen on the other runs.
    ceiling : (n_runs, n_voxels)
    kind
        ``split_half`` or ``leave_one_out``.

    Yields
    ------
    One row for each midline rule and hemisphere; the shares are means over runs of the mean score
    divided by the mean ceiling.
    """
    chosen = chosen_elsewhere(ceiling)
    for midline in (SHARED, STRICT):
        left, right = brain.halves[midline]
        whole = {"left": left, "right": right, "both": left | right}
        sides = {name: _side(r, ceiling, chosen & side) for name, side in whole.items()}
        for name, by_run in _shares(sides).items():
            score, top = sides.get(name, [sides["left"][i] - sides["right"][i] for i in (0, 1)])
            interval, p = corrected_t(by_run)
            voxels = chosen & whole.get(name, whole["both"])
            yield fit.columns | {
                "ceiling": kind, "midline": midline, "hemisphere": name,
                "n_voxels": round(float(voxels.sum(axis=1).mean())),
                "mean_r": float(np.mean(score)), "mean_ceiling": float(np.mean(top)),
                "share": interval.mean, "ci_low": interval.low, "ci_high": interval.high, "p": p,
                "ci_kind": f"t over {interval.n} test runs, corrected for shared training runs",
            } | fit.traits  # fmt: skip
