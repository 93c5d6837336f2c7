"""Words as they come: every form gives the same table, and what is damaged is named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lateralization.errors import BadInput
from lateralization.words.annotation import STANDARD
from lateralization.words.sources import (
    gather_words,
    join_words,
    read_story_words,
    read_transcript,
    read_words_table,
    write_annotation,
)

WORDS = [("Once", 0.25, 0.5), ("upon", 0.5, 0.75), ("a", 1.0, 1.125), ("time", 1.125, 1.5)]


def rows(words: pd.DataFrame) -> list[tuple[str, float, float]]:
    return list(words[["word", "onset", "offset"]].itertuples(index=False, name=None))


def long_form(tiers: dict[str, list[tuple[str, float, float]]]) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 9"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f'        name = "{name}"', "        xmin = 0", "        xmax = 9"]
        lines += [f"        intervals: size = {len(intervals)}"]
        for place, (label, begin, end) in enumerate(intervals, start=1):
            text = label.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {begin}"]
            lines += [f"            xmax = {end}", f'            text = "{text}" ']
    return "\n".join(lines) + "\n"


def short_form(tiers: dict[str, list[tuple[str, float, float]]]) -> str:
    lines = ['File type = "ooTextFile"', '"TextGrid"', "", "0", "9", "<exists>", str(len(tiers))]
    for name, intervals in tiers.items():
        lines += ['"IntervalTier"', f'"{name}"', "0", "9", str(len(intervals))]
        for label, begin, end in intervals:
            text = label.replace('"', '""')
            lines += [str(begin), str(end), f'"{text}"']
    return "\n".join(lines) + "\n"


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def gentle(entries: list[dict[str, object]]) -> dict[str, object]:
    return {"transcript": "Once upon a time.", "words": entries}


def found(word: str, start: float, end: float) -> dict[str, object]:
    return {"case": "success", "word": word, "alignedWord": word.lower(), "start": start,
            "end": end, "phones": [{"phone": "w_B", "duration": 0.1}]}  # fmt: skip


def as_files(folder: Path) -> list[Path]:
    """Write the words in every form."""
    entries = [{"word": f" {word}", "start": start, "end": end} for word, start, end in WORDS]
    tiers = {"phones": [("W", 0.25, 0.3)], "words": [("", 0, 0.25), *WORDS, ("sp", 1.5, 9)]}
    table = pd.DataFrame(WORDS, columns=["token", "from", "to"])
    table.to_csv(folder / "a.csv", index=False)
    table.to_csv(folder / "a.tsv", index=False, sep="\t")
    (folder / "wide.TextGrid").write_text(short_form(tiers), encoding="utf-16")
    (folder / "marked.TextGrid").write_text(long_form(tiers), encoding="utf-8-sig")
    return [
        folder / "a.csv",
        folder / "a.tsv",
        written(folder / "gentle.json", gentle([found(*word) for word in WORDS])),
        written(folder / "x.json", {"segments": [], "word_segments": entries}),
        written(
            folder / "whisper.json",
            {"segments": [{"words": entries[:3]}, {"text": "[music]"}, {"words": entries[3:]}]},
        ),
        written(
            folder / "mfa.json",
            {
                "start": 0,
                "end": 9,
                "tiers": {
                    "anna - words": {
                        "type": "interval",
                        "entries": [[b, e, w] for w, b, e in WORDS],
                    },
                    "anna - phones": {"type": "interval", "entries": []},
                },
            },
        ),
        written(folder / "long.TextGrid", long_form(tiers)),
        written(folder / "short.textgrid", short_form(tiers)),
        folder / "wide.TextGrid",
        folder / "marked.TextGrid",
    ]


def test_every_form_gives_one_table(tmp_path):
    columns = {"word": "token", "onset": "from", "offset": "to"}
    for path in as_files(tmp_path):
        words, notes = read_story_words(path, columns)
        assert rows(words) == WORDS, path
        assert notes == [], path


def test_a_tables_other_columns_stay_and_keep_their_rows(tmp_path):
    path = written(
        tmp_path / "a.csv",
        "word,onset,offset,freq,story\nOnce,0,1,3.5,x\n,1,2,9,x\nupon,n/a,,4.5,x\nnull,2,3,,x\n",
    )
    words, notes = read_story_words(path, STANDARD | {"logfreq": "freq"})
    assert rows(words) == [("Once", 0, 1), ("null", 2, 3)]
    assert words["logfreq"].tolist()[0] == 3.5
    assert notes == [
        f"{path}: 1 of 3 words have no time (the aligner did not find them) and are left out; the "
        "text keeps them"
    ]


def test_words_that_gentle_did_not_find_have_no_time_and_stay_in_the_text(tmp_path):
    entries = [found(*word) for word in WORDS]
    entries[1] = {"case": "not-found-in-audio", "word": "upon", "start": 7.0, "end": 8.0}
    entries[3] = {"case": "not-found-in-transcript", "word": "time"}
    path = written(tmp_path / "align.json", gentle(entries))
    words, notes = read_story_words(path)
    assert rows(words) == [WORDS[0], WORDS[2]]
    assert "2 of 4 words have no time" in notes[0]
    assert join_words(read_transcript(path)["word"], "en") == "Once upon a time\n"


def test_whisperx_numbers_have_no_time(tmp_path):
    entries = [{"word": "Once", "start": 0.1, "end": 0.3, "score": 0.9}, {"word": "1984."}]
    words, notes = read_story_words(written(tmp_path / "a.json", {"word_segments": entries}))
    assert rows(words) == [("Once", 0.1, 0.3)]
    assert "1 of 2 words" in notes[0]


def test_pauses_and_noises_of_a_textgrid_are_no_words(tmp_path):
    labels = ["", "sp", "SIL", "spn", "<eps>", "{LG}", "{NS}", " ", "spa", "sil-ly", 'so "it" is']
    tier = [(label, float(place), place + 1.0) for place, label in enumerate(labels)]
    words, _ = read_story_words(written(tmp_path / "a.TextGrid", long_form({"w": tier})))
    assert words["word"].tolist() == ["spa", "sil-ly", 'so "it" is']


def test_labels_may_look_like_the_format(tmp_path):
    labels = [
        "intervals [3]:",
        "xmin = 4",
        "item [2]",
        "12",
        "! no comment",
        "<exists>",
        "two\nlines",
    ]
    tier = [(label, float(place), place + 1.0) for place, label in enumerate(labels)]
    for form in (long_form, short_form):
        words, _ = read_story_words(written(tmp_path / "a.TextGrid", form({"word": tier})))
        assert words["word"].tolist() == labels


def test_tiers_of_points_are_passed_over(tmp_path):
    text = short_form({"words": WORDS}).replace("<exists>\n1\n", "<exists>\n2\n")
    points = '"TextTier"\n"tones"\n0\n9\n2\n1.5\n"H*"\n2.5\n"L%"\n'
    path = written(
        tmp_path / "a.TextGrid", text.replace('"IntervalTier"', points + '"IntervalTier"')
    )
    assert rows(read_story_words(path)[0]) == WORDS


def test_capitals_of_an_aligner_become_small_letters(tmp_path):
    path = written(tmp_path / "a.TextGrid", long_form({"word": [("I", 0, 1), ("ÉTÉ", 1, 2)]}))
    words, notes = read_story_words(path)
    assert words["word"].tolist() == ["i", "été"]
    assert notes == [f"{path}: all words are in capitals, and are read as small letters"]
    mixed = written(tmp_path / "b.TextGrid", long_form({"word": [("I", 0, 1), ("am", 1, 2)]}))
    assert read_story_words(mixed)[0]["word"].tolist() == ["I", "am"]


@pytest.mark.parametrize(
    ("tier", "tiers", "said"),
    [
        ("Wort", ["phones", "words"], "no tier Wort (there: phones, words)"),
        ("", ["A", "B"], "no tier word or words (there: A, B)"),
        ("", ["anna - words", "ben - words"], "2 tiers word or words"),
        ("", [], "no tier of intervals at all"),
    ],
)
def test_a_tier_that_is_not_clear_is_refused(tmp_path, tier, tiers, said):
    path = written(tmp_path / "a.TextGrid", long_form(dict.fromkeys(tiers, WORDS)))
    with pytest.raises(BadInput) as caught:
        read_story_words(path, tier=tier)
    assert said in str(caught.value)
    assert 'name the tier of the words with "tier"' in str(caught.value)


def test_the_tier_of_one_speaker_is_found(tmp_path):
    path = written(tmp_path / "a.TextGrid", long_form({"x": [], "anna - word": WORDS}))
    assert rows(read_story_words(path, tier="word")[0]) == WORDS
    assert rows(read_story_words(path, tier="anna - word")[0]) == WORDS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "a.json"),
        ("a.json", "[1]", "has no words of gentle"),
        ("a.json", '{"segments": [{"text": "no word times"}]}', "has no words of gentle"),
        ("a.json", '{"words": [{"start": 1, "end": 2}]}', "entry 1 of the words has no text"),
        ("a.json", '{"words": [{"word": "x", "start": "1", "end": 2}]}', "is '1', no number"),
        ("a.json", '{"words": [{"word": "x", "start": 2, "end": 1}]}', "ends at 1 s, before it"),
        ("a.json", '{"words": [{"word": "x"}]}', "no word with a time"),
        ("a.json", '{"tiers": {"words": {"entries": [[1, 2]]}}}', "none of MFA"),
        ("a.TextGrid", "", "is no TextGrid"),
        ("a.TextGrid", "xmin = 0", "is no TextGrid"),
        ("a.TextGrid", long_form({"words": WORDS})[:-90], "is no whole TextGrid"),
        ("a.TextGrid", long_form({"words": WORDS})[:120], "is no whole TextGrid"),
        ("a.TextGrid", 'Objekt "ooTextFile" "Sound" 0 1', "is no TextGrid"),
        ("a.txt", "Once", "words are read from .csv, .tsv, .json, .textgrid"),
        ("a.csv", "word,onset\nx,1\n", "no column offset"),
        ("a.csv", "word,onset,offset\nx,soon,2\n", "line 2: onset 'soon' is no number of seconds"),
        ("a.csv", "", "is empty"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, content, said):
    path = written(tmp_path / name, content)
    with pytest.raises(BadInput) as caught:
        read_story_words(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_textgrid_in_latin_1_is_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(long_form({"word": [("été", 0, 1)]}).encode("latin-1"))
    with pytest.raises(BadInput, match="neither UTF-8 nor UTF-16"):
        read_story_words(path)


def test_one_table_of_all_stories(tmp_path):
    path = written(
        tmp_path / "a.tsv",
        'talk\tword\tonset\toffset\n01\t"Once\t0\t1\nNA\tnull\t0.5\t1\n01\tupon\t\t\n01\ta\t2\t3\n',
    )
    words, notes = read_words_table(path, STANDARD | {"story": "talk"})
    assert words[["story", "word"]].to_numpy().tolist() == [
        ["01", '"Once'], ["NA", "null"], ["01", "a"],
    ]  # fmt: skip
    assert "1 of 4 words have no time" in notes[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "word,onset,offset\nx,1,2\n", "no column story"),
        ("a.csv", "story,word,onset,offset\nn/a,x,1,2\n", "1 words have no story (first: 'x')"),
        ("a.json", '{"words": []}', "must be a table (.csv, .tsv) with a column story"),
    ],
)
def test_a_table_without_stories_is_refused(tmp_path, name, content, said):
    with pytest.raises(BadInput) as caught:
        read_words_table(written(tmp_path / name, content))
    assert said in str(caught.value)


def test_the_annotation_of_many_files_is_read_as_it_was_written(tmp_path):
    odd = [('say "no"', 0.1, 1 / 3), ("two\twords", 1e-7, 0.7), ("null", 2.0, 2.5)]
    first = written(tmp_path / "a.json", gentle([found(*word) for word in odd]))
    second = written(tmp_path / "b.csv", "word,onset,offset,logfreq\nx,1,2,0.25\ny,,,1\n")
    words = gather_words([first, second], ["story-b_2", "story-a"])
    write_annotation(words, tmp_path / "annotation.csv")
    read, _ = read_words_table(tmp_path / "annotation.csv")
    assert list(read) == ["story", "word", "onset", "offset", "logfreq"]
    assert read["story"].tolist() == ["b_2"] * 3 + ["a"]
    assert rows(read) == [odd[0], ("two words", 1e-7, 0.7), odd[2], ("x", 1.0, 2.0)]
    np.testing.assert_array_equal(read["logfreq"].astype(float), [np.nan] * 3 + [0.25])


def test_words_are_joined_as_their_language_writes_them():
    assert join_words(["小", "王子"], "cn") == "小王子\n"
    assert join_words(["le", "petit"], "fr") == "le petit\n"


@pytest.mark.parametrize("columns", [[], ["story"]])
def test_a_story_that_is_there_twice_is_refused(tmp_path, columns):
    table = pd.DataFrame(WORDS * 2, columns=["word", "onset", "offset"]).assign(story="fox")
    table = table[["word", "onset", "offset", *columns]]
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    read = read_words_table if columns else read_story_words
    with pytest.raises(BadInput) as caught:
        read(path)
    assert "4 of 8 words begin before the word before them has ended" in str(caught.value)
    assert ("story fox" in str(caught.value)) == bool(columns)
    assert "is the story in it twice" in str(caught.value)


def test_few_words_that_overlap_are_noted_and_rounding_is_not(tmp_path):
    table = pd.DataFrame(WORDS, columns=["word", "onset", "offset"])
    table["offset"] += 0.04
    table.to_csv(tmp_path / "a.csv", index=False)
    assert read_story_words(tmp_path / "a.csv")[1] == []
    table.loc[0, "offset"] = 0.6
    table.to_csv(tmp_path / "a.csv", index=False)
    assert read_story_words(tmp_path / "a.csv")[1] == [
        f"{tmp_path / 'a.csv'}: 1 of 4 words begin before the word before them has ended (first: "
        "'upon' at 0.5 s)"
    ]


def test_half_of_a_character_is_refused(tmp_path):
    path = written(tmp_path / "a.json", '{"words": [{"word": "\\ud800", "start": 1, "end": 2}]}')
    with pytest.raises(BadInput, match="half of a character"):
        read_story_words(path)
