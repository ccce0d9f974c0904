"""The surveyed apps: which ones there are, their files, and the app that a file, a module or a model belongs to."""

import ast
import sysconfig
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import django
from django.apps import AppConfig, apps
from django.db.migrations.loader import MigrationLoader

from messaging.boundaries.crossings.crossing import SurveyError

THIS_APP = "messaging.boundaries"
TEST_FOLDERS = {"tests", "test"}
TEST_FILES = ("test_*.py", "*_test.py", "tests.py", "test.py", "conftest.py")


@dataclass(frozen=True)
class Source:
    """One Python file of an app, read once."""

    #: The module's dotted name.
    name: str
    #: The label of the app that it belongs to.
    app: str
    #: As in `Crossing.path`.
    path: str
    tree: ast.Module


class Host:
    """The apps of a survey.

    Parameters
    ----------
    labels
        The apps to read. Crossings between other apps can't be found.
    """

    def __init__(self, labels: Collection[str]) -> None:
        self.labels = sorted(labels)
        self._apps = {config.name: config.label for config in apps.get_app_configs()}

    def app_of(self, module: str) -> str | None:
        """Return the label of the app with the longest name that this module is in. None if it is in none."""
        parts = module.split(".")
        for end in range(len(parts), 0, -1):
            label = self._apps.get(".".join(parts[:end]))
            if label:
                return label
        return None

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The modules of the apps by name, without tests and migrations."""
        found = {}
        for label in self.labels:
            for name, file in self._files(apps.get_app_config(label)):
                found[name] = _read(name, label, file)
        return found

    @cached_property
    def migrations(self) -> list[Source]:
        """The migrations of the apps."""
        found = []
        for label in self.labels:
            folder = _migrations_folder(apps.get_app_config(label))
            if folder:
                name = MigrationLoader.migrations_module(label)[0]
                found += [_read(f"{name}.{file.stem}", label, file) for file in sorted(folder.glob("[!_]*.py"))]
        return found

    def _files(self, config: AppConfig) -> Iterator[tuple[str, Path]]:
        """Yield an app's modules and their files. Files of an app inside of it are that app's."""
        top = Path(config.path)
        migrations = _migrations_folder(config)
        folders = [top]
        while folders:
            folder = folders.pop()
            for path in sorted(folder.iterdir()):
                words = path.relative_to(top).with_suffix("").parts
                name = ".".join([config.name, *words]).removesuffix(".__init__")
                if not all(word.isidentifier() for word in words) or path == migrations or self.app_of(name) != config.label:
                    continue
                if path.is_dir() and path.name not in TEST_FOLDERS and not (path / "pyvenv.cfg").exists():
                    folders.append(path)
                elif path.suffix == ".py" and not any(path.match(pattern) for pattern in TEST_FILES):
                    yield name, path


def own_labels() -> list[str]:
    """Return the labels of the project's own apps: all whose code isn't where packages are installed, without this one."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    installed.add(Path(django.__file__).resolve().parent)  # wherever Django is, its apps aren't the project's
    configs = [config for config in apps.get_app_configs() if config.name != THIS_APP]
    return sorted(config.label for config in configs if not _is_installed(Path(config.path).resolve(), installed))


def _is_installed(path: Path, installed: Collection[Path]) -> bool:
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(folder in path.parents for folder in installed)


def _migrations_folder(config: AppConfig) -> Path | None:
    """Return the folder of an app's migrations, also if `MIGRATION_MODULES` names another one."""
    name, _ = MigrationLoader.migrations_module(config.label)
    spec = find_spec(name) if name else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) if folders else None


def _read(name: str, label: str, file: Path) -> Source:
    # A module's file lies as deep below the folder that it is imported from as its name has words.
    depth = len(name.split(".")) + (file.name == "__init__.py")
    path = "/".join(file.parts[-depth:])
    try:
        with tokenize.open(file) as text:
            return Source(name, label, path, ast.parse(text.read()))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested too deeply
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SurveyError(f"{path}{where} can't be read as Python: {why}. Correct it, then try again.") from None
    except OSError as error:
        raise SurveyError(f"{path} can't be read: {error.strerror}. Make it readable, then try again.") from None
