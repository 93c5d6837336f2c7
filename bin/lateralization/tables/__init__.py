"""From fitted scores to the tables of a run (LATERALIZE)."""
