"""A report on a data set: what it holds, what is wrong with it, and repairs."""
