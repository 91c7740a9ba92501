"""From settings to one lazy graph, checked and fingerprinted before data is read."""
