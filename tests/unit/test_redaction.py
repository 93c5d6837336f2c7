"""No line holds a secret, in whatever form a library quotes it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from lateralization.redaction import redacted

BIN = Path(__file__).resolve().parents[2] / "bin"
TOKENS = [
    "hf_MarkedSecretOfTheTest",
    "hf_MarkedSecretOfTheTest\r\n",
    "hf_MarkedSecret\rOfTheTest",
    "hf_Marked\tSecret OfTheTest",
    "hf_Märked\u00e9Secret\u2028OfTheTest",
    "hf_\"Marked'Secret\\Of/The+Test",
]


@pytest.mark.parametrize("token", TOKENS)
def test_every_spelling_of_a_secret_is_masked(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    raw = f"Bearer {token}".encode()
    spelled = [token, repr(token), ascii(token), repr(raw), json.dumps({"token": token}),
               quote(token), quote(token, safe=""), raw.decode("latin-1"), token.strip(),
               " ".join(token.split()), *token.split(), token[:15] + "…"]  # fmt: skip
    for text in spelled:
        shown = redacted(f"Illegal header value <{text}> in a request")
        assert shown.startswith("Illegal header value <")
        assert shown.endswith("> in a request")
        for piece in ("Marked", "Secret", "OfTheTest", "rkedSecr"):
            assert piece not in shown, (text, shown)


def test_other_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "models/hf_hub: the secret of the test is marked; https://huggingface.co/a@main"
    monkeypatch.setenv("HF_TOKEN", "hf_MarkedSecretOfTheTest")
    assert redacted(text) == text
    monkeypatch.setenv("HF_TOKEN", "")
    assert redacted(text) == text
    assert redacted("http://me:pass@proxy:80/x") == "http://***@proxy:80/x"
    assert redacted("http://me:p@ss@proxy:80/x@1") == "http://***@proxy:80/x@1"


def test_a_password_in_an_address_is_masked_without_any_token(tmp_path: Path) -> None:
    """FETCH is given no token; what it says of an address must not show the password."""
    address = "http://me:Marked@Secret@127.0.0.1:9/x"
    script = tmp_path / "stage.py"
    script.write_text(
        "import argparse\n"
        "from lateralization.command import run, say\n"
        "def main(arguments):\n"
        f"    say('from {address}')\n"
        f"    raise RuntimeError('no answer of {address}')\n"
        "run(main, argparse.ArgumentParser())\n"
    )
    environment = {name: value for name, value in os.environ.items() if "TOKEN" not in name}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment | {"PYTHONPATH": str(BIN)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("//***@127.0.0.1:9/x") >= 2
    assert "Marked" not in done.stderr
    assert "Secret" not in done.stderr


@pytest.mark.parametrize("raised", ["RuntimeError", "BadInput", "Transient", "MemoryError"])
def test_tracebacks_warnings_and_logs_of_a_command_are_masked(raised: str, tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text(
        "import argparse, logging, os, sys, warnings\n"
        "from lateralization.command import run\n"
        "from lateralization.errors import BadInput, Transient\n"
        "def main(arguments):\n"
        "    token = os.environ['HF_TOKEN']\n"
        "    print('out', token)\n"
        "    logging.getLogger('lib').warning('log %r', token)\n"
        "    warnings.warn(f'warned {token}')\n"
        "    try:\n"
        "        int(token)\n"
        "    except ValueError as error:\n"
        f"        raise {raised}(f'quoted {{token!r}}') from error\n"
        "run(main, argparse.ArgumentParser())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(BIN), "HF_TOKEN": "hf_MarkedSecretOfTheTest"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    codes = {"RuntimeError": 1, "BadInput": 65, "Transient": 75, "MemoryError": 137}
    assert done.returncode == codes[raised]
    shown = done.stdout + done.stderr
    for word in ("out ***", "log '***'", "warned ***", "quoted '***'"):
        assert word in shown
    assert "Secret" not in shown
