"""Baselines, peers and the harness that times them against the pipeline."""
