"""Chapter 5: fill a new copy from the rows, when the old events are gone."""

import sqlite3

USERS = "CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT, version INTEGER, position INTEGER);"
BILLING = """
CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);
CREATE TABLE checkpoint AS SELECT 0 AS position;
"""
CHANGE = """
INSERT INTO user SELECT ?, ?, 1, coalesce(max(position), 0) + 1 FROM user WHERE true -- (1)
ON CONFLICT DO UPDATE SET status = excluded.status, version = version + 1, position = excluded.position
RETURNING id, status, version
"""
NEWER = """
INSERT INTO known_user VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET status = excluded.status, version = excluded.version
WHERE excluded.version > known_user.version
"""


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        return db.execute(CHANGE, [user_id, status]).fetchone()


def feed(db, since):  # (2)
    return db.execute("SELECT * FROM user WHERE position > ? ORDER BY position LIMIT 2", [since]).fetchall()


def bootstrap(db, users):
    while page := feed(users, *db.execute("SELECT position FROM checkpoint").fetchone()):
        with db:  # (3)
            db.executemany(NEWER, [row[:3] for row in page])
            db.execute("UPDATE checkpoint SET position = ?", page[-1][3:])
        yield page[-1][3]


def main():
    users, billing = database(USERS), database(BILLING)
    for user_id in (1, 2, 3, 4, 5):
        change(users, user_id, "active")
    killed_at = next(bootstrap(billing, users))  # (4)
    billing.execute(NEWER, change(users, 1, "suspended"))  # (5)
    later = list(bootstrap(billing, users))
    copy = billing.execute("SELECT * FROM known_user").fetchall()
    return {"killed at": killed_at, "later": later, "copy": copy}


if __name__ == "__main__":
    print(main())
