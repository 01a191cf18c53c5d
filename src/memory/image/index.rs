//! Which chunk holds an address.

use std::collections::BTreeMap;

use super::format::{ChunkEntry, Run};

/// Where a run of addresses is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) start: u64,
    pub(super) len: u64,
    /// Number of the chunk.
    pub(super) chunk: u32,
    /// Bytes into the chunk's memory; `None`: zeros, of which nothing is stored.
    pub(super) offset: Option<u64>,
}

impl Placed {
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// What stands at an address.
pub(super) enum Found {
    /// This run.
    Run(Placed),
    /// Nothing up to this address, or to the end of the address space.
    Nothing(Option<u64>),
}

/// All runs by their first address; none overlap.
#[derive(Default)]
pub(super) struct Index {
    runs: BTreeMap<u64, Placed>,
}

impl Index {
    /// What stands at `address`.
    pub(super) fn find(&self, address: u64) -> Found {
        if let Some((_, run)) = self.runs.range(..=address).next_back()
            && address < run.end()
        {
            return Found::Run(*run);
        }
        let next = address
            .checked_add(1)
            .and_then(|a| self.runs.range(a..).next());
        Found::Nothing(next.map(|(start, _)| *start))
    }

    /// Adds a run; the run that claims some of its addresses already if there is one.
    pub(super) fn insert(&mut self, run: Placed) -> Result<(), Placed> {
        match self.find(run.start) {
            Found::Run(other) => return Err(other),
            Found::Nothing(Some(next)) if next < run.end() => {
                return Err(self.runs.get(&next).copied().unwrap_or(run));
            }
            Found::Nothing(_) => {}
        }
        // one entry for what lies side by side, in memory and in its chunk
        let before = self.runs.range_mut(..run.start).next_back();
        if let Some((_, before)) = before
            && before.end() == run.start
            && before.chunk == run.chunk
            && before.offset.map(|o| o + before.len) == run.offset
        {
            before.len += run.len;
            return Ok(());
        }
        self.runs.insert(run.start, run);
        Ok(())
    }

    /// Adds all runs of a chunk; the first that can't be.
    pub(super) fn add_chunk(&mut self, number: usize, chunk: &ChunkEntry) -> Result<(), Run> {
        let mut offset = 0u64;
        for run in &chunk.runs {
            let len = u64::from(run.len);
            let placed = Placed {
                start: run.start,
                len,
                chunk: number as u32,
                offset: (!run.zero).then_some(offset),
            };
            if run.len == 0 || run.start.checked_add(len).is_none() {
                return Err(*run);
            }
            self.insert(placed).map_err(|_| *run)?;
            offset += if run.zero { 0 } else { len };
        }
        if offset == u64::from(chunk.bytes) {
            Ok(())
        } else {
            Err(chunk.runs.last().copied().unwrap_or(Run {
                start: 0,
                len: 0,
                zero: true,
            }))
        }
    }

    /// All runs, by address.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Placed> {
        self.runs.values()
    }
}
