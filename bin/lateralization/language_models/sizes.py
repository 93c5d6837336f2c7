"""Bytes of the numbers that language models are made of."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of a number in each precision that weights can have."""
