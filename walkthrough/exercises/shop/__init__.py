"""The small Django project of the exercises: `users` publishes, `billing` keeps copies. Each check has new databases."""
