"""Pictures of a data set for people to look at."""
