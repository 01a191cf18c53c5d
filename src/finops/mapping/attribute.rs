//! Attributes of a session that rules map by, and where they come from.
//!
//! Names are the constants of package DBMS_RESOURCE_MANAGER; what V$SESSION column each is compared
//! with is stated in the description of SET_CONSUMER_GROUP_MAPPING (PL/SQL Packages and Types
//! Reference 19c). Callers: `rules`, `evaluate`.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Attribute {
    /// Database user.
    OracleUser,
    /// Service by which the session connected.
    ServiceName,
    /// Client's operating-system user.
    ClientOsUser,
    /// Client's program, without `@` and what follows.
    ClientProgram,
    /// Client's machine.
    ClientMachine,
    /// Client identifier (DBMS_SESSION.SET_IDENTIFIER).
    ClientId,
    /// Module (DBMS_APPLICATION_INFO.SET_MODULE).
    ModuleName,
    /// `module.action`.
    ModuleNameAction,
    /// `service.module`.
    ServiceModule,
    /// `service.module.action`.
    ServiceModuleAction,
    /// What the server does for itself: BACKUP, COPY, DATALOAD. Not in V$SESSION.
    OracleFunction,
}

use Attribute as A;

impl Attribute {
    /// All of them, in the order that a database is delivered with (DBA_RSRC_MAPPING_PRIORITY:
    /// SERVICE_MODULE_ACTION 2 … CLIENT_ID 11). ORACLE_FUNCTION has no documented place: last.
    pub const ALL: [Attribute; 11] = [
        A::ServiceModuleAction,
        A::ServiceModule,
        A::ModuleNameAction,
        A::ModuleName,
        A::ServiceName,
        A::OracleUser,
        A::ClientProgram,
        A::ClientOsUser,
        A::ClientMachine,
        A::ClientId,
        A::OracleFunction,
    ];

    /// The constant's name.
    pub fn name(self) -> &'static str {
        match self {
            A::OracleUser => "ORACLE_USER",
            A::ServiceName => "SERVICE_NAME",
            A::ClientOsUser => "CLIENT_OS_USER",
            A::ClientProgram => "CLIENT_PROGRAM",
            A::ClientMachine => "CLIENT_MACHINE",
            A::ClientId => "CLIENT_ID",
            A::ModuleName => "MODULE_NAME",
            A::ModuleNameAction => "MODULE_NAME_ACTION",
            A::ServiceModule => "SERVICE_MODULE",
            A::ServiceModuleAction => "SERVICE_MODULE_ACTION",
            A::OracleFunction => "ORACLE_FUNCTION",
        }
    }

    /// The attribute of this name, in any case.
    pub fn named(name: &str) -> Option<Attribute> {
        let name = name.trim();
        Attribute::ALL
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Whether it is meaningful at login only, so that later changes aren't looked at. For CLIENT_ID
    /// and ORACLE_FUNCTION, which came after 11.1's table of attributes, inferred from their use.
    pub fn is_login(self) -> bool {
        matches!(
            self,
            A::OracleUser | A::ServiceName | A::ClientOsUser | A::ClientProgram | A::ClientMachine
        )
    }

    /// Whether `%`, `_` and `\` have a meaning in its values by default: where the reference says
    /// so, and for SERVICE_NAME, where they work from 12.1 on (David Kurtz, 2019-11-11).
    pub fn takes_patterns(self) -> bool {
        !matches!(self, A::OracleUser | A::ClientId | A::OracleFunction)
    }

    /// The fields of a session that it is made of, joined by periods.
    pub fn fields(self) -> &'static [Field] {
        match self {
            A::OracleUser => &[Field::OracleUser],
            A::ServiceName => &[Field::ServiceName],
            A::ClientOsUser => &[Field::ClientOsUser],
            A::ClientProgram => &[Field::ClientProgram],
            A::ClientMachine => &[Field::ClientMachine],
            A::ClientId => &[Field::ClientId],
            A::ModuleName => &[Field::ModuleName],
            A::ModuleNameAction => &[Field::ModuleName, Field::Action],
            A::ServiceModule => &[Field::ServiceName, Field::ModuleName],
            A::ServiceModuleAction => &[Field::ServiceName, Field::ModuleName, Field::Action],
            A::OracleFunction => &[Field::OracleFunction],
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A single value of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// V$SESSION.USERNAME.
    OracleUser,
    /// V$SESSION.SERVICE_NAME.
    ServiceName,
    /// V$SESSION.OSUSER.
    ClientOsUser,
    /// V$SESSION.PROGRAM.
    ClientProgram,
    /// V$SESSION.MACHINE.
    ClientMachine,
    /// V$SESSION.CLIENT_IDENTIFIER.
    ClientId,
    /// V$SESSION.MODULE.
    ModuleName,
    /// V$SESSION.ACTION.
    Action,
    /// In no view.
    OracleFunction,
}

impl Field {
    /// All of them.
    pub const ALL: [Field; 9] = [
        Field::OracleUser,
        Field::ServiceName,
        Field::ClientOsUser,
        Field::ClientProgram,
        Field::ClientMachine,
        Field::ClientId,
        Field::ModuleName,
        Field::Action,
        Field::OracleFunction,
    ];

    /// The column of recordings that holds it; none for what no view shows.
    pub fn column(self) -> Option<&'static str> {
        Some(match self {
            Field::OracleUser => "username",
            Field::ServiceName => "service_name",
            Field::ClientOsUser => "osuser",
            Field::ClientProgram => "program",
            Field::ClientMachine => "machine",
            Field::ClientId => "client_id",
            Field::ModuleName => "module",
            Field::Action => "action",
            Field::OracleFunction => return None,
        })
    }

    /// Whether it can change while the session lives, as far as rules look at it.
    pub fn is_run_time(self) -> bool {
        matches!(
            self,
            Field::ClientId | Field::ModuleName | Field::Action | Field::OracleFunction
        )
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(u16);

impl Fields {
    /// The set with one field more.
    #[must_use]
    pub fn with(self, field: Field) -> Fields {
        Fields(self.0 | 1 << field as u16)
    }

    /// Whether the field is in it.
    pub fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }
}

/// What rules look at, of one session at one moment. `None` is null, as the view shows it; what
/// can't be had at all is in `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionAttributes {
    /// USERNAME.
    pub oracle_user: Option<String>,
    /// SERVICE_NAME.
    pub service_name: Option<String>,
    /// OSUSER.
    pub client_os_user: Option<String>,
    /// PROGRAM, as the view shows it; `@` and what follows is removed here.
    pub client_program: Option<String>,
    /// MACHINE.
    pub client_machine: Option<String>,
    /// CLIENT_IDENTIFIER.
    pub client_id: Option<String>,
    /// MODULE.
    pub module_name: Option<String>,
    /// ACTION.
    pub action: Option<String>,
    /// BACKUP, COPY, DATALOAD; no view shows it.
    pub oracle_function: Option<String>,
    /// Fields that this source can't tell. Rules that look at them are undecided.
    pub unknown: Fields,
}

