"""Several processes for one model: the same file, and failures that come out as they are."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lateralization.errors import BadInput
from lateralization.language_models import ranks

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures"


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mapped")
    (folder / "model.json").write_text(json.dumps({"name": "opt-fixture", "n_parameters": 1}))
    texts = [FIXTURES / "texts_en" / f"text_en_run{run}.txt" for run in range(1, 10)]
    done = command(
        folder,
        *("words.py", "--language", "en", "--mapping", "reference", "--name", "opt-fixture"),
        *("--model-dir", FIXTURES / "models" / "opt-fixture", "--out-prefix", "opt"),
        *("--corrections", ROOT / "assets" / "corrections_ds003643.tsv"),
        *("--annotation", FIXTURES / "annotation" / "EN" / "lppEN_word_information.csv"),
        *("--texts", *texts),
    )
    assert done.returncode == 0, done.stderr
    return folder


def command(folder: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "bin" / script, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def activations(
    folder: Path, model: Path, processes: int, name: str = ""
) -> subprocess.CompletedProcess[str]:
    return command(
        folder,
        *("activations.py", "--model-dir", model, "--model-json", "model.json"),
        *("--words", "opt_words.tsv", "--windows", "opt_windows.safetensors"),
        *("--processes", processes, "--out", f"{name or processes}.safetensors"),
    )


@pytest.mark.slow
def test_two_processes_give_the_file_of_one(mapped: Path) -> None:
    for processes in (1, 2):
        done = activations(mapped, FIXTURES / "models" / "opt-fixture", processes)
        assert done.returncode == 0, done.stderr
        assert json.loads((mapped / f"{processes}.json").read_text())["ranks"] == processes
    assert (mapped / "1.safetensors").read_bytes() == (mapped / "2.safetensors").read_bytes()
    assert not list(mapped.glob(".parts*"))


@pytest.mark.slow
def test_four_launches_of_two_processes_side_by_side_do_not_meet(mapped: Path) -> None:
    model = FIXTURES / "models" / "opt-fixture"

    def launched(number: int) -> bytes:
        done = activations(mapped, model, 2, f"side-{number}")
        assert done.returncode == 0, done.stderr
        assert json.loads((mapped / f"side-{number}.json").read_text())["ranks"] == 2
        return (mapped / f"side-{number}.safetensors").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(launched, range(4)))) == 1


MEETING = """
import os, sys
from pathlib import Path
from lateralization.language_models import ranks

here = ranks.start()
names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE")
Path(sys.argv[1], str(here.rank)).write_text(" ".join(os.environ[name] for name in names))
here.wait()
"""


@pytest.mark.slow
def test_the_launcher_itself_holds_the_port_at_which_its_processes_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that is looked for first and bound later may be another's by then."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "bin"))
    script = tmp_path / "meeting.py"
    script.write_text(MEETING)
    ranks.launch(script, [str(tmp_path)], 2)
    told = {(tmp_path / rank).read_text() for rank in "01"}
    assert len(told) == 1
    address, port, held = told.pop().split()
    assert (address, held) == ("127.0.0.1", "True")
    assert int(port) not in (0, 29500)


@pytest.mark.slow
def test_bad_input_of_a_process_comes_out_as_65_and_one_line(mapped: Path, tmp_path: Path) -> None:
    done = activations(mapped, tmp_path, 2)
    assert done.returncode == 65
    assert "no config.json" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([(75, "a"), (65, "b")], BadInput),
        ([(137, "a")], MemoryError),
        ([], MemoryError),
        ([(1, "a"), (137, "b")], RuntimeError),
    ],
)
def test_the_worst_outcome_of_the_ranks_counts(
    tmp_path: Path, outcomes: list[tuple[int, str]], kind: type[Exception]
) -> None:
    for rank, (code, message) in enumerate(outcomes):
        text = json.dumps({"code": code, "message": message})
        (tmp_path / f"rank-{rank}.json").write_text(text)
    with pytest.raises(kind):
        ranks._raise_worst(tmp_path)
