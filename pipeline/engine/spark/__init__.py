"""Runs whose parts Apache Spark computes."""
