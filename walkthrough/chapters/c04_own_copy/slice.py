"""Chapter 4: a copy that only moves forward, whatever the queue does."""

import json
import sqlite3

USERS = """
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT, version INTEGER);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, event TEXT, sent INTEGER DEFAULT 0);
"""
BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
CHANGE = """
INSERT INTO user VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET status = excluded.status, version = version + 1 -- (1)
RETURNING id, status, version
"""
NEWER = """
INSERT INTO known_user VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET status = excluded.status, version = excluded.version
WHERE excluded.version > known_user.version -- (2)
"""


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        event = db.execute(CHANGE, [user_id, status]).fetchone()
        db.execute("INSERT INTO outbox (event) VALUES (?)", [json.dumps(event)])


def relay(db, queue):
    for number, event in db.execute("SELECT id, event FROM outbox WHERE sent = 0").fetchall():
        queue.append(event)
        with db:
            db.execute("UPDATE outbox SET sent = 1 WHERE id = ?", [number])


def handle(db, event):
    with db:
        return db.execute(NEWER, json.loads(event)).rowcount


def main():
    users, billing, queue = database(USERS), database(BILLING), []
    for status in ("active", "suspended", "active", "suspended"):
        change(users, 1, status)
    relay(users, queue)
    forward = [handle(billing, event) for event in queue * 2]  # (3)
    backward = [handle(billing, event) for event in reversed(queue)]
    copy = billing.execute("SELECT * FROM known_user").fetchall()
    return {"twice": forward, "late": backward, "copy": copy}


if __name__ == "__main__":
    print(main())
