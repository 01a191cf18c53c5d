#!/usr/bin/env python3
"""`sgascope report` over a lake of many hosts, on Apache Spark: the same figures, row for row.

    spark-submit tools/fleet/report.py --lake s3a://bucket/lake -g host,event --from -1h
    tools/fleet/report.py --lake /var/tmp/rec -g username,event -w "wait_class = 'User I/O'" username=S% --top 10 -f json
    tools/fleet/report.py --lake /lake --view sql --from 2026-11-21T09:00:00Z --to 2026-11-21T10:00:00Z

Time is the sum of the samples' own weights. AAS is that divided by the time that was watched: of the host and instance if
they are among the groups, else of the one watched longest, so that AAS is that of all together. Exit codes as sgascope's:
0 ok, 1 nothing found, 2 usage.
"""

import argparse
import csv
import io
import json
import re
import sys
from datetime import datetime, timedelta

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lake import ALIASES, Lake, NoTable, Window, configure, when

# What a fleet is asked first.
VIEWS = {
    "hosts": ["host", "instance"],
    "sql": ["sql_id"],
    "events": ["event", "wait_class"],
    "users": ["username", "program"],
}


class Usage(Exception):
    """What was asked for can't be."""


def column_name(name):
    lower = name.strip().lower().replace("#", "_no")
    return ALIASES.get(lower, lower)


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lake", required=True, help="directory or URL of a recording or of many")
    parser.add_argument("-g", "--group", action="append", default=[], help="columns, with commas or repeated; host and instance too")
    parser.add_argument("--view", choices=sorted(VIEWS), help="a grouping of the fleet, with how many hosts share each row and the largest of them")
    parser.add_argument("--host")
    parser.add_argument("--instance")
    parser.add_argument("--from", dest="start", help="RFC 3339, or back from the lake's last tick: -15m, -1h30m, -7d")
    parser.add_argument("--to", dest="end")
    parser.add_argument("-w", "--where", help="condition in SQL; while a session doesn't wait, event and wait_class are 'ON CPU'")
    parser.add_argument("--recursive", choices=["include", "exclude", "only"], default="include")
    parser.add_argument("--background", choices=["include", "exclude", "only"], default="include")
    parser.add_argument("--top", type=int, default=15)
    parser.add_argument("-f", "--format", choices=["table", "json", "csv"], default="table")
    parser.add_argument("--no-merge-schema", action="store_true", help="take the columns of one file: faster where all were written by one version")
    parser.add_argument("filters", nargs="*", metavar="column=value", help="as in sgascope report: username=SCOTT program=sqlplus%% event!='ON CPU'")
    return parser.parse_intermixed_args(list(spans_joined(argv)))


def spans_joined(argv):
    """Arguments with `--from -15m` as one: argparse would take the span for an option."""
    words = iter(argv)
    for word in words:
        value = next(words, None) if word in ("--from", "--to") else None
        yield word if value is None else f"{word}={value}"


def time_us(text, last_us):
    """Microseconds since 1970 of RFC 3339, or of a span back from the last tick."""
    if text is None:
        return None
    units = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    if re.fullmatch(r"-(\d+[dhms])+", text):
        parts = re.findall(r"(\d+)([dhms])", text)
        return last_us() - round(sum(timedelta(**{units[u]: int(n)}).total_seconds() for n, u in parts) * 1e6)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Usage(f"{text!r} is no time; write RFC 3339, or -15m for 15 minutes before the lake's last tick")
    return (time - when(0)) // timedelta(microseconds=1)


def time_text(us):
    """RFC 3339 as sgascope writes it: no more digits than there are."""
    time = when(us)
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    if us % 1_000_000:
        text += (".%06d" % (us % 1_000_000)).rstrip("0")
    return text + "Z"


def as_text(samples, column):
    """A column as it is shown, for filter words."""
    kind = dict(samples.dtypes)[column]
    if kind.startswith("timestamp"):
        raise Usage(f"{column} is a time: use --where with TIMESTAMP '…', or --from and --to")
    return F.col(column).cast("string")


