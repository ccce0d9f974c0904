"""Receive each event once, and keep a copy of another context's facts."""
