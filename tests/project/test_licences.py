"""The page of licences names what is locked, and nothing else."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("licences", ROOT / "setup" / "licences.py")
assert spec
assert spec.loader
licences = importlib.util.module_from_spec(spec)
spec.loader.exec_module(licences)


def test_every_locked_package_and_no_other_has_its_licence_on_the_page() -> None:
    rows = [line.split(" | ") for line in licences.PAGE.read_text().splitlines()[8:]]
    told = {name.removeprefix("| "): licence for name, licence, _ in rows}
    assert set(told) == set(licences.locked()), "run `make licences`"
    assert all(told.values())


def test_what_is_installed_has_the_licence_of_its_metadata() -> None:
    here = licences.installed()
    assert licences.licence(here["numpy"]).startswith("BSD-3-Clause")
    assert "MIT" in licences.licence(here["pytest"])
    assert "GPL" in licences.licence(here["codespell"])
