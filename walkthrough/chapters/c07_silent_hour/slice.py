"""Chapter 7: the database counts every change, so a query finds changes without an event."""

import sqlite3

USERS = """
CREATE TABLE user (id INTEGER PRIMARY KEY, status TEXT);
CREATE TABLE ledger (id INTEGER PRIMARY KEY, version INTEGER, announced INTEGER);
CREATE TRIGGER added AFTER INSERT ON user
BEGIN INSERT INTO ledger VALUES (NEW.id, 1, 0); END;
CREATE TRIGGER changed AFTER UPDATE ON user
BEGIN UPDATE ledger SET version = version + 1 WHERE id = NEW.id; END; -- (1)
"""
BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
CHANGE = "INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


def change(db, user_id, status):
    with db:
        db.execute(CHANGE, [user_id, status])
        return record(db, user_id)


def record(db, user_id):
    db.execute("UPDATE ledger SET announced = version WHERE id = ?", [user_id])  # (2)
    event = "SELECT id, status, version FROM user JOIN ledger USING (id) WHERE id = ?"
    return db.execute(event, [user_id]).fetchone()


def unannounced(db):  # (3)
    return [user_id for (user_id,) in db.execute("SELECT id FROM ledger WHERE version > announced")]


def handle(db, events):
    with db:
        db.executemany("REPLACE INTO known_user VALUES (?, ?, ?)", events)


def main():
    users, billing = database(USERS), database(BILLING)
    handle(billing, [change(users, user_id, "active") for user_id in (1, 2, 3)])
    users.execute("UPDATE user SET status = 'suspended' WHERE id < 3")  # (4)
    silent = unannounced(users)
    handle(billing, [record(users, user_id) for user_id in silent])  # (5)
    copy = billing.execute("SELECT * FROM known_user").fetchall()
    return {"silent": silent, "after republishing": unannounced(users), "copy": copy}


if __name__ == "__main__":
    print(main())
