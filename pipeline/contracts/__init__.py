"""What the rows of a snapshot must be, and what came of it."""
