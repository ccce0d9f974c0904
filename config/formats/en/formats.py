"""Times with seconds, as in the commands' output, because events are only seconds apart."""

DATETIME_FORMAT = "Y-m-d H:i:s"
