"""pandas over a recording as it lies: every table is read, and the cases that have a pandas form give sgascope's figures.

    with_pandas.py CASES.json
"""

import pathlib
import sys

import pandas as pd
import pyarrow.parquet as pq

from cases import compare, done, load, time_text, us_of

PARTITION = ["host", "instance", "date", "hour"]
SIDES = [("sessions", "session_key", ()), ("cursors", "cursor_key", ()), ("event_names", "event_no", ("wait_class", "wait_class_id"))]


def main(cases_path):
    cases = [case for case in load(cases_path) if case["pandas"] is not None]
    opened = None
    for case in cases:
        if case["recording"] != opened:
            opened = case["recording"]
            every_table(opened)
            samples, ticks = joined(opened), table(opened, "ticks")
        inside = window(samples, case)
        if case["pandas"]:
            inside = inside.query(case["pandas"])
        watched = window(ticks, case).groupby(["host", "instance"], observed=True)["weight_us"].sum().max()
        compare("pandas", case, rows(inside, case["expected"]["groups"]), int(watched))
    done("pandas", cases)


def table(recording, name):
    """A table as pandas gives it; partition columns as text."""
    read = pd.read_parquet(f"{recording}/{name}", dtype_backend="pyarrow")
    assert len(read), name
    texts = [column for column, kind in read.dtypes.items() if "dictionary" in str(kind)]
    return read.astype({column: "string[pyarrow]" for column in texts + PARTITION})


def every_table(recording):
    """All tables read back with all rows that their files say they have."""
    tables = [entry for entry in pathlib.Path(recording).iterdir() if any(entry.glob("host=*"))]
    assert len(tables) >= 5, tables
    for entry in tables:
        files = list(entry.rglob("*.parquet"))
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        assert len(table(recording, entry.name)) == rows > 0, entry


def joined(recording):
    samples = table(recording, "samples")
    for name, key, while_waiting in SIDES:
        side = table(recording, name).drop_duplicates(PARTITION + [key])
        own = [c for c in side.columns if c not in samples.columns]
        samples = samples.merge(side[PARTITION + [key] + own], on=PARTITION + [key], how="left")
        for column in while_waiting:
            samples[column] = samples[column].where(samples["event"].notna())
    on_cpu = samples["session_state"] == "ON CPU"
    for column in ("event", "wait_class"):
        samples[column] = samples[column].astype("string[pyarrow]").mask(on_cpu & samples[column].isna(), "ON CPU")
    return samples[samples["is_active"]]


def window(rows, case):
    if case["from"]:
        rows = rows[rows["sample_time"] >= pd.Timestamp(case["from"])]
    if case["to"]:
        rows = rows[rows["sample_time"] < pd.Timestamp(case["to"])]
    return rows


def rows(samples, groups):
    found = []
    for values, group in samples.groupby(groups, dropna=False, observed=True):
        execs = group[["sql_id", "sql_exec_id"]].dropna().drop_duplicates()
        times = group["sample_time"].astype("int64[pyarrow]")
        found.append((
            *[plain(v) for v in values],
            int(group["weight_us"].sum()),
            int(times.min()),
            int(times.max()),
            len(execs),
            group["sample_time"].nunique(),
            len(group),
        ))
    ordered = lambda row: (-row[len(groups)], *[(v is not None, v if v is not None else 0) for v in row[: len(groups)]])
    return sorted(found, key=ordered)


def plain(value):
    if value is pd.NA or value is None or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return time_text(us_of(value.isoformat()))
    return value.item() if hasattr(value, "item") else value


if __name__ == "__main__":
    main(*sys.argv[1:])
