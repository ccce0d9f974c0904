"""Digests of ranges of rows: the authority and its consumer each compute their own, and compare them."""
