"""Version and position of every change, kept by triggers in the context's own database."""
