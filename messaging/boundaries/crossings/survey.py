"""The survey: all crossings between the apps of a project."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from django.apps import apps

from messaging.boundaries.crossings.admin import admin
from messaging.boundaries.crossings.atomic import atomic
from messaging.boundaries.crossings.code import Code
from messaging.boundaries.crossings.crossing import Crossing, SurveyError
from messaging.boundaries.crossings.following import Follower
from messaging.boundaries.crossings.host import Host, own_labels
from messaging.boundaries.crossings.imports import imports
from messaging.boundaries.crossings.lookups import lookups
from messaging.boundaries.crossings.migrations import migrations
from messaging.boundaries.crossings.names import names
from messaging.boundaries.crossings.relations import relations
from messaging.boundaries.crossings.signals import signals
from messaging.boundaries.crossings.sql import sql
from messaging.boundaries.crossings.walker import walk


@dataclass(frozen=True)
class Survey:
    """The result of a survey."""

    #: The apps that were asked for; none for all of the project's own.
    asked: frozenset[str]
    #: The apps that a crossing may start or end in.
    apps: list[str]
    #: Sorted by pair, kind, file and line.
    crossings: list[Crossing]

    def covers(self, source: str, target: str) -> bool:
        """Return True if a crossing between these apps would be in this survey."""
        pair = {source, target}
        return bool(pair & self.asked) if len(self.asked) == 1 else pair <= self.asked or not self.asked


def survey(labels: Collection[str] = ()) -> Survey:
    """Find the crossings of installed apps.

    Parameters
    ----------
    labels
        None: what is between all of the project's own apps. One app: what starts or ends in it, with the project's own apps at the
        other end. Several: what is between them.

    Raises
    ------
    SurveyError
        An app isn't installed, or a file can't be read.
    """
    known = {config.label for config in apps.get_app_configs()}
    asked = frozenset(labels)
    unknown = sorted(asked - known)
    if unknown:
        raise SurveyError(f"There is no app {unknown[0]!r}. Use labels of installed apps: {', '.join(sorted(known))}.", code=2)
    # Always all of the project's own, because one app's source says what another one's expressions stand for.
    host = Host({*own_labels(), *asked})
    code = Code(host)
    found = [*_of_code(code), *relations(code), *admin(code), *migrations(host), *imports(host)]
    made = Survey(asked, sorted(asked) if len(asked) > 1 else host.labels, [])
    ends = set(made.apps)
    ours = (each for each in found if {each.source, each.target} <= ends and made.covers(each.source, each.target))
    return replace(made, crossings=sorted(ours, key=Crossing.order))


def _of_code(code: Code) -> Iterable[Crossing]:
    return walk(code, Follower(code), (lookups(), signals, names(code), sql(), atomic()))
