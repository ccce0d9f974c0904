"""Which context publishes a model: one whose feed has it, the model's own app, or a new app."""

from dataclasses import dataclass
from pathlib import Path

from django.apps import AppConfig, apps
from django.db import connections, models, router

from messaging import settings
from messaging.events.contract import load_contracts
from messaging.management.base import WrongUsage, database_errors_as_refusals
from messaging.management.scaffold import names
from messaging.publisher.feed import Feed, declared_feed

#: Folders of installed packages, which nobody adds files to.
INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Publisher:
    """The context that publishes the model."""

    name: str
    alias: str  #: its database in `DATABASES`
    folder: Path  #: its package's
    package: str  #: as it is imported
    is_new: bool  #: the package will be made
    feed: Feed | None  #: its feed of the model, if it has one already

    def module(self, name: str) -> str:
        return f"{self.package}.{name}"

    @property
    def is_conventional(self) -> bool:
        """`messaging` finds its feed by its name, without a setting."""
        return self.package == self.name


def publisher_of(model: type[models.Model], asked: str, folder: Path, *, new: str) -> Publisher:
    """Find the context that publishes a model, or plan it. Raises `WrongUsage`.

    Parameters
    ----------
    asked
        The context that a person named; empty if they left it open.
    folder
        The project's folder.
    new
        The name of the consumer, which can't be the publisher too.
    """
    for name in settings.feeds():
        feed = declared_feed(name)
        if feed and feed.declared.model._meta.concrete_model is model._meta.concrete_model:
            return _of_feed(name, feed, model, asked)
    own = apps.get_app_config(model._meta.app_label)
    name = asked or (own.label if is_own(own, folder) else names.several(model))
    if name == new:
        raise WrongUsage(
            f"{name} can't publish {model._meta.label} and keep a copy of it. Name another publisher: --publisher NAME"
        )
    config = next((config for config in apps.get_app_configs() if config.label == name), None)
    using = router.db_for_write(model)
    _check_table(model, using)
    if config is not None:
        return _of_app(config, using, folder)
    names.check_new_app(name, "The publisher", folder, "Name another one: --publisher NAME")
    return Publisher(name, _same(name, using), folder / name, name, True, None)


def is_own(app: AppConfig, folder: Path) -> bool:
    """Return True if an app's package is the project's own, so that it may get new files."""
    path = Path(app.path).resolve()
    return path.is_relative_to(folder) and not INSTALLED & set(path.parts)


def _of_feed(name: str, feed: Feed, model: type[models.Model], asked: str) -> Publisher:
    context = settings.authority(name)
    if asked and asked != context:
        raise WrongUsage(f"{context} publishes {model._meta.label} already. Leave out --publisher.")
    if name != context:
        raise WrongUsage(
            f"{model._meta.label} is in {name}, a further feed of {context}, whose copies are only pulled. Write this copy by "
            "hand, as docs/lifting.md shows."
        )
    load_contracts(context)
    app = apps.get_app_config(context)
    return Publisher(context, str(settings.context(context).alias), Path(app.path).resolve(), app.name, False, feed)


def _of_app(app: AppConfig, using: str, folder: Path) -> Publisher:
    names.check_context(app.label, "The publisher")
    path, instead = Path(app.path).resolve(), "Name a new app that publishes: --publisher NAME"
    if not is_own(app, folder):
        raise WrongUsage(f"The publisher {app.label} is installed outside {folder}, so it can't get new files. {instead}")
    if settings.feed_path(app.label) if app.label in settings.contexts() else "":
        raise WrongUsage(f"{app.label} has a feed of another model already. {instead}")
    there = [name for name in ("events", "feed") if (path / f"{name}.py").exists() or (path / name).exists()]
    if there:
        raise WrongUsage(f"{app.name}.{there[0]} exists already, and isn't overwritten. {instead}")
    return Publisher(app.label, _same(app.label, using), path, app.name, False, None)


def _same(name: str, using: str) -> str:
    """The publisher's database, which is its model's."""
    if name in settings.contexts() and settings.context(name).alias != using:
        raise WrongUsage(
            f"MESSAGING['CONTEXTS'] says that {name} is in the database {settings.context(name).alias}, but the model's rows are "
            f"in {using}. Change that entry to {using}."
        )
    return using


def _check_table(model: type[models.Model], using: str) -> None:
    """Refuse a view: no trigger sees the changes of its rows."""
    if model._meta.managed:
        return
    with database_errors_as_refusals(using), connections[using].cursor() as cursor:
        kinds = {info.name: info.type for info in connections[using].introspection.get_table_list(cursor)}
    if kinds.get(model._meta.db_table) == "v":
        raise WrongUsage(f"{model._meta.label} is a view. Copy the tables that it reads, each in a context's feed of its own.")
