"""The sequencer's function on PostgreSQL as it was before migration 0019, when a database had one context.

Migrations before it make this one, and 0019 makes it again when it is undone.
"""

_OFF = (
    "enable_sort",
    "enable_incremental_sort",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_bitmapscan",
    "enable_seqscan",
    "jit",
)


def install_stamping(connection, *, marks=True):
    """Create or replace the function. `marks`: store each round's mark; before migration 0012 there is no table for them."""
    if connection.vendor != "postgresql":
        return
    settings = " ".join(f"SET {setting} = off" for setting in _OFF)
    marking = """
                    INSERT INTO messaging_mark ("position", first, mark, previous)
                    SELECT before + given, before + 1, left(replace(gen_random_uuid()::text, '-', ''), 16),
                        coalesce((SELECT m.mark FROM messaging_mark m ORDER BY m."position" DESC LIMIT 1), '')
                    ON CONFLICT ("position") DO UPDATE
                    SET first = excluded.first, mark = excluded.mark, previous = excluded.previous;"""
    with connection.cursor() as cursor:
        cursor.execute(f"""
            CREATE OR REPLACE FUNCTION messaging_stamp(wanted bigint) RETURNS bigint LANGUAGE plpgsql {settings} AS $body$
            DECLARE
                before bigint;
                given bigint;
            BEGIN
                SELECT head INTO before FROM messaging_sequence WHERE id = 1 FOR UPDATE;
                IF before IS NULL THEN
                    INSERT INTO messaging_sequence (id, head, floor) VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
                    SELECT head INTO before FROM messaging_sequence WHERE id = 1 FOR UPDATE;
                END IF;
                -- A new statement, so it sees every change that was committed before the lock was ours.
                WITH pending AS (
                    SELECT id FROM messaging_ledger WHERE position IS NULL ORDER BY changed_at, id LIMIT wanted
                    FOR UPDATE SKIP LOCKED
                ), numbered AS (
                    SELECT id, row_number() OVER () + before AS position FROM pending
                )
                UPDATE messaging_ledger l SET position = n.position FROM numbered n WHERE l.id = n.id;
                GET DIAGNOSTICS given = ROW_COUNT;
                IF given > 0 THEN
                    UPDATE messaging_sequence SET head = before + given WHERE id = 1;{marking if marks else ""}
                END IF;
                RETURN given;
            END $body$""")


def remove_stamping(connection):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION IF EXISTS messaging_stamp(bigint)")
