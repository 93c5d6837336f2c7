"""Data sets, models and files from outside: download, cache, verification (FETCH, MODEL)."""
