"""Limits on the size of messages, in bytes. Imports nothing, because Celery loads this before Django's apps are ready."""

#: An event's data as JSON. The relay refuses a larger event, and the inbox parks it.
LARGEST_EVENT_BYTES = 64 * 1024
#: An event's attributes without its data.
ENVELOPE_BYTES = 4 * 1024
#: The events of one message. A larger batch is sent as several messages.
LARGEST_MESSAGE_BYTES = 1024 * 1024
#: A message's body. A relay's messages are smaller: JSON's escapes at most triple their bytes.
LARGEST_BODY_BYTES = 4 * LARGEST_MESSAGE_BYTES
