"""`manage.py crossings` as a person and a script meet it."""

import ast
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.boundaries.crossings.hosts import Host

APPS = ("orders", "stock", "people")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host"))


def pairs(values: dict) -> set[tuple[str, str]]:
    return {(each["from"], each["to"]) for each in values["crossings"]}


def test_by_default_the_projects_own_apps_are_surveyed(shop: Host) -> None:
    found = shop.survey()

    assert found["apps"] == ["orders", "people", "stock"]
    assert pairs(found) == {("orders", "people"), ("orders", "stock"), ("stock", "orders")}


def test_one_app_is_surveyed_with_all_that_it_reaches_and_all_that_reach_it(shop: Host) -> None:
    assert pairs(shop.survey("stock")) == {("orders", "stock"), ("stock", "orders")}


def test_several_apps_are_surveyed_with_what_is_between_them(shop: Host) -> None:
    assert pairs(shop.survey("orders", "people")) == {("orders", "people")}


def test_an_installed_package_is_surveyed_if_it_is_named(shop: Host) -> None:
    assert pairs(shop.survey("people", "auth")) >= {("people", "auth")}


def test_the_result_as_json(shop: Host) -> None:
    found = shop.survey(*APPS)

    assert set(found) == {"apps", "matrix", "kinds", "crossings", "baseline"}
    assert all(set(each) == {"from", "to", "kind", "path", "line", "what"} for each in found["crossings"])
    assert found["matrix"]["stock"] == {"orders": 1}
    assert sum(number for row in found["matrix"].values() for number in row.values()) == len(found["crossings"])
    assert sum(found["kinds"].values()) == len(found["crossings"])
    assert found["baseline"] is None


def test_the_result_as_text(shop: Host) -> None:
    lines = shop.run("crossings", *APPS).stdout.splitlines()

    assert lines[0].endswith(" crossings between 3 apps: orders, people, stock")
    assert max(map(len, lines[: lines.index("Nothing starts in: 2 people")])) <= 80
    assert "stock -> orders: 1" in lines
    assert lines[lines.index("stock -> orders: 1") + 1 :][:2] == [
        "  lookup path",
        "    stock/models.py:17  stock.Item: lines__order__number__gt",
    ]
    assert lines[-1].startswith("What each kind can't see: docs/crossings.md")


def test_no_crossing(shop: Host) -> None:
    assert shop.run("crossings", "people", "stock").stdout.startswith("0 crossings between 2 apps: people, stock\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["orders", "nothing"], 2, "There is no app 'nothing'. Use labels of installed apps: admin, auth, contenttypes, "),
        (["--update"], 2, "--update writes a baseline. Name its file: --baseline FILE --update"),
        (
            ["--baseline", "nowhere/file.txt", "--update"],
            2,
            "The baseline nowhere/file.txt can't be written: No such file or directory.",
        ),
    ],
)
def test_wrong_usage_is_a_sentence(shop: Host, words: list[str], code: int, said: str) -> None:
    done = shop.run("crossings", *words, code=code)

    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_python_is_a_sentence(tmp_path: Path) -> None:
    shop = Host(tmp_path)
    shop.plant("stock/broken.py", "def broken(:\n")

    done = shop.run("crossings", code=1)

    assert done.stderr == "stock/broken.py, line 1 can't be read as Python: invalid syntax. Correct it, then try again.\n"


def test_without_grimp_the_command_names_the_extra(shop: Host) -> None:
    done = shop.run("crossings", code=3, SHOP_WITHOUT="grimp")

    assert done.stderr == (
        'crossings needs grimp, which isn\'t installed. Type: pip install "django-bounded-contexts[boundaries]"\n'
    )


def test_a_host_that_only_surveys_gets_no_tables(shop: Host) -> None:
    assert "messaging" not in shop.run("showmigrations", "--plan").stdout


def test_messaging_offers_the_command_too(shop: Host) -> None:
    done = shop.run("crossings", "orders", "people", SHOP_WITHOUT="", SHOP_APPS="django_outbox_pattern messaging")

    assert " crossings between 2 apps: orders, people" in done.stdout


def test_the_contexts_of_this_project_have_no_crossing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("crossings", "users", "billing", "monolith")

    assert capsys.readouterr().out.startswith("0 crossings between 3 apps: billing, monolith, users\n")


def test_a_broken_file_that_only_grimp_reads_is_a_sentence(tmp_path: Path) -> None:
    shop = Host(tmp_path)
    shop.plant("orders/tests/broken.py", "def broken(:\n")

    done = shop.run("crossings", code=1)

    assert done.stderr.startswith("The imports of orders, people, stock can't be read: Syntax error in ")
    assert done.stderr.endswith("orders/tests/broken.py, line 1: def broken(:. Correct that, then try again.\n")


def test_no_code_of_the_host_runs(tmp_path: Path) -> None:
    shop = Host(tmp_path)
    lazy = "from django.utils.functional import SimpleLazyObject\n\nSITE = SimpleLazyObject(lambda: 1 / 0)\n"
    shop.plant("lazy_site.py", lazy)
    shop.plant("people/models.py", "import lazy_site  # noqa: F401\n" + (shop.folder / "people/models.py").read_text())
    shop.plant("orders/lazy.py", "from lazy_site import SITE\n\nSITE.objects.filter(name='a')\nSITE.connect(print)\n")

    assert " crossings between 3 apps" in shop.run("crossings").stdout


def test_an_expression_that_is_nested_too_deeply_is_a_sentence(tmp_path: Path) -> None:
    long = "x = " + " | ".join(["a"] * 5000) + "\n"
    try:
        ast.parse(long)
    except (RecursionError, MemoryError):
        shop = Host(tmp_path)
    else:
        pytest.skip("this Python reads it")
    shop.plant("stock/long.py", long)

    done = shop.run("crossings", code=1)

    assert done.stderr.startswith("stock/long.py can't be read as Python: ")
    assert "Traceback" not in done.stderr
