-- Poll of `sgascope bench`: every session that V$SESSION shows, with the columns that samplers use.
-- Columns: Oracle Database Reference, V$SESSION.
SELECT sid, serial#, audsid, paddr, user#, username, command, ownerid, taddr, lockwait, status, server,
       schema#, schemaname, osuser, process, machine, port, terminal, program, type, sql_address,
       sql_hash_value, sql_id, sql_child_number, sql_exec_start, sql_exec_id, prev_sql_addr,
       prev_hash_value, prev_sql_id, prev_child_number, plsql_entry_object_id,
       plsql_entry_subprogram_id, plsql_object_id, plsql_subprogram_id, module, module_hash, action,
       action_hash, client_info, fixed_table_sequence, row_wait_obj#, row_wait_file#, row_wait_block#,
       row_wait_row#, logon_time, last_call_et, resource_consumer_group, client_identifier,
       blocking_session_status, blocking_session, seq#, event#, event, p1, p2, p3, wait_class, state,
       wait_time_micro
  FROM v$session;
