-- Poll of `sgascope bench`: the join over V$SESSION's companions by which cost collectors attribute
-- CPU, memory, temporary space and I/O to sessions.
SELECT s.sid || '-' || s.serial#                     AS session_key,
       s.username,
       NVL(tm.value, 0)                              AS cpu_time,
       NVL(p.pga_used_mem, 0)                        AS pga_used_mem,
       NVL(temp.value, 0)                            AS temp_space_allocated,
       NVL(io.consistent_gets + io.db_block_gets, 0) AS logical_reads,
       NVL(io.physical_reads, 0)                     AS physical_reads
  FROM v$session s
  JOIN v$process p
    ON s.paddr = p.addr
  LEFT JOIN v$sess_io io
    ON s.sid = io.sid
  LEFT JOIN v$sess_time_model tm
    ON s.sid = tm.sid
   AND tm.stat_name = 'DB CPU'
  LEFT JOIN (SELECT st.sid, st.value
               FROM v$sesstat st
               JOIN v$statname sn
                 ON st.statistic# = sn.statistic#
              WHERE sn.name = 'temp space allocated (bytes)') temp
    ON s.sid = temp.sid
 WHERE s.type = 'USER'
   AND s.username IS NOT NULL
   AND s.status = 'ACTIVE';
