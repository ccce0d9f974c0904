"""The names in generated code, and which names a person may choose."""

import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.db import models
from django.utils import translation

from messaging import settings
from messaging.events.contract import NAME, DomainEvent
from messaging.management.base import WrongUsage

#: An envelope's source has at most as many characters.
LONGEST_CONTEXT = 50
LONGEST_VARIABLE = 20
#: Names that the tests and examples import.
TAKEN = ("record", "transaction")
#: Columns of the copy besides the facts, and names that Django keeps for itself.
OWN_COLUMNS = ("version", "deleted", "id", "pk")


def words(model: type[models.Model]) -> str:
    """A model's name in lower-case words: "customer order" for CustomerOrder."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", model.__name__).lower()


def snake(model: type[models.Model]) -> str:
    return words(model).replace(" ", "_")


def key_of_copy(model: type[models.Model]) -> str:
    return f"{snake(model)}_id"


def variable(model: type[models.Model]) -> str:
    """The variable with a row in examples and tests."""
    name = snake(model)
    return "row" if name in TAKEN or keyword.iskeyword(name) or len(name) > LONGEST_VARIABLE else name


def one(model: type[models.Model]) -> str:
    """A model's name with its article: "a user", "an order"."""
    return f"{'an' if words(model)[0] in 'aeio' else 'a'} {words(model)}"


def several(model: type[models.Model]) -> str:
    """The name of a context that publishes a model: its plural, as "users", "categories"."""
    with translation.override(None):
        name = re.sub(r"\W+", "_", str(model._meta.verbose_name_plural).lower())
    return name if re.fullmatch(NAME, name) else f"{snake(model)}s"


def check_context(name: str, what: str) -> None:
    """Check the name of a context. Raises `WrongUsage`; `what` begins its sentence."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_CONTEXT or keyword.iskeyword(name):
        raise WrongUsage(
            f"{what} {name!r} can't be a context's name. A name begins with a lower-case letter, has only lower-case letters, "
            f"digits and underscores, at most {LONGEST_CONTEXT} characters, and is no word of Python."
        )


def check_new_app(name: str, what: str, folder: Path, instead: str) -> None:
    """Check the name of an app that will be made in `folder`. Raises `WrongUsage`.

    Parameters
    ----------
    what
        The beginning of the error's sentence.
    instead
        What to do about a taken name.
    """
    check_context(name, what)
    taken = ""
    if any(config.label == name for config in apps.get_app_configs()):
        taken = "an app of this project"
    elif (folder / name).exists() or (folder / f"{name}.py").exists():
        taken = f"a file or folder in {folder}"
    elif find_spec(name) is not None:
        taken = "a Python module that can be imported here"
    elif name in settings.feeds():
        taken = "a feed in the setting MESSAGING"
    if taken:
        raise WrongUsage(f"{what} {name!r} is taken: it is {taken}. {instead}")


def check_fact(name: str, key: str) -> None:
    """Check a fact's name. Raises `WrongUsage`. `key`: the name of the copy's key."""
    if name in (*OWN_COLUMNS, key):
        why = "is the name of another column of the copy"
    elif not name.isidentifier() or keyword.iskeyword(name) or "__" in name or name != name.strip("_"):
        why = "isn't a name that a Django model and an event can have"
    elif hasattr(DomainEvent, name) or hasattr(models.Model, name) or name == "objects":
        why = "is an attribute of every event or model"
    else:
        return
    raise WrongUsage(f"--fields: {name!r} {why}. Give the fact another name: --fields new_name={name}")
