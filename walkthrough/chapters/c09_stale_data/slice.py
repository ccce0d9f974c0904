"""Chapter 9: a decision says how old its data may be."""

import sqlite3

USERS = "CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);"
BILLING = """
CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE confirmed AS SELECT 0 AS at;
CREATE TABLE invoice (user_id INTEGER, age INTEGER);
"""
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        db.execute(CHANGE, [user_id, status])


def tend(db, users, now):
    with db:
        db.executemany("REPLACE INTO known_user VALUES (?, ?)", users.execute("SELECT * FROM user"))
        db.execute("UPDATE confirmed SET at = ?", [now])  # (1)


def bill(db, users, now, bound, policy):
    age = now - db.execute("SELECT at FROM confirmed").fetchone()[0]
    if age > bound and policy == "hold":  # (2)
        return []
    if age > bound and policy == "ask":  # (3)
        tend(db, users, now)
        age = 0
    with db:
        active = f"SELECT user_id, {age} FROM known_user WHERE status = 'active'"  # (4)
        return db.execute(f"INSERT INTO invoice {active} RETURNING user_id, age").fetchall()


def main():
    users, billing = database(USERS), database(BILLING)
    for user_id in (1, 2):
        change(users, user_id, "active")
    tend(billing, users, now=100)
    change(users, 2, "suspended")  # (5)
    fresh = bill(billing, users, now=110, bound=60, policy="hold")
    policies = ("hold", "proceed", "ask")
    old = {policy: bill(billing, users, now=4000, bound=60, policy=policy) for policy in policies}
    return {"fresh": fresh, **old}


if __name__ == "__main__":
    print(main())
