"""How large messages may be, in bytes. It imports nothing, for Celery's own processes load it before Django has its apps."""

#: Of an event, as JSON: a longer one is refused by the relay and parked by the inbox.
LARGEST_EVENT_BYTES = 64 * 1024
#: Of an event beside its data.
ENVELOPE_BYTES = 4 * 1024
#: Of events in one message; a batch that is longer becomes several.
LARGEST_MESSAGE_BYTES = 1024 * 1024
#: Of a message's body. A relay's messages are shorter: JSON makes three bytes of one at most.
LARGEST_BODY_BYTES = 4 * LARGEST_MESSAGE_BYTES
