"""Find the project's own files that a file imports, directly or through others.

A module of its own because the tests compare the engine's list of these files with it, too.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports from the package.

    ``from lateralization.words.windows import cut`` gives ``words``, ``words.windows`` and
    ``words.windows.cut``: Python runs the packages on the way, and the last name may be a module.
    The package's own name is the empty string.

    Parameters
    ----------
    path
        A Python file.

    Raises
    ------
    ValueError
        The file has a relative import: the engine's digest of the code does not follow these.
    """
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{path}, line {node.lineno}: write the import in full")
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for parts in (module.split(".") for module in modules):
            if parts[0] == PACKAGE.name:
                names |= {".".join(parts[1:end]) for end in range(1, len(parts) + 1)}
    return names


def files_of(names: Iterable[str], folder: Path = PACKAGE) -> set[str]:
    """Return the files of the dotted names that are modules or packages of ``folder``."""
    places = [name.replace(".", "/") for name in names]
    candidates = [f"{place}.py" for place in places] + [
        f"{place}/__init__.py".lstrip("/") for place in places
    ]
    return {path for path in candidates if (folder / path).is_file()}


def reachable(path: str, folder: Path = PACKAGE) -> list[str]:
    """List a file of the package and all files of it that the file imports, at any depth.

    Parameters
    ----------
    path
        The file, relative to ``folder``: ``simulation/worlds.py``.
    folder
        The package's folder.

    Returns
    -------
    The files, relative to ``folder``, in sorted order.
    """
    found, waiting = set[str](), {path}
    while waiting:
        found |= waiting
        imported = [files_of(imports(folder / each), folder) for each in waiting]
        waiting = set().union(*imported) - found
    return sorted(found)


def content_of(path: str, folder: Path = PACKAGE) -> bytes:
    """Return the bytes of all files that :func:`reachable` lists, in its order."""
    return b"".join((folder / each).read_bytes() for each in reachable(path, folder))
