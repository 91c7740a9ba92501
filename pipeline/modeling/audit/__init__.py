"""Proof on the data that no feature knows its future."""
