"""A lake of recordings as Spark sees it: the tables, pruned by partition and joined.

For: one DataFrame of samples with all columns of a recording, and one of ticks. The lake's layout is the recording's own:

    LAKE/<table>/host=<h>/instance=<i>/date=YYYY-MM-DD/hour=HH/part-….parquet

Not for: figures. Caller: report.py.
"""

import sys
from datetime import datetime, timedelta, timezone

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

PARTITION = ["host", "instance", "date", "hour"]
# Side table of samples, its key, and the columns of it that are null where the sample's event is (as the recorder's own
# reader joins them).
SIDES = [
    ("sessions", "session_key", ()),
    ("cursors", "cursor_key", ()),
    ("event_names", "event_no", ("wait_class", "wait_class_id")),
]
# While a session doesn't wait, these show so (as in `sgascope report`).
WAIT_COLUMNS = ("event", "wait_class")
ON_CPU = "ON CPU"
# Names that are short for columns, as in `sgascope report`.
ALIASES = {
    "sid": "session_id",
    "serial": "session_serial_no",
    "serial_no": "session_serial_no",
    "service": "service_name",
    "con": "con_name",
}
# More days than that are listed as all days.
MOST_DAYS = 100


class NoTable(Exception):
    """The lake has no such table in the window."""


class Window:
    """Times from `from_us` to before `to_us` (microseconds since 1970, or None), on hosts and instances (or all)."""

    def __init__(self, from_us=None, to_us=None, host=None, instance=None):
        self.from_us, self.to_us, self.host, self.instance = from_us, to_us, host, instance

    def pattern(self):
        """The partitions to list, as a path."""
        host = hive(self.host) if self.host is not None else "*"
        instance = hive(self.instance) if self.instance is not None else "*"
        return f"host={host}/instance={instance}/date={self._dates()}"

    def _dates(self):
        if self.from_us is None or self.to_us is None:
            return "*"
        day, last = when(self.from_us).date(), when(self.to_us - 1).date()
        days = (last - day).days + 1
        if not 0 < days <= MOST_DAYS:
            return "*"
        return "{%s}" % ",".join(str(day + timedelta(n)) for n in range(days))

    def prune(self, table):
        """Rows of the window; hours outside aren't opened, nor row groups."""
        hour = F.concat("date", F.lit(" "), "hour")
        time = F.col("sample_time")
        if self.from_us is not None:
            table = table.where(hour >= when(self.from_us).strftime("%Y-%m-%d %H"))
            table = table.where(time >= F.timestamp_micros(F.lit(self.from_us)))
        if self.to_us is not None:
            table = table.where(hour <= when(self.to_us - 1).strftime("%Y-%m-%d %H"))
            table = table.where(time < F.timestamp_micros(F.lit(self.to_us)))
        return table

    def prune_side(self, table):
        """Side rows of the window's hours: their own time is that of their first use."""
        hour = F.concat("date", F.lit(" "), "hour")
        if self.from_us is not None:
            table = table.where(hour >= when(self.from_us).strftime("%Y-%m-%d %H"))
        if self.to_us is not None:
            table = table.where(hour <= when(self.to_us - 1).strftime("%Y-%m-%d %H"))
        return table


def when(us):
    """A time from microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)


def hive(value):
    """A value as it is spelled in a path."""
    if value == "":
        return "__HIVE_DEFAULT_PARTITION__"
    odd = "\"#%'*/:=?\\{[]^"
    return "".join("%%%02X" % ord(c) if ord(c) < 32 or ord(c) == 127 or c in odd else c for c in value)


def configure(builder):
    """What the figures rely on, whatever the cluster's defaults are."""
    return (
        builder.config("spark.sql.session.timeZone", "UTC")
        # a host named 007 is no number
        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    )


class Lake:
    """The tables below a path that Spark can read (a directory, s3a://bucket/prefix, hdfs://…)."""

    def __init__(self, spark, path, merge_schema=True):
        self.spark, self.path, self.merge_schema = spark, path.rstrip("/"), merge_schema
        # each pattern that is listed would be warned of
        spark.sparkContext.setLogLevel("ERROR")

    def _table(self, name, window):
        reader = self.spark.read.option("basePath", f"{self.path}/{name}")
        # hot files (.arrows) that a sync took along are not read
        reader = reader.option("pathGlobFilter", "*.parquet").option("mergeSchema", self.merge_schema)
        try:
            table = reader.parquet(f"{self.path}/{name}/{window.pattern()}")
        except AnalysisException as error:
            if error.getCondition() in ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA"):
                raise NoTable(f"{self.path} has no closed file of {name} in {window.pattern()}") from error
            raise
        return table

    def ticks(self, window):
        """The ticks of the window."""
        return window.prune(self._table("ticks", window))

    def samples(self, window):
        """The samples of the window with all their columns; `event` and `wait_class` are ON CPU where nothing is waited for."""
        samples = window.prune(self._table("samples", window))
        for name, key, while_waiting in SIDES:
            if key not in samples.columns:
                continue
            try:
                side = window.prune_side(self._table(name, window))
            except NoTable:
                continue
            samples = join(samples, side, key, while_waiting)
        if "source" in samples.columns:
            samples = samples.withColumn("source", F.coalesce("source", F.lit("sga")))
        on_cpu = F.col("session_state") == ON_CPU
        shown = {c: F.when(F.col(c).isNull() & on_cpu, ON_CPU).otherwise(F.col(c)) for c in WAIT_COLUMNS}
        return samples.withColumns(shown)


def join(samples, side, key, while_waiting):
    """Samples with the columns of a side table, where they don't hold them themselves (imported rows do)."""
    keys = PARTITION + [key]
    own = [c for c in side.columns if c not in keys + ["sample_time"]]
    # the sample's own value is what a recording means; session_id and the like stand in both
    lacking = [c for c in own if c not in samples.columns or c in while_waiting or not _always(c)]
    # a restart within the hour repeats rows
    side = side.dropDuplicates(keys).select(*keys, *[F.col(c).alias(f"side_{c}") for c in lacking])
    joined = samples.join(side, keys, "left")
    columns = {}
    for c in lacking:
        value = F.col(f"side_{c}")
        if c in while_waiting:
            value = F.when(F.col("event").isNotNull(), value)
        columns[c] = F.coalesce(F.col(c), value) if c in samples.columns else value
    return joined.withColumns(columns).drop(*[f"side_{c}" for c in lacking])


def _always(column):
    """Columns that every sample has itself, in whatever file."""
    return column in ("session_id", "session_serial_no", "event")
