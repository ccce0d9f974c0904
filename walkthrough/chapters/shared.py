"""Commands that more than one chapter advises."""

#: Every foreign key to the user's model, with what its `on_delete` does: asked of the models, so that none is missed that another
#: way of writing hides.
LIST_TIES = (
    'manage.py shell -c "from django.contrib.auth import get_user_model as u; '
    "[print(r.related_model._meta.label, r.field.name, getattr(r.on_delete, '__name__', '-')) "
    'for r in u()._meta.get_fields(include_hidden=True) if r.auto_created and r.is_relation and not r.concrete]"'
)
