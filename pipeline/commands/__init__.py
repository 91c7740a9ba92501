"""The command line: parse, call one function, print; no logic."""
