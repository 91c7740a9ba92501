"""What became of forecasts, and of what they are made."""
