//! Attaching: from "this instance" or "this image" to memory, blueprint and what of it holds.
//!
//! The blueprint is taken by exact identity only: one given by name must have the build-id of the
//! instance's executable; else the registry's one with that build-id; else one extracted from that
//! executable, completed by hints. Then the instance's own identity strings, the arrays and every
//! claim that needs proof are checked on the memory itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blueprint::{self, Blueprint, BlueprintError, ExeReader, Hints, Registry};
use crate::decode::text::before_nul;
use crate::discover::{self, Instance, OpenError, ProcRoot, Via};
use crate::memory::{AddressSpace, CoreError, CoreSpace, TargetAddr};
use crate::plan::{self, Accepted, BoundPlan, EventTable, Need, PlanError, RowTable};
use crate::walk::{GateFields, STATE_FLAG};

/// Fixed variables that hold names as text in place (Christoph Lutz, for 19.14-19.27 and 23.5).
const SID_ANCHOR: &str = "kspssidst_";

/// Longest instance name.
const MAX_SID: usize = 64;

/// Where samples come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A running instance; no SID: the only one there is.
    Live {
        /// Its SID.
        sid: Option<String>,
        /// How to read it.
        via: Via,
    },
    /// An ELF core of an Oracle process.
    Image(PathBuf),
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No instance of that name, or none at all, or several and none named.
    #[error("{0}")]
    NoInstance(String),
    /// The memory can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The image is damaged.
    #[error(transparent)]
    Image(#[from] CoreError),
    /// The blueprint file is damaged.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// A file can't be read.
    #[error("can't read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is no blueprint for it.
    #[error("{0}")]
    NoBlueprint(String),
    /// The blueprint is another executable's.
    #[error(
        "blueprint {id} is for build-id {expected}, but instance {sid} runs {found} ({path}); extract one with: sgascope blueprint extract --binary {path}"
    )]
    WrongBlueprint {
        /// Blueprint id.
        id: String,
        /// Build-id it is for.
        expected: String,
        /// Instance.
        sid: String,
        /// Build-id of the instance's executable.
        found: String,
        /// That executable.
        path: String,
    },
    /// It doesn't fit the memory.
    #[error(transparent)]
    Unfit(#[from] PlanError),
}

/// An opened source with its blueprint, accepted.
#[derive(Clone)]
pub struct Attachment {
    /// The instance, if it is a live one.
    pub instance: Option<Instance>,
    /// SID, or the image's name.
    pub name: String,
    /// Its memory.
    pub space: Arc<dyn AddressSpace>,
    /// Its blueprint.
    pub blueprint: Arc<Blueprint>,
    /// Whether the blueprint was given by hand and its identity could not be checked.
    pub forced: bool,
    /// What of the blueprint holds.
    pub accepted: Arc<Accepted>,
    /// Wait events.
    pub events: Arc<EventTable>,
}

impl Attachment {
    /// Opens a source with the blueprint given, or the one that fits.
    ///
    /// # Errors
    /// See [`AttachError`]: no instance, no rights, no blueprint, damage.
    pub fn open(source: &Source, blueprint: Option<&Path>) -> Result<Attachment, AttachError> {
        let given = blueprint.map(read_blueprint).transpose()?;
        match source {
            Source::Live { sid, via } => Self::live(find(sid.as_deref())?, *via, given),
            Source::Image(path) => {
                let given = given.ok_or_else(|| {
                    AttachError::NoBlueprint(format!(
                        "{}: a core says nothing of its executable; name the blueprint with --blueprint FILE",
                        path.display()
                    ))
                })?;
                let space: Arc<dyn AddressSpace> = Arc::new(CoreSpace::open(path)?);
                Self::accept(None, path.display().to_string(), space, given, true, None)
            }
        }
    }

