-- Views over a recording of sgascope as it lies, for DuckDB (written for 2.0).
--
--   duckdb -cmd "SET VARIABLE recording = '/var/tmp/rec'" -init tools/sql/duckdb_views.sql
--   D SELECT event, sum(weight_us) / 1e6 FROM "v$active_session_history" GROUP BY ALL ORDER BY 2 DESC;
--   D FROM ashtop('username, event', 'wait_class = ''User I/O''');                  -- after .read tools/sql/ashtop.sql
--
-- The variable names the directory of a recording, or of a lake of many hosts (the same layout; s3://… after LOAD httpfs).
-- Set it before these views are made, and make them again for another directory.
--
-- Only closed files (Parquet) are read. The hour being written is an Arrow IPC stream (part-….arrows), which DuckDB
-- doesn't read: it is closed at the end of the hour, by SIGHUP to the recorder, and when the recorder ends.
--
-- Rows aren't of equal worth: weight_us says for how many microseconds a sample stands. Time is sum(weight_us), never a
-- count, and never a sum of wait times of waits in progress. Average active sessions are sum(weight_us) of active samples
-- divided by sum(weight_us) of ticks in the same window (of one host and instance).
--
-- Names: as in recordings (session_serial_no), and in "v$…" views also as Oracle writes them ("session_serial#").

-- Any table of the recording: FROM recording_table('sql_text'), 'stats', 'processes', 'events' …
CREATE OR REPLACE MACRO recording_table(name) AS TABLE
SELECT *
FROM read_parquet(getvariable('recording') || '/' || name || '/host=*/**/*.parquet',
                  hive_partitioning = true, hive_types_autocast = false, union_by_name = true);

CREATE OR REPLACE VIEW recorded_ticks AS
SELECT * FROM recording_table('ticks');

-- Side tables hold what hardly changes, once an hour and content. A restart within the hour repeats rows.
CREATE OR REPLACE VIEW recorded_sessions AS
SELECT DISTINCT ON (host, instance, "date", "hour", session_key) *
FROM recording_table('sessions');

CREATE OR REPLACE VIEW recorded_cursors AS
SELECT DISTINCT ON (host, instance, "date", "hour", cursor_key) *
FROM recording_table('cursors');

CREATE OR REPLACE VIEW recorded_event_names AS
SELECT DISTINCT ON (host, instance, "date", "hour", event_no) *
FROM recording_table('event_names');

-- All columns of all samples, side tables joined. Rows that were imported hold those columns themselves, hence
-- coalesce; the empty branch of the union names them where nothing was imported.
CREATE OR REPLACE VIEW recorded_samples AS
WITH s AS (
  SELECT * FROM recording_table('samples')
  UNION ALL BY NAME
  SELECT
    NULL::VARCHAR AS source,
    NULL::UINTEGER AS user_id, NULL::VARCHAR AS username, NULL::VARCHAR AS schemaname, NULL::VARCHAR AS osuser,
    NULL::VARCHAR AS process, NULL::VARCHAR AS machine, NULL::UINTEGER AS port, NULL::VARCHAR AS terminal,
    NULL::VARCHAR AS program, NULL::TIMESTAMPTZ AS logon_time, NULL::VARCHAR AS resource_consumer_group,
    NULL::VARCHAR AS service_name, NULL::UINTEGER AS con_id, NULL::VARCHAR AS con_name, NULL::VARCHAR AS session_kind,
    NULL::VARCHAR AS session_type, NULL::BOOLEAN AS in_v_session, NULL::BOOLEAN AS sniped, NULL::UINTEGER AS os_pid,
    NULL::UINTEGER AS sql_opcode, NULL::VARCHAR AS sql_opname, NULL::VARCHAR AS sql_id,
    NULL::UINTEGER AS sql_child_number, NULL::UINTEGER AS sql_plan_hash_value,
    NULL::UINTEGER AS sql_full_plan_hash_value,
    NULL::VARCHAR AS wait_class, NULL::UINTEGER AS wait_class_id,
    NULL::VARCHAR AS p1text, NULL::VARCHAR AS p2text, NULL::VARCHAR AS p3text
  WHERE false
)
SELECT
  s.* REPLACE (
    coalesce(s.source, 'sga') AS source,
    coalesce(s.user_id, x.user_id) AS user_id,
    coalesce(s.username, x.username) AS username,
    coalesce(s.schemaname, x.schemaname) AS schemaname,
    coalesce(s.osuser, x.osuser) AS osuser,
    coalesce(s.process, x.process) AS process,
    coalesce(s.machine, x.machine) AS machine,
    coalesce(s.port, x.port) AS port,
    coalesce(s.terminal, x.terminal) AS terminal,
    coalesce(s.program, x.program) AS program,
    coalesce(s.logon_time, x.logon_time) AS logon_time,
    coalesce(s.resource_consumer_group, x.resource_consumer_group) AS resource_consumer_group,
    coalesce(s.service_name, x.service_name) AS service_name,
    coalesce(s.con_id, x.con_id) AS con_id,
    coalesce(s.con_name, x.con_name) AS con_name,
    coalesce(s.session_kind, x.session_kind) AS session_kind,
    coalesce(s.session_type, x.session_type) AS session_type,
    coalesce(s.in_v_session, x.in_v_session) AS in_v_session,
    coalesce(s.sniped, x.sniped) AS sniped,
    coalesce(s.os_pid, x.os_pid) AS os_pid,
    coalesce(s.sql_opcode, c.sql_opcode) AS sql_opcode,
    coalesce(s.sql_opname, c.sql_opname) AS sql_opname,
    coalesce(s.sql_id, c.sql_id) AS sql_id,
    coalesce(s.sql_child_number, c.sql_child_number) AS sql_child_number,
    coalesce(s.sql_plan_hash_value, c.sql_plan_hash_value) AS sql_plan_hash_value,
    coalesce(s.sql_full_plan_hash_value, c.sql_full_plan_hash_value) AS sql_full_plan_hash_value,
    coalesce(s.wait_class, CASE WHEN s.event IS NOT NULL THEN e.wait_class END) AS wait_class,
    coalesce(s.wait_class_id, CASE WHEN s.event IS NOT NULL THEN e.wait_class_id END) AS wait_class_id,
    coalesce(s.p1text, e.p1text) AS p1text,
    coalesce(s.p2text, e.p2text) AS p2text,
    coalesce(s.p3text, e.p3text) AS p3text
  )
FROM s
LEFT JOIN recorded_sessions x
  ON x.session_key = s.session_key
 AND (x.host, x.instance, x."date", x."hour") = (s.host, s.instance, s."date", s."hour")
LEFT JOIN recorded_cursors c
  ON c.cursor_key = s.cursor_key
 AND (c.host, c.instance, c."date", c."hour") = (s.host, s.instance, s."date", s."hour")
LEFT JOIN recorded_event_names e
  ON e.event_no = s.event_no
 AND (e.host, e.instance, e."date", e."hour") = (s.host, s.instance, s."date", s."hour");

-- V$ACTIVE_SESSION_HISTORY: active samples, Oracle's names of columns beside those of recordings.
-- EVENT and WAIT_CLASS are null on CPU, as there. What a sample stands for is weight_us, not one second.
CREATE OR REPLACE VIEW "v$active_session_history" AS
SELECT
  *,
  session_serial_no AS "session_serial#",
  event_no AS "event#",
  seq_no AS "seq#",
  current_obj_no AS "current_obj#",
  current_file_no AS "current_file#",
  current_block_no AS "current_block#",
  current_row_no AS "current_row#",
  top_level_call_no AS "top_level_call#",
  service_name AS service,
  timezone('UTC', sample_time) AS sample_time_utc
FROM recorded_samples
WHERE is_active;

-- The attributes of sessions, as they changed: what V$SESSION shows of them that hardly ever does.
CREATE OR REPLACE VIEW "v$session_attributes" AS
SELECT
  host, instance, session_id AS sid, session_serial_no AS "serial#", session_id, session_serial_no,
  min(sample_time) AS first_seen, max("date" || ' ' || "hour") AS last_hour,
  any_value(COLUMNS(* EXCLUDE (host, instance, "date", "hour", sample_time, session_key, session_id, session_serial_no)))
FROM recorded_sessions
GROUP BY host, instance, session_id, session_serial_no, session_key;

CREATE OR REPLACE VIEW dba_users AS
SELECT user_id, any_value(username) AS username FROM recorded_sessions WHERE username IS NOT NULL GROUP BY user_id;

CREATE OR REPLACE VIEW "v$event_name" AS
SELECT
  event_no AS "event#", event_no, any_value(event) AS name, any_value(wait_class) AS wait_class,
  any_value(wait_class_id) AS wait_class_id, any_value(p1text) AS parameter1, any_value(p2text) AS parameter2,
  any_value(p3text) AS parameter3
FROM recorded_event_names
GROUP BY event_no;
