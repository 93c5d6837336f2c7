"""VALIDATE runs again when a file that the parameters name changes, however they name it."""

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
