"""Statistics on arrays: asymmetries, intervals, permutations, regressions."""
