"""What else could be done, each as a small real application: its own settings, the same rows, the same database server.

Each is used as its documentation says, with those of its settings that make it faster where there are any; what was chosen is said
where it is set.
"""
