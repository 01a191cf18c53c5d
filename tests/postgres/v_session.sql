-- 1,000 rows of 60 columns, about as V$SESSION has them. A plain table: reading it needs no latch, no
-- X$ join and no consistency of its own, so that it costs less than any V$SESSION.
create table v_session as
select i as sid, (i * 7919) % 65536 as serial_no, 4294967295 - i as audsid,
       upper(lpad(to_hex(1879048192 + i * 2048), 16, '0')) as paddr, i % 90 as user_no,
       (array['SOE','HR','APP_BATCH','SYSTEM'])[1 + i % 4] as username, i % 7 as command,
       2147483644 as ownerid, null::text as taddr, null::text as lockwait,
       case when i % 20 = 0 then 'ACTIVE' else 'INACTIVE' end as status, 'DEDICATED' as server,
       i % 90 as schema_no, (array['SOE','HR','APP_BATCH','SYSTEM'])[1 + i % 4] as schemaname,
       'oracle' as osuser, (10000 + i)::text as process, 'app' || (i % 12) || '.example.com' as machine,
       30000 + i as port, 'unknown' as terminal, 'JDBC Thin Client' as program,
       case when i < 60 then 'BACKGROUND' else 'USER' end as type,
       upper(lpad(to_hex(1610612736 + i * 512), 16, '0')) as sql_address, i * 2654435::bigint as sql_hash_value,
       substr(md5(i::text), 1, 13) as sql_id, i % 3 as sql_child_number, now() as sql_exec_start,
       16777216 + i as sql_exec_id, upper(lpad(to_hex(1610612736 + i * 256), 16, '0')) as prev_sql_addr,
       i * 1654435::bigint as prev_hash_value, substr(md5((i + 1)::text), 1, 13) as prev_sql_id,
       i % 2 as prev_child_number, 80000 + i as plsql_entry_object_id, i % 9 as plsql_entry_subprogram_id,
       80000 + i as plsql_object_id, i % 9 as plsql_subprogram_id, 'order entry' as module,
       3669949024 as module_hash, 'place order ' || i % 5 as action, 411358216 as action_hash,
       null::text as client_info, i as fixed_table_sequence, 73000 + i as row_wait_obj_no,
       i % 30 as row_wait_file_no, i * 11 as row_wait_block_no, i % 100 as row_wait_row_no,
       now() as logon_time, i % 3600 as last_call_et, 'OTHER_GROUPS' as resource_consumer_group,
       null::text as client_identifier, 'NO HOLDER' as blocking_session_status,
       null::integer as blocking_session, i % 65536 as seq_no, 284 as event_no,
       case when i % 20 = 0 then 'db file sequential read' else 'SQL*Net message from client' end as event,
       i * 3::bigint as p1, i * 5::bigint as p2, 1::bigint as p3,
       case when i % 20 = 0 then 'User I/O' else 'Idle' end as wait_class, 'WAITING' as state,
       i * 1000::bigint as wait_time_micro
  from generate_series(1, 1000) i;
analyze v_session;
