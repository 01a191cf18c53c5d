//! Plan directives: what happens to a session that uses more than its group may.
//!
//! For: the limits of CREATE_PLAN_DIRECTIVE that switch, cancel or kill, and whether what is known of a
//! call passes them ([`judge`]).
//!
//! Units and meanings are those of DBMS_RESOURCE_MANAGER.CREATE_PLAN_DIRECTIVE (PL/SQL Packages and
//! Types Reference 19c). Not for: shares of CPU, or reading recordings. Callers: `rules_file`,
//! `import`, `groups`.

mod directive;
pub mod judge;

pub use directive::{Action, Directive, Plans, Scope};
