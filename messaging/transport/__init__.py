"""The broker: queues, a message's form on the wire, and its signature."""