def filtered(samples, args):
    """The active samples that the arguments want."""
    rows = samples.where("is_active")
    for choice, column, kind in [(args.recursive, "session_kind", "RECURSIVE"), (args.background, "session_type", "BACKGROUND")]:
        if choice != "include":
            is_kind = F.col(column).eqNullSafe(kind)
            rows = rows.where(is_kind if choice == "only" else ~is_kind)
    for word in args.filters:
        left, equals, pattern = word.partition("=")
        negated = left.endswith("!")
        name = left.removesuffix("!")
        column = "con_id" if name.strip().lower() == "con" and pattern.isdigit() else column_name(name)
        if not equals or not re.fullmatch(r"\w+", column):
            raise Usage(f"{word!r} is no filter: write column=value or column!=value, with % for any text")
        needs(samples, [column])
        value = F.coalesce(as_text(samples, column), F.lit(""))
        is_null = F.col(column).isNull()
        if pattern == "":
            matches = is_null | (value == "")
        else:
            # only % stands for others; a text may be of several lines
            like = r"(?s)\A%s\z" % ".*".join(java_quoted(part) for part in pattern.split("%"))
            matches = ~is_null & value.rlike(like)
        rows = rows.where(~matches if negated else matches)
    if args.where:
        for short, column in ALIASES.items():
            if column in rows.columns and short not in rows.columns:
                rows = rows.withColumn(short, F.col(column))
        try:
            rows = rows.where(F.expr(args.where))
        except AnalysisException as error:
            raise Usage(f"--where: {str(error).splitlines()[0]}") from error
    return rows


def java_quoted(text):
    return "".join(c if c.isalnum() or c == "_" else "\\x{%x}" % ord(c) for c in text)


def needs(table, columns):
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise Usage(f"no column {missing[0]}; there are: {', '.join(sorted(table.columns))}")


def groups_of(args):
    names = list(VIEWS[args.view]) if args.view else []
    names += [column_name(name) for word in args.group for name in word.split(",")]
    return list(dict.fromkeys(names))


def watched_of(lake, window):
    """What the ticks say: watched microseconds of each source, and the recorders' health."""
    number = lambda c: F.coalesce(F.sum(F.col(c).cast("bigint")), F.lit(0)).alias(c)
    ticks = lake.ticks(window).groupBy("host", "instance").agg(
        F.count("*").alias("ticks"),
        F.min(F.unix_micros("sample_time")).alias("first_us"),
        F.max(F.unix_micros("sample_time")).alias("last_us"),
        F.max("late_us").alias("late_max_us"),
        *[number(c) for c in ("weight_us", "late_us", "missed", "dropped", "rows_seen", "torn", "faulted")],
    )
    return [row.asDict() for row in ticks.collect()]


def watched_us(sources, values):
    """Watched microseconds of a row's sources: of the one that was watched longest."""
    of_row = [s["weight_us"] for s in sources if all(s[k] == v for k, v in values.items() if k in ("host", "instance"))]
    return max(of_row, default=0) or None


def report(lake, args):
    """The report as `sgascope report -f json` gives it."""
    last = []

    def last_us():
        if not last:
            everything = watched_of(lake, Window(host=args.host, instance=args.instance))
            last.append(max(s["last_us"] for s in everything))
        return last[0]

    window = Window(time_us(args.start, last_us), time_us(args.end, last_us), args.host, args.instance)
    groups = groups_of(args)
    try:
        sources = watched_of(lake, window)
    except NoTable:
        sources = []
    rows, totals = [], {"total_us": 0, "samples": 0, "groups_total": 0, "first_us": None, "last_us": None}
    try:
        samples = lake.samples(window)
    except NoTable:
        if not sources:
            raise
        samples = None
    if samples is not None:
        needs(samples, groups)
        rows, totals = sums(filtered(samples, args), groups, args)
    return finished(window, groups, sources, rows, totals)


