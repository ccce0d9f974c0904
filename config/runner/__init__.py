"""What `make run` starts and watches, apart from the settings."""
