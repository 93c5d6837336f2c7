"""Finding and checking a data set: subjects, runs, headers, annotation, texts."""

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.keys import run_keys
from helpers.tiny_dataset import (
    AFFINE,
    ANNOTATION,
    ASSETS,
    SCANS,
    STUDY,
    gz,
    run_path,
    truncate,
    write_annotation,
    write_dataset,
    write_run,
    write_texts,
)
from lateralization.bids.heard import Subject
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.problems import Problems
from lateralization.run_plan import Template
from lateralization.sources import bold_headers, dataset
from lateralization.sources.bold_headers import check_counts, check_headers, check_spaces, read_run
from lateralization.sources.description import find_description, read_description
from lateralization.study import ANNOTATION_MD5
from lateralization.words import stories


def checked(root, averaged=True):
    """Return scans, problems and notes of a data set."""
    problems, notes = Problems(), []
    subjects = dataset.local_subjects(root, STUDY, "en")
    dataset.check_subjects(root, STUDY, subjects, problems)
    scans = check_headers(subjects, problems, notes)
    check_counts(scans, averaged, problems, notes)
    return scans, problems, notes


def test_subjects_and_runs_are_found_in_order(tmp_path):
    write_dataset(tmp_path, ("EN902", "EN901"), first_run=7)
    subjects = dataset.local_subjects(tmp_path, STUDY, "en")
    assert [subject.subject for subject in subjects] == ["EN901", "EN902"]
    assert [path.name[21:27] for path in subjects[0].bold] == [f"run-{n:02d}" for n in range(7, 16)]


def test_runs_that_no_zero_pads_are_in_the_order_of_their_numbers(tmp_path):
    root = write_dataset(tmp_path, first_run=7)
    for path in root.glob("derivatives/sub-*/func/*_run-0*"):
        path.rename(path.with_name(path.name.replace("run-0", "run-")))
    for subject in dataset.local_subjects(root, STUDY, "en"):
        names = [path.name[21:27].rstrip("_") for path in subject.bold]
        assert names == [f"run-{run}" for run in range(7, 16)]
    assert not checked(root)[1]


def test_every_session_may_count_its_runs_from_1(tmp_path):
    sessions = replace(STUDY, bold="derivatives/sub-{subject}/ses-*/*_bold.nii.gz", n_runs=4)
    for session, run in ((10, 1), (9, 1), (9, 2), (10, 2)):
        path = tmp_path / f"derivatives/sub-EN901/ses-{session}/run-{run}_bold.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    problems = Problems()
    (subject,) = dataset.local_subjects(tmp_path, sessions, "en")
    dataset.check_subjects(tmp_path, sessions, [subject], problems)
    assert not problems
    assert [path.parts[-2:] for path in subject.bold] == [
        (f"ses-{session}", f"run-{run}_bold.nii.gz") for session in (9, 10) for run in (1, 2)
    ]


def test_names_that_contradict_their_numbers_are_one_problem(tmp_path):
    root = write_dataset(tmp_path, first_run=7)
    for path in (root / "derivatives/sub-EN901/func").glob("*_run-0*"):
        path.rename(path.with_name(f"z{path.name}"))
    problem, *_ = checked(root)[1]
    assert "sub-EN901 are numbered [10, 11, 12, 13, 14, 15, 7, 8, 9] in the order" in problem


def test_a_good_data_set_has_no_problem(tmp_path):
    scans, problems, notes = checked(write_dataset(tmp_path))
    assert scans == {"EN901": list(SCANS), "EN902": list(SCANS)}
    assert not problems
    assert not notes


def test_other_files_of_a_subject_are_not_runs(tmp_path):
    write_dataset(tmp_path, ("EN901",))
    other = run_path(tmp_path, "EN901", 7).with_name("sub-EN901_task-lppEN_run-07_bold.nii.gz")
    other.write_bytes(b"")
    (subject,) = dataset.local_subjects(tmp_path, STUDY, "en")
    assert len(subject.bold) == 9


