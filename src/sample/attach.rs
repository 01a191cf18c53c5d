//! Attaching: from "this instance" or "this image" to memory, blueprint and what of it holds.
//!
//! The blueprint is taken by exact identity only: one given by name must have the build-id of the
//! instance's executable, else `choose` finds one. Then the instance's own identity strings, the
//! arrays, every claim that needs proof and the invariants of rows are checked on the memory itself.
//!
//! Callers: `cli`, and everyone who samples.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choose::{self, Selected};
use crate::blueprint::{self, Blueprint, BlueprintError, ExeReader};
use crate::decode::text::before_nul;
use crate::discover::{self, Captured, Instance, OpenError, ProcRoot, Via};
use crate::memory::{AddressSpace, FileError, FileSpace, TargetAddr};
use crate::plan::{self, Accepted, BoundPlan, EventTable, Moment, Need, PlanError, RowTable};
use crate::walk::{GateFields, STATE_FLAG};

/// Fixed variables that hold names as text in place (Christoph Lutz, for 19.14-19.27 and 23.5).
const SID_ANCHOR: &str = "kspssidst_";
const DATABASE_ANCHOR: &str = "ksqgdn_";

/// Longest instance name.
const MAX_SID: usize = 64;
/// Longest database name.
const MAX_DATABASE: usize = 8;

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
    /// A captured image, an ELF core of an Oracle process, or raw segment files.
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
    /// The image can't be read, or is damaged.
    #[error(transparent)]
    Image(#[from] FileError),
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
    /// What its image says of where and when it was taken, if it is a captured one.
    pub captured: Option<Arc<Captured>>,
    /// SID, or the image's name.
    pub name: String,
    /// The database's name as the fixed SGA has it; `None` where the blueprint doesn't know the place.
    pub db_name: Option<String>,
    /// Its memory.
    pub space: Arc<dyn AddressSpace>,
    /// Its blueprint.
    pub blueprint: Arc<Blueprint>,
    /// How the blueprint was selected.
    pub selected: Selected,
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
            Source::Image(path) => match FileSpace::open(path) {
                Ok(FileSpace::Image(image)) => Self::of_image(image, given),
                // what isn't there needs no blueprint
                Err(error) if matches!(error, FileError::Image(_)) || error.io_kind().is_some() => {
                    Err(error.into())
                }
                plain => {
                    let given = given.ok_or_else(|| {
                        AttachError::NoBlueprint(format!(
                            "{}: a core says nothing of its executable; name the blueprint with --blueprint FILE",
                            path.display()
                        ))
                    })?;
                    let name = path.display().to_string();
                    Target::image(name, plain?.space()).accept(given, Selected::Given, true)
                }
            },
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
        let target = Target {
            name: instance.sid.clone(),
            space,
            exe: exe.as_ref(),
            instance: Some(&instance),
            captured: None,
        };
        let Some(given) = given else {
            return choose::attach(&target, &instance);
        };
        let forced = match target.exe.and_then(ExeReader::build_id) {
            Some(found) => {
                let path = path
                    .as_deref()
                    .map_or_else(String::new, |p| p.display().to_string());
                check_identity(&given, &instance.sid, found, path)?;
                given.identity.build_id.is_none()
            }
            None => true,
        };
        target.accept(given, Selected::Given, forced)
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
        Target::image(name.to_owned(), space).accept(blueprint, Selected::Given, true)
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

/// Memory that is open, on which blueprints are tried.
pub(super) struct Target<'a> {
    /// SID, or the image's name.
    pub(super) name: String,
    /// The memory.
    pub(super) space: Arc<dyn AddressSpace>,
    /// The instance's executable, where it can be read.
    pub(super) exe: Option<&'a ExeReader>,
    /// The instance, if it is a live one.
    pub(super) instance: Option<&'a Instance>,
    /// What its image says, if it is a captured one.
    pub(super) captured: Option<Arc<Captured>>,
}

