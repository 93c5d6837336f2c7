"""Mistakes found while a run is planned: all are gathered before anything stops."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lateralization.command import say
from lateralization.errors import BadInput


class Problems(list[str]):
    """Mistakes in the order of their weight; each is one line: what, where, how to mend it."""

    def add(self, text: str) -> None:
        """Note one mistake, once, as one line."""
        line = " ".join(text.split())
        if line not in self:
            self.append(line)

    @contextmanager
    def collect(self, what: str = "") -> Iterator[None]:
        """Note a ``BadInput`` of the block as a mistake, and continue after the block.

        Parameters
        ----------
        what
            Parameter and file that the mistake concerns, put before its text: ``--glove``.
        """
        try:
            yield
        except BadInput as error:
            self.add(f"{what}: {error}" if what else str(error))

    def stop(self) -> None:
        """Say all mistakes; the first is the last line, with the number of the others.

        Raises
        ------
        BadInput
            There is at least one mistake.
        """
        if not self:
            return
        first, *others = self
        for line in others:
            say(line)
        raise BadInput(f"{first} (and {len(others)} more above)" if others else first)


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return the known words that are most like ``word``, best first; upper case is ignored."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=n, cutoff=0.5)
    return [by_lower[name] for name in found]


def listed(words: Iterable[object], limit: int = 8) -> str:
    """Join words for a message; a long list is cut, and says how many there are."""
    names = [str(word) for word in words]
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} … ({len(names)} in all)"
