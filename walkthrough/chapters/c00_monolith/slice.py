"""Chapter 0: users and invoices in one database."""

import sqlite3

SHOP = """
PRAGMA foreign_keys = ON;
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE invoice (
  user_id INTEGER REFERENCES user ON DELETE CASCADE, -- (1)
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


def bill(db, month):
    with db:
        active = "SELECT id, ? FROM user WHERE status = 'active'"  # (2)
        return db.execute(f"INSERT INTO invoice {active}", [month]).rowcount


def main():
    shop = database(SHOP)
    for user_id, status in ((1, "active"), (2, "active"), (3, "suspended")):
        change(shop, user_id, status)
    billed = bill(shop, "2026-11")
    shop.execute("DELETE FROM user WHERE id = 1")  # (3)
    (left,) = shop.execute("SELECT count(*) FROM invoice").fetchone()
    return {"billed": billed, "left after a deletion": left}


if __name__ == "__main__":
    print(main())
