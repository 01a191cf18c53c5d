//! Memory that stands still from the first look at it: what is read of another space is copied into
//! an image, and read from there ever after.
//!
//! So an image holds exactly what its reader read, however the memory moves meanwhile: who reads
//! the image in the same way finds all of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::ImageError;
use super::write::ImageWriter;
use crate::memory::{
    AddressSpace, Fault, FaultKind, Region, Spot, TargetAddr, fence_acquire, within,
};

/// Bytes copied at once.
const PIECE: u64 = 1 << 20;
/// How often a copy that moved is made again.
const RETRIES: usize = 2;
/// Torn places that are kept one by one.
const MOST_TORN: usize = 1000;

/// How much is copied around what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pages of 4 KiB.
    Page,
    /// Nothing but the bytes that are read.
    Exact,
}

/// What of a copy was noticed.
#[derive(Clone, Debug, Default)]
pub struct Torn {
    /// Places (address, bytes) that never rested while they were copied; the first thousand.
    pub places: Vec<(TargetAddr, u64)>,
    /// How many there were.
    pub count: u64,
}

struct State {
    writer: Option<ImageWriter>,
    torn: Torn,
    failed: Option<ImageError>,
    /// Ranges that read as not captured, by first address, apart from each other.
    hidden: Vec<(u64, u64)>,
}

/// When the bytes at an address were copied, ns since the epoch.
pub type Clock = Box<dyn Fn(TargetAddr) -> i64 + Send + Sync>;

/// A space that copies into an image what is read of it.
pub struct FreezingSpace {
    inner: Arc<dyn AddressSpace>,
    unit: u64,
    clock: Clock,
    state: Mutex<State>,
}

impl FreezingSpace {
    /// Reads of `inner`, copies to `writer`, with the times that `clock` says.
    pub fn new(
        inner: Arc<dyn AddressSpace>,
        writer: ImageWriter,
        unit: Unit,
        clock: Clock,
    ) -> FreezingSpace {
        FreezingSpace {
            inner,
            clock,
            unit: match unit {
                Unit::Page => 4096,
                Unit::Exact => 1,
            },
            state: Mutex::new(State {
                writer: Some(writer),
                torn: Torn::default(),
                failed: None,
                hidden: Vec::new(),
            }),
        }
    }

