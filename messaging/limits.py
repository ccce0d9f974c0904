"""How large messages may be, in bytes. It imports nothing, for Celery's own processes load it before Django has its apps."""

#: Of an event beside its data.
ENVELOPE = 4 * 1024
#: Of events in one message; a batch that is longer becomes several.
LARGEST_MESSAGE = 1024 * 1024
#: Of a message's body. A relay's messages are shorter: JSON makes three bytes of one at most.
LARGEST_BODY = 4 * LARGEST_MESSAGE
