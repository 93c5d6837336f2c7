"""Data sets of stories in layouts drawn at random: planned as drawn, or refused for its fault."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.planning import plan_of
from helpers.story_dataset import FMRIPREP, asked, write_events, write_table, write_words
from helpers.tiny_dataset import write_run
from lateralization.errors import BadInput

SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym")
NAMES = ("wheels", "Part9", "Part10", "x1", "souls", "alice", "b2b")


@dataclass
class Heard:
    """One hearing as it was drawn."""

    subject: str
    story: str
    session: int | None
    run: int | None
    scans: int
    start: float
    path: str = ""


@dataclass
class Layout:
    """A data set as it was drawn."""

    tr: float
    slice_time: float
    by_table: bool
    heard: list[Heard]
    order: list[str]
    description: dict[str, Any]
    rows: list[list[str]] = field(default_factory=list)


def natural(text: str) -> list[Any]:
    """Return a key that sorts numbers by value, letters as they are."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part)
            for part in re.split(r"(\d+)", text) if part]  # fmt: skip


def hearings(rng: np.random.Generator, tr: float) -> list[Heard]:
    """Draw who heard what when: sessions in any order, stories again, nobody need have all."""
    stories = [str(name) for name in rng.permutation(NAMES)[: rng.integers(3, 6)]]
    length = {story: int(rng.integers(40, 60)) for story in stories}
    begins = {story: float(rng.integers(0, 10)) for story in stories}
    found = []
    sessions, number_runs = bool(rng.integers(2)), bool(rng.integers(2))
    for k in range(int(rng.integers(2, 5))):
        subject = ["01", "2", "S10", "x"][k]
        own = stories if k == 0 else [s for s in stories if rng.random() < 0.7] or stories[:1]
        heard = [story for story in own for _ in range(1 + 2 * (rng.random() < 0.2))]
        place = rng.permutation(len(heard)) + 1
        counts: Counter[str] = Counter()
        for at, story in sorted(zip(place, heard, strict=True)):
            counts[story] += 1
            again = heard.count(story) > 1
            run = counts[story] if again and (not sessions or number_runs) else None
            found.append(
                Heard(
                    subject, story, int(at) + 8 if sessions else None, run,
                    length[story] + int(rng.integers(0, 4)),
                    round(begins[story] + float(rng.uniform(0, 0.09 * tr)), 3),
                )
            )  # fmt: skip
    return found


def path_of(one: Heard, space: str, *, padded: bool) -> str:
    """Return the path of a hearing."""
    session = [] if one.session is None else [f"ses-{one.session}"]
    run = [] if one.run is None else [f"run-{one.run:02d}" if padded else f"run-{one.run}"]
    folder = "/".join([FMRIPREP, f"sub-{one.subject}", *session, "func"])
    name = "_".join([f"sub-{one.subject}", *session, f"task-{one.story}", *run, f"space-{space}"])
    return f"{folder}/{name}_desc-preproc_bold.nii.gz"


def draw(rng: np.random.Generator, root: Path) -> Layout:
    """Draw a layout and write its files."""
    tr = float(rng.choice([0.75, 1.5, 2.0]))
    heard, space = hearings(rng, tr), str(rng.choice(SPACES))
    by_table, in_sidecars, sliced = (bool(one) for one in rng.integers(0, 2, 3))
    slice_time = round(0.4 * tr, 3) if sliced else tr / 2
    for one in heard:
        one.path = path_of(one, space, padded=bool(rng.integers(2)))
        write_run(root / one.path, one.scans)
        entries = {"RepetitionTime": tr} if in_sidecars else {}
        entries |= {"StartTime": slice_time} if sliced else {}
        if entries:
            sidecar = (root / one.path).with_suffix("").with_suffix(".json")
            sidecar.write_text(json.dumps(entries))
        if rng.random() < 0.2:  # what is there, too
            write_run(root / one.path.replace(space, "T1w"), one.scans)
    for story in {one.story for one in heard}:
        write_words(root, story, 20)
    rest = Heard(heard[0].subject, "rest", None, None, 50, 0.0)
    write_run(root / path_of(rest, space, padded=False), 50)
    english: dict[str, Any] = {"subjects": "*", "words": "stimuli/{story}.tsv"}
    content: dict[str, Any] = {"name": "drawn", "trim": 5, "languages": {"en": english}}
    content |= {} if in_sidecars else {"tr": tr}
    order = sorted({one.story for one in heard}, key=natural)
    layout = Layout(tr, slice_time, by_table, heard, order, content)
    if by_table:
        rng.shuffle(heard)  # type: ignore[arg-type]
        layout.order = list(dict.fromkeys(one.story for one in heard))
        layout.rows = table_of(heard)
        write_table(root, layout.rows)
        content["runs"] = "runs.tsv"
    else:
        content |= {"derivatives": FMRIPREP, "bold": {"space": space}, "story": ["task"]}
        content["stories"] = {"exclude": ["rest*"]}
        english["events"] = {"trial_type": "story"}
        for one in heard:
            parts = [] if one.session is None else [f"ses-{one.session}"]
            parts += [] if one.run is None else [f"run-{one.run:02d}"]
            write_events(root, one.subject, one.story, one.start, "_".join(parts))
    (root / "dataset.json").write_text(json.dumps(content))
    return layout


