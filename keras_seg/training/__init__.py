"""Training: a network, a data set and a recipe in, a run out."""
