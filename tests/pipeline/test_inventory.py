"""VALIDATE runs again when a file that the parameters name changes, however they name it."""

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline

SCRIPT = """
include { inventory ; named_in_parameters } from 'PROJECT/modules/run'
workflow {
    main:
    def given = [
        languages: ['en', 'FR'], models: 'sheet_{lang}.csv, models/tiny-*',
        mask: '{lang}/mask.nii.gz', texts: 'my [x] texts',
    ]
    println('NAMED ' + named_in_parameters(given).join(';'))
    def before = inventory(given)
    def same = inventory(given)
    def seen = [
        file('sheet_fr.csv'), file('fr/mask.nii.gz'), file('models/tiny-b/config.json'),
        file('my [x] texts/text_en_run1.txt', glob: false),
    ].collect { path ->
        path.parent.mkdirs()
        path.text = 'new'
        def after = inventory(given)
        def differs = after != before
        before = after
        differs
    }
    println("SEEN ${same == inventory(given)} ${seen.join(' ')}")
}
"""


def test_every_way_of_naming_a_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "main.nf").write_text(SCRIPT.replace("PROJECT", str(PROJECT)))
    (tmp_path / "nextflow_schema.json").write_text("{}")
    (tmp_path / "models/tiny-a").mkdir(parents=True)
    (tmp_path / "models/tiny-a/config.json").write_text("{}")
    (tmp_path / "my [x] texts").mkdir()
    (tmp_path / "sheet_fr.csv").write_text("model\n")
    done = subprocess.run(
        [str(NEXTFLOW), "run", "main.nf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line[:4].isupper())
    assert told["NAMED"].split(";") == [
        "my [x] texts", "sheet_en.csv", "sheet_fr.csv", "models/tiny-*",
        "en/mask.nii.gz", "fr/mask.nii.gz",
    ]  # fmt: skip
    assert told["SEEN"] == "false true true true true"


STORIES = """
include { inventory } from 'PROJECT/modules/run'
workflow {
    main:
    ['names', 'table'].each { form ->
        def given = [languages: ['en'], dataset: form]
        def before = inventory(given)
        def seen = [
            'dataset.json',
            'der/sub-01/ses-1/func/sub-01_task-a_bold.nii.gz',
            'der/sub-01/ses-1/func/sub-01_task-a_bold.json',
            'sub-01/ses-1/func/sub-01_task-a_events.tsv',
            'task-a_bold.json',
            'words/a.TextGrid',
            'text/a.txt',
            'der/sub-01/ses-1/func/sub-01_task-a_mask.nii.gz',
        ].collect { name ->
            def path = file("${form}/${name}")
            path.parent.mkdirs()
            path.text = path.exists() ? path.text.replace('"name"', '"name" ') : 'new'
            def after = inventory(given)
            def differs = after != before
            before = after
            differs
        }
        println("SEEN ${seen.join(' ')}")
    }
}
"""


def test_what_tells_the_runs_of_stories_is_seen(tmp_path: Path) -> None:
    (tmp_path / "main.nf").write_text(STORIES.replace("PROJECT", str(PROJECT)))
    (tmp_path / "nextflow_schema.json").write_text("{}")
    english = {"subjects": "*", "words": "words/{story}.TextGrid", "text": "text/{story}.txt"}
    by_name = {"derivatives": "der", "bold": {}, "story": ["task"]}
    for form, told in (("names", by_name), ("table", {"runs": "code/runs.tsv"})):
        (tmp_path / form / "code").mkdir(parents=True)
        content = {"name": "tiny", "languages": {"en": english}} | told
        (tmp_path / form / "dataset.json").write_text(json.dumps(content))
    bold = "../der/sub-01/ses-1/func/sub-01_task-a_bold.nii.gz"
    (tmp_path / "table/code/runs.tsv").write_text(f"subject\tstory\tbold\n01\ta\t{bold}\n")
    done = subprocess.run(
        [str(NEXTFLOW), "run", "main.nf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    assert told == ["SEEN true true true true true true true false"] * 2
