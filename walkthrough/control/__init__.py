"""Everything that acts on the running system: its processes, its broker and databases, faults, and copies of the project."""