    /// Ranges (first address, first one behind) that can't be read any more; with an exact unit
    /// nothing copies them along either.
    pub fn hide(&self, mut ranges: Vec<(u64, u64)>) {
        ranges.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match apart.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => apart.push((start, end)),
            }
        }
        self.state().hidden = apart;
    }

    /// Copies a range as far as its space has it; what isn't there is left out.
    ///
    /// # Errors
    /// The image can't be written.
    pub fn freeze(&self, addr: TargetAddr, len: u64) -> Result<(), ImageError> {
        let mut state = self.state();
        let end = addr.0.saturating_add(len);
        for region in self.inner.regions() {
            let (from, to) = (addr.0.max(region.start.0), end.min(region.end().0));
            let mut at = from;
            while at < to {
                let next = to.min(at.saturating_add(PIECE));
                // what can't be read is a hole of the image too
                let _ = self.copy(&mut state, region, at, next);
                at = next;
            }
        }
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// What is written so far.
    pub fn written(&self) -> super::Written {
        let state = self.state();
        state
            .writer
            .as_ref()
            .map_or_else(Default::default, ImageWriter::written)
    }

    /// Ends copying: the writer, and what was noticed. Nothing can be read from then on.
    ///
    /// # Errors
    /// The image could not be written.
    pub fn take(&self) -> Result<(Option<ImageWriter>, Torn), ImageError> {
        let mut state = self.state();
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok((state.writer.take(), std::mem::take(&mut state.torn))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what of `from..to` of a region isn't there yet, with all of the units that it lies in.
    fn copy(&self, state: &mut State, region: &Region, from: u64, to: u64) -> Result<(), Fault> {
        let first = (from - from % self.unit).max(region.start.0);
        let last = to.checked_next_multiple_of(self.unit).unwrap_or(to);
        let last = last.min(region.end().0);
        let mut at = first;
        while let Some((start, end)) = state.writer.as_ref().and_then(|w| w.gap(at, last)) {
            let whole = self
                .stable(region, start, end)
                .and_then(|copied| self.add(state, start, copied));
            if whole.is_err() {
                self.singly(state, region, (start, end), (from, to))?;
            }
            at = end;
        }
        Ok(())
    }

    /// A range that can't be copied as a whole: unit by unit, and at least what is asked for.
    fn singly(
        &self,
        state: &mut State,
        region: &Region,
        (start, end): (u64, u64),
        (from, to): (u64, u64),
    ) -> Result<(), Fault> {
        let mut at = start;
        let mut result = Ok(());
        while at < end {
            let next = (at - at % self.unit + self.unit).min(end);
            let copied = self.stable(region, at, next).map(|c| (at, c)).or_else(|_| {
                let (from, to) = (at.max(from), next.min(to));
                self.stable(region, from, to.max(from)).map(|c| (from, c))
            });
            match copied {
                Ok((place, copied)) => self.add(state, place, copied)?,
                Err(fault) => result = Err(fault),
            }
            at = next;
        }
        result
    }

    fn add(
        &self,
        state: &mut State,
        start: u64,
        (bytes, rested): (Vec<u8>, bool),
    ) -> Result<(), Fault> {
        let Some(writer) = state.writer.as_mut() else {
            return Ok(());
        };
        if let Err(error) = writer.add(start, &bytes, (self.clock)(TargetAddr(start))) {
            state.failed.get_or_insert(error);
        }
        if !rested {
            state.torn.count += 1;
            if state.torn.places.len() < MOST_TORN {
                let place = (TargetAddr(start), bytes.len() as u64);
                state.torn.places.push(place);
            }
        }
        Ok(())
    }

    /// A copy that two readings agreed on, and whether there was one.
    fn stable(&self, region: &Region, from: u64, to: u64) -> Result<(Vec<u8>, bool), Fault> {
        let len = to.saturating_sub(from);
        let spot = self.inner.locate(TargetAddr(from), len)?;
        debug_assert!(region.start.0 <= from && to <= region.end().0);
        let mut bytes = vec![0u8; len as usize];
        let mut again = vec![0u8; len as usize];
        self.inner.read_bytes(spot, 0, &mut bytes)?;
        for _ in 0..=RETRIES {
            fence_acquire();
            self.inner.read_bytes(spot, 0, &mut again)?;
            if bytes == again {
                return Ok((bytes, true));
            }
            std::mem::swap(&mut bytes, &mut again);
        }
        Ok((bytes, false))
    }

    fn read_at(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let len = out.len() as u64;
        let regions = self.inner.regions();
        let at = within(regions, spot, offset, len)?;
        let region = &regions[spot.region as usize];
        let from = region.start.0 + at;
        let fault = |kind| Fault {
            addr: TargetAddr(from),
            len,
            kind,
        };
        let mut state = self.state();
        let last = state.hidden.partition_point(|h| h.0 < from + len.max(1));
        if last > 0 && state.hidden[last - 1].1 > from {
            return Err(fault(FaultKind::Hole));
        }
        self.copy(&mut state, region, from, from + len)?;
        let read = state.writer.as_ref().map(|w| w.read(from, out));
        match read {
            Some(Ok(true)) => Ok(()),
            Some(Err(error)) => {
                state.failed.get_or_insert(error);
                Err(fault(FaultKind::Damaged))
            }
            _ => Err(fault(FaultKind::Hole)),
        }
    }
}

impl AddressSpace for FreezingSpace {
    fn regions(&self) -> &[Region] {
        self.inner.regions()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn read_bytes(&self, spot: Spot, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read_at(spot, offset, out)
    }

    fn damage(&self) -> Option<ImageError> {
        self.state().failed.clone().or_else(|| self.inner.damage())
    }
}
