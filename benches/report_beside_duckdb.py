"""Times of `sgascope report` and of DuckDB for the same questions; called by tools/bench-report."""

import argparse
import json
import os
import subprocess
import sys
import time

# What is asked: groups, what else sgascope is told, the same condition in SQL, tables joined beside cursors.
QUESTIONS = {
    "event (the default)": ("event", [], "true"),
    "event,wait_class": ("event,wait_class", [], "true"),
    "sql_id": ("sql_id", [], "true"),
    "username": ("username", [], "true"),
    "username,sql_id,event": ("username,sql_id,event", [], "true"),
    "event, of one module": ("event", ["-w", "module = 'module number 7' and p1 > 100"], "module = 'module number 7' AND p1 > 100"),
    "event, an hour": (
        "event",
        ["--from", "2026-07-26T00:30:00Z", "--to", "2026-07-26T01:30:00Z"],
        "s.sample_time >= '2026-07-26 00:30:00+00' AND s.sample_time < '2026-07-26 01:30:00+00'",
    ),
}

# As lean as SQL can say it: only the columns asked for, a side table joined only where one of its columns is.
COLUMN = {
    "event": "CASE WHEN event IS NULL AND session_state = 'ON CPU' THEN 'ON CPU' ELSE event END",
    "wait_class": "CASE WHEN event IS NULL AND session_state = 'ON CPU' THEN 'ON CPU' WHEN event IS NOT NULL THEN n.wait_class END",
    "sql_id": "c.sql_id",
    "username": "x.username",
}
SIDES = {"sql_id": ("cursors", "cursor_key", "c"), "username": ("sessions", "session_key", "x"), "wait_class": ("event_names", "event_no", "n")}

ASK = """
import json, resource, sys, time
import duckdb
connection = duckdb.connect()
connection.execute("SET threads = 2")
connection.execute("SET enable_progress_bar = false")
connection.execute("SET TimeZone = 'UTC'")
begin = time.perf_counter()
rows = connection.execute(sys.stdin.read()).fetchall()
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak": peak, "rows": rows}))
"""


def sql(directory, groups, condition):
    columns = groups.split(",")
    joins = ""
    for needed in dict.fromkeys([*columns, "sql_id"]):  # executions need sql_id
        if needed in SIDES:
            table, key, short = SIDES[needed]
            names = f"host, instance, date, hour, {key}"
            joins += f"""
            LEFT JOIN (SELECT DISTINCT ON ({names}) {names}, {needed}
                       FROM read_parquet('{directory}/{table}/host=*/**/*.parquet', hive_partitioning = true)) {short}
              ON ({', '.join(f'{short}.{n}' for n in names.split(', '))}) = ({', '.join(f's.{n}' for n in names.split(', '))})"""
    return f"""
        SELECT {', '.join(f'{COLUMN[c]} AS "{c}"' for c in columns)},
               sum(weight_us)::BIGINT, count(*), epoch_us(min(s.sample_time)), epoch_us(max(s.sample_time)),
               count(DISTINCT (c.sql_id, sql_exec_id)) FILTER (c.sql_id IS NOT NULL AND sql_exec_id IS NOT NULL),
               count(DISTINCT s.sample_time)
        FROM read_parquet('{directory}/samples/host=*/**/*.parquet', hive_partitioning = true) s {joins}
        WHERE is_active AND ({condition})
        GROUP BY {', '.join(str(n + 1) for n in range(len(columns)))}"""


def of_duckdb(query):
    run = subprocess.run([sys.executable, "-c", ASK], input=query, capture_output=True, text=True)
    if run.returncode:
        return None, 0, run.stderr.strip().splitlines()[-1]
    found = json.loads(run.stdout.splitlines()[-1])
    return found["seconds"], found["peak"], found["rows"]


def of_sgascope(program, directory, groups, words):
    command = [program, "report", directory, "-g", groups, *words, "-f", "json", "--top", "10000000"]
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"{' '.join(command)}: status {status}")
    report = json.loads(out)
    names = groups.split(",")
    rows = [
        [*(row[n] for n in names), round(row["total_seconds"] * 1e6), row["samples"], row["distinct_execs"], row["distinct_tstamps"]]
        for row in report["rows"]
    ]
    return seconds, used.ru_maxrss, rows


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", help="questions whose name contains this")
    arguments.add_argument("--without-duckdb", action="store_true")
    arguments.add_argument("--min-rate", type=float, help="fail if the default question is answered at less millions of rows a second")
    arguments.add_argument("directory")
    asked = arguments.parse_args()
    directory = os.path.abspath(asked.directory)
    found = {}
    for name, (groups, words, condition) in QUESTIONS.items():
        if asked.only and asked.only not in name:
            continue
        query = sql(directory, groups, condition)
        ours, theirs, peaks = [], [], [0, 0]
        for _ in range(asked.rounds):
            seconds, peak, rows = of_sgascope(asked.program, directory, groups, words)
            ours.append(seconds)
            peaks[0] = max(peaks[0], peak)
            if asked.without_duckdb:
                continue
            seconds, peak, answer = of_duckdb(query)
            if seconds is None:
                print(f"{name}: DuckDB: {answer}", file=sys.stderr)
                continue
            theirs.append(seconds)
            peaks[1] = max(peaks[1], peak)
            width = len(groups.split(","))
            expected = [[*r[:width], r[width], r[width + 1], r[width + 4], r[width + 5]] for r in answer]
            key = lambda row: tuple(str(value) for value in row)
            if sorted(rows, key=key) != sorted(expected, key=key):
                sys.exit(f"{name}: the answers differ")
        samples = sum(row[-3] for row in rows)
        one = {"samples": samples, "groups": len(rows), "seconds": round(min(ours), 3), "million_rows_s": round(samples / min(ours) / 1e6, 1), "peak_mib": peaks[0] // 1024}
        if theirs:
            one |= {"duckdb_seconds": round(min(theirs), 3), "duckdb_peak_mib": peaks[1] // 1024, "times_as_fast": round(min(theirs) / min(ours), 1)}
        found[name] = one
        print(f"{name}: {one}", file=sys.stderr)
    print(json.dumps(found))
    default = next(iter(found.values()))
    if asked.min_rate and default["million_rows_s"] < asked.min_rate:
        sys.exit(f"{default['million_rows_s']} million rows/s, {asked.min_rate} expected")


main()
