"""Simulated data sets with a planted truth, and tiny models for them."""
