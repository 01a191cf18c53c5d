//! Whose the rows of `stats` and `samples` are.
//!
//! For: [`Sessions`], which keeps each distinct combination of attributes once. Not for: whose load that
//! is (`finops::tenants`). Callers: [`super::read`], the rest of `finops`.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::columns::texts;
use crate::analyze::AnalyzeError;
use crate::analyze::texts::Texts;
use crate::finops::mapping::SessionAttributes;

/// Columns of `stats` that say whose a row is.
const WHO: [&str; 11] = [
    "session_kind",
    "username",
    "service_name",
    "osuser",
    "program",
    "machine",
    "client_id",
    "module",
    "action",
    "con_name",
    "server",
];

/// Whose a delta is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// Host of the recording.
    pub host: String,
    /// SID of the instance.
    pub instance: String,
    /// USER, BACKGROUND or RECURSIVE.
    pub kind: String,
    /// Container.
    pub con_name: Option<String>,
    /// What rules look at.
    pub attributes: SessionAttributes,
}

impl Session {
    /// Whether it is the instance's own work, not a user's.
    pub fn is_overhead(&self) -> bool {
        self.kind != "USER"
    }
}

/// The distinct sessions' attributes.
pub(in crate::finops) struct Sessions {
    host: String,
    instance: String,
    texts: Texts,
    tags: HashMap<[u32; WHO.len()], u32>,
    all: Vec<(Session, bool)>,
}

impl Sessions {
    pub(in crate::finops) fn new((host, instance): &(String, String)) -> Sessions {
        Sessions {
            host: host.clone(),
            instance: instance.clone(),
            texts: Texts::default(),
            tags: HashMap::new(),
            all: Vec::new(),
        }
    }

    pub(in crate::finops) fn of(&self, tag: u32) -> &Session {
        &self.all[tag as usize].0
    }

    pub(super) fn dedicated(&self, tag: u32) -> bool {
        self.all[tag as usize].1
    }

    /// Whose each row is.
    pub(in crate::finops) fn tags(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<Vec<u32>, AnalyzeError> {
        let mut rows = vec![[0u32; WHO.len()]; batch.num_rows()];
        for (at, name) in WHO.iter().enumerate() {
            let column = match batch.column_by_name(name) {
                Some(_) => texts(batch, name)?,
                None => vec![None; rows.len()],
            };
            for (row, text) in rows.iter_mut().zip(column) {
                row[at] = self.texts.number(text.as_deref());
            }
        }
        Ok(rows.into_iter().map(|row| self.tag(row)).collect())
    }

    fn tag(&mut self, row: [u32; WHO.len()]) -> u32 {
        if let Some(known) = self.tags.get(&row) {
            return *known;
        }
        let [
            kind,
            user,
            service,
            os_user,
            program,
            machine,
            client_id,
            module,
            action,
            con_name,
            server,
        ] = row.map(|number| self.texts.get(number).map(str::to_owned));
        let session = Session {
            host: self.host.clone(),
            instance: self.instance.clone(),
            kind: kind.unwrap_or_default(),
            con_name,
            attributes: SessionAttributes {
                oracle_user: user,
                service_name: service,
                client_os_user: os_user,
                client_program: program,
                client_machine: machine,
                client_id,
                module_name: module,
                action,
                ..SessionAttributes::default()
            },
        };
        // a shared or pooled server's CPU is not one session's
        let dedicated = server.as_deref() == Some("DEDICATED");
        let tag = self.all.len() as u32;
        self.all.push((session, dedicated));
        self.tags.insert(row, tag);
        tag
    }
}
