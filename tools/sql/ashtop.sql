-- Top activity by any columns, as ashtop does, over the views of duckdb_views.sql.
--
--   .read tools/sql/ashtop.sql
--   FROM ashtop('username, event');
--   FROM ashtop('program, sql_id', 'session_type = ''FOREGROUND''', '2026-11-21 09:00:00+00', '2026-11-21 10:00:00+00');
--
-- cols:   columns of "v$active_session_history", with commas
-- cond:   any condition on them
-- from_time, to_time: the window; the end isn't part of it
--
-- Figures are those of `sgascope report -g …`: time is the sum of weights, AAS is that divided by the time that was watched
-- (of several instances the one watched longest), so what was missed or dropped isn't taken for idle time. While a
-- session doesn't wait, event and wait_class are 'ON CPU'.
CREATE OR REPLACE MACRO ashtop(cols, cond := 'true', from_time := '0001-01-01 00:00:00+00', to_time := '9999-12-31 00:00:00+00') AS TABLE
FROM query(format('
  WITH ash AS (
    SELECT * REPLACE (
      CASE WHEN event IS NULL AND session_state = ''ON CPU'' THEN ''ON CPU'' ELSE event END AS event,
      CASE WHEN wait_class IS NULL AND session_state = ''ON CPU'' THEN ''ON CPU'' ELSE wait_class END AS wait_class)
    FROM "v$active_session_history"
    WHERE sample_time >= ''{2}''::TIMESTAMPTZ AND sample_time < ''{3}''::TIMESTAMPTZ
  ), watched AS (
    SELECT max(us) AS us FROM (
      SELECT sum(weight_us) AS us FROM recorded_ticks
      WHERE sample_time >= ''{2}''::TIMESTAMPTZ AND sample_time < ''{3}''::TIMESTAMPTZ
      GROUP BY host, instance)
  )
  SELECT
    sum(weight_us)::BIGINT AS total_us,
    round(sum(weight_us) / 1e6, 2) AS TotalSeconds,
    round(sum(weight_us) / any_value(watched.us), 2) AS AAS,
    round(100 * sum(weight_us) / sum(sum(weight_us)) OVER (), 1) AS "%This",
    {0},
    min(sample_time) AS FIRST_SEEN,
    max(sample_time) AS LAST_SEEN,
    count(DISTINCT (sql_id, sql_exec_id)) FILTER (sql_id IS NOT NULL AND sql_exec_id IS NOT NULL) AS "Distinct Execs",
    count(DISTINCT sample_time) AS "Distinct Tstamps",
    count(*) AS samples
  FROM ash, watched
  WHERE ({1})
  GROUP BY {0}
  ORDER BY total_us DESC, {0}
', cols, cond, from_time, to_time));