impl Target<'_> {
    pub(super) fn image(name: String, space: Arc<dyn AddressSpace>) -> Target<'static> {
        Target {
            name,
            space,
            exe: None,
            instance: None,
            captured: None,
        }
    }

    fn moment(&self) -> Moment {
        self.captured
            .as_ref()
            .map_or_else(Moment::now, |captured| Moment {
                now_s: captured.taken_at.wall_ns.div_euclid(1_000_000_000),
                zone: captured.taken_at.time_zone(),
            })
    }

    /// Tries a blueprint: identity strings, arrays, claims, invariants.
    pub(super) fn accept(
        &self,
        blueprint: Blueprint,
        selected: Selected,
        forced: bool,
    ) -> Result<Attachment, AttachError> {
        let space = &*self.space;
        let shown = identity_string(space, &blueprint);
        if let (Some(instance), Some(shown)) = (self.instance, &shown)
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
        let db_name = database_name(space, &blueprint)?;
        let accepted = plan::accept(&blueprint, space, self.moment())?;
        let text = |addr: TargetAddr, max: usize| self.exe.and_then(|e| e.text_at(addr.0, max));
        let events = EventTable::load(&blueprint, space, &text);
        plan::verify(&blueprint, space, &accepted, events.events.len())?;
        let name = match (self.instance, shown, &self.captured) {
            (None, Some(sid), _) => sid,
            (None, None, Some(captured)) => captured.sid.clone(),
            _ => self.name.clone(),
        };
        Ok(Attachment {
            instance: self.instance.cloned(),
            captured: self.captured.clone(),
            name,
            db_name,
            space: self.space.clone(),
            blueprint: Arc::new(blueprint),
            selected,
            forced,
            accepted: Arc::new(accepted),
            events: Arc::new(events),
        })
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

pub(super) fn check_identity(
    given: &Blueprint,
    sid: &str,
    found: &str,
    path: String,
) -> Result<(), AttachError> {
    match &given.identity.build_id {
        Some(expected) if expected != found => Err(AttachError::WrongBlueprint {
            id: given.id.clone(),
            expected: expected.clone(),
            sid: sid.to_owned(),
            found: found.to_owned(),
            path,
        }),
        _ => Ok(()),
    }
}

/// The instance name in the fixed SGA; `None` when the blueprint doesn't know where, or no plain
/// name stands there.
fn identity_string(space: &dyn AddressSpace, blueprint: &Blueprint) -> Option<String> {
    let name = fixed_text(space, blueprint, SID_ANCHOR)?;
    let plain = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    plain.then(|| String::from_utf8_lossy(&name).into_owned())
}

/// The database's name in the fixed SGA (DB_NAME: up to 8 letters, digits, `_`, `#` and `$`, a letter
/// first; Oracle Database Reference). `None` when the blueprint doesn't know where, or it is empty.
///
/// # Errors
/// No such name stands there, or not the one that the blueprint was made for.
fn database_name(
    space: &dyn AddressSpace,
    blueprint: &Blueprint,
) -> Result<Option<String>, PlanError> {
    let Some(bytes) = fixed_text(space, blueprint, DATABASE_ANCHOR).filter(|b| !b.is_empty())
    else {
        return Ok(None);
    };
    let unfit = |expected: String| PlanError::Unfit {
        id: blueprint.id.clone(),
        what: format!("the database name at {DATABASE_ANCHOR}"),
        expected,
        found: format!("{:?}", String::from_utf8_lossy(&bytes)),
    };
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'#' | b'$');
    let plausible =
        bytes[0].is_ascii_alphabetic() && bytes.len() <= MAX_DATABASE && bytes.iter().all(inside);
    if !plausible {
        return Err(unfit(format!(
            "a name of up to {MAX_DATABASE} letters and digits"
        )));
    }
    let name = String::from_utf8_lossy(&bytes).into_owned();
    // Only a blueprint that holds for one database says which.
    let known = blueprint.extra.get("x-db-name").and_then(|v| v.as_str());
    match known.filter(|known| !known.eq_ignore_ascii_case(&name)) {
        Some(known) => Err(unfit(known.to_owned())),
        None => Ok(Some(name)),
    }
}

/// The bytes before the first NUL of a fixed variable that holds text in place.
fn fixed_text(space: &dyn AddressSpace, blueprint: &Blueprint, anchor: &str) -> Option<Vec<u8>> {
    let anchor = blueprint.anchor(anchor)?;
    let mut bytes = [0u8; MAX_SID];
    let n = (anchor.size.clamp(1, MAX_SID as u64)) as usize;
    space
        .read(TargetAddr(anchor.address), &mut bytes[..n])
        .ok()?;
    Some(before_nul(&bytes[..n]).to_vec())
}
