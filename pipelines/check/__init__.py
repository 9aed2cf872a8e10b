"""Check a data set: statistics, faults, duplicates and repairs."""
