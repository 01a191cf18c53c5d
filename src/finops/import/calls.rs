//! Calls of the packages, wherever they stand in a script: blocks, EXEC, CALL, named and positional
//! arguments.
//!
//! Parameters and their order are those of the PL/SQL Packages and Types Reference,
//! DBMS_RESOURCE_MANAGER and DBMS_RESOURCE_MANAGER_PRIVS (11.1 to 19c). Callers: [`super`].

use std::path::Path;

use super::apply;
use super::lexer::{Kind, Token, tokens};
use super::{Import, ImportError, Problem};

/// What an argument is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    /// A constant of a package, by its last name.
    Name(String),
}

/// An argument with its name and place.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) procedure: &'static str,
    pub(super) arguments: Vec<Argument>,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Call {
    pub(super) fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|a| a.name == name)
    }

    pub(super) fn problem(&self, expected: String, found: &str) -> Problem {
        Problem {
            line: self.line,
            column: self.column,
            expected,
            found: found.into(),
        }
    }
}

impl Argument {
    pub(super) fn problem(&self, expected: &str) -> Problem {
        let found = match &self.value {
            Value::Text(text) => format!("the text {text:?}"),
            Value::Number(number) => number.to_string(),
            Value::Bool(true) => "TRUE".into(),
            Value::Bool(false) => "FALSE".into(),
            Value::Null => "NULL".into(),
            Value::Name(name) => format!("the name {name}, which has no value here: write it out"),
        };
        Problem {
            line: self.line,
            column: self.column,
            expected: format!("{expected} for {}", self.name),
            found,
        }
    }
}

/// Procedures that are taken, with their parameters in order.
const PROCEDURES: [(&str, &[&str]); 14] = [
    (
        "SET_CONSUMER_GROUP_MAPPING",
        &["ATTRIBUTE", "VALUE", "CONSUMER_GROUP"],
    ),
    (
        "SET_CONSUMER_GROUP_MAPPING_PRI",
        &[
            "EXPLICIT",
            "ORACLE_USER",
            "SERVICE_NAME",
            "CLIENT_OS_USER",
            "CLIENT_PROGRAM",
            "CLIENT_MACHINE",
            "MODULE_NAME",
            "MODULE_NAME_ACTION",
            "SERVICE_MODULE",
            "SERVICE_MODULE_ACTION",
            "CLIENT_ID",
        ],
    ),
    ("CREATE_PLAN_DIRECTIVE", DIRECTIVE),
    ("UPDATE_PLAN_DIRECTIVE", &["PLAN", "GROUP_OR_SUBPLAN"]),
    ("DELETE_PLAN_DIRECTIVE", &["PLAN", "GROUP_OR_SUBPLAN"]),
    (
        "GRANT_SWITCH_CONSUMER_GROUP",
        &["GRANTEE_NAME", "CONSUMER_GROUP", "GRANT_OPTION"],
    ),
    (
        "REVOKE_SWITCH_CONSUMER_GROUP",
        &["REVOKEE_NAME", "CONSUMER_GROUP"],
    ),
    ("SET_INITIAL_CONSUMER_GROUP", &["USER", "CONSUMER_GROUP"]),
    (
        "SWITCH_CONSUMER_GROUP_FOR_SESS",
        &["SESSION_ID", "SESSION_SERIAL", "CONSUMER_GROUP"],
    ),
    (
        "SWITCH_CONSUMER_GROUP_FOR_USER",
        &["USER", "CONSUMER_GROUP"],
    ),
    (
        "SWITCH_CURRENT_CONSUMER_GROUP",
        &[
            "NEW_CONSUMER_GROUP",
            "OLD_CONSUMER_GROUP",
            "INITIAL_GROUP_ON_ERROR",
        ],
    ),
    ("SWITCH_PLAN", &["PLAN_NAME"]),
    ("CLEAR_PENDING_AREA", &[]),
    ("SUBMIT_PENDING_AREA", &[]),
];

