"""What is known of a project, as a folder of static pages."""
