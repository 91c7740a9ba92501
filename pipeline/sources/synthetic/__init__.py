"""Data that look like the real ones, made from a seed."""