def test_eight_runs_name_the_subject_and_the_count(tmp_path):
    write_dataset(tmp_path)
    run_path(tmp_path, "EN902", 9).unlink()
    _, problems, _ = checked(tmp_path)
    assert len(problems) == 1
    assert "sub-EN902 has 8 runs" in problems[0]


def test_another_grid_within_a_subject_names_the_run(tmp_path):
    write_dataset(tmp_path)
    path = run_path(tmp_path, "EN901", 10)
    write_run(path, SCANS[3], shape=(4, 4, 5))
    _, (line,), _ = checked(tmp_path)
    assert "runs of sub-EN901 are on different grids" in line
    assert path.name in line
    assert "4x4x5" in line


def test_another_affine_within_a_subject_names_the_run(tmp_path):
    write_dataset(tmp_path)
    write_run(run_path(tmp_path, "EN901", 10), SCANS[3], affine=AFFINE + np.eye(4, k=3))
    _, (line,), _ = checked(tmp_path)
    assert "another affine" in line


def test_subjects_may_be_on_different_grids(tmp_path):
    write_dataset(tmp_path, ("EN901",))
    for i, n_scans in enumerate(SCANS):
        write_run(run_path(tmp_path, "EN902", 1 + i), n_scans, shape=(5, 5, 5))
    assert not checked(tmp_path)[1]


def test_different_scan_counts_between_subjects_are_named(tmp_path):
    write_dataset(tmp_path, ("EN901", "EN902", "EN903"))
    write_run(run_path(tmp_path, "EN903", 8), SCANS[1] + 2)
    _, (line,), _ = checked(tmp_path)
    assert "run 2 has 32 scans" in line
    assert "sub-EN903 34" in line
    assert not checked(tmp_path, averaged=False)[1]


def test_a_short_run_is_named(tmp_path):
    write_dataset(tmp_path, ("EN901",), scans=(29, *SCANS[1:]))
    _, (line,), _ = checked(tmp_path)
    assert "29 scans; 30 are needed" in line
    assert "run-07" in line


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.999])
def test_a_truncated_run_is_found(tmp_path, share):
    write_dataset(tmp_path)
    path = run_path(tmp_path, "EN902", 11)
    truncate(path, share)
    _, (line,), _ = checked(tmp_path)
    assert str(path) in line
    assert "fetch or copy it again" in line


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_is_read_once_and_every_file_must_be_whole(tmp_path, monkeypatch, ending):
    paths = [tmp_path / f"run-{run}_bold{ending}" for run in range(6)]
    for run, path in enumerate(paths):
        write_run(path, 40 if run < 5 else 41, seed=run)
    read = []

    def counted(path, problems):
        read.append(path.name[4])
        return read_run(path, problems)

    monkeypatch.setattr(bold_headers, "read_run", counted)

    def found():
        read.clear()
        problems = Problems()
        scans = check_headers([Subject("01", paths, [])], problems, [], n_trim=0)
        return "".join(read), scans, problems

    assert found() == ("05", {"01": [40] * 5 + [41]}, [])
    truncate(paths[3], 0.99)
    seen, scans, problems = found()
    assert (seen, scans) == ("035", {})
    assert str(paths[3]) in problems[0]
    paths[3].write_bytes(b"")
    assert found()[0] == "035"
    # what the header says is compared to its last byte
    content = bytearray(gzip.decompress(paths[2].read_bytes()) if ending == ".nii.gz"
                        else paths[2].read_bytes())  # fmt: skip
    content[254:256] = (0).to_bytes(2, "little")  # the code of the sform
    paths[2].write_bytes(gz(bytes(content)) if ending == ".nii.gz" else bytes(content))
    assert found()[0] == "0235"


def test_an_error_page_is_no_run(tmp_path):
    write_dataset(tmp_path)
    run_path(tmp_path, "EN901", 7).write_text("<html>503</html>")
    _, (line,), _ = checked(tmp_path)
    assert "cannot be read as NIfTI" in line


def test_a_run_in_several_gzip_members_is_whole(tmp_path):
    import gzip

    write_dataset(tmp_path)
    path = run_path(tmp_path, "EN901", 7)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    assert not checked(tmp_path)[1]


