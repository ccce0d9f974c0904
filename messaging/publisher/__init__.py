"""Record events with the change, tell consumers of them, and serve the feed that they catch up from."""