def sums(rows, groups, args):
    """The largest groups, equal ones by their values, and the sums of all."""
    source = F.struct("host", "instance")
    more = [F.count_distinct(source).alias("sources")] if args.view else []
    sums = [
        F.sum(F.col("weight_us").cast("bigint")).alias("total_us"),
        F.min(F.unix_micros("sample_time")).alias("first_us"),
        F.max(F.unix_micros("sample_time")).alias("last_us"),
        # SQL's own rule: pairs with a null aren't counted
        F.count_distinct("sql_id", "sql_exec_id").alias("distinct_execs"),
        F.count_distinct("sample_time").alias("distinct_tstamps"),
        F.count("*").alias("samples"),
    ]
    keys = [F.col(c).alias(f"group_{n}") for n, c in enumerate(groups)]
    times = [n for n, c in enumerate(groups) if dict(rows.dtypes)[c].startswith("timestamp")]
    grouped = rows.groupBy(*keys).agg(*sums, *more)
    grouped = grouped.withColumns({f"group_{n}": F.unix_micros(f"group_{n}") for n in times}).persist()
    try:
        totals = grouped.agg(
            F.coalesce(F.sum("total_us"), F.lit(0)).alias("total_us"),
            F.coalesce(F.sum("samples"), F.lit(0)).alias("samples"),
            F.count("*").alias("groups_total"),
            F.min("first_us").alias("first_us"),
            F.max("last_us").alias("last_us"),
        ).first().asDict()
        order = [F.desc("total_us"), *[F.asc_nulls_first(f"group_{n}") for n in range(len(groups))]]
        found = [row.asDict() for row in grouped.orderBy(*order).limit(args.top).collect()]
    finally:
        grouped.unpersist()
    # groups without columns give a row even of no samples
    found = [row for row in found if row["samples"]]
    totals["groups_total"] = totals["groups_total"] if totals["samples"] else 0
    for row in found:
        row["values"] = [shown(row.pop(f"group_{n}"), n in times) for n in range(len(groups))]
    if args.view and found:
        largest(rows, groups, found)
    return found, totals


def largest(rows, groups, found):
    """Names for each row found the host and instance that had most of it."""
    if any(g in ("host", "instance") for g in groups):
        return
    same = F.lit(False)
    for row in found:
        this = F.lit(True)
        for column, value in zip(groups, row["values"]):
            this = this & F.col(column).eqNullSafe(F.lit(value))
        same = same | this
    each = rows.where(same).groupBy(*groups, "host", "instance").agg(F.sum(F.col("weight_us").cast("bigint")).alias("us"))
    most = {}
    for row in sorted(each.collect(), key=lambda r: (-r["us"], r["host"], r["instance"])):
        most.setdefault(tuple(row[g] for g in groups), (f"{row['host']}/{row['instance']}", row["us"]))
    for row in found:
        row["largest"], us = most[tuple(row["values"])]
        row["largest_pct"] = 100.0 * us / row["total_us"] if row["total_us"] else 0.0


def shown(value, is_time):
    """A group's value in JSON's types."""
    if value is not None and is_time:
        return time_text(value)
    return int(value) if hasattr(value, "as_integer_ratio") and not isinstance(value, bool) else value


