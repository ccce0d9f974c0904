"""What an operator reads and what Django's checks refuse: status, metrics, health and system checks."""
