"""Chapter 1: one database, and a line between users and billing."""

import sqlite3

SHOP = """
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE invoice (
  user_id INTEGER, -- (1)
  month TEXT
);
"""
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        db.execute(CHANGE, [user_id, status])


def active_users(db):  # (2)
    return [user_id for (user_id,) in db.execute("SELECT id FROM user WHERE status = 'active'")]


def bill(db, month, user_ids):
    with db:
        invoices = [(user_id, month) for user_id in user_ids]  # (3)
        return db.executemany("INSERT INTO invoice VALUES (?, ?)", invoices).rowcount


def main():
    shop = database(SHOP)
    for user_id, status in ((1, "active"), (2, "active"), (3, "suspended")):
        change(shop, user_id, status)
    billed = bill(shop, "2026-11", active_users(shop))
    shop.execute("DELETE FROM user WHERE id = 1")  # (4)
    (left,) = shop.execute("SELECT count(*) FROM invoice").fetchone()
    return {"billed": billed, "left after a deletion": left}


if __name__ == "__main__":
    print(main())
