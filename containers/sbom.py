#!/usr/bin/env python3
"""Write the software bill of materials of the image that this runs in, as CycloneDX JSON.

Python packages come from the environment's own records, system packages from dpkg. Nothing in it
depends on time or place: the same image has the same list.
"""

import json
import subprocess
import sys
from importlib.metadata import distributions


def python_packages() -> list[dict[str, str]]:
    """Return name, version and address (purl) of every installed Python package."""
    found = {(entry.metadata["Name"].lower(), entry.version) for entry in distributions()}
    return [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(found)
    ]


def system_packages() -> list[dict[str, str]]:
    """Return the same for every installed Debian package."""
    form = "${Package} ${Version} ${Architecture}\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}"], check=True, capture_output=True, text=True
    ).stdout
    return [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}",
        }
        for name, version, architecture in (line.split() for line in sorted(listed.splitlines()))
    ]


if __name__ == "__main__":
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"lateralization-{sys.argv[1]}"}},
        "components": python_packages() + system_packages(),
    }
    print(json.dumps(bill, indent=1))
