"""Check every parameter and file, and plan the run (VALIDATE)."""
