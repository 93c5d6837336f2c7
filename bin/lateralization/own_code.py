"""Which of the project's own modules a module runs, and their content."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent


def imports(path: Path) -> set[str]:
    """Name what a file imports from the package: modules, and what the package itself gives.

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
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name:
            modules = [f"{PACKAGE.name}.{alias.name}" for alias in node.names]
        else:
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        inside = [module.split(".") for module in modules]
        names |= {parts[1] for parts in inside if parts[0] == PACKAGE.name and len(parts) > 1}
    return names


def modules_of(name: str, folder: Path = PACKAGE) -> list[str]:
    """List a module of the package and all that it imports from there, whatever it goes through.

    Parameters
    ----------
    name
        The module, without the package's name.
    folder
        Where the modules are.
    """
    found, waiting = set[str](), [name]
    while waiting:
        module = waiting.pop()
        if module in found or not (folder / f"{module}.py").is_file():
            continue
        found.add(module)
        waiting += imports(folder / f"{module}.py")
    return sorted(found)


def content_of(name: str, folder: Path = PACKAGE) -> bytes:
    """Return the bytes of all files that :func:`modules_of` lists, in its order."""
    return b"".join((folder / f"{each}.py").read_bytes() for each in modules_of(name, folder))
