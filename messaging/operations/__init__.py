"""For operators: status, metrics, health endpoints, system checks and the catalogue of events."""
