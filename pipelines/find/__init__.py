"""Match pictures with masks, find classes, and divide data sets into splits."""
