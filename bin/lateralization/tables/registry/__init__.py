"""What every table holds, where the report shows it, and what its columns mean."""
