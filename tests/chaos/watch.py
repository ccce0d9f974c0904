"""Triggers in the run's own databases that record what the system itself forgets, or must never do. They change nothing."""

from tests.chaos.databases import Databases

#: Every position given, in both contexts: to which version, and when.
STAMPS = "CREATE TABLE chaos_stamps (position BIGINT NOT NULL, about TEXT, version BIGINT, at DOUBLE PRECISION)"
#: Every round in which positions were given: the last one, and when. A round begins when the one before it is committed.
ROUNDS = "CREATE TABLE chaos_rounds (head BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL)"
#: Every version that a user ever had at the authority.
VERSIONS = "CREATE TABLE chaos_versions (user_id TEXT, version BIGINT, status TEXT, at DOUBLE PRECISION)"
#: Every recorded event, also the purged ones; `at` by the database's clock.
EVENTS = (
    "CREATE TABLE chaos_events (id TEXT, type TEXT, subject TEXT, causation TEXT, correlation TEXT, at DOUBLE PRECISION NOT NULL)"
)
#: The newest version of each user that the copy ever had, and each time when it had less afterwards. A deleted (not erased) user
#: may come back if the authority was set back.
SEEN = "CREATE TABLE chaos_seen (user_id TEXT PRIMARY KEY, version BIGINT NOT NULL, status TEXT NOT NULL)"
BACK = "CREATE TABLE chaos_back (user_id TEXT, was TEXT, became TEXT)"
#: Every user that was ever erased or deleted at the authority.
ERASED = "CREATE TABLE chaos_erased (user_id TEXT PRIMARY KEY)"
#: Every invoice, with the version of the user that it was decided on, and the copy's claims about itself at that moment.
DECISIONS = (
    "CREATE TABLE chaos_decisions "
    "(user_id TEXT, version BIGINT, staleness TEXT, doubt TEXT, confirmed_at TEXT, marks TEXT, at DOUBLE PRECISION)"
)

_STATUS = "CASE WHEN NEW.deleted THEN 'deleted' ELSE NEW.status END"
_NOTE_BACK = """
    INSERT INTO chaos_back (user_id, was, became)
    SELECT {id}, s.version || ' ' || s.status, NEW.version || ' ' || {status} FROM chaos_seen s
    WHERE s.user_id = {id} AND (s.version > NEW.version OR (s.status = 'erased' AND NEW.status <> 'erased'));
    INSERT INTO chaos_seen (user_id, version, status) VALUES ({id}, NEW.version, {status})
    ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, status = excluded.status;
"""


def install(databases: Databases) -> None:
    """Make the tables and triggers after the migration."""
    make = _postgresql if databases.engine == "postgresql" else _sqlite
    watched = ("stamps", "rounds", "events", "erased", "versions")
    users = [STAMPS, ROUNDS, EVENTS, ERASED, VERSIONS, *(one for name in watched for one in make(name))]
    billing = [
        STAMPS,
        EVENTS,
        SEEN,
        BACK,
        DECISIONS,
        *(one for name in ("stamps", "events", "back", "decisions") for one in make(name)),
    ]
    databases.execute("users", users)
    databases.execute("billing", billing)


#: The triggers: the watched table, the operation, the condition, and the statements.
def _watches(name: str, *, json: str, text: str, key: str, now: str, true: str) -> tuple[str, tuple[str, ...], str, str]:
    if name == "stamps":
        return (
            "messaging_ledger",
            ("INSERT", "UPDATE OF position"),
            "NEW.position IS NOT NULL",
            f"INSERT INTO chaos_stamps VALUES (NEW.position, NEW.aggregate_id, NEW.version, {now});",
        )
    if name == "rounds":
        return "messaging_sequence", ("UPDATE OF head",), true, f"INSERT INTO chaos_rounds VALUES (NEW.head, {now});"
    if name == "versions":
        status = f"CASE WHEN NEW.deleted = {true} THEN 'erased' ELSE (SELECT status FROM users_user WHERE id = {key}) END"
        return (
            "messaging_ledger",
            ("INSERT", "UPDATE OF version"),
            "NEW.aggregate = 'users.user'",
            f"INSERT INTO chaos_versions VALUES (NEW.aggregate_id, NEW.version, {status}, {now});",
        )
    if name == "decisions":
        return (
            "billing_invoice",
            ("INSERT",),
            true,
            f"INSERT INTO chaos_decisions SELECT {text}, NEW.user_version, NEW.staleness, doubt, CAST(confirmed_at AS TEXT), "
            f"CAST(marks AS TEXT), {now} FROM messaging_subscription WHERE authority = 'users';",
        )
    if name == "events":
        picked = ", ".join(json.format(key=key) for key in ("id", "type", "subject", "causationid", "correlationid"))
        return "published", ("INSERT",), true, f"INSERT INTO chaos_events VALUES ({picked}, {now});"
    if name == "erased":
        return (
            "messaging_ledger",
            ("INSERT", "UPDATE OF deleted"),
            f"NEW.deleted = {true}",
            "INSERT INTO chaos_erased (user_id) VALUES (NEW.aggregate_id) ON CONFLICT DO NOTHING;",
        )
    return "billing_cacheduser", ("INSERT", "UPDATE"), true, _NOTE_BACK.format(id=text, status=_STATUS)


def _postgresql(name: str) -> list[str]:
    table, moments, condition, body = _watches(
        name,
        json="NEW.body->>'{key}'",
        text="NEW.user_id::text",
        key="NEW.aggregate_id::uuid",
        now="extract(epoch FROM clock_timestamp())",
        true="true",
    )
    # With its own search path, because the ledger's trigger, in which it runs, has a narrow one.
    declared = "RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT"
    function = f"CREATE FUNCTION chaos_{name}() {declared} AS $$ BEGIN {body} RETURN NULL; END $$"
    trigger = (
        f"CREATE TRIGGER chaos_{name} AFTER {' OR '.join(moments)} ON {table} "
        f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION chaos_{name}()"
    )
    return [function, trigger]


def _sqlite(name: str) -> list[str]:
    table, moments, condition, body = _watches(
        name,
        json="json_extract(NEW.body, '$.{key}')",
        text="NEW.user_id",
        key="replace(NEW.aggregate_id, '-', '')",
        now="(julianday('now') - 2440587.5) * 86400",
        true="1",
    )
    return [
        f"CREATE TRIGGER chaos_{name}_{number} AFTER {moment} ON {table} WHEN {condition} BEGIN {body} END"
        for number, moment in enumerate(moments)
    ]
