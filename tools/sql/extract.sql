-- What sgascope wants to know of an instance's fixed tables, asked once.

-- Run it in SQL*Plus as SYSDBA, in CDB$ROOT, on the instance itself, open (11.2 to 23ai):

--     sqlplus -s / as sysdba < extract.sql          (spools into the current directory)
--     sgascope blueprint extract --spool .

-- or let sgascope do both:  sgascope blueprint extract --sqlplus 'sqlplus -s / as sysdba'

-- It reads dictionary-like fixed tables and views only, each once and bounded by ROWNUM:
--     X$KSMFSV (fixed SGA variables), X$KQFTA and X$KQFCO (tables and columns, with both keys by which
--     they join), X$KQFDT, ADDR of X$KSUSE and X$KSUPR, X$KSMSSINFO (12c on),
--     V$EVENT_NAME, V$STATNAME, V$SQLCOMMAND, V$PARAMETER, V$NLS_PARAMETERS, V$INSTANCE, V$VERSION,
--     V$DATABASE, V$FIXED_VIEW_DEFINITION.
-- It never touches X$KSMMEM, X$KSMSP or anything else that walks memory, writes nothing into the
-- database, and takes some seconds. It reads no user data; V$PARAMETER holds the parameters' values.

-- Texts of V$FIXED_VIEW_DEFINITION end after 4,000 bytes (GV$SESSION before its FROM clause): it shows
-- X$KQFVT.KQFTPSEL, which is a VARCHAR2(4000) itself, so that no query gets more. COMPLETE says which are
-- whole. The executable holds all of them in full.

whenever oserror exit failure rollback
whenever sqlerror exit failure rollback

set echo off verify off feedback off termout on sqlprompt "" sqlnumber off sqlblanklines on define "&"
set pagesize 50000 linesize 32767 trimspool on tab off heading on underline off newpage none
set numwidth 20 long 200000 longchunksize 32767

prompt sgascope extract: reads X$KSMFSV X$KQFTA X$KQFCO X$KQFDT X$KSUSE X$KSUPR X$KSMSSINFO
prompt sgascope extract: and V$EVENT_NAME V$STATNAME V$SQLCOMMAND V$PARAMETER V$NLS_PARAMETERS
prompt sgascope extract: and V$INSTANCE V$VERSION V$DATABASE V$FIXED_VIEW_DEFINITION; writes CSV files here

-- Fixed tables are for SYS, and a PDB shows none of the fixed SGA variables.
begin
  if sys_context('USERENV', 'SESSION_USER') <> 'SYS' then
    raise_application_error(-20001, 'sgascope extract: connect as SYSDBA, only SYS sees the X$ tables');
  end if;
  if dbms_db_version.version >= 12 then
    if to_number(sys_context('USERENV', 'CON_ID')) > 1 then
      raise_application_error(-20002, 'sgascope extract: this is the pluggable database '
        || sys_context('USERENV', 'CON_NAME') || ', which shows no fixed SGA variables; connect to CDB$ROOT '
        || '(alter session set container=CDB$ROOT)');
    end if;
  end if;
end;
/

-- SQL*Plus 12.2 and later writes CSV itself; before, columns are set apart by commas and texts that
-- can hold one are quoted by hand: the variables b and e stand around them, bl and el around long ones.
-- Without CSV a line end inside a text would set the rest of it below with the other columns padded, so
-- it becomes a blank there. All of it is spelt with CHR: these texts are substituted into others.
column m new_value m noprint
column b new_value b noprint
column e new_value e noprint
column bl new_value bl noprint
column el new_value el noprint
column vf new_value vf noprint
column bf new_value bf noprint
define m = ""
define b = ""
define e = ""
define bl = ""
define el = ""
define vf = ""
define bf = ""
select case when to_number('&_SQLPLUS_RELEASE') >= 1202000000 then 'markup csv on quote on' else 'colsep '',''' end m,
       case when to_number('&_SQLPLUS_RELEASE') < 1202000000 then 'chr(34)||replace(replace(' end b,
       case when to_number('&_SQLPLUS_RELEASE') < 1202000000 then ',chr(10),chr(32)),chr(34),chr(34)||chr(34))||chr(34)' end e,
       case when to_number('&_SQLPLUS_RELEASE') < 1202000000 then 'to_clob(chr(34))||replace(replace(to_clob(' end bl,
       case when to_number('&_SQLPLUS_RELEASE') < 1202000000 then '),chr(10),chr(32)),chr(34),chr(34)||chr(34))||chr(34)' end el
  from dual;