def in_order(layout: Layout, subject: str) -> list[tuple[str, Heard]]:
    """Return key and hearing of a subject's runs, as they should be planned."""
    found = []
    for story in layout.order:
        own = [one for one in layout.heard if (one.subject, one.story) == (subject, story)]
        own.sort(key=lambda one: (one.session or 0, one.run or 0))
        found += [
            (f"story-{story}" + (f"_rep-{k}" if k > 1 else ""), one)
            for k, one in enumerate(own, start=1)
        ]
    return found


def table_of(heard: list[Heard]) -> list[list[str]]:
    """Return the rows of runs.tsv."""
    rows = [["story", "start", "subject", "bold", "repetition"]]
    for one in heard:
        before = [
            (other.session or 0, other.run or 0) <= (one.session or 0, one.run or 0)
            for other in heard
            if (other.subject, other.story) == (one.subject, one.story)
        ]
        rows.append([one.story, str(one.start), one.subject, one.path, str(sum(before))])
    return rows


@pytest.mark.parametrize("seed", range(40))
def test_a_layout_is_planned_as_it_was_drawn(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "data"
    layout = draw(np.random.default_rng(seed), root)
    plan = plan_of(tmp_path, **asked(root))
    (planned,) = plan["languages"]
    assert planned["stories"] == [f"story-{name}" for name in layout.order]
    assert (planned["tr"], planned["slice_time"]) == (layout.tr, pytest.approx(layout.slice_time))
    subjects = {one["subject"]: one["runs"] for one in planned["subjects"]}
    assert sorted(subjects) == sorted({one.subject for one in layout.heard})
    shortest: dict[str, int] = {}
    for subject in subjects:
        for key, one in in_order(layout, subject):
            shortest[key] = min(one.scans, shortest.get(key, one.scans))
    for subject, runs in subjects.items():
        wanted = in_order(layout, subject)
        assert [run["key"] for run in runs] == [key for key, _ in wanted]
        for run, (key, one) in zip(runs, wanted, strict=True):
            assert run["bold"] == str(root / one.path)
            assert run["scans"] == one.scans
            assert (run["average_scans"] or one.scans) == shortest[key]
            assert (run["average_scans"] is None) == (shortest[key] == one.scans)
    for story, start in zip(layout.order, planned["starts"], strict=True):
        told = [one.start for one in layout.heard if one.story == story]
        assert start == pytest.approx(float(np.median(told)))
    used = [row["file"] for row in plan["data_runs"] if row["used"]]
    assert sorted(used) == sorted(one.path for one in layout.heard)
    assert all(row["reason"] for row in plan["data_runs"] if not row["used"])


def copy_with_entity(layout: Layout, root: Path) -> str:
    one = layout.heard[0]
    write_run(root / one.path.replace("_space", "_acq-b_space"), one.scans)
    return "they differ in acq"


def longer(layout: Layout, root: Path) -> str:
    """Make one person's run longer than another's."""
    seen: dict[str, Heard] = {}
    for one in layout.heard:
        other = seen.setdefault(one.story, one)
        alone = Counter((run.subject, run.story) for run in layout.heard)
        if other.subject != one.subject and {alone[one.subject, one.story],
                                             alone[other.subject, one.story]} == {1}:  # fmt: skip
            write_run(root / one.path, other.scans + 6)
            return "at most 5 are cut off"
    return ""


def other_space(layout: Layout, root: Path) -> str:
    subject = layout.heard[-1].subject
    for one in layout.heard:
        if one.subject == subject:
            path = root / one.path
            path.rename(path.with_name(re.sub("space-[A-Za-z0-9]+", "space-T1w", path.name)))
    return f"sub-{subject} have no run with space-"


def later(layout: Layout, root: Path) -> str:
    """Let one run begin later than another of its story."""
    story, n = Counter(one.story for one in layout.heard).most_common(1)[0]
    if n < 2:
        return ""
    one = next(one for one in layout.heard if one.story == story)
    parts = [] if one.session is None else [f"ses-{one.session}"]
    parts += [] if one.run is None else [f"run-{one.run:02d}"]
    write_events(root, one.subject, one.story, one.start + layout.tr, "_".join(parts))
    return f"story {story} begins at"


def no_events(layout: Layout, root: Path) -> str:
    for path in (root / f"sub-{layout.heard[0].subject}").rglob("*_events.tsv"):
        path.unlink()
    return "has no events of"


def no_words(layout: Layout, root: Path) -> str:
    (root / f"stimuli/{layout.order[-1]}.tsv").unlink()
    return f"{layout.order[-1]}.tsv does not exist"


def other_tr(layout: Layout, root: Path) -> str:
    sidecar = (root / layout.heard[0].path).with_suffix("").with_suffix(".json")
    if len(layout.heard) < 2 or "tr" in layout.description:
        return ""
    sidecar.write_text(json.dumps({"RepetitionTime": 3.0, "StartTime": layout.slice_time}))
    return "sidecars say different repetition times"


FAULTS = (copy_with_entity, longer, other_space, later, no_events, no_words, other_tr)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_a_fault_in_a_layout_is_refused_for_what_it_is(
    tmp_path: Path, seed: int, fault: Any
) -> None:
    for more in range(100):
        root = tmp_path / f"data{more}"
        layout = draw(np.random.default_rng([seed, more]), root)
        says = "" if layout.by_table else fault(layout, root)
        if says:
            break
    with pytest.raises(BadInput) as caught:
        plan_of(tmp_path, **asked(root))
    assert says in str(caught.value)
