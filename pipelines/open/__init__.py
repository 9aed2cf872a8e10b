"""Data sets from folders and tables of pictures and masks."""
