"""Execution part by part, for rows that do not fit in memory or on one machine."""
