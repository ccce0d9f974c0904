"""Chapter 8: the queue is lost. Billing pulls what it missed from the feed."""

import sqlite3

USERS = """
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE ledger (id INTEGER PRIMARY KEY, version INTEGER, position INTEGER);
CREATE TRIGGER added AFTER INSERT ON user
BEGIN INSERT INTO ledger SELECT NEW.id, 1, coalesce(max(position), 0) + 1 FROM ledger; END;
CREATE TRIGGER changed AFTER UPDATE ON user
BEGIN UPDATE ledger SET version = version + 1, position = 1 + (SELECT max(position) FROM ledger) -- (1)
WHERE id = NEW.id; END;
"""
BILLING = """
CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);
CREATE TABLE checkpoint AS SELECT 0 AS position;
"""
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        db.execute(CHANGE, [user_id, status])
        return feed(db, 0)[-1]  # (2)


def feed(db, since):
    rows = "SELECT id, status, version, position FROM user JOIN ledger USING (id) WHERE position > ?"
    return db.execute(f"{rows} ORDER BY position", [since]).fetchall()


def handle(db, events):
    with db:
        db.executemany("REPLACE INTO known_user VALUES (?, ?, ?)", [event[:3] for event in events])
        db.executemany("UPDATE checkpoint SET position = ?", [event[3:] for event in events])
    return len(events)


def tend(db, users):  # (3)
    return handle(db, feed(users, *db.execute("SELECT position FROM checkpoint").fetchone()))


def main():
    users, billing = database(USERS), database(BILLING)
    handle(billing, [change(users, user_id, "active") for user_id in (1, 2, 3)])
    queue = [change(users, user_id, "suspended") for user_id in (1, 2)]
    queue.clear()  # (4)
    pulled = tend(billing, users), tend(billing, users)
    return {"pulled": pulled, "copy": billing.execute("SELECT * FROM known_user").fetchall()}


if __name__ == "__main__":
    print(main())
