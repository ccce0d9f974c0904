"""The code that `startcontext` writes: what it needs to know (`plan`), the files' texts, and how they get into a host's project."""
