"""`seed`: demo users, and users of an export."""

import tracemalloc
from pathlib import Path

import pytest
from django_outbox_pattern.models import Published

from messaging.ledger import ledger
from messaging.models import Ledger
from tests.commands.calling import call
from users import exports
from users.models import User
from users.services import user_erase, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HEADER = "id,email,first_name,last_name,is_active,date_joined\n"


def users():
    return User.objects.using("users")


@pytest.fixture
def export(tmp_path):
    def write(text, header=HEADER):
        path = tmp_path / "auth_user.csv"
        path.write_text(header + text)
        return str(path)

    return write


def test_users_without_history():
    ended = call("seed", "--users", "1200", "--suspended", "0.1", "--json")
    assert (ended.code, ended.json) == (0, {"users": 1200, "suspended": 120, "events": 0, "bad": 0})
    assert users().count() == Ledger.objects.using("users").count() == 1200
    assert users().filter(status="suspended").exclude(suspension_reason="").count() == 120
    assert not ledger.unannounced("users").exists()
    assert not Published.objects.using("users").exists()


def test_users_with_events():
    assert call("seed", "--users", "30", "--with-events", "--json").json["events"] == 30
    events = Published.objects.using("users").all()
    assert {event.destination for event in events} == {"users.user.created.v1"}
    assert {event.body["subject"] for event in events} == {str(pk) for pk in users().values_list("pk", flat=True)}
    assert not ledger.unannounced("users").exists()


def test_the_same_seed_makes_the_same_users():
    values = ("id", "email", "name", "status", "created_at")
    call("seed", "--users", "20", "--random-seed", "7", "--suspended", "0.5")
    first = list(users().order_by("id").values_list(*values))
    users().all().delete()
    Ledger.objects.using("users").all().delete()
    call("seed", "--users", "20", "--random-seed", "7", "--suspended", "0.5")
    assert list(users().order_by("id").values_list(*values)) == first


def test_twice_makes_other_users_even_after_an_erasure():
    call("seed", "--users", "10")
    user_erase(user_id=users().order_by("email").first().pk)
    users().order_by("email").last().delete()
    assert call("seed", "--users", "10").code == 0
    assert call("seed", "--users", "10", "--random-seed", "1").code == 0
    assert users().count() == 29
    assert all(user.email.endswith("@example.org") for user in users().exclude(status="erased"))


@pytest.mark.parametrize(
    "words",
    [
        ("--users", "-1"),
        ("--users", "1", "--suspended", "2"),
        ("--users", "1", "--suspended", "nan"),
        ("--users", "1", "--skip-bad"),
        ("--csv", "x.csv", "--suspended", "0.1"),
        ("--csv", "no-such-file.csv"),
    ],
)
def test_wrong_usage(words):
    ended = call("seed", *words)
    assert ended.code == 2
    assert ended.err
    assert not users().exists()


def test_an_export(export):
    path = export("1,a@example.org,Ann,Lee,t,2020-01-02 03:04:05+00\n2,b@example.org,Bob,Ray,f,\n")
    assert call("seed", "--csv", path, "--json").json == {"users": 2, "suspended": 1, "events": 0, "bad": 0}
    ann, bob = users().get(email="a@example.org"), users().get(email="b@example.org")
    assert (ann.name, ann.status, ann.created_at.isoformat()) == ("Ann Lee", "active", "2020-01-02T03:04:05+00:00")
    assert (bob.status, bob.suspension_reason) == ("suspended", "not active when imported")
    assert not ledger.unannounced("users").exists()


def test_an_integer_id_is_the_same_uuid_every_time_and_a_uuid_stays(export):
    given = "0d9ee6a1-4b5c-4d4f-8a27-4e57d5f1c7f3"
    header = "id,email,name,status\n"
    call("seed", "--csv", export(f"7,a@example.org,Ann,active\n{given},b@example.org,Bob,suspended\n", header))
    assert str(users().get(email="b@example.org").pk) == given
    again = call("seed", "--csv", export("007,c@example.org,Ann,active\n", header))
    assert again.code == 1
    assert "line 2: a user with its id exists or existed" in again.err


BAD = (
    "1,a@example.org,Ann,Lee,t,\n"
    "x,c@example.org,C,D,t,\n"
    '3,nobody,"C\nC",D,t,\n'
    "1,d@example.org,C,D,t,\n"
    "5,a@example.org,C,D,t,\n"
    "6,e@example.org,,,t,\n"
    "7,f@example.org,C,D,perhaps,\n"
    "8,g@example.org,C\n"
    "9,h@example.org,C,D,t,yesterday\n"
    "10,taken@example.org,C,D,t,\n"
)
REASONS = {
    3: "'x' is neither an integer nor a UUID",
    4: "'nobody' is not an e-mail address",
    6: "its id is also in line 2",
    7: "its e-mail address is also in line 2",
    8: "it has no name",
    9: "'perhaps' is neither true nor false",
    10: "the number of its values differs",
    11: "'yesterday' is not a date and time",
    12: "another user has its e-mail address",
}


