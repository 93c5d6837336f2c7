"""Certificates that the environment names for connections, checked before one is made."""

import os
import ssl
from pathlib import Path

from lateralization.errors import BadInput

REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that the library requests reads, the first that is set."""

HUB = ("SSL_CERT_FILE",)
"""The variable that the hub's library reads (of SSL_CERT_DIR it ignores what is not there)."""


def check_certificates(variables: tuple[str, ...]) -> None:
    """Check the file or folder of certificates that the first of these variables names.

    Libraries report a wrong one as an error of the disk or of the network.

    Raises
    ------
    BadInput
        It does not exist, cannot be read, or holds no certificates.
    """
    variable = next((name for name in variables if os.environ.get(name)), None)
    if variable is None:
        return
    path = Path(os.environ[variable])
    problem = _problem(path, folder=path.is_dir() and variable != "SSL_CERT_FILE")
    if problem:
        raise BadInput(
            f"{variable} names {path}, which {problem}: name the file of your site's certificates "
            "(a container must have it mounted), or unset the variable"
        )


def _problem(path: Path, *, folder: bool) -> str:
    """Return what is wrong with a file or folder of certificates; empty where nothing is."""
    if not path.exists():
        return "does not exist"
    if folder:
        return "" if os.access(path, os.R_OK | os.X_OK) else "cannot be read"
    if path.is_dir():
        return "is a folder"
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        return "holds no certificates in PEM form"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
