"""The champion behind HTTP: read, ask a process that holds it, answer."""
