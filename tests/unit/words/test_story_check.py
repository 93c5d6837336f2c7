"""What VALIDATE says of data that cannot be what they are called."""

import shutil

import pandas as pd
import pytest

from helpers.keys import by_run
from helpers.planning import lines_of, own, plan_of, write_world
from helpers.tiny_dataset import ANNOTATION, PROJECT, run_path, write_run
from lateralization.errors import BadInput
from lateralization.plan.validate import make_plan
from lateralization.problems import Problems
from lateralization.words.annotation import STANDARD
from lateralization.words.story_check import (
    check_told,
    out_of_order,
    read_story_files,
    share_found,
)


@pytest.fixture
def world(tmp_path):
    return write_world(tmp_path / "world")


@pytest.mark.parametrize(
    ("words", "text", "share"),
    [
        (["Once", "when", "I", "was"], "ONCE, when he …", 2 / 3),
        (["Écoute", "prince"], "ecoute le prince", 1),
        (["Once", "when"], "\0\0\0", 0),
        (["I", "a"], "nothing of it", 1),
        (["小", "王子"], "小公主", 1 / 2),
    ],
)
def test_words_are_sought_in_the_text(words, text, share):
    assert share_found(words, text) == pytest.approx(share)


def test_a_text_of_another_story_is_named_with_its_run():
    words = pd.DataFrame({"run": [1, 1, 2, 2], "word": ["once", "when", "grown", "ups"]})
    check_told(words, by_run([("one", b"once upon when"), ("two", b"grown-ups")]))
    with pytest.raises(BadInput, match=r"two has 0% of the words .* run 2 \(grown, ups\); give"):
        check_told(words, by_run([("one", b"once when"), ("two", b"der kleine Prinz")]))


@pytest.mark.parametrize("content", [b"Nichts davon.\n", b"\1\1!\n"])
def test_a_text_that_tells_something_else_is_refused(world, capsys, content):
    (world / "texts" / "text_en_run4.txt").write_bytes(content)
    line, *more = lines_of(world, capsys, **own(world))
    assert "--texts: text_en_run4.txt has 0% of the words" in line
    assert not more


def test_a_text_that_two_runs_share_is_refused():
    words = pd.DataFrame({"run": [1, 2], "word": ["once", "once"]})
    with pytest.raises(BadInput, match="two has the text of one: give each run the text"):
        check_told(words, by_run([("one", b"once upon"), ("two", b"once upon\n")]))


def test_two_sections_of_one_story_are_refused(world, capsys):
    path = world / "data" / ANNOTATION
    table = pd.read_csv(path).dropna().astype({"section": int})
    first = table[table["section"] == 2]
    again = first.assign(section=6, word=first["word"].str.upper(), offset=first["offset"] + 0.1)
    again.iloc[3, 0] = "corrected"
    kept = table[table["section"] != 6]
    pd.concat([kept, again]).to_csv(path, index=False)
    lines = lines_of(world, capsys, **own(world))
    (line,) = [line for line in lines if "sections 2 and 6" in line]
    assert "have the words of one story; a run is predicted from the others" in line
    # a few words in a row may come again
    half = pd.concat([first.iloc[:10], table[table["section"] == 6].iloc[10:]]).assign(section=6)
    pd.concat([kept, half]).to_csv(path, index=False)
    plan_of(world, **own(world, texts=None, models="none", baselines="random_vector"))


def test_rows_that_go_back_in_time_are_said():
    words = pd.DataFrame({
        "run": [1, 1, 1, 2], "row": [0, 1, 2, 3], "word": ["a", "b", "c", "d"],
        "onset": [0.0, 2.0, 1.0, 0.0],
    })  # fmt: skip
    said = out_of_order(words)
    assert said.startswith("1 words begin before the word of the row above (first: 'c', row 2)")
    assert out_of_order(words.drop(index=2)) == ""


def test_rows_that_go_back_in_time_are_in_the_plan(world):
    path = world / "data" / ANNOTATION
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3], lines[4] = lines[4], lines[3]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (note,) = [note for note in plan_of(world, **own(world))["notes"] if "row above" in note]
    assert "'word2', row 3" in note


def test_a_header_with_a_blank_in_it_is_shown_with_the_blank(world, capsys):
    path = world / "data" / ANNOTATION
    path.write_text(path.read_text(encoding="utf-8").replace("onset", " onset", 1))
    (line, *_) = lines_of(world, capsys, **own(world))
    assert "no column onset; it has word, ' onset', offset, section" in line