select case when to_number(substr(version, 1, instr(version, '.') - 1)) >= 18 then ', version_full' end vf,
       case when to_number(substr(version, 1, instr(version, '.') - 1)) >= 18 then ', &b banner_full &e as "BANNER_FULL"' end bf
  from v$instance;
set &m

column VIEW_DEFINITION format a32000

spool x_ksmfsv.csv
select indx as "INDX", ksmfsnam as "KSMFSNAM", &b ksmfstyp &e as "KSMFSTYP", rawtohex(ksmfsadr) as "KSMFSADR",
       ksmfssiz as "KSMFSSIZ"
  from x$ksmfsv where rownum <= 200000;
spool off

spool x_kqfta.csv
select * from x$kqfta where rownum <= 20000;
spool off

spool x_kqfco.csv
select * from x$kqfco where rownum <= 500000;
spool off

spool x_kqfdt.csv
select * from x$kqfdt where rownum <= 20000;
spool off

spool x_ksuse_addr.csv
select indx as "INDX", rawtohex(addr) as "ADDR" from x$ksuse where rownum <= 200000;
spool off

spool x_ksupr_addr.csv
select indx as "INDX", rawtohex(addr) as "ADDR" from x$ksupr where rownum <= 200000;
spool off

spool v_event_name.csv
select event# as "EVENT#", event_id as "EVENT_ID", &b name &e as "NAME", &b parameter1 &e as "PARAMETER1",
       &b parameter2 &e as "PARAMETER2", &b parameter3 &e as "PARAMETER3", wait_class_id as "WAIT_CLASS_ID",
       wait_class# as "WAIT_CLASS#", &b wait_class &e as "WAIT_CLASS"
  from v$event_name where rownum <= 50000;
spool off

spool v_statname.csv
select statistic# as "STATISTIC#", &b name &e as "NAME", class as "CLASS" from v$statname where rownum <= 50000;
spool off

spool v_sqlcommand.csv
select command_type as "COMMAND_TYPE", &b command_name &e as "COMMAND_NAME" from v$sqlcommand where rownum <= 5000;
spool off

spool v_parameter.csv
select &b name &e as "NAME", &b substr(value, 1, 1500) &e as "VALUE" from v$parameter where rownum <= 5000;
spool off

spool v_nls_parameters.csv
select &b parameter &e as "PARAMETER", &b value &e as "VALUE" from v$nls_parameters where rownum <= 1000;
spool off

spool v_instance.csv
select instance_number as "INSTANCE_NUMBER", &b instance_name &e as "INSTANCE_NAME", &b host_name &e as "HOST_NAME",
       version as "VERSION" &vf
  from v$instance;
spool off

spool v_version.csv
select &b banner &e as "BANNER" &bf from v$version where rownum <= 100;
spool off

spool v_database.csv
select &b platform_name &e as "PLATFORM_NAME" from v$database;
spool off

spool gv_view_text.csv
select view_name as "VIEW_NAME", case when lengthb(view_definition) < 4000 then 'Y' else 'N' end as "COMPLETE",
       &bl view_definition &el as "VIEW_DEFINITION"
  from v$fixed_view_definition where rownum <= 20000;
spool off

-- 11.2 has no X$KSMSSINFO; its file then says so and is passed over.
whenever sqlerror continue none
spool x_ksmssinfo.csv
select * from x$ksmssinfo where rownum <= 10000;
spool off

prompt sgascope extract: done
exit success
