"""For operators: status, metrics, health endpoints and system checks."""
