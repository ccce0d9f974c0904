"""Chapter 12: the rows are the truth. Fingerprints prove that the copy equals them."""

import hashlib
import sqlite3

USERS = "CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def rows_of(db, table):
    return db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def fill(db, users):
    with db:
        db.executemany("REPLACE INTO known_user VALUES (?, ?, ?)", rows_of(users, "user"))


def fingerprint(rows):  # (1)
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def differing(ours, theirs):  # (2)
    ids = sorted({row[0] for row in (*ours, *theirs)})
    if fingerprint(ours) == fingerprint(theirs) or len(ids) == 1:
        return ids if ours != theirs else []
    middle = ids[len(ids) // 2]
    lower = [[row for row in rows if row[0] < middle] for rows in (ours, theirs)]
    upper = [[row for row in rows if row[0] >= middle] for rows in (ours, theirs)]
    return differing(*lower) + differing(*upper)


def compare(db, users):
    return differing(rows_of(db, "known_user"), rows_of(users, "user"))


def main():
    users, billing = database(USERS), database(BILLING)
    users.executemany("INSERT INTO user VALUES (?, 'active', 1)", [[user_id] for user_id in range(8)])
    fill(billing, users)
    billing.execute("UPDATE known_user SET status = 'suspended' WHERE user_id = 5")
    tampered = compare(billing, users)
    billing.execute("DELETE FROM known_user")  # (3)
    fill(billing, users)
    rebuilt = compare(billing, users)
    users.execute("DELETE FROM user WHERE id = 3")  # (4)
    return {"tampered": tampered, "rebuilt": rebuilt, "lost": compare(billing, users)}


if __name__ == "__main__":
    print(main())
