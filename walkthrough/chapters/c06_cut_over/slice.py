"""Chapter 6: shadow reads compare the copy. A gate decides when it may decide."""

import sqlite3

USERS = "CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
CHANGE = """
INSERT INTO user VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET status = excluded.status, version = version + 1
RETURNING id, status, version
"""


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        return db.execute(CHANGE, [user_id, status]).fetchone()


def fill(db, users):  # (1)
    with db:
        db.execute("DELETE FROM known_user")
        db.executemany("INSERT INTO known_user VALUES (?, ?, ?)", users.execute("SELECT * FROM user"))


def shadow(db, users, user_id, reads):
    old = users.execute("SELECT status FROM user WHERE id = ?", [user_id]).fetchone()
    own = db.execute("SELECT status FROM known_user WHERE user_id = ?", [user_id]).fetchone()
    reads[user_id] = old == own  # (2)
    return old


def gate(reads, wanted):  # (3)
    return len(reads) >= wanted and all(reads.values())


def main():
    users, billing, reads = database(USERS), database(BILLING), {}
    for user_id in (1, 2):
        change(users, user_id, "active")
    fill(billing, users)
    billing.execute("UPDATE known_user SET status = 'suspended' WHERE user_id = 1")  # (4)
    answers = [shadow(billing, users, user_id, reads) for user_id in (1, 2)]
    before = gate(reads, wanted=2)
    fill(billing, users)
    shadow(billing, users, 1, reads)
    return {"answers": answers, "gate before": before, "gate after the repair": gate(reads, wanted=2)}


if __name__ == "__main__":
    print(main())
