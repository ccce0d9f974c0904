"""A crossing that isn't in the baseline is noticed, and an entry whose crossing is gone."""

from pathlib import Path

import pytest

from messaging.boundaries.crossings.crossing import KINDS
from tests.boundaries.crossings.hosts import MARK, Host

APPS = ("orders", "stock", "people")
BASELINE = "crossings.txt"
ONE_OF_EACH = {
    "import": ("orders/texts.py", "import stock.tasks"),
    "foreign-key": ("orders/models.py", "buyer ="),
    "many-to-many": ("orders/models.py", "suppliers ="),
    "generic-relation": ("orders/models.py", "notes ="),
    "signal": ("orders/receivers.py", "@receiver(sold_out)"),
    "name": ("orders/texts.py", "TASK ="),
    "lookup": ("orders/queries.py", 'order_by("-item__title")'),
    "admin-option": ("orders/admin.py", "list_display"),
    "admin-inline": ("orders/admin.py", "inlines ="),
    "raw-sql": ("orders/texts.py", "JOIN ="),
    "atomic": ("orders/services.py", "@transaction.atomic"),
    "migration": ("orders/migrations/0001_initial.py", "run_before"),
}


@pytest.fixture
def shop(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_there_is_an_example_of_each_kind() -> None:
    assert list(ONE_OF_EACH) == list(KINDS)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A shop with a baseline that lists everything."""
    shop = Host(tmp_path_factory.mktemp("host"))
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")
    return shop


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_crossing_is_noticed(known: Host, kind: str) -> None:
    path, fragment = ONE_OF_EACH[kind]
    text = (known.folder / path).read_text()
    line = known.remove(path, fragment)
    found = known.survey(*APPS, "--baseline", BASELINE, code=1)["baseline"]
    known.plant(path, text)

    target = next(target for each, _, target in MARK.findall(line) if each == kind)
    # A relation takes the paths that lead over it with it.
    (gone,) = [each for each in found["gone"] if each["entry"].startswith(f"orders -> {target} | {kind} | {path} | ")]
    assert gone["listed"] - gone["found"] == 1
    assert found["new"] == []


def test_a_planted_crossing_of_each_kind_is_noticed(shop: Host) -> None:
    texts = {path: (shop.folder / path).read_text() for path, _ in ONE_OF_EACH.values()}
    for path, fragment in ONE_OF_EACH.values():
        shop.remove(path, fragment)
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")
    for path, text in texts.items():
        shop.plant(path, text)

    found = shop.survey(*APPS, "--baseline", BASELINE, code=1)["baseline"]

    assert found["gone"] == []
    assert all(each["found"] > each["listed"] for each in found["new"])
    assert {tuple(each["entry"].split(" | ")[1:3]) for each in found["new"]} >= {
        (kind, path) for kind, (path, _) in ONE_OF_EACH.items()
    }


def test_the_baseline_is_sorted_text_with_numbers_of_equal_entries(shop: Host) -> None:
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")

    lines = (shop.folder / BASELINE).read_text().splitlines()
    assert lines[0].startswith("# The known crossings")
    assert "orders -> stock | import | orders/queries.py | stock.models (only for types)" in lines
    assert "orders -> stock | signal | orders/receivers.py | post_save of stock.Item | 3" in lines
    pairs = [line.partition(" | ")[0] for line in lines[2:]]
    assert pairs == sorted(pairs)
    done = shop.run("crossings", *APPS, "--baseline", BASELINE)
    assert f"All are in {BASELINE}, and it lists no other." in done.stdout


def test_moved_lines_make_no_difference(shop: Host) -> None:
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")
    for path in ("orders/models.py", "orders/queries.py", "orders/texts.py"):
        file = shop.folder / path
        shop.plant(path, f'"""A text\nof\nlines."""\n{file.read_text()}')

    assert "it lists no other" in shop.run("crossings", *APPS, "--baseline", BASELINE).stdout


def test_the_message_says_what_to_add_and_what_to_remove(shop: Host) -> None:
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")
    shop.plant("stock/new.py", "import people.models\n")
    shop.remove("orders/texts.py", "TASK =")
    shop.remove("orders/receivers.py", "post_save.connect(on_item, Item)")
    lines = (shop.folder / BASELINE).read_text().splitlines()
    task = 'orders -> stock | name | orders/texts.py | "stock.tasks.export"'
    saved = "orders -> stock | signal | orders/receivers.py | post_save of stock.Item"

    done = shop.run("crossings", *APPS, "--baseline", BASELINE, code=1)

    assert done.stderr.splitlines() == [
        f"{BASELINE} differs: 1 crossing is new, 2 are gone but still listed.",
        "+ stock -> people | import | stock/new.py | people.models (stock/new.py:1)",
        f"- {saved} (write 2 for 3 in line {lines.index(saved + ' | 3') + 1})",
        f"- {task} (remove line {lines.index(task) + 1})",
        "Remove what is new from the code, or change the file: "
        f"manage.py crossings {' '.join(APPS)} --baseline {BASELINE} --update",
    ]


def test_entries_of_other_apps_stay(shop: Host) -> None:
    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update")
    text = (shop.folder / BASELINE).read_text()

    shop.run("crossings", "orders", "people", "--baseline", BASELINE)
    shop.run("crossings", "orders", "people", "--baseline", BASELINE, "--update")
    assert (shop.folder / BASELINE).read_text() == text

    other = "orders -> stock | import | orders/gone.py | stock.models\n"
    shop.plant(BASELINE, text + other)
    shop.run("crossings", "orders", "people", "--baseline", BASELINE)
    shop.run("crossings", "stock", "--baseline", BASELINE, code=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, f"There is no baseline {BASELINE}. To write it anew: manage.py crossings --baseline {BASELINE} --update"),
        (b"\xff", f"The baseline {BASELINE} can't be read: it isn't text in UTF-8. To write it anew: "),
        (b"<<<<<<< HEAD\n", f"Line 1 of the baseline {BASELINE} is no entry: '<<<<<<< HEAD'. To write it anew: "),
        (b"a -> b | import | a.py | b\n" * 2, f"Line 2 of the baseline {BASELINE} is there twice: 'a -> b | import | a.py | b'."),
        (b"a -> b | import | a.py | b | 0\n", f"Line 1 of the baseline {BASELINE} is no entry"),
        (b"a -> b | dream | a.py | b\n", f"Line 1 of the baseline {BASELINE} is no entry"),
    ],
)
def test_an_unreadable_baseline_is_a_sentence(shop: Host, text: bytes | None, said: str) -> None:
    if text is not None:
        (shop.folder / BASELINE).write_bytes(text)

    done = shop.run("crossings", *APPS, "--baseline", BASELINE, code=2)

    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_an_update_repairs_an_unreadable_baseline(shop: Host) -> None:
    shop.plant(BASELINE, "<<<<<<< HEAD\n")

    shop.run("crossings", *APPS, "--baseline", BASELINE, "--update", code=2)
    shop.run("crossings", "--baseline", BASELINE, "--update")
    assert "it lists no other" in shop.run("crossings", "--baseline", BASELINE).stdout
