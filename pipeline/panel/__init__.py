"""Expressions over panels, and how their rows may be split."""
