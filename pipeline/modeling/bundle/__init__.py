"""A model that takes raw rows: what is packed with it, and how it answers."""
