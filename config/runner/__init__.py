"""Starts and supervises the programs of `make run`."""
