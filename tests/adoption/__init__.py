"""A host that adopts messaging as it is: `auth.User` is the authority's model, unmodified, and another app keeps a copy."""
