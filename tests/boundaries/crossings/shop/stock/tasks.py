def export():
    """Write a file."""
