"""Times as the commands write them, with seconds: events are seconds apart."""

DATETIME_FORMAT = "Y-m-d H:i:s"
