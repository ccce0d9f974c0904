"""Each kind is found where the shop's comments mark it, and nowhere else."""

import pytest

from messaging.boundaries.crossings.crossing import KINDS
from tests.boundaries.crossings.hosts import SHOP, Host, listed, marked


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def found(shop: Host) -> dict:
    return shop.survey("orders", "stock", "people")


def test_every_kind_is_marked_in_the_shop() -> None:
    assert {kind for kind, *_ in marked(SHOP)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_survey_finds_what_is_marked_and_no_more(found: dict, kind: str) -> None:
    expected = {each: number for each, number in marked(SHOP).items() if each[0] == kind}

    assert {each: number for each, number in listed(found).items() if each[0] == kind} == expected


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("import", "stock.models (only for types)"),
        ("foreign-key", "orders.Line.item -> stock.Item, cascades"),
        ("foreign-key", "orders.Order.buyer -> people.Person, PROTECT"),
        ("foreign-key", "orders.Crate.item_ptr -> stock.Item (parent), cascades"),
        ("many-to-many", "orders.Order.suppliers -> stock.Supplier"),
        ("generic-relation", "orders.Order.notes -> stock.Note, cascades"),
        ("signal", "post_delete of stock.Supplier"),
        ("signal", "signal stock.signals.sold_out"),
        ("name", "get_model: stock.Supplier"),
        ("name", '"stock.tasks.export"'),
        ("lookup", "orders.Line: item__supplier__name"),
        ("admin-option", "LineAdmin.list_filter: item__supplier"),
        ("admin-inline", "OrderAdmin: stock.Note in orders.Order"),
        ("raw-sql", "stock_item"),
        ("atomic", "writes orders.Line, stock.Item"),
        ("migration", "depends on people, by AUTH_USER_MODEL"),
        ("migration", "uses stock.Item"),
    ],
)
def test_a_crossing_says_what_is_there(found: dict, kind: str, what: str) -> None:
    assert what in [each["what"] for each in found["crossings"] if each["kind"] == kind]
