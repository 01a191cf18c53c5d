-- Poll of `sgascope bench`: active sessions straight from the fixed tables, as home-made samplers of
-- the kind of ASH do (needs SYS). Slots in use and active now (in a call and not waiting, or waiting
-- for an event that isn't Idle), and the recursive sessions that V$SESSION hides.
-- Bits and columns: text of GV$SESSION (KSSPAFLG, KSUSEFLG), pioro/orasash sash_dev/target_user_all_versions.sql
-- (KSUSEIDL, KSUSETIM, KSUSEOPC), 19c.
SELECT s.indx                                             AS sid,
       s.ksuseser                                         AS serial#,
       DECODE(BITAND(s.ksuseflg, 19), 17, 'BACKGROUND', 1, 'USER', 2, 'RECURSIVE', '?') AS type,
       s.ksuudlui                                         AS user#,
       s.ksuudlna                                         AS username,
       s.ksuseidl                                         AS ksuseidl,
       s.ksusesqh                                         AS sql_hash_value,
       s.ksuseseq                                         AS seq#,
       DECODE(s.ksusetim, 0, 'WAITING', 'ON CPU')         AS state,
       s.ksuseopc                                         AS event#,
       e.kslednam                                         AS event,
       e.ksledclass                                       AS wait_class,
       s.ksusep1                                          AS p1,
       s.ksusep2                                          AS p2,
       s.ksusep3                                          AS p3,
       s.ksuseobj                                         AS row_wait_obj#,
       s.ksusefil                                         AS row_wait_file#,
       s.ksuseblk                                         AS row_wait_block#,
       s.ksusepnm                                         AS program,
       s.ksusemnm                                         AS machine
  FROM sys.x$ksuse s, sys.x$ksled e
 WHERE s.ksuseopc = e.indx
   AND BITAND(s.ksspaflg, 1) != 0
   AND BITAND(s.ksuseflg, 3) != 0
   AND (BITAND(s.ksuseflg, 1) = 0
        OR s.ksusetim = 0 AND e.ksledclass != 'Idle'
        OR s.ksusetim != 0 AND BITAND(s.ksuseidl, 1) = 1);
