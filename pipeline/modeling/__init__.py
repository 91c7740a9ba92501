"""From the snapshot `features` to a model one can defend, and to predictions."""