/// CREATE_PLAN_DIRECTIVE, as far as positions are the same in all releases.
const DIRECTIVE: &[&str] = &[
    "PLAN",
    "GROUP_OR_SUBPLAN",
    "COMMENT",
    "CPU_P1",
    "CPU_P2",
    "CPU_P3",
    "CPU_P4",
    "CPU_P5",
    "CPU_P6",
    "CPU_P7",
    "CPU_P8",
    "ACTIVE_SESS_POOL_P1",
    "QUEUEING_P1",
    "PARALLEL_DEGREE_LIMIT_P1",
    "SWITCH_GROUP",
    "SWITCH_TIME",
    "SWITCH_ESTIMATE",
    "MAX_EST_EXEC_TIME",
    "UNDO_POOL",
    "MAX_IDLE_TIME",
    "MAX_IDLE_BLOCKER_TIME",
    "SWITCH_TIME_IN_CALL",
];

/// Packages that the procedures may be named with.
const PACKAGES: [&str; 3] = [
    "DBMS_RESOURCE_MANAGER",
    "DBMS_RESOURCE_MANAGER_PRIVS",
    "DBMS_SESSION",
];

/// Takes all calls of a script.
pub(super) fn add(import: &mut Import, text: &str, path: &Path) -> Result<(), ImportError> {
    let tokens = tokens(text).map_err(|problem| problem.of(path))?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
    };
    let mut applied = apply::Applied::new(&import.file);
    while let Some(call) = parser.next_call().map_err(|problem| problem.of(path))? {
        let note = applied
            .apply(import, &call)
            .map_err(|problem| problem.of(path))?;
        import.taken += 1;
        if let Some(note) = note {
            import.note(path, call.line, &note);
        }
    }
    Ok(())
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn kind(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|t| &t.kind)
    }

    fn is(&self, ahead: usize, other: char) -> bool {
        self.kind(ahead) == Some(&Kind::Other(other))
    }

    /// Whether the name here may be a procedure's: bare or behind one of the packages.
    fn is_of_package(&self) -> bool {
        let before = |n: usize| {
            self.at
                .checked_sub(n)
                .and_then(|i| self.tokens.get(i))
                .map(|t| &t.kind)
        };
        match (before(1), before(2)) {
            (Some(Kind::Other('.')), Some(Kind::Name(package))) => {
                PACKAGES.contains(&package.as_str())
            }
            (Some(Kind::Other('.')), _) => false,
            // a declaration of that name, as in the package's specification
            (Some(Kind::Name(word)), _) => !["PROCEDURE", "FUNCTION"].contains(&word.as_str()),
            _ => true,
        }
    }

    fn next_call(&mut self) -> Result<Option<Call>, Problem> {
        while let Some(token) = self.tokens.get(self.at) {
            if let Some(call) = self.plan_set_by_parameter() {
                return Ok(Some(call));
            }
            let Kind::Name(name) = &token.kind else {
                self.at += 1;
                continue;
            };
            let known = PROCEDURES.iter().find(|(procedure, _)| procedure == name);
            let Some((procedure, parameters)) = known.filter(|_| self.is_of_package()) else {
                self.at += 1;
                continue;
            };
            let call = Call {
                procedure,
                arguments: Vec::new(),
                line: token.line,
                column: token.column,
            };
            self.at += 1;
            return self.arguments(call, parameters).map(Some);
        }
        Ok(None)
    }

    /// `RESOURCE_MANAGER_PLAN = 'DAYTIME'` of ALTER SYSTEM, as a call of SWITCH_PLAN.
    fn plan_set_by_parameter(&mut self) -> Option<Call> {
        let token = self.tokens.get(self.at)?;
        let value = match (&token.kind, self.kind(2)?) {
            (Kind::Name(name), Kind::Text(plan)) if name == "RESOURCE_MANAGER_PLAN" => plan,
            (Kind::Name(name), Kind::Name(plan)) if name == "RESOURCE_MANAGER_PLAN" => plan,
            _ => return None,
        };
        let argument = Argument {
            name: "PLAN_NAME".into(),
            value: Value::Text(value.clone()),
            line: token.line,
            column: token.column,
        };
        let call = Call {
            procedure: "SWITCH_PLAN",
            arguments: vec![argument],
            line: token.line,
            column: token.column,
        };
        let assigned = self.is(1, '=');
        self.at += if assigned { 3 } else { 0 };
        assigned.then_some(call)
    }

    fn problem(&self, expected: &str) -> Problem {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        let (line, column) = token.map_or((1, 1), |t| (t.line, t.column));
        Problem {
            line,
            column,
            expected: expected.into(),
            found: self
                .kind(0)
                .map_or("the end of the file".into(), Kind::shown),
        }
    }

    fn arguments(&mut self, mut call: Call, parameters: &[&str]) -> Result<Call, Problem> {
        if !self.is(0, '(') {
            return Ok(call);
        }
        self.at += 1;
        if self.is(0, ')') {
            self.at += 1;
            return Ok(call);
        }
        loop {
            let argument = self.argument(&call, parameters)?;
            if call.argument(&argument.name).is_some() {
                return Err(argument.problem("only one value"));
            }
            call.arguments.push(argument);
            match self.kind(0) {
                Some(Kind::Other(',')) => self.at += 1,
                Some(Kind::Other(')')) => {
                    self.at += 1;
                    return Ok(call);
                }
                _ => return Err(self.problem("`,` or `)` behind an argument")),
            }
        }
    }

    fn argument(&mut self, call: &Call, parameters: &[&str]) -> Result<Argument, Problem> {
        let place = self.tokens.get(self.at);
        let (line, column) = place.map_or((call.line, call.column), |t| (t.line, t.column));
        let named = match (self.kind(0), self.kind(1)) {
            (Some(Kind::Name(name)), Some(Kind::Arrow)) => Some(name.clone()),
            _ => None,
        };
        let name = match named {
            Some(name) => {
                self.at += 2;
                name
            }
            None => match parameters.get(call.arguments.len()) {
                Some(name) => (*name).to_owned(),
                None => {
                    let expected = format!(
                        "at most {} arguments without a name for {} (NAME => value)",
                        parameters.len(),
                        call.procedure
                    );
                    return Err(self.problem(&expected));
                }
            },
        };
        let value = self.value()?;
        Ok(Argument {
            name,
            value,
            line,
            column,
        })
    }

    /// A literal, a constant, or texts joined by `||`.
    fn value(&mut self) -> Result<Value, Problem> {
        const EXPECTED: &str = "a text, a number, TRUE, FALSE, NULL or a constant of the package";
        let mut value = match self.kind(0) {
            Some(Kind::Text(text)) => Value::Text(text.clone()),
            Some(Kind::Number(number)) => Value::Number(*number),
            Some(Kind::Other(sign @ ('-' | '+'))) => {
                let sign = if *sign == '-' { -1.0 } else { 1.0 };
                self.at += 1;
                match self.kind(0) {
                    Some(Kind::Number(number)) => Value::Number(sign * number),
                    _ => return Err(self.problem("a number behind its sign")),
                }
            }
            Some(Kind::Name(name)) => match name.as_str() {
                "TRUE" => Value::Bool(true),
                "FALSE" => Value::Bool(false),
                "NULL" => Value::Null,
                name => Value::Name(name.to_owned()),
            },
            _ => return Err(self.problem(EXPECTED)),
        };
        self.at += 1;
        while let (Value::Name(name), true) = (&mut value, self.is(0, '.')) {
            let Some(Kind::Name(last)) = self.kind(1) else {
                return Err(self.problem("a name behind the period"));
            };
            *name = last.clone();
            self.at += 2;
        }
        while let (Value::Text(text), Some(Kind::Join)) = (&mut value, self.kind(0)) {
            self.at += 1;
            let Some(Kind::Text(more)) = self.kind(0) else {
                return Err(self.problem("a text behind `||` (only texts can be joined here)"));
            };
            text.push_str(more);
            self.at += 1;
        }
        Ok(value)
    }
}
