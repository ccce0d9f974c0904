"""The contract of an event, and the words that every part shares. It imports nothing of `messaging`."""
