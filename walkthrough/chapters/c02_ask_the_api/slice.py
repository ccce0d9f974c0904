"""Chapter 2: two databases. Billing asks the API of users about each user."""

import sqlite3

USERS = "CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);"
BILLING = "CREATE TABLE invoice (user_id INTEGER, month TEXT);"  # (1)
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        db.execute(CHANGE, [user_id, status])


class Api:  # (2)
    def __init__(self, users):
        self.users, self.calls, self.up = users, 0, True

    def is_active(self, user_id):
        if not self.up:
            raise ConnectionError("users doesn't answer")
        self.calls += 1
        found = self.users.execute("SELECT status FROM user WHERE id = ?", [user_id])
        return found.fetchone() == ("active",)


def bill(db, month, user_ids, api):
    with db:
        invoices = [(user_id, month) for user_id in user_ids if api.is_active(user_id)]  # (3)
        return db.executemany("INSERT INTO invoice VALUES (?, ?)", invoices).rowcount


def main():
    users, billing = database(USERS), database(BILLING)
    for user_id, status in ((1, "active"), (2, "active"), (3, "suspended")):
        change(users, user_id, status)
    api = Api(users)
    billed = bill(billing, "2026-11", (1, 2, 3), api)
    api.up = False
    try:
        later = bill(billing, "2026-12", (1, 2, 3), api)
    except ConnectionError as error:
        later = str(error)  # (4)
    return {"billed": billed, "calls": api.calls, "while users is down": later}


if __name__ == "__main__":
    print(main())
