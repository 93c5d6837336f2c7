"""What the kinds of array and the row of a table are called in signatures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Numbers of whatever kind comes in."""

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

Row = dict[str, Any]
"""A row of a table: values by the names of columns."""
