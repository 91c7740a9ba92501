"""The search for parameters, which a kill does not change."""
