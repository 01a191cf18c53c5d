//! Keywords by which redaction finds passwords (Oracle SQL Language Reference: CREATE USER, ALTER
//! USER, CREATE ROLE, SET ROLE, GRANT, CREATE DATABASE LINK, CREATE DATABASE, CREATE PLUGGABLE
//! DATABASE, ADMINISTER KEY MANAGEMENT, ALTER SYSTEM).
//!
//! Callers: `redact`.

/// Words after which a hint is a hint.
pub(super) const VERBS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// First words of statements that change accounts, keys or links.
pub(super) const ACCOUNT_VERBS: &[&str] = &["ALTER", "CREATE", "GRANT", "SET", "ADMINISTER"];

/// What such a statement is about, among its first words.
pub(super) const ACCOUNT_OBJECTS: &[&str] = &[
    "USER",
    "ROLE",
    "DATABASE",
    "PLUGGABLE",
    "SYSTEM",
    "MANAGEMENT",
];

/// Words that can follow a password and end what is hidden. Few, since a password may be wrongly
/// written as several words.
pub(super) const CLAUSES: &[&str] = &[
    "REPLACE",
    "IDENTIFIED",
    "AUTHENTICATED",
    "USING",
    "DEFAULT",
    "TEMPORARY",
    "LOCAL",
    "QUOTA",
    "PROFILE",
    "ACCOUNT",
    "PASSWORD",
    "EXPIRE",
    "ENABLE",
    "CONTAINER",
    "HTTP",
    "WITH",
    "AND",
    "SET",
    "INTO",
    "FROM",
    "TO",
    "ROLES",
    "FILE_NAME_CONVERT",
    "TABLESPACE",
    "LOGFILE",
    "CHARACTER",
    "USER",
    "FORCE",
];

/// Words of ADMINISTER KEY MANAGEMENT beside [`CLAUSES`]; all others in it are hidden, since keys, secrets and
/// passwords can stand in many places of it.
pub(super) const KEYSTORE: &[&str] = &[
    "ADMINISTER",
    "KEY",
    "KEYS",
    "MANAGEMENT",
    "CREATE",
    "AUTO_LOGIN",
    "KEYSTORE",
    "OPEN",
    "CLOSE",
    "BACKUP",
    "ALTER",
    "BY",
    "EXTERNAL",
    "STORE",
    "USE",
    "MERGE",
    "NEW",
    "EXISTING",
    "ENCRYPTION",
    "TAG",
    "ALGORITHM",
    "SECRET",
    "ADD",
    "UPDATE",
    "DELETE",
    "FOR",
    "CLIENT",
    "ALL",
    "CURRENT",
    "EXPORT",
    "IMPORT",
    "MIGRATE",
    "REVERSE",
    "MOVE",
    "UNITE",
    "ISOLATE",
    "ROOT",
];

/// Whether a word is in a list.
pub(super) fn among(word: &str, list: &[&str]) -> bool {
    list.iter().any(|w| w.eq_ignore_ascii_case(word))
}
