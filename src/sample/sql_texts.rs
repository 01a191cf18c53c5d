//! SQL texts: read once per statement, proven, kept.
//!
//! A statement's text is copied from its cursor's handle when its SQL_ID is seen first, and counts
//! only if its MD5 gives that SQL_ID. A copy that fails (freed, reused, moved meanwhile) is tried
//! again when the statement is seen again, but not more often than every [`RETRY_NS`].

use std::collections::HashMap;

use crate::decode::{Decoder, text::Charset};
use crate::memory::AddressSpace;
use crate::plan::handle::{self, HandleLayout};

/// Time between two tries for the same statement, ns.
const RETRY_NS: i64 = 50_000_000;

/// Statements that are tried for and kept at most; beyond it, new ones are not read.
const MAX_STATEMENTS: usize = 100_000;

/// A proven statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// SQL_ID as a number.
    pub sql_id: u64,
    /// Its text.
    pub text: String,
    /// When it was proven, ns since the epoch.
    pub first_seen_ns: i64,
}

/// All statements seen so far.
pub struct SqlTexts {
    layout: HandleLayout,
    charset: Charset,
    proven: HashMap<u64, Statement>,
    tried_ns: HashMap<u64, i64>,
    fresh: Vec<u64>,
    failed: u64,
}

impl SqlTexts {
    /// A reader of texts; `None` when the handle's layout was not accepted.
    pub fn new(layout: HandleLayout, charset: Charset) -> Option<SqlTexts> {
        layout.text?;
        Some(SqlTexts {
            layout,
            charset,
            proven: HashMap::new(),
            tried_ns: HashMap::new(),
            fresh: Vec::new(),
            failed: 0,
        })
    }

    /// Looks at a row's statement: reads its text if it isn't known yet, and tells the decoder of a
    /// proven SQL_ID.
    pub fn look(
        &mut self,
        space: &dyn AddressSpace,
        decoder: &mut Decoder,
        words: &[u64],
        wall_ns: i64,
    ) {
        let Some((address, hash, shown)) = decoder.shown_sql(words) else {
            return;
        };
        let key = shown.unwrap_or(u64::from(hash));
        if self.proven.contains_key(&key) || self.proven.len() >= MAX_STATEMENTS {
            return;
        }
        if self.tried_ns.len() > MAX_STATEMENTS {
            self.tried_ns.clear();
        }
        match self.tried_ns.get(&key) {
            Some(last) if wall_ns - last < RETRY_NS => return,
            _ => self.tried_ns.insert(key, wall_ns),
        };
        match handle::proven_text(space, address, &self.layout, hash, shown) {
            Some((sql_id, bytes)) => {
                decoder.confirm(sql_id);
                self.tried_ns.remove(&key);
                self.fresh.push(sql_id);
                self.proven.insert(
                    sql_id,
                    Statement {
                        sql_id,
                        text: self.charset.decode(&bytes).into_owned(),
                        first_seen_ns: wall_ns,
                    },
                );
            }
            None => self.failed += 1,
        }
    }

    /// The text of a statement.
    pub fn get(&self, sql_id: u64) -> Option<&Statement> {
        self.proven.get(&sql_id)
    }

    /// Statements proven since the last call.
    pub fn take_fresh(&mut self) -> Vec<Statement> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh
            .into_iter()
            .filter_map(|id| self.proven.get(&id).cloned())
            .collect()
    }

    /// Copies that were no proof.
    pub fn failed(&self) -> u64 {
        self.failed
    }
}