def test_bad_rows_are_listed_and_nothing_is_imported(export):
    user_register(email="taken@example.org", name="Taken")
    ended = call("seed", "--csv", export(BAD), "--json")
    assert (ended.code, ended.json["users"], ended.json["bad"]) == (1, 0, len(REASONS))
    listed = dict(line.removeprefix("line ").split(": ", 1) for line in ended.err.splitlines() if line.startswith("line "))
    assert listed.keys() == {str(line) for line in REASONS}
    assert all(reason in listed[str(line)] for line, reason in REASONS.items())
    assert users().count() == 1


def test_bad_rows_can_be_left_out(export):
    user_register(email="taken@example.org", name="Taken")
    ended = call("seed", "--csv", export(BAD), "--skip-bad", "--json")
    assert (ended.code, ended.json["users"], ended.json["bad"]) == (0, 1, len(REASONS))
    assert users().filter(email="a@example.org").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,name\n1,Ann\n", "no column email"),
        (b"", "no column id, email, name"),
        (b"id,email,name\n1,\xff@example.org,Ann\n", "is not CSV in UTF-8"),
        (b'id,email,name\n1,"a@example.org', "is not CSV in UTF-8"),
        (b"id,email,name,Email\n1,a@example.org,Ann,b@example.org\n", "the column email more than once"),
        (b"id;email;name\n1;a@example.org;Ann\n", "separated by semicolons"),
        (b"id\temail\tname\n1\ta@example.org\tAnn\n", "separated by tabs"),
        ("id,email,name\n1,a@example.org,Ann\n".encode("utf-16"), "it is UTF-16"),
        ("id,email,name\n1,a@example.org,Ann\n".encode("utf-16-be"), "it is UTF-16"),
        (
            b'id,email,name\n1,a@example.org,"Ann\n' + b"x\n" * 70_000,
            "has a value of more than 131,072 characters. Is a quotation mark",
        ),
    ],
)
def test_a_file_that_is_no_export(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    ended = call("seed", "--csv", str(path))
    assert ended.code == 2
    assert said in ended.err


def test_empty_rows_are_passed_over(export):
    """Spreadsheets leave them after the last row."""
    path = export("1,a@example.org,Ann,Lee,t,\n\n  \n,,,,,\n , ,,\t,,\n,,,,,,,,\n")
    assert call("seed", "--csv", path, "--json").json == {"users": 1, "suspended": 0, "events": 0, "bad": 0}


@pytest.mark.parametrize(("status", "flag", "bad"), [("active", "f", 1), ("suspended", "true", 1), ("Suspended", "0", 0)])
def test_a_status_and_a_flag_that_contradict_each_other_are_a_bad_row(export, status, flag, bad):
    ended = call("seed", "--csv", export(f"1,a@example.org,Ann,{status},{flag}\n", "id,email,name,status,is_active\n"), "--json")
    assert ended.json["bad"] == bad
    assert ("contradicts its is_active" in ended.err) == bool(bad)


def test_addresses_that_differ_by_case_alone_are_one_address(export):
    user_register(email="Taken@example.org", name="Taken")
    ended = call(
        "seed",
        "--csv",
        export("1,a@example.org,A,B,t,\n2,A@Example.org,A,B,t,\n3,TAKEN@example.org,C,D,t,\n4,a@BÜCHER.example,C,D,t,\n"),
    )
    assert ended.code == 1
    assert "line 3: its e-mail address is also in line 2" in ended.err
    assert "line 4: another user has its e-mail address" in ended.err
    assert not call("seed", "--csv", export("4,a@BÜCHER.example,C,D,t,\n")).code
    assert "line 2: another user has its e-mail address" in call("seed", "--csv", export("5,A@bücher.example,C,D,t,\n")).err


def test_the_rows_of_a_large_file_are_not_held_in_memory(export):
    """The bad ones neither."""

    def peak(rows):
        lines = (f"{number},u{number}@example.org,A,B,{'t' if number % 2 else 'perhaps'},\n" for number in range(rows))
        path = export("".join(lines))
        tracemalloc.start()
        try:
            with exports.read_export(Path(path)) as found:
                assert (found.good, found.bad) == (rows // 2, rows // 2)
                assert sum(1 for _ in found.rows()) + sum(1 for _ in found.bad_rows()) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is imported and cached once
    assert peak(12_000) < peak(3_000) + 1024 * 1024
