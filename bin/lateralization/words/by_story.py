"""The rows of a table of words, story by story."""

import pandas as pd

from lateralization.errors import BadInput
from lateralization.runs import RUN, STORY


def story_column(words: pd.DataFrame) -> str:
    """Return the column that says where a word stands: ``run`` (a number) or ``story`` (a name).

    Raises
    ------
    BadInput
        The table has neither.
    """
    for column in (RUN, STORY):
        if column in words:
            return column
    raise BadInput(
        f"the table of words has neither a column {RUN} nor {STORY}; it has "
        f"{', '.join(map(str, words.columns))}"
    )


def rows_by_story(words: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return key of a story → its rows, in the order in which the stories appear."""
    column = story_column(words)
    return {f"{column}-{name}": rows for name, rows in words.groupby(column, sort=False)}