def test_a_run_outside_the_brain_or_without_time_is_named(tmp_path):
    write_dataset(tmp_path)
    far = AFFINE.copy()
    far[:3, 3] = 5000
    write_run(run_path(tmp_path, "EN901", 7), SCANS[0], affine=far)
    _, (line,), _ = checked(tmp_path)
    assert "outside the brain" in line


def test_another_repetition_time_is_noted(tmp_path):
    import nibabel

    write_dataset(tmp_path)
    path = run_path(tmp_path, "EN901", 7)
    image = nibabel.load(path)
    image = nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine, image.header)
    image.header.set_zooms((30, 30, 30, 1500))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, path)
    _, problems, notes = checked(tmp_path)
    assert not problems
    assert "1.5 s; 2 s is used" in notes[0]


def test_links_without_content_say_which_datalad_get(tmp_path):
    write_dataset(tmp_path)
    for number in (7, 8):
        path = run_path(tmp_path, "EN901", number)
        path.unlink()
        path.symlink_to("../../../.git/annex/objects/ab/cd/MD5E-s1--x/MD5E-s1--x")
    pointer = run_path(tmp_path, "EN902", 9)
    pointer.write_text("/annex/objects/MD5E-s1--x.nii.gz\n")
    _, problems, _ = checked(tmp_path)
    assert len(problems) == 1
    assert "3 files" in problems[0]
    assert f"datalad get -d '{tmp_path}' '{tmp_path / 'derivatives'}'" in problems[0]


def test_an_unfetched_annotation_says_so(tmp_path):
    path = write_annotation(tmp_path)
    path.unlink()
    path.symlink_to("../nowhere")
    problems = Problems()
    assert dataset.local_annotation(tmp_path, ANNOTATION, problems) is None
    assert "datalad get" in problems[0]


@pytest.mark.parametrize(("language", "n"), [("en", 49), ("fr", 28), ("cn", 35)])
def test_the_manifest_holds_the_studys_subjects(language, n):
    manifest = dataset.read_manifest(STUDY.manifest)
    subjects = dataset.remote_subjects(manifest, language)
    assert len(subjects) == n
    assert all(len(subject.remote) == 9 for subject in subjects)
    assert all(
        [row["path"] for row in s.remote] == sorted(row["path"] for row in s.remote)
        for s in subjects
    )
    annotation = dataset.remote_annotation(manifest, STUDY.languages[language].annotation)
    assert annotation["bytes"] > 900_000
    assert annotation["md5"] == ANNOTATION_MD5[language]


def test_addresses_follow_the_endpoint():
    official = "https://s3.amazonaws.com/openneuro.org/ds003643/a/b"
    assert dataset.urls("ds003643", "a/b", None) == [official]
    assert dataset.urls("ds003643", "a/b", "http://h/openneuro.org/") == [
        "http://h/openneuro.org/ds003643/a/b"
    ]
    assert dataset.urls("ds003643", "a/b", "http://h/ds003643") == ["http://h/ds003643/a/b"]
    assert "http://h:1/ds003643/a/b" in dataset.urls("ds003643", "a/b", "http://h:1")
    assert "http://h:1/a/b" in dataset.urls("ds003643", "a/b", "http://h:1")


# ---- what names say of stories ------------------------------------------------------------------

STORIES = ("avatar", "buck", "eyespy", "legacy")


def listener(subject, stories, form="ses-{k}/func/sub-{subject}_ses-{k}_task-{story}_bold.nii.gz"):
    """A subject whose files are named after what it heard, in the order of their paths."""
    paths = [
        Path("data", f"sub-{subject}", form.format(k=k, subject=subject, story=story))
        for k, story in enumerate(stories, start=1)
    ]
    return Subject(subject, paths, [])


def named_wrong(*subjects):
    problems = Problems()
    dataset.check_stories(subjects, problems)
    return list(problems)


