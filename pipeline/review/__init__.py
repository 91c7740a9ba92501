"""What a change of the project does to what is published, for a pull request."""
