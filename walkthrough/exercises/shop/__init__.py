"""The small Django project that the exercises complete: `users` publishes, `billing` keeps copies. Each check makes its databases anew."""
