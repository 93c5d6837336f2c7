"""Nested cross-validated ridge regression on arrays; knows neither files nor stages."""
