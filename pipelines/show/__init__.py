"""Contact sheets of data sets."""
