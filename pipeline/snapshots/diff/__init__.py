"""What is different between two snapshots of the same key."""