def test_stories_in_another_order_are_refused_with_subject_file_and_story():
    swapped = (STORIES[0], STORIES[2], STORIES[1], STORIES[3])
    heard = [listener("01", STORIES), listener("02", swapped), listener("03", STORIES)]
    (line,) = named_wrong(*heard)
    assert line.startswith(
        "--dataset: file 2 of sub-02 (sub-02_ses-2_task-eyespy_bold.nii.gz) names the story eyespy,"
        " that of sub-01 buck; file k must be of one story"
    )
    assert "rename files" in line
    assert named_wrong(heard[0], heard[2]) == []
    (line,) = named_wrong(heard[1], heard[0], heard[2], listener("04", swapped[::-1]))
    assert "of sub-02 " in line
    assert "(so do those of sub-04)" in line


def test_another_set_of_stories_is_refused():
    (line,) = named_wrong(listener("01", STORIES), listener("02", (*STORIES[:3], "naked")))
    assert "file 4 of sub-02" in line
    assert "names the story naked, that of sub-01 legacy" in line
    (line,) = named_wrong(
        listener("01", STORIES),
        Subject("02", [*listener("02", STORIES).bold[:3], Path("sub-02/bold.nii.gz")], []),
    )
    assert "names the story nothing, that of sub-01 legacy" in line


@pytest.mark.parametrize(
    "form",
    ["{k:02d}_{story}_bold.nii.gz", "{subject}_{story}.nii.gz", "run-{k}_story-{story}_bold.nii.gz",
     "task-{story}/bold.nii.gz", "sub-{subject}_task-listen_story-{story}_run-{k}_bold.nii.gz"],
)  # fmt: skip
def test_stories_are_read_from_names_of_many_forms(form):
    heard = [listener("01", STORIES, form), listener("02", STORIES[::-1], form)]
    (line,) = named_wrong(*heard)
    assert "file 1 of sub-02" in line
    assert named_wrong(heard[0], listener("03", STORIES, form)) == []


def test_numbers_of_runs_and_sessions_and_free_names_are_no_stories():
    first, second = (listener("01", STORIES, "run-{k}_bold.nii.gz"),
                     listener("02", STORIES, "ses-{k}/{k}_20261130_bold.nii.gz"))  # fmt: skip
    other = listener("03", STORIES, "swraJD_{k}.nii.gz")
    assert named_wrong(first, second, other) == []


def test_the_english_subjects_of_the_study_have_16_numberings_and_one_story():
    manifest = dataset.read_manifest(STUDY.manifest)
    for language in ("en", "fr", "cn"):
        subjects = dataset.remote_subjects(manifest, language)
        assert named_wrong(*subjects) == []
    numbers = {tuple(dataset.entities(name)["run"] for name in one.files)
               for one in dataset.remote_subjects(manifest, "en")}  # fmt: skip
    assert len(numbers) == 16


def test_a_story_that_is_heard_twice_is_refused_by_its_name():
    twice = ("avatar", "smoke", "eyespy", "smoke")
    (line,) = named_wrong(listener("01", twice), listener("02", twice))
    assert line.startswith("--dataset: files 2 and 4 of sub-01 name one story, smoke (and so in 1")
    assert "features of pure noise score" in line
    assert named_wrong(listener("01", ("lpp",) * 4), listener("02", ("lpp",) * 4)) == []


def test_runs_as_long_as_others_in_another_order_are_refused(tmp_path):
    write_dataset(tmp_path, ("EN901", "EN902", "EN903"), scans=range(31, 76, 5))
    for number, n_scans in ((7, 71), (15, 31)):  # run 1 has the length of run 9, and the other way
        write_run(run_path(tmp_path, "EN902", number), n_scans, seed=number)
    for averaged in (True, False):
        _, (line,), notes = checked(tmp_path, averaged=averaged)
        assert "the runs of sub-EN902 are as long as those of most" in line
        assert "(runs 1, 9)" in line
        assert not notes


def test_a_run_of_another_length_is_said_of_individuals(tmp_path):
    write_dataset(tmp_path, ("EN901", "EN902", "EN903"))
    write_run(run_path(tmp_path, "EN903", 8), SCANS[1] + 2)
    assert checked(tmp_path, averaged=False)[1:] == ([], [])
    write_run(run_path(tmp_path, "EN903", 8), SCANS[1] + 20)
    _, problems, (note,) = checked(tmp_path, averaged=False)
    assert not problems
    assert "run 2 has 32 scans in most subjects, and other numbers in sub-EN903 52" in note


