"""The queues of the host in `tests/delivery/host.py`, on an exchange of its own."""

from kombu import Exchange, Queue

QUEUES = {name: Queue(name, Exchange("host"), routing_key=name, durable=True) for name in ("host", "mails", "later")}
