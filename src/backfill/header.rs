//! The first line: what each field of a row is.
//!
//! Callers: [`super::read`].

use super::View;
use crate::decode::Column;

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// SAMPLE_TIME: in the zone of the database's host, if it says no other.
    Time,
    /// SAMPLE_TIME_UTC.
    TimeUtc,
    /// SAMPLE_ID.
    Id,
    /// INST_ID, or INSTANCE_NUMBER.
    InstanceNumber,
    /// A column of recordings, by its place among them.
    Column(usize),
    /// Nothing that recordings have.
    Nothing,
}

/// What the first line says.
pub(super) struct Header {
    /// Names as they are written.
    pub(super) names: Vec<String>,
    pub(super) uses: Vec<Use>,
    /// The view that has these columns.
    pub(super) view: View,
}

impl Header {
    /// `columns` are those of recordings.
    pub(super) fn of(names: Vec<String>, columns: &[&'static Column]) -> Header {
        // V$ views write # where recordings have _no
        let plain: Vec<String> = names
            .iter()
            .map(|name| name.to_ascii_lowercase().replace('#', "_no"))
            .collect();
        let use_of = |name: &String| match name.as_str() {
            "sample_time" => Use::Time,
            "sample_time_utc" => Use::TimeUtc,
            "sample_id" => Use::Id,
            "inst_id" | "instance_number" => Use::InstanceNumber,
            // what these rows are anyway
            "is_active" | "read_flags" => Use::Nothing,
            name => match columns.iter().position(|c| c.ash == name) {
                Some(place) => Use::Column(place),
                None => Use::Nothing,
            },
        };
        let uses = plain.iter().map(use_of).collect();
        // only the AWR's view says of which snapshot a row is
        let view = match plain.iter().any(|name| name == "snap_id") {
            true => View::DbaHist,
            false => View::Ash,
        };
        Header { names, uses, view }
    }

    /// Where a field of this use stands.
    pub(super) fn place(&self, wanted: Use) -> Option<usize> {
        self.uses.iter().position(|found| *found == wanted)
    }

    /// The first name that stands for the same as another one.
    pub(super) fn twice(&self) -> Option<&str> {
        let known = |place: usize| {
            let this = self.uses[place];
            this != Use::Nothing && self.uses[..place].contains(&this)
        };
        let place = (0..self.uses.len()).find(|place| known(*place))?;
        Some(&self.names[place])
    }

    /// Names of what isn't taken.
    pub(super) fn not_taken(&self) -> Vec<String> {
        let fields = self.names.iter().zip(&self.uses);
        fields
            .filter(|(_, found)| **found == Use::Nothing)
            .map(|(name, _)| name.clone())
            .collect()
    }
}
