"""A reader of `docs/lifting.md`: their project, in which they type the steps and undo them."""

import shutil
import time
from pathlib import Path
from typing import NamedTuple

from config.env import ROOT
from tests import schema
from tests.adoption import afternoon
from tests.adoption.afternoon import Step
from tests.adoption.project import HERE, Project
from tests.adoption.test_startproject import SIGN_UP

SERVICE = Path("orders") / "views.py"
SETTINGS = 'INSTALLED_APPS += ["orders"]\nDATABASES["default"]["ATOMIC_REQUESTS"] = True\n'
URLS = 'from orders.views import sign_up\n\nurlpatterns += [path("sign-up/", sign_up)]\n'
#: Indexes on messaging's own tables, which they have while a database has one context at most.
OF_ONE_CONTEXT = "messaging_legacy_"


class State(NamedTuple):
    schema: list[str]  #: the first database's, by line
    settings: list[str]
    packages: set[str]

    def assert_is(self, before: "State") -> None:
        changed = [line for line in set(self.schema) ^ set(before.schema) if OF_ONE_CONTEXT not in line]
        assert not changed, "The schema isn't as it was:\n" + "\n".join(sorted(changed))
        assert self[1:] == before[1:], f"Settings or packages aren't as they were: {self[1:]}, before: {before[1:]}"


class Shop(Project):
    """A project with a sign-up, and the seconds of each step."""

    publisher = "users"
    copy = "SELECT user_id, is_active FROM billing_cacheduser"

    def make(self) -> None:
        self.start_project()
        shutil.copytree(HERE / "host" / "orders", self.folder / "orders")
        self.add_settings(SETTINGS)
        with (self.folder / "shop" / "urls.py").open("a") as urls:
            urls.write(URLS)
        self.manage("migrate", "-v0")
        self.sign_up("eve")
        self.seconds: dict[str, float] = {}
        self.before: dict[int, State] = {}

    def sign_up(self, name: str) -> None:
        status = self.manage("shell", "-v0", "-c", SIGN_UP.format(name))
        assert status == "200", f"{name}'s sign-up ended with {status}."

    def do(self, step: Step) -> None:
        """Type and paste what the step says."""
        self.before[step.number] = self.state()
        began = time.monotonic()
        if step.installs:
            (self.folder / "messaging").symlink_to(ROOT / "messaging")  # `test_empty_environment` installs it with pip
        for file, lines in step.lines.items():
            self.paste(file, lines)
        for words in step.commands:
            if words in step.programs:
                self.start(" ".join(words), "manage.py", *words)
            else:
                self.manage(*words)
        self.seconds[f"{step.number}. {step.title}"] = time.monotonic() - began

    def paste(self, file: str, lines: str) -> None:
        """Add lines to the settings, or to the service that writes a user. Its names of broker and database are this machine's."""
        if file == "shop/settings.py":
            own = lines.replace(afternoon.BROKER, self.broker).replace(afternoon.SECOND, f'"NAME": {self.second!r}')
            self.add_settings(f"\n{own}")
            return
        imports, call = lines.rstrip().split("\n\n")
        service = (self.folder / SERVICE).read_text()
        (self.folder / SERVICE).write_text(f"{imports}\n" + service.replace("    if user.", f"    {call}\n    if user.", 1))

    def state(self) -> State:
        packages = {each.name for each in self.folder.iterdir() if (each / "__init__.py").exists()}
        return State(schema.dump_of(self.place()).splitlines(), self.settings.read_text().splitlines(), packages)

    def take_lines_out(self, step: Step) -> None:
        """Bring the settings and the folders back to the time before the step."""
        before = self.before[step.number]
        self.settings.write_text("\n".join(before.settings) + "\n")
        for name in {"users", "billing", "messaging"} - before.packages:
            path = self.folder / name
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)

    def undo_and_do_again(self, step: Step) -> None:
        """Type the undo of the step, and check that the database is as before. Then do the step again."""
        for words in step.undo:
            self.manage(*words)
        self.take_lines_out(step)
        self.state().assert_is(self.before[step.number])
        self.do(step)

    def silent_changes(self) -> int:
        """The changes that came without an event, as billing knows."""
        ((number,),) = self.ask("SELECT coalesce(sum(count), 0) FROM messaging_incident WHERE kind = 'silent'")
        return int(number)

    def is_equal(self, *, moved: bool = False) -> None:
        self.wait_until_same(moved=moved)
        compared = self.manage("reconcile", "billing", "--from", "users", "--json")
        assert compared["verdict"] == "in_sync", compared
