//! Attaching to a captured image: its blueprint, its clock, its processes, its damage.
//!
//! Callers: `attach`, `image`, `cli`.

use std::sync::Arc;

use super::attach::{AttachError, Attachment, Target, check_identity};
use super::choose::Selected;
use super::pacer::{monotonic_ns, wall_ns};
use crate::blueprint::Blueprint;
use crate::discover::{Captured, OsProcesses};
use crate::memory::image::{ImageError, ImageSpace};
use crate::memory::{AddressSpace, FileError};

impl Attachment {
    /// A captured image, with the blueprint in it if none is given.
    pub(super) fn of_image(
        image: Arc<ImageSpace>,
        given: Option<Blueprint>,
    ) -> Result<Attachment, AttachError> {
        let captured = captured(&image)?;
        let (blueprint, selected, forced) = match given {
            Some(given) => {
                if let Some(found) = &captured.executable.build_id {
                    let path = captured.executable.path.clone().unwrap_or_default();
                    check_identity(&given, &captured.sid, found, path)?;
                }
                let known =
                    given.identity.build_id.is_some() && captured.executable.build_id.is_some();
                (given, Selected::Given, !known)
            }
            None => {
                let text = captured.blueprint.to_string();
                let origin = format!("the blueprint in {}", image.path().display());
                let blueprint = Blueprint::from_json(text.as_bytes(), &origin)?;
                (blueprint, Selected::Embedded, false)
            }
        };
        let target = Target {
            captured: Some(Arc::new(captured)),
            ..Target::image(image.path().display().to_string(), image.clone())
        };
        let opened = target.accept(blueprint, selected, forced);
        match image.damage() {
            // what doesn't fit may only be unreadable
            Some(damage) => Err(FileError::from(damage).into()),
            None => opened,
        }
    }

    /// The same instance on a copy of its memory, read by a blueprint made of its own.
    ///
    /// # Errors
    /// When the blueprint doesn't fit the copy.
    pub fn on_copy(
        &self,
        space: Arc<dyn AddressSpace>,
        blueprint: Blueprint,
        captured: Captured,
    ) -> Result<Attachment, AttachError> {
        let target = Target {
            captured: Some(Arc::new(captured)),
            ..Target::image(self.name.clone(), space)
        };
        target.accept(blueprint, self.selected, self.forced)
    }

    /// CLOCK_MONOTONIC and time of day (ns, ns since the epoch): of now, or of the moment that a
    /// captured image is of.
    pub fn clocks(&self) -> (u64, i64) {
        match &self.captured {
            Some(captured) => (captured.taken_at.mono_ns, captured.taken_at.wall_ns),
            None => (monotonic_ns(), wall_ns()),
        }
    }

    /// The server processes of the instance: of now, or as they were when its image was captured.
    pub fn os_processes(&self) -> OsProcesses {
        match (&self.instance, &self.captured) {
            (Some(instance), _) => OsProcesses::of(instance),
            (None, Some(captured)) => match &captured.os_unknown {
                Some(why) => OsProcesses::none(why),
                None => OsProcesses::captured(captured.os_processes.clone()),
            },
            (None, None) => OsProcesses::none("an image has no running processes"),
        }
    }

    /// Whether nothing that was read so far is damaged. To be asked after reading and before
    /// anything is shown: damaged parts read as faults.
    ///
    /// # Errors
    /// The first damage of the image.
    pub fn intact(&self) -> Result<(), AttachError> {
        match self.space.damage() {
            Some(damage) => Err(FileError::from(damage).into()),
            None => Ok(()),
        }
    }
}

/// What a captured image says of itself.
///
/// # Errors
/// It says something else than this program expects.
pub fn captured(image: &ImageSpace) -> Result<Captured, AttachError> {
    use serde::Deserialize;
    Captured::deserialize(image.document()).map_err(|e| {
        let damaged = ImageError::Damaged {
            path: image.path().to_owned(),
            what: "its table".into(),
            offset: 0,
            expected: "the members that docs/image-format.md lists".into(),
            found: e.to_string(),
        };
        FileError::from(damaged).into()
    })
}
