"""DuckDB over a recording as it lies, through tools/sql: every case must give sgascope's figures.

    with_duckdb.py CASES.json TOOLS_SQL_DIR
"""

import pathlib
import sys

import duckdb

from cases import compare, done, load, time_text

ALL_TIME = ("0001-01-01 00:00:00+00", "9999-12-31 00:00:00+00")


def main(cases_path, sql_dir):
    cases = load(cases_path)
    connection, opened = duckdb.connect(), None
    connection.execute("SET TimeZone = 'UTC'")
    for case in cases:
        if case["recording"] != opened:
            opened = case["recording"]
            connection.execute("SET VARIABLE recording = $1", [opened])
            for script in ("duckdb_views.sql", "ashtop.sql"):
                connection.execute(pathlib.Path(sql_dir, script).read_text())
        start, end = case["from"] or ALL_TIME[0], case["to"] or ALL_TIME[1]
        compare("DuckDB", case, rows(connection, case, start, end), watched(connection, start, end))
    shown_as_oracle_names_them(connection)
    done("DuckDB", cases)


def rows(connection, case, start, end):
    groups = case["expected"]["groups"]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE found AS FROM ashtop($cols, $cond, $start, $end)",
        {"cols": ", ".join(groups), "cond": case["sql"] or "true", "start": start, "end": end},
    )
    types = {name: kind for name, kind, *_ in connection.execute("DESCRIBE found").fetchall()}
    times = [types[g] == "TIMESTAMP WITH TIME ZONE" for g in groups]
    shown = [f"epoch_us({g})" if is_time else g for g, is_time in zip(groups, times)]
    found = connection.execute(
        f"""SELECT {', '.join(shown)}, total_us, epoch_us(FIRST_SEEN), epoch_us(LAST_SEEN), "Distinct Execs",
                   "Distinct Tstamps", samples
            FROM found ORDER BY total_us DESC, {', '.join(f'{g} NULLS FIRST' for g in groups)}"""
    ).fetchall()
    text = lambda value, is_time: time_text(value) if is_time and value is not None else value
    return [(*[text(v, t) for v, t in zip(row, times)], *row[len(groups):]) for row in found]


def watched(connection, start, end):
    sums = connection.execute(
        """SELECT sum(weight_us)::BIGINT FROM recorded_ticks
           WHERE sample_time >= $start::TIMESTAMPTZ AND sample_time < $end::TIMESTAMPTZ GROUP BY host, instance""",
        {"start": start, "end": end},
    ).fetchall()
    return max((us for us, in sums), default=0)


def shown_as_oracle_names_them(connection):
    """What ASH scripts write: Oracle's names, joined with users and events."""
    query = """
        SELECT count(*)
        FROM "v$active_session_history" a
        JOIN dba_users u ON u.user_id = a.user_id
        LEFT JOIN "v$event_name" n ON n."event#" = a."event#"
        WHERE a."SESSION_SERIAL#" IS NOT NULL AND a.SAMPLE_TIME IS NOT NULL AND u.username = a.username
          AND (a.event IS NULL OR n.name = a.event) AND a."CURRENT_OBJ#" IS NOT DISTINCT FROM a.current_obj_no"""
    named = connection.execute(query).fetchone()[0]
    users = """SELECT count(*) FROM "v$active_session_history" WHERE username IS NOT NULL"""
    assert named == connection.execute(users).fetchone()[0] > 0
    sessions = connection.execute("""SELECT count(*), count(DISTINCT sid) FROM "v$session_attributes" """).fetchone()
    assert sessions[0] >= sessions[1] > 0


if __name__ == "__main__":
    main(*sys.argv[1:])
