"""Data sets that are drawn by arithmetic, with exact labels."""
