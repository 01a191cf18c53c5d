//! Session-to-consumer-group mapping, as the Resource Manager does it.
//!
//! For: rules (an attribute's value to a consumer group), the priority of attributes, patterns,
//! switch privileges and manual switches; which rule wins for a session and which lose, and why
//! ([`RuleSet::evaluate`]); how a session's group changes over time ([`Tracker`]).
//!
//! Rules are those of Oracle Database Administrator's Guide, "Assigning Sessions to Resource Consumer
//! Groups" (11.1, B28310-01), and of the PL/SQL Packages and Types Reference, DBMS_RESOURCE_MANAGER
//! (19c). Where these say nothing, the module doesn't guess: it says `ambiguous` or `undecided`.
//!
//! Not for: files, recordings, printing. Callers: `tenants`, `groups`, `import`.

mod attribute;
#[cfg(test)]
mod book_tests;
mod evaluate;
mod priorities;
mod privileges;
mod rules;
mod switches;
#[cfg(test)]
mod tests;
mod track;

pub use attribute::{Attribute, Field, Fields, SessionAttributes};
pub use evaluate::{Evaluation, Given, Outcome};
pub use priorities::{Priorities, PrioritiesError};
pub use privileges::{Grant, Privileges, User};
pub use rules::{Matching, Rule, RuleSet, RulesError, identifier, quoted};
pub use switches::{ManualSwitch, Target};
pub use track::{Cause, Switch, Tracker};

/// The group of a session that nothing else gives one. Every user may switch to it.
pub const DEFAULT_CONSUMER_GROUP: &str = "DEFAULT_CONSUMER_GROUP";
/// Where a session runs whose group isn't in the active plan.
pub const OTHER_GROUPS: &str = "OTHER_GROUPS";
