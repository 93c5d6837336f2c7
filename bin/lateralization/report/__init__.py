"""Write the report from tables and figures (REPORT)."""
