"""One run: what is wanted, what is fresh and why, what to do; does it, publishes it."""