def test_an_empty_annotation_is_called_empty(world, capsys):
    (world / "data" / ANNOTATION).write_bytes(b"\n")
    (line, *_) = lines_of(world, capsys, **own(world))
    assert f"{ANNOTATION} is empty; fetch or copy it again" in line


def test_a_run_that_is_a_copy_of_another_is_mentioned(world):
    run = run_path(world / "data", "EN902", 9)
    shutil.copy(run_path(world / "data", "EN901", 9), run)
    (note,) = [note for note in plan_of(world, **own(world))["notes"] if "same file" in note]
    assert f"{run} is the same file as {run_path(world / 'data', 'EN901', 9)}" in note
    assert "counts twice: put the right run there if a copy is not meant" in note


def test_runs_of_equal_size_and_ending_are_compared(world):
    first, second = (run_path(world / "data", subject, 9) for subject in ("EN901", "EN902"))
    write_run(second, 33, seed=999)
    content = bytearray(second.read_bytes())
    whole = first.read_bytes()
    size = max(len(whole), len(content))
    # zeros behind a gzip file are allowed, and make the ends of the two alike
    first.write_bytes(whole.ljust(size + 8, b"\0"))
    second.write_bytes(bytes(content).ljust(size + 8, b"\0"))
    assert not [note for note in plan_of(world, **own(world))["notes"] if "same file" in note]


@pytest.mark.parametrize(
    ("outdir", "said"),
    [
        ("http://example.org/out", "cannot be written to; give a folder or a bucket"),
        ("work/out", "is in the work folder"),
        ("data/../work", "is in the work folder"),
        ("data", "is the data set, whose files the results would overwrite"),
        ("link", "is the data set, whose files the results would overwrite"),
    ],
)
def test_results_do_not_go_where_they_are_lost_or_overwrite_data(world, outdir, said):
    (world / "link").symlink_to(world / "data")
    request = {
        "params": own(world, outdir=outdir), "launch_dir": str(world), "project_dir": str(PROJECT),
        "work_dir": str(world / "work"), "outdir_writable": True,
    }  # fmt: skip
    with pytest.raises(BadInput, match=f"--outdir: .*{said}"):
        make_plan(request, PROJECT / "assets")
    for allowed in ("data/derivatives/lateralization", "workshop", "s3://bucket/out"):
        request["params"]["outdir"] = allowed
        assert make_plan(request, PROJECT / "assets").fits


def test_what_is_wrong_with_several_stories_is_one_problem(tmp_path):
    tables = {
        "ok": "fox,0,1\ncrow,1,2\n",
        "early": "fox,2,1\n",
        "lost": "fox,0,1\ncrow,,\n",
        "gone": "fox,0,1\ncrow,1.5,2\na,,\nb,,\n",
        "late": "crow,3.5,3.25\n",
        "mute": "fox,,\n",
    }
    files = {}
    for name, rows in tables.items():
        files[f"story-{name}"] = tmp_path / name / "words.csv"
        files[f"story-{name}"].parent.mkdir()
        files[f"story-{name}"].write_text(f"word,onset,offset\n{rows}")
    problems = Problems()
    words, notes = read_story_files(files, STANDARD, "", problems)
    assert {key: len(rows) for key, rows in words.items()} == {
        "story-ok": 2,
        "story-lost": 1,
        "story-gone": 2,
    }
    early, mute = problems
    assert early.startswith(f"--dataset: {files['story-early']}: 'fox' ends at 1 s, before")
    assert early.endswith("mend its times (and so of late)")
    assert "mute" in mute
    assert "no word with a time" in mute
    (note,) = notes
    assert note.startswith(f"{files['story-lost']}: 1 of 2 words have no time")
    assert note.endswith("(and so of gone)")


def test_a_text_of_another_story_by_name_is_refused():
    words = pd.DataFrame({"story": ["01", "01", "b_2"], "word": ["once", "when", "grown"]})
    texts = {"story-b_2": ("b.txt", b"grown-ups"), "story-01": ("a.txt", b"once upon when")}
    check_told(words, texts)
    with pytest.raises(
        BadInput, match=r"a\.txt has 0% .* in story 01 \(once, when\); give the text"
    ):
        check_told(words, texts | {"story-01": ("a.txt", b"der kleine Prinz")})