    fn live(
        instance: Instance,
        via: Via,
        given: Option<Blueprint>,
    ) -> Result<Attachment, AttachError> {
        let space: Arc<dyn AddressSpace> = Arc::from(discover::open_memory(&instance, via)?);
        let path = instance.executable(is_oracle).map(|e| e.path.clone());
        let exe = path.as_deref().and_then(|p| ExeReader::open(p).ok());
        let build_id = exe.as_ref().and_then(ExeReader::build_id);
        let (chosen, forced) = match (given, build_id) {
            (Some(given), Some(found)) => {
                check_identity(&given, &instance, found, path.as_deref())?;
                let unnamed = given.identity.build_id.is_none();
                (given, unnamed)
            }
            (Some(given), None) => (given, true),
            (None, found) => (Self::choose(&instance, path.as_deref(), found)?, false),
        };
        let name = instance.sid.clone();
        Self::accept(Some(instance), name, space, chosen, forced, exe.as_ref())
    }

    /// By exact build-id from the registry, else from the instance's own executable.
    fn choose(
        instance: &Instance,
        path: Option<&Path>,
        build_id: Option<&str>,
    ) -> Result<Blueprint, AttachError> {
        let registry = Registry::of_user();
        let known = build_id.map(|id| registry.by_build_id(id)).transpose();
        if let Some(Some(entry)) = known.map_err(|e| AttachError::NoBlueprint(e.to_string()))? {
            return Ok(entry.blueprint.clone());
        }
        let Some(path) = path else {
            let tried: Vec<String> = instance
                .executables
                .iter()
                .map(|e| {
                    let why = e.why_not.as_deref().unwrap_or("no kqftab in it");
                    format!("{} ({why})", e.shown.display())
                })
                .collect();
            return Err(AttachError::NoBlueprint(format!(
                "no blueprint for instance {}: its executable can't be read, so neither its build-id nor its layouts are known; tried {}; run as its owner or root, or name one with --blueprint FILE",
                instance.sid,
                if tried.is_empty() {
                    "nothing (PMON's environment is unreadable)".to_owned()
                } else {
                    tried.join(", ")
                }
            )));
        };
        let failed = |e: String| {
            AttachError::NoBlueprint(format!(
                "no blueprint for instance {}: extracting one from {} failed: {e}",
                instance.sid,
                path.display()
            ))
        };
        let hints = Hints::shipped().map_err(|e| failed(e.to_string()))?;
        blueprint::from_executable(path, &hints).map_err(|e| failed(e.to_string()))
    }

    /// Tries a blueprint on memory that is open already.
    ///
    /// # Errors
    /// When it doesn't fit.
    pub fn on_memory(
        space: Arc<dyn AddressSpace>,
        blueprint: Blueprint,
        name: &str,
    ) -> Result<Attachment, AttachError> {
        Self::accept(None, name.to_owned(), space, blueprint, true, None)
    }

    fn accept(
        instance: Option<Instance>,
        name: String,
        space: Arc<dyn AddressSpace>,
        blueprint: Blueprint,
        forced: bool,
        exe: Option<&ExeReader>,
    ) -> Result<Attachment, AttachError> {
        let shown = identity_string(&*space, &blueprint);
        if let (Some(instance), Some(shown)) = (&instance, &shown)
            && *shown != instance.sid
        {
            return Err(PlanError::Unfit {
                id: blueprint.id.clone(),
                what: format!("the instance name at {SID_ANCHOR}"),
                expected: instance.sid.clone(),
                found: format!("{shown:?}"),
            }
            .into());
        }
        let accepted = plan::accept(&blueprint, &*space)?;
        let text = |addr: TargetAddr, max: usize| exe.and_then(|e| e.text_at(addr.0, max));
        let events = EventTable::load(&blueprint, &*space, &text);
        let name = match (&instance, shown) {
            (None, Some(sid)) => sid,
            _ => name,
        };
        Ok(Attachment {
            instance,
            name,
            space,
            blueprint: Arc::new(blueprint),
            forced,
            accepted: Arc::new(accepted),
            events: Arc::new(events),
        })
    }

    /// Compiles and binds the needed fields of the session rows.
    ///
    /// # Errors
    /// When the blueprint lacks a field of the gate.
    pub fn bind_sessions(&self, needs: &[Need]) -> Result<BoundPlan, AttachError> {
        let row = self.row_struct("sessions")?;
        let plan = plan::compile(
            &self.blueprint,
            &self.accepted,
            &row,
            &GateFields::NEEDS,
            needs,
        )?;
        Ok(self.bound(plan, &self.accepted.sessions))
    }

