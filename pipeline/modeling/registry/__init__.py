"""Models under a name: packed, registered, and their forecasts published."""
