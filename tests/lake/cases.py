"""Reports of sgascope that another engine must give too, and how figures are compared: exactly.

Callers: with_duckdb.py, with_pandas.py, with_spark.py. A case is what tests/lake/main.rs writes: the report's arguments in
each engine's terms and what `sgascope report -f json` said.
"""

import json
import sys
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def load(path):
    with open(path) as file:
        return json.load(file)


def us_of(text):
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def time_text(us):
    text = (EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S")
    if us % 1_000_000:
        text += (".%06d" % (us % 1_000_000)).rstrip("0")
    return text + "Z"


def exact_us(seconds):
    """Seconds in a report are whole microseconds, printed with all the digits that a double needs."""
    us = round(seconds * 1e6)
    assert us / 1e6 == seconds, seconds
    return us


def expected_rows(case):
    """(values…, µs, first, last, executions, times, samples) of each group, largest first."""
    groups = case["expected"]["groups"]
    return [
        (
            *[row[g] for g in groups],
            exact_us(row["total_seconds"]),
            us_of(row["first_seen"]),
            us_of(row["last_seen"]),
            row["distinct_execs"],
            row["distinct_tstamps"],
            row["samples"],
        )
        for row in case["expected"]["rows"]
    ]


def compare(engine, case, found, elapsed_us):
    expected = expected_rows(case)
    problems = []
    if elapsed_us != exact_us(case["expected"]["meta"]["elapsed_seconds"] or 0):
        problems.append(f"watched {elapsed_us} µs, expected {case['expected']['meta']['elapsed_seconds']} s")
    if found != expected:
        only = [row for row in found if row not in expected][:3]
        lacking = [row for row in expected if row not in found][:3]
        problems.append(f"{len(found)} rows, expected {len(expected)}; not expected {only}; lacking {lacking}; or in another order")
    if problems:
        sys.exit(f"{engine}, case {case['name']}: " + "; ".join(problems))


def done(engine, cases):
    rows = sum(len(case["expected"]["rows"]) for case in cases)
    assert cases and rows, "nothing was compared"
    print(f"{engine}: {len(cases)} reports, {rows} rows equal")
