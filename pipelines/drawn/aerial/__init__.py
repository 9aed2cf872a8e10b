"""Land from above."""
