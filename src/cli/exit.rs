//! Exit codes, and failures that carry one.

use std::process::ExitCode;

use crate::blueprint::BlueprintError;
use crate::discover::OpenError;
use crate::sample::AttachError;

/// What the program's end means to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well; a broken pipe too.
    Ok = 0,
    /// Nothing found, or a check said no.
    Nothing = 1,
    /// Wrong arguments.
    Usage = 2,
    /// No permission.
    NoPermission = 3,
    /// No such instance, or it went away.
    NoInstance = 4,
    /// No blueprint, or it doesn't fit.
    NoBlueprint = 5,
    /// Damaged data.
    Damaged = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command ended early: one line for people, a code for scripts.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// The line.
    pub message: String,
    broken_pipe: bool,
}

impl Failure {
    /// A failure with this code and message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            broken_pipe: false,
        }
    }

    /// Whether the reader of our output went away, which is no failure.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
            std::io::ErrorKind::NotFound => Exit::Nothing,
            _ => Exit::Damaged,
        };
        Failure {
            exit,
            message: error.to_string(),
            broken_pipe: error.kind() == std::io::ErrorKind::BrokenPipe,
        }
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Failure {
        let exit = match &error {
            AttachError::NoInstance(_) => Exit::NoInstance,
            AttachError::Open(OpenError::NoPermission { .. }) => Exit::NoPermission,
            AttachError::Open(_) => Exit::NoInstance,
            AttachError::Io { error, .. } => match error.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
                std::io::ErrorKind::NotFound => Exit::Nothing,
                _ => Exit::Damaged,
            },
            AttachError::Image(error) => match error.io_kind() {
                Some(std::io::ErrorKind::PermissionDenied) => Exit::NoPermission,
                Some(std::io::ErrorKind::NotFound) => Exit::Nothing,
                _ => Exit::Damaged,
            },
            AttachError::Blueprint(_) => Exit::Damaged,
            AttachError::NoBlueprint(_)
            | AttachError::WrongBlueprint { .. }
            | AttachError::Unfit(_) => Exit::NoBlueprint,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<BlueprintError> for Failure {
    fn from(error: BlueprintError) -> Failure {
        Failure::new(Exit::Damaged, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        match error.io_error_kind() {
            Some(kind) => std::io::Error::from(kind).into(),
            None => Failure::new(Exit::Damaged, error.to_string()),
        }
    }
}

impl From<arrow::error::ArrowError> for Failure {
    fn from(error: arrow::error::ArrowError) -> Failure {
        Failure::new(Exit::Damaged, error.to_string())
    }
}
