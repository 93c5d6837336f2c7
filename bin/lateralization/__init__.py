"""Measure how well language models predict brain responses, and how left-lateralised that is.

The commands of ``bin/`` are thin; the science lives here, as functions on arrays.
"""

__version__ = "0.1.0"
