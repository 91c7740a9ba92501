"""A model on one page: figures, charts, explanations."""
