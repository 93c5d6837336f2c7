"""Draw the figures from the tables (FIGURES)."""
