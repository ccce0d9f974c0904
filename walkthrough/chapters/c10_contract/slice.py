"""Chapter 10: two versions of an event. The consumer upcasts the old one."""

import sqlite3

BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
NEWER = """
INSERT INTO known_user VALUES (:user_id, iif(:blocked, 'suspended', 'active'), :version)
ON CONFLICT DO UPDATE SET status = excluded.status, version = excluded.version
WHERE excluded.version > known_user.version
"""


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(user_id, status, version):  # (1)
    old = {"user_id": user_id, "status": status, "version": version}
    new = {"user_id": user_id, "blocked": status == "suspended", "version": version}
    return [("changed.v1", old), ("changed.v2", new)]


def read_v2(data):
    return {name: data[name] for name in ("user_id", "blocked", "version")}


def upcast(data):  # (2)
    return read_v2({**data, "blocked": data["status"] == "suspended"})


READERS = {"changed.v1": upcast, "changed.v2": read_v2}  # (3)


def handle(db, kind, data):
    try:
        facts = READERS[kind](data)
    except KeyError as error:
        return f"parked: no {error.args[0]}"  # (4)
    with db:
        return "applied" if db.execute(NEWER, facts).rowcount else "obsolete"


def main():
    billing = database(BILLING)
    events = [
        ("changed.v1", {"user_id": 1, "status": "active", "version": 1}),
        *change(1, "suspended", 2),
        ("changed.v1", {"user_id": 1, "state": "active", "version": 3}),
        ("changed.v3", {}),
    ]
    outcomes = [handle(billing, *event) for event in events]
    return {"outcomes": outcomes, "copy": billing.execute("SELECT * FROM known_user").fetchall()}


if __name__ == "__main__":
    print(main())
