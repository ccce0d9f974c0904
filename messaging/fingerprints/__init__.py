"""Digests of ranges of rows, on either side of a comparison."""