def finished(window, groups, sources, rows, totals):
    total_us = totals["total_us"]
    longest = watched_us(sources, {})
    add = lambda name: sum(s[name] for s in sources)
    ends = [
        window.from_us if window.from_us is not None else min((s["first_us"] for s in sources), default=totals["first_us"]),
        window.to_us if window.to_us is not None else max((s["last_us"] for s in sources), default=totals["last_us"]),
    ]
    ticks = add("ticks")
    meta = {
        "from": None if ends[0] is None else time_text(ends[0]),
        "to": None if ends[1] is None else time_text(ends[1]),
        "elapsed_seconds": longest and longest / 1e6,
        "total_seconds": total_us / 1e6,
        "aas": longest and total_us / longest,
        "samples": totals["samples"],
        "groups_total": totals["groups_total"],
        "ticks": ticks,
        "missed": add("missed"),
        "dropped": add("dropped"),
        "late_max_us": max((s["late_max_us"] for s in sources), default=0),
        "late_mean_us": add("late_us") / ticks if ticks else 0.0,
        "rows_seen": add("rows_seen"),
        "torn": add("torn"),
        "torn_share": add("torn") / add("rows_seen") if add("rows_seen") else 0.0,
        "faulted": add("faulted"),
        "sources": len(sources),
    }
    out = []
    for row in rows:
        values = dict(zip(groups, row["values"]))
        watched = watched_us(sources, values)
        out.append({
            "total_seconds": row["total_us"] / 1e6,
            "aas": watched and row["total_us"] / watched,
            "pct": 100.0 * row["total_us"] / total_us if total_us else 0.0,
            **values,
            "first_seen": time_text(row["first_us"]),
            "last_seen": time_text(row["last_us"]),
            "distinct_execs": row["distinct_execs"],
            "distinct_tstamps": row["distinct_tstamps"],
            "samples": row["samples"],
            **{name: row[name] for name in ("sources", "largest", "largest_pct") if name in row},
        })
    return {"meta": meta, "groups": groups, "rows": out}


def rendered(result, form):
    if form == "json":
        return json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    names = list(result["rows"][0]) if result["rows"] else ["total_seconds", "aas", "pct", *result["groups"]]
    out = io.StringIO()
    if form == "csv":
        # \r\n as RFC 4180 and sgascope have it
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(names)
        writer.writerows([row[n] if row[n] is not None else "" for n in names] for row in result["rows"])
        return out.getvalue()
    meta = result["meta"]
    out.write(f"{meta['from']} to {meta['to']}, {meta['sources']} source(s), {meta['elapsed_seconds'] or 0:.1f} s watched, ")
    out.write(f"{meta['total_seconds']:.2f} s active, AAS {meta['aas'] or 0:.2f}, {len(result['rows'])} of {meta['groups_total']} groups\n")
    out.write(f"Recorders: {meta['ticks']} ticks, {meta['missed']} missed, {meta['dropped']} dropped\n\n")
    titles = {"total_seconds": "TotalSeconds", "pct": "%This", "aas": "AAS", "distinct_execs": "Distinct Execs",
              "distinct_tstamps": "Distinct Tstamps", "sources": "Sources", "largest": "Largest", "largest_pct": "%Largest"}
    cells = [[titles.get(n, n.upper()) for n in names if n != "samples"]]
    for row in result["rows"]:
        cells.append([cell(n, row[n]) for n in names if n != "samples"])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    numbers = ("total_seconds", "aas", "pct", "distinct_execs", "distinct_tstamps", "sources", "largest_pct")
    shown_names = [n for n in names if n != "samples"]
    for line in cells:
        padded = (c.rjust(w) if n in numbers else c.ljust(w) for c, w, n in zip(line, widths, shown_names))
        out.write(" ".join(padded).rstrip() + "\n")
    return out.getvalue()


def cell(name, value):
    if value is None:
        return ""
    if name in ("total_seconds", "aas"):
        return f"{value:.2f}"
    if name in ("pct", "largest_pct"):
        return f"{value:.0f} %"
    # names come from the monitored clients: nothing that a terminal acts on
    return "".join(c if c.isprintable() else "?" for c in str(value))


def run(spark, argv):
    """One report in a session that there is; the object that -f json prints."""
    args = arguments(argv)
    return report(Lake(spark, args.lake, not args.no_merge_schema), args)


def main(argv):
    args = arguments(argv)
    spark = configure(SparkSession.builder.appName("sgascope fleet report")).getOrCreate()
    try:
        result = report(Lake(spark, args.lake, not args.no_merge_schema), args)
    except Usage as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    except NoTable as error:
        print(f"report.py: {error}; are its files closed, and is the window right?", file=sys.stderr)
        return 1
    finally:
        spark.stop()
    sys.stdout.write(rendered(result, args.format))
    return 0 if result["rows"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
