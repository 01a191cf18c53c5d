"""Spark over a lake of several hosts, through tools/fleet: every case must give sgascope's report, row for row.

    with_spark.py CASES.json      with MASTER naming the cluster (tools/fleet/cluster.py sets it)

One application runs all cases: each is what the command line of tools/fleet/report.py would do.
"""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "fleet"))

from pyspark.sql import SparkSession

import report
from cases import done, load
from lake import NoTable, configure

# What sgascope's report says beside, of files and blueprints.
NOT_OF_SPARK = ("truncated_files", "unproven_files", "unjoined", "forced")


def main(cases_path):
    cases = load(cases_path)
    builder = SparkSession.builder.appName("sgascope lake test")
    # small data: as many tasks as cores
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.autoBroadcastJoinThreshold": "10m",
    }.items():
        builder = builder.config(name, value)
    spark = configure(builder).getOrCreate()
    try:
        assert spark.sparkContext.master == os.environ["MASTER"], spark.sparkContext.master
        for case in cases:
            check(spark, case)
        executors(spark)
        views(spark, cases)
        refusals(spark, cases[0]["recording"])
    finally:
        spark.stop()
    done("Spark", cases)


def check(spark, case):
    arguments = ["--lake", case["recording"], *case["report"], "--top", "1000000"]
    found = report.run(spark, arguments)
    expected = case["expected"]
    meta = {k: v for k, v in expected["meta"].items() if k not in NOT_OF_SPARK}
    sources = found["meta"].pop("sources")
    if sources != case["sources"] or found["meta"] != meta or found["rows"] != expected["rows"]:
        only = [row for row in found["rows"] if row not in expected["rows"]][:2]
        lacking = [row for row in expected["rows"] if row not in found["rows"]][:2]
        sys.exit(f"Spark, case {case['name']}: {sources} sources, {found['meta']}, expected {case['sources']}, {meta}; not expected {only}, lacking {lacking}")


def executors(spark):
    """The work was done by both workers, not by the driver."""
    memory = spark.sparkContext._jsc.sc().getExecutorMemoryStatus()
    assert memory.size() == 3, memory


def views(spark, cases):
    """The fleet's views agree with the reports of each host."""
    lake = cases[0]["recording"]
    hosts = report.run(spark, ["--lake", lake, "--view", "hosts"])
    single = {case["host"]: case["expected"] for case in cases if case["host"] and not case["from"] and case["whole"]}
    assert len(hosts["rows"]) == len(single) >= 3, (hosts, list(single))
    for row in hosts["rows"]:
        meta = single[row["host"]]["meta"]
        assert (row["total_seconds"], row["aas"], row["samples"]) == (meta["total_seconds"], meta["aas"], meta["samples"]), row
        assert row["sources"] == 1
    sql = report.run(spark, ["--lake", lake, "--view", "sql", "--top", "5"])
    assert sql["rows"] and all(1 <= row["sources"] <= len(single) and 0 < row["largest_pct"] <= 100 for row in sql["rows"])
    top = sql["rows"][0]
    host = top["largest"].split("/")[0]
    word = f"sql_id={top['sql_id'] or ''}"
    alone = report.run(spark, ["--lake", lake, "--host", host, word, "-g", "sql_id"])["rows"][0]
    assert 100.0 * alone["total_seconds"] / top["total_seconds"] - top["largest_pct"] < 1e-9, (alone, top)
    for form in ("table", "csv"):
        lines = report.rendered(sql, form).splitlines()
        assert len(lines) >= 6 and top["largest"] in "".join(lines), lines
    assert json.loads(report.rendered(sql, "json")) == sql


def refusals(spark, lake):
    for arguments, error in [
        (["-g", "no_such_column"], report.Usage),
        (["--from", "yesterday"], report.Usage),
        (["username"], report.Usage),
        (["--where", "no_such_column = 1"], report.Usage),
        (["--where", "event = ("], report.Usage),
        (["--host", "nobody"], NoTable),
        (["--from", "2001-01-01T00:00:00Z", "--to", "2001-01-02T00:00:00Z"], NoTable),
    ]:
        try:
            report.run(spark, ["--lake", lake, *arguments])
        except error:
            continue
        sys.exit(f"{arguments}: not refused by {error.__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
