"""Chapter 3: the change and its event are one transaction. A relay sends."""

import json
import sqlite3
from contextlib import suppress

USERS = """
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, event TEXT, sent INTEGER DEFAULT 0);
"""
BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT);"
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status, crash=False):
    with db:  # (1)
        db.execute(CHANGE, [user_id, status])
        db.execute("INSERT INTO outbox (event) VALUES (?)", [json.dumps([user_id, status])])
        if crash:
            raise SystemExit


def relay(db, queue, crash=False):
    for number, event in db.execute("SELECT id, event FROM outbox WHERE sent = 0").fetchall():
        queue.append(event)
        if crash:  # (2)
            raise SystemExit
        with db:
            db.execute("UPDATE outbox SET sent = 1 WHERE id = ?", [number])


def handle(db, event):  # (3)
    with db:
        db.execute("REPLACE INTO known_user VALUES (?, ?)", json.loads(event))


def main():
    users, billing, queue = database(USERS), database(BILLING), []
    with suppress(SystemExit):
        change(users, 1, "suspended", crash=True)
    rows = [users.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("user", "outbox")]
    change(users, 1, "active")
    with suppress(SystemExit):
        relay(users, queue, crash=True)
    relay(users, queue)
    for event in queue:
        handle(billing, event)
    copy = billing.execute("SELECT * FROM known_user").fetchall()
    return {"rows after a crash": rows, "sent": len(queue), "copy": copy}


if __name__ == "__main__":
    print(main())
