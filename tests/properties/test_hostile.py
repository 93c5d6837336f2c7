"""Names and paths that are commands, pages or several lines: refused in one line, or just text."""

import resource
import zipfile

import pytest

from helpers.keys import run_keys
from helpers.tiny_dataset import ASSETS, PROJECT, write_dataset, write_model, write_texts
from lateralization.baselines.glove import read_glove
from lateralization.errors import BadInput
from lateralization.plan.parameters import load_schema, properties
from lateralization.plan.validate import make_plan
from lateralization.words.stories import read_text_zip

COMMANDS = ["$(touch pwned)", "`touch pwned`", "a; touch pwned", "a' ; touch pwned; '", 'a"b',
            "a\nb", "<script>alert(1)</script>", "a b", "a|b", "a&&b", "../../a",
            "--out"]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_dataset(root / "data", ("EN901", "EN902"))
    write_texts(root / "texts")
    write_model(root / "models" / "tiny")
    return root


def plan_of(world, **more):
    given = {"dataset": "data", "texts": "texts", "models": "models/tiny", "corrections": "none",
             "baselines": "random_vector", "random_dims": 300, "random_seeds": 1}  # fmt: skip
    request = {"params": given | more, "launch_dir": str(world), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS).to_json()


NAMES = ["models", "individual_models", "subjects", "languages", "baselines", "word_mapping",
         "precision", "layers", "stage", "isc_trials", "isc_seed", "gpus", "gpu_type", "image",
         "slurm_account", "slurm_partition", "slurm_gpu_partition", "slurm_qos", "random_dims",
         "random_seeds", "max_memory", "max_time", "untrained_mode", "confounds"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_part_of_a_command_is_refused_in_one_line(world, name, capsys):
    assert name in properties(load_schema(PROJECT))
    for text in COMMANDS:
        with pytest.raises(BadInput) as caught:
            plan_of(world, **{name: text})
        said = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert "\n" not in str(caught.value)
        assert any(f"--{name}" in line for line in [str(caught.value), *said]), (text, said)
    assert not list(world.rglob("*pwned*"))


@pytest.mark.parametrize("name", ["outdir", "cache_dir"])
@pytest.mark.parametrize("text", ["a'b", "a\nb"])
def test_a_folder_that_cannot_be_quoted_is_refused(world, name, text):
    with pytest.raises(BadInput, match=f"--{name}"):
        plan_of(world, **{name: text})


def test_a_folder_of_spaces_accents_and_commands_is_only_a_folder(tmp_path):
    root = tmp_path / 'été $(touch pwned) "1"; [x]'
    write_dataset(root / "data", ("EN901", "EN902"))
    write_texts(root / "texts")
    write_model(root / "models" / "tiny")
    plan = plan_of(root, outdir="out put", cache_dir="$(touch pwned)")
    assert plan["cache_dir"] == str(root / "$(touch pwned)")
    assert plan["models"][0]["source"] == str(root / "models" / "tiny")
    assert len(plan["languages"][0]["subjects"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == [root.name]


@pytest.mark.parametrize("text", [text for text in COMMANDS if text != "--out"])
def test_a_model_in_a_sheet_has_a_name_that_can_be_a_file_s(world, tmp_path, text):
    sheet = tmp_path / "sheet.csv"
    cell = text.replace('"', '""')
    sheet.write_text(f'model,source\n"{cell}",{world}/models/tiny\n')
    with pytest.raises(BadInput, match="--models"):
        plan_of(world, models=str(sheet))


@pytest.mark.slow
@pytest.mark.parametrize("read", [lambda path: read_text_zip(path, "en", None, run_keys(1)),
                                  lambda path: read_glove(path, {"word"}, 300)])  # fmt: skip
def test_a_zip_of_half_a_gigabyte_of_zeros_is_refused_before_it_is_in_memory(tmp_path, read):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("text_en_run1.txt", "w", force_zip64=True) as entry,
    ):
        for _ in range(32):
            entry.write(bytes(1 << 24))
    assert path.stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=r"at most|more than"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB
