"""Executes a plan: in one pass, part by part, or on Spark; knows no store."""
