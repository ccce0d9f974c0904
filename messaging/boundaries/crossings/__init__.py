"""A survey of what binds the apps of a Django project together. `manage.py crossings` prints it.

Each kind of crossing is found by a module of its own: `imports`, `relations` (foreign keys, many-to-many, generic), `signals`,
`names` (models and modules in strings), `lookups`, `admin` (options, inlines), `sql`, `atomic`, `migrations`. Relations and admin
classes are read from the running project, and everything else from the source, each file once: `scopes` has its names, `following`
says which model an expression is about.
"""
