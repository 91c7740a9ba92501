"""Which columns a column comes from, as Polars' plan of a function tells."""
