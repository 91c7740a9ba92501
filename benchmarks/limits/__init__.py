"""Small scripts that show where a limit lies in Polars itself."""