# ---- spaces --------------------------------------------------------------------------------------

NAMED = "sub-{}_task-x_space-{}_desc-preproc_bold.nii.gz"


def spaces(*runs):
    """Return problems and notes of runs: label of the name's space (or none) and code."""
    problems, notes = Problems(), []
    paths = [
        (NAMED.format(k, label) if label else f"sub-{k}_task-x_bold.nii.gz", code)
        for k, (label, code) in enumerate(runs)
    ]
    check_spaces(paths, problems, notes)
    return list(problems), notes


@pytest.mark.parametrize("code", [1, 2, 4, None])
@pytest.mark.parametrize("label", ["T1w", "T2w", "func", "boldref", "individual", "anat", "orig"])
def test_a_space_of_ones_own_is_refused_by_its_name(label, code):
    (line,), notes = spaces(("MNI152NLin6Asym", 4), (label, code))
    assert f"is in space-{label} by its name, a space of the subject's own" in line
    assert "give normalised runs" in line
    assert not notes


def test_the_scanner_s_space_is_refused_where_no_name_says_another():
    (line,), _ = spaces((None, 4), (None, 1))
    assert line.startswith("--dataset: sub-1_task-x_bold.nii.gz is in the scanner's space by its")
    problems, (note,) = spaces(("MNI152Lin", 1), ("MNI152Lin", 1))
    assert not problems
    assert note.startswith(
        "headers of 2 runs tell the scanner's space (code 1), their names space-"
    )


@pytest.mark.parametrize(
    "runs",
    [[("MNI152NLin6Asym", 4), ("MNI152NLin2009cAsym", 4)], [("MNIColin27", 2), (None, 2)],
     [(None, 3), (None, 4)], [("MNIColin27", None), (None, None)]],
)  # fmt: skip
def test_spaces_that_differ_are_refused(runs):
    (line,), notes = spaces(runs[0], runs[0], runs[1])
    assert line.startswith("--dataset: runs are in different spaces: sub-0_task-x_")
    assert "sub-2_task-x_" in line
    assert not notes


@pytest.mark.parametrize("code", [1, 2, 4, None])
def test_the_space_of_the_study_has_neither_problem_nor_note(code):
    problems, notes = spaces(("MNIColin27", code), ("MNIColin27", code))
    assert not problems
    assert bool(notes) == (code == 1)
    assert spaces((None, 4)) == ([], [])


@pytest.mark.parametrize(
    ("run", "says"),
    [((None, 2), "neither names (space-) nor headers (codes of sform and qform) of 1 runs"),
     ((None, None), "names of 1 runs have no space- (sub-0_task-x_bold.nii.gz): headers are read"),
     ((None, 3), "runs are in Talairach, and taken as they are"),
     (("fsaverage", 4), "runs are in space-fsaverage, and taken as they are")],
)  # fmt: skip
def test_what_no_one_says_of_a_space_is_in_the_plan(run, says):
    problems, (note,) = spaces(run)
    assert not problems
    assert note.startswith(says)


def test_the_header_of_a_run_is_asked_for_its_space(tmp_path):
    import nibabel

    write_dataset(tmp_path)
    for path in sorted(tmp_path.rglob("*_bold.nii.gz")):
        path.rename(path.with_name(path.name.replace("space-MNIColin27_", "")))
    subjects = dataset.local_subjects(tmp_path, STUDY, "en")
    problems, notes = Problems(), []
    check_headers(subjects, problems, notes)
    assert not problems
    assert "of 18 runs tell their space" in notes[0]
    path = subjects[1].bold[3]
    image = nibabel.load(path)
    for sform, qform in ((1, 0), (0, 1), (1, 4)):
        image.set_sform(AFFINE, sform)
        image.set_qform(AFFINE, qform)
        nibabel.save(image, tmp_path / "other.nii.gz")
        (tmp_path / "other.nii.gz").replace(path)
        problems = Problems()
        check_headers(subjects, problems, [])
        assert path.name in problems[0]
        assert "the scanner's space by its header" in problems[0]


