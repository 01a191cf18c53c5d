//! How to talk with a SQL client over pipes: SQL*Plus and psql.
//!
//! Callers: [`super::client`], `cli`.

use crate::blueprint::sqlplus::words;

/// A client's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Oracle's SQL*Plus, 12.2 or later (SET MARKUP CSV).
    Sqlplus,
    /// PostgreSQL's psql, 12 or later (csv).
    Psql,
}

/// A statement that is shipped, as `tools/sql/poll` in the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Query {
    /// All of V$SESSION: 60 columns.
    VSession,
    /// V$SESSION joined with process, I/O, time model and statistics, as cost collectors do.
    Finops,
    /// Active sessions from x$ksuse, as home-made ASH samplers do; needs SYS.
    Ash,
    /// PostgreSQL's pg_stat_activity.
    PgStatActivity,
}

impl Query {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Query::VSession => "v_session",
            Query::Finops => "finops",
            Query::Ash => "ash",
            Query::PgStatActivity => "pg_stat_activity",
        }
    }

    /// Its text.
    pub fn text(self) -> &'static str {
        match self {
            Query::VSession => include_str!("../../tools/sql/poll/v_session.sql"),
            Query::Finops => include_str!("../../tools/sql/poll/finops.sql"),
            Query::Ash => include_str!("../../tools/sql/poll/ash.sql"),
            Query::PgStatActivity => include_str!("../../tools/sql/poll/pg_stat_activity.sql"),
        }
    }
}

impl Dialect {
    /// The dialect of a command, by the name of the program in it.
    pub fn of_command(command: &str) -> Option<Dialect> {
        let words = words(command)?;
        let mut names = words.iter().filter_map(|w| w.rsplit('/').next());
        names.find_map(|name| match name {
            "sqlplus" => Some(Dialect::Sqlplus),
            "psql" => Some(Dialect::Psql),
            _ => None,
        })
    }

    /// The query polled unless another is asked for.
    pub fn usual_query(self) -> Query {
        match self {
            Dialect::Sqlplus => Query::VSession,
            Dialect::Psql => Query::PgStatActivity,
        }
    }

    /// What makes the client print CSV with a line of names, and nothing else.
    pub(super) fn setup(self) -> &'static str {
        match self {
            // SQL*Plus User's Guide, SET: rows are fetched 1,000 at a time, headings stand once
            Dialect::Sqlplus => {
                "SET SQLPROMPT \"\"\nSET ECHO OFF\nSET FEEDBACK OFF\nSET TIMING OFF\nSET VERIFY OFF\nSET DEFINE OFF\n\
                 SET SQLBLANKLINES ON\nSET TRIMOUT ON\nSET TAB OFF\nSET ARRAYSIZE 1000\nSET PAGESIZE 50000\n\
                 SET MARKUP CSV ON QUOTE ON\n"
            }
            Dialect::Psql => {
                "\\pset pager off\n\\pset format csv\n\\pset tuples_only off\n\\timing off\n"
            }
        }
    }

    /// The command that prints a marker, by which the end of a statement's output is known.
    pub(super) fn say(self, marker: &str) -> String {
        match self {
            Dialect::Sqlplus => format!("PROMPT {marker}\n"),
            Dialect::Psql => format!("\\echo {marker}\n"),
        }
    }

    /// Asks for the process id of the client's server process.
    pub fn spid_sql(self) -> &'static str {
        match self {
            // V$PROCESS.SPID is the operating system's id of the server process
            Dialect::Sqlplus => {
                "SELECT p.spid FROM v$process p, v$session s WHERE s.paddr = p.addr AND s.sid = SYS_CONTEXT('USERENV', 'SID');"
            }
            Dialect::Psql => "SELECT pg_backend_pid();",
        }
    }

    /// How the command line of a server process on this host begins.
    pub(super) fn server_begins(self) -> &'static str {
        match self {
            Dialect::Sqlplus => "oracle",
            Dialect::Psql => "postgres",
        }
    }

    /// Whether a line of output is a complaint: SQL*Plus says them after what it fetched, psql before.
    pub(super) fn is_complaint(self, line: &str) -> bool {
        match self {
            Dialect::Sqlplus => ["ORA-", "SP2-", "PLS-"].iter().any(|kind| {
                let number = line.strip_prefix(kind).and_then(|rest| rest.get(..4));
                number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
            }),
            Dialect::Psql => ["ERROR:", "FATAL:", "PANIC:", "psql:", "invalid command"]
                .iter()
                .any(|begin| line.starts_with(begin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_known_by_the_program() {
        let of = Dialect::of_command;
        assert_eq!(of("sqlplus -s / as sysdba"), Some(Dialect::Sqlplus));
        assert_eq!(of("env A=1 /u01/bin/sqlplus -s /"), Some(Dialect::Sqlplus));
        assert_eq!(of("'/opt/my pg/psql' -X -q"), Some(Dialect::Psql));
        assert_eq!(of("mysql -B"), None);
        assert_eq!(of("psql 'open"), None);
    }

    #[test]
    fn complaints_are_told_from_rows() {
        let sqlplus = |line| Dialect::Sqlplus.is_complaint(line);
        assert!(sqlplus("ORA-00942: table or view does not exist"));
        assert!(sqlplus("SP2-0042: unknown command"));
        assert!(
            !sqlplus("\"ORA-00942: in a cell\",1") && !sqlplus("ORA-LESS") && !sqlplus("ORA-ü1")
        );
        assert!(Dialect::Psql.is_complaint("ERROR:  relation \"x\" does not exist"));
        assert!(!Dialect::Psql.is_complaint("1,ERROR:"));
    }

    #[test]
    fn shipped_queries_are_one_statement_each() {
        use clap::ValueEnum;
        for query in Query::value_variants() {
            let text = query.text();
            assert_eq!(text.matches(';').count(), 1, "{}", query.name());
            assert!(text.trim_end().ends_with(';'));
        }
    }
}