    /// Compiles and binds the needed fields of the process rows.
    ///
    /// # Errors
    /// When the blueprint lacks the process array, live rows didn't prove it, or the field that
    /// says which slots are in use is missing.
    pub fn bind_processes(&self, needs: &[Need]) -> Result<BoundPlan, AttachError> {
        let row = self.row_struct("processes")?;
        if self.accepted.processes.is_empty() {
            return Err(PlanError::Incomplete {
                id: self.blueprint.id.clone(),
                what: "the place of the process array: no candidate holds the owners of the sessions in use".into(),
            }
            .into());
        }
        let gate = [STATE_FLAG];
        let plan = plan::compile(&self.blueprint, &self.accepted, &row, &gate, needs)?;
        Ok(self.bound(plan, &self.accepted.processes))
    }

    fn bound(&self, plan: plan::Plan, rows: &RowTable) -> BoundPlan {
        plan::bind(
            self.space.clone(),
            plan,
            rows,
            self.accepted.clone(),
            self.events.clone(),
        )
    }

    fn row_struct(&self, array: &str) -> Result<String, AttachError> {
        Ok(plan::arrays::find(&self.blueprint, array)?.row.clone())
    }

    /// The error for a blueprint without the fields that say which slots are in use.
    pub fn lacks_gate(&self) -> AttachError {
        PlanError::Incomplete {
            id: self.blueprint.id.clone(),
            what: "the fields that say which slots are in use".into(),
        }
        .into()
    }

    /// Whether the identity string still names the instance that was attached. Memory of an ended
    /// instance can be taken by another one.
    pub fn still_named(&self) -> bool {
        identity_string(&*self.space, &self.blueprint).is_none_or(|sid| sid == self.name)
    }
}

/// Whether a file is an `oracle` executable: it holds the table of fixed tables.
pub fn is_oracle(path: &Path) -> bool {
    blueprint::holds_kqftab(path).unwrap_or(false)
}

fn read_blueprint(path: &Path) -> Result<Blueprint, AttachError> {
    let bytes = std::fs::read(path).map_err(|error| AttachError::Io {
        path: path.to_owned(),
        error,
    })?;
    Ok(Blueprint::from_json(&bytes, &path.display().to_string())?)
}

/// The one instance meant.
fn find(sid: Option<&str>) -> Result<Instance, AttachError> {
    let mut instances = discover::scan(&ProcRoot::default());
    let names: Vec<String> = instances.iter().map(|i| i.sid.clone()).collect();
    let running = if names.is_empty() {
        "no instance runs here (no PMON process found)".to_owned()
    } else {
        format!("running here: {}", names.join(", "))
    };
    let Some(sid) = sid else {
        return match instances.len() {
            1 => Ok(instances.remove(0)),
            0 => Err(AttachError::NoInstance(running)),
            _ => Err(AttachError::NoInstance(format!(
                "several instances run here; name one with -I; {running}"
            ))),
        };
    };
    match instances.iter().position(|i| i.sid == sid) {
        Some(at) => Ok(instances.remove(at)),
        None => Err(AttachError::NoInstance(format!(
            "no instance {sid}; {running}"
        ))),
    }
}

fn check_identity(
    given: &Blueprint,
    instance: &Instance,
    found: &str,
    path: Option<&Path>,
) -> Result<(), AttachError> {
    match &given.identity.build_id {
        Some(expected) if expected != found => Err(AttachError::WrongBlueprint {
            id: given.id.clone(),
            expected: expected.clone(),
            sid: instance.sid.clone(),
            found: found.to_owned(),
            path: path.map_or_else(String::new, |p| p.display().to_string()),
        }),
        _ => Ok(()),
    }
}

/// The instance name in the fixed SGA; `None` when the blueprint doesn't know where, or no plain
/// name stands there.
fn identity_string(space: &dyn AddressSpace, blueprint: &Blueprint) -> Option<String> {
    let anchor = blueprint.anchor(SID_ANCHOR)?;
    let mut bytes = [0u8; MAX_SID];
    let n = (anchor.size.clamp(1, MAX_SID as u64)) as usize;
    space
        .read(TargetAddr(anchor.address), &mut bytes[..n])
        .ok()?;
    let name = before_nul(&bytes[..n]);
    let plain = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    plain.then(|| String::from_utf8_lossy(name).into_owned())
}