@pytest.mark.parametrize("ending", ["func.gii", "dtseries.nii", "ptseries.nii.gz"])
def test_a_description_of_surfaces_says_that_volumes_are_needed(tmp_path, ending):
    content = read_json(ASSETS / "ds003643.json")
    content["bold"] = f"sub-{{subject}}/func/*_bold.{ending}"
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"bold: 'sub-.*' \(needed are .* volumes, .* not surfaces"):
        read_description(path, ASSETS / "dataset.schema.json")


def test_a_description_may_name_the_template_of_its_images(tmp_path):
    schema, content = ASSETS / "dataset.schema.json", read_json(ASSETS / "ds003643.json")
    assert read_description(ASSETS / "ds003643.json", schema).template == Template("Colin27", False)
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(content | {"template": {"name": "MNI152NLin6Sym"}}))
    with pytest.raises(BadInput, match="template: 'symmetric' is a required property"):
        read_description(path, schema)
    del content["template"]
    path.write_text(json.dumps(content))
    assert read_description(path, schema).template is None
    path.unlink()  # the study's layout, of whatever images
    assert find_description(str(tmp_path), tmp_path, ASSETS).template is None
    assert find_description("ds003643", tmp_path / "ds003643", ASSETS).template is not None


@pytest.mark.parametrize(
    ("column", "cells", "found"),
    [
        ("handedness", ("right", "R", "Left", "n/a"), {"right": 2, "left": 1, "unknown": 1}),
        ("handedness", ("ambidextrous", "l", "l", "r"),
         {"right": 1, "left": 2, "ambidextrous": 1}),
        ("handedness", ("n/a", "", "?", "n/a"), {}),
        ("hand", ("r", "r", "r", "r"), {}),
    ],
)  # fmt: skip
def test_people_are_counted_by_their_hand(tmp_path, column, cells, found):
    assert dataset.count_hands(tmp_path, ["EN1"]) == {}
    lines = [f"sub-EN{i}\t{cell}\n" for i, cell in enumerate(cells)]
    (tmp_path / "participants.tsv").write_text(
        f"participant_id\t{column}\n{''.join(lines)}sub-EN9\tright\n"
    )
    assert dataset.count_hands(tmp_path, [f"EN{i}" for i in range(4)]) == found


# ---- texts --------------------------------------------------------------------------------------


def zipped(tmp_path, folder, prefix="lpp_en_text/"):
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.writestr(prefix + file.name, file.read_bytes())
        archive.writestr("__MACOSX/" + prefix + "._text_en_run1.txt", b"x")
    return path


def test_a_zip_gives_the_same_bytes_as_the_folder(tmp_path):
    folder = write_texts(tmp_path / "t")
    from_folder = stories.texts_from([folder], "en", None, run_keys(9))
    assert list(from_folder) == [f"text_en_run{run}.txt" for run in range(1, 10)]
    assert stories.read_text_zip(zipped(tmp_path, folder), "en", None, run_keys(9)) == from_folder
    assert (
        stories.read_text_zip(zipped(tmp_path, folder, ""), "en", "unused", run_keys(9))
        == from_folder
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "lacks text_en_run4.txt"),
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        ("é".encode("latin-1"), "is not UTF-8"),
        (b"\xef\xbb\xbfabc", "byte-order mark"),
    ],
)
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_wrong_text_is_one_line(tmp_path, content, says, as_zip):
    folder = write_texts(tmp_path / "t")
    path = folder / "text_en_run4.txt"
    path.unlink() if content is None else path.write_bytes(content)
    origin = zipped(tmp_path, folder) if as_zip else folder
    with pytest.raises(BadInput, match="text_en_run4") as caught:
        stories.texts_from([origin], "en", None, run_keys(9))
    assert says in str(caught.value)


def test_a_zip_that_is_none_is_one_line(tmp_path):
    path = tmp_path / "t.zip"
    path.write_bytes(b"<html>")
    with pytest.raises(BadInput, match="cannot be read as a zip"):
        stories.read_text_zip(path, "en", None, run_keys(9))
