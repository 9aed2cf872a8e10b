"""Which files belong together, which classes they hold, and how they are divided into splits."""
