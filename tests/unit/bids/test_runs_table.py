"""Tables of runs and descriptions of data sets of stories: what they say, and what is refused."""

import pytest

from helpers.story_dataset import (
    keys,
    language,
    refusal,
    run_file,
    write_description,
    write_stories,
    write_story_run,
    write_table,
)


@pytest.fixture
def root(tmp_path):
    return write_stories(tmp_path / "data")


HEADER = ["subject", "session", "story", "repetition", "bold", "confounds", "start"]


def table(root, order=("dogs", "bees", "cats"), subjects=("01", "03"), start="n/a"):
    """Write the table of some of the runs; return its rows."""
    rows = [HEADER]
    for subject in subjects:
        for story in order:
            rows.append([subject, "n/a", story, "1", run_file(subject, story), "", start])
    write_table(root, rows)
    write_description(root, runs="runs.tsv", derivatives=None, bold=None, story=None)
    return rows


def test_a_table_says_which_runs_and_in_which_order(tmp_path, root):
    rows = table(root, start="4.5")
    planned = language(tmp_path, root, subjects="01")
    assert planned["stories"] == ["story-dogs", "story-bees", "story-cats"]
    assert keys(planned) == dict.fromkeys(("01", "03"), planned["stories"])
    assert planned["starts"] == [4.5] * 3
    assert [one["subject"] for one in planned["subjects"] if one["individual"]] == ["01"]
    rows.append(["03", "2", "bees", "2", run_file("03", "ants"), run_file("03", "cats"), "4.5"])
    write_table(root, rows)
    run = language(tmp_path, root)["subjects"][1]["runs"][2]
    assert (run["key"], run["session"]) == ("story-bees_rep-2", "2")
    assert run["confounds"] == str(root / run_file("03", "cats"))


def test_paths_are_relative_to_the_table_and_the_bare_columns_are_enough(tmp_path, root):
    rows = [["subject", "story", "bold"]]
    rows += [[s, t, f"../{run_file(s, t)}"] for s in ("01", "03") for t in ("bees", "cats", "dogs")]
    (root / "code").mkdir()
    write_table(root / "code", rows)
    write_description(root, runs="code/runs.tsv", derivatives=None, bold=None, story=None)
    planned = language(tmp_path, root)
    assert planned["subjects"][0]["runs"][0]["bold"] == str(root / run_file("01", "bees"))


def test_a_sidecar_has_the_name_of_its_file_whatever_that_is(tmp_path, root):
    rows = [["subject", "story", "bold"]]
    for subject in ("01", "03"):
        for story in ("bees", "cats", "dogs"):
            rows.append([subject, story, f"mine/{subject}/{story}.nii.gz"])
            write_story_run(root, rows[-1][2], RepetitionTime=1.5, StartTime=0.25)
    write_table(root, rows)
    write_description(root, runs="runs.tsv", derivatives=None, bold=None, story=None, tr=None)
    planned = language(tmp_path, root)
    assert (planned["tr"], planned["slice_time"]) == (1.5, 0.25)


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("subject", "sub-01", "line 2: the subject is 'sub-01'; write its label"),
        ("story", "a tale", "line 2: the story is 'a tale'"),
        ("story", "bees_rep-2", "no _rep-2 at the end"),
        ("bold", "n/a", "bold is ''; volumes are needed"),
        ("bold", "x_bold.dtseries.nii", "volumes are needed"),
        ("bold", "../elsewhere/x_bold.nii", "is not below the data set's folder"),
        ("bold", "gone_bold.nii", "gone_bold.nii"),
        ("repetition", "first", "the repetition is 'first'; write 1, 2"),
        ("repetition", "0", "the repetition is '0'"),
        ("start", "soon", "the start is 'soon'"),
        ("start", "-1", "the start is '-1'; write seconds after the first scan, 0 or more"),
    ],
)
def test_a_cell_that_is_wrong_names_its_line(tmp_path, root, column, cell, says):
    rows = table(root)
    rows[1][HEADER.index(column)] = cell
    write_table(root, rows)
    assert says in refusal(tmp_path, root)


def test_repeats_need_the_column_repetition(tmp_path, root):
    rows = table(root)
    again = [*rows[1][:4], run_file("01", "cats").replace("cats", "ants"), "", ""]
    write_table(root, [*rows, again])
    assert "sub-01 has the story dogs 2 times, as repetition 1" in refusal(tmp_path, root)
    bare = [[row[0], row[2], row[4]] for row in [*rows, again]]
    write_table(root, bare)
    line = refusal(tmp_path, root)
    assert "sub-01 has the story dogs 2 times, and the table has no column repetition" in line
    write_table(root, [*rows, [*rows[1][:3], "2", *rows[1][4:]]])
    assert "is in 2 rows; a file is one run" in refusal(tmp_path, root)


def test_stories_and_subjects_of_the_description_apply_to_a_table(tmp_path, root):
    table(root, ("dogs", "bees", "cats", "ants"), ("03",))
    rows = (root / "runs.tsv").read_text().splitlines()
    bees = [row.replace("\t1\t", "\t2\t") for row in rows[1:] if "\tbees\t" in row]
    assert bees
    description = {"runs": "runs.tsv", "derivatives": None, "bold": None, "story": None}
    write_description(root, **description, stories={"exclude": ["ants"], "test": []})
    assert language(tmp_path, root)["stories"] == ["story-dogs", "story-bees", "story-cats"]
    write_description(root, **description, en_subjects="X*")
    assert "runs.tsv has no subject X*" in refusal(tmp_path, root)


# ---- the description ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"runs": "runs.tsv"}, "has both runs and derivatives, bold, story"),
        ({"story": None}, "lacks story; give derivatives, bold and story, or a table of runs"),
        ({"en_words": "stimuli/a.json"}, "one file of one story; write {story}"),
        ({"en_words": "stimuli/{story}.docx"}, "languages.en.words: 'stimuli/{story}.docx'"),
        ({"en_text": "all.txt"}, "languages.en.text: 'all.txt'"),
        ({"en_tier": "word"}, "tier is of TextGrids"),
        ({"en_words": "../{story}.tsv"}, "leaves the data set's folder"),
        ({"bold": {"space": 1}}, "bold.space: 1 is not of type 'string'"),
        ({"stories": {"only": ["a"]}}, "stories: Additional properties"),
        ({"en_annotation": "words.csv"}, "languages.en: Additional properties"),
    ],
)
def test_a_description_that_is_wrong_is_one_line(tmp_path, root, given, says):
    write_description(root, **given)
    assert says in refusal(tmp_path, root)
