"""Fit the encoding model of a subject and gather its brain scores (ENCODE, GATHER)."""
