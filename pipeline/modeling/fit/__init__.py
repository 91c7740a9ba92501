"""From features to what a model is fitted on, and back to predictions."""
