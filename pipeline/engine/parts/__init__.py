"""Runs part by part: in rounds, each part by itself, put together at the end."""
