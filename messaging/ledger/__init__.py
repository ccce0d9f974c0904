"""The version and position of every change, kept in the context's database."""