impl SessionAttributes {
    /// The value of a field; null of one that is unknown.
    pub fn get(&self, field: Field) -> Option<&str> {
        match field {
            Field::OracleUser => &self.oracle_user,
            Field::ServiceName => &self.service_name,
            Field::ClientOsUser => &self.client_os_user,
            Field::ClientProgram => &self.client_program,
            Field::ClientMachine => &self.client_machine,
            Field::ClientId => &self.client_id,
            Field::ModuleName => &self.module_name,
            Field::Action => &self.action,
            Field::OracleFunction => &self.oracle_function,
        }
        .as_deref()
    }

    /// Sets a field.
    pub fn set(&mut self, field: Field, value: Option<String>) {
        *match field {
            Field::OracleUser => &mut self.oracle_user,
            Field::ServiceName => &mut self.service_name,
            Field::ClientOsUser => &mut self.client_os_user,
            Field::ClientProgram => &mut self.client_program,
            Field::ClientMachine => &mut self.client_machine,
            Field::ClientId => &mut self.client_id,
            Field::ModuleName => &mut self.module_name,
            Field::Action => &mut self.action,
            Field::OracleFunction => &mut self.oracle_function,
        } = value;
    }

    /// The text that an attribute's rules are compared with. `Err`: this source can't tell it.
    /// `Ok(None)`: it or a part of it is null, so that no rule matches (nothing public says what a
    /// null action in `module.action` counts as).
    pub fn value_of(&self, attribute: Attribute) -> Result<Option<Cow<'_, str>>, Field> {
        let fields = attribute.fields();
        if let Some(unknown) = fields.iter().find(|f| self.unknown.has(**f)) {
            return Err(*unknown);
        }
        let [field] = fields else {
            // names may hold periods themselves: the whole is compared, never its parts
            let parts: Option<Vec<&str>> = fields.iter().map(|f| self.get(*f)).collect();
            return Ok(parts.map(|parts| Cow::Owned(parts.join("."))));
        };
        let value = self.get(*field);
        if *field != Field::ClientProgram {
            return Ok(value.map(Cow::Borrowed));
        }
        let stripped = value.map(|v| v.split_once('@').map_or(v, |(program, _)| program));
        Ok(stripped.map(Cow::Borrowed))
    }

    /// Whether a run-time attribute has another value than before.
    pub fn differs_at_run_time(&self, before: &SessionAttributes) -> bool {
        let changed = |f: &Field| f.is_run_time() && self.get(*f) != before.get(*f);
        Field::ALL.iter().any(changed)
    }
}
