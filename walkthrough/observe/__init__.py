"""Reads from both contexts, and changes nothing."""
