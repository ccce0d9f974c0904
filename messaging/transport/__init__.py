"""The broker: queues, what a message looks like on the wire, and who signed it."""
