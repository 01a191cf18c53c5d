//! The sweep over all rows.

use crate::memory::{AddressSpace, Fault, Spot};
use crate::plan::{BoundPlan, FieldRef, Need, Plan, row};

use super::{Frame, Quality};

/// How often a row that moved is read again before it is emitted as torn.
const RETRIES: usize = 2;

/// Rows between the one being read and the one being prefetched (measured best for one to four
/// cache lines a row: 4 to 16).
const PREFETCH_AHEAD: usize = 8;

/// The flag by which any state object says that it is in use.
pub const STATE_FLAG: Need = row("KSSPAFLG");

/// Which rows a caller wants.
#[derive(Clone, Debug)]
pub enum Select {
    /// Every slot in use (KSSPAFLG & 1 and KSUSEFLG & 3 ≠ 0), recursive sessions included.
    Used,
    /// Slots in use that are active now, and all recursive ones: in a call and not waiting, or
    /// waiting for an event whose class isn't Idle. The mask says which EVENT# are idle.
    Active {
        /// Whether each EVENT# is of the class Idle.
        idle: Box<[bool]>,
    },
}

/// The gate's fields in a scratch row.
#[derive(Clone, Copy, Debug)]
pub struct GateFields {
    /// KSSPAFLG.
    pub used: FieldRef,
    /// KSUSEFLG.
    pub kind: FieldRef,
    /// KSUSEIDL.
    pub status: FieldRef,
    /// KSUSEOPC (EVENT#).
    pub event: FieldRef,
    /// KSUSETIM.
    pub wait: FieldRef,
    /// KSUSESEQ (SEQ#).
    pub seq: FieldRef,
}

impl GateFields {
    /// The columns of the gate, in the order of this structure's fields.
    pub const NEEDS: [Need; 6] = [
        STATE_FLAG,
        row("KSUSEFLG"),
        row("KSUSEIDL"),
        row("KSUSEOPC"),
        row("KSUSETIM"),
        row("KSUSESEQ"),
    ];

    /// The fields' places, if the plan has all of them.
    pub fn of(plan: &Plan) -> Option<GateFields> {
        let [used, kind, status, event, wait, seq] = Self::NEEDS.map(|n| plan.field(n));
        Some(GateFields {
            used: used?,
            kind: kind?,
            status: status?,
            event: event?,
            wait: wait?,
            seq: seq?,
        })
    }

    /// Whether the slot is in use: its state object is initialised and it is a user, background or
    /// recursive session (GV$SESSION's text tests the same bits; recursive ones it leaves out).
    pub fn is_used(&self, words: &[u64]) -> bool {
        self.used.uint(words) & 1 != 0 && self.kind.uint(words) & 3 != 0
    }

    /// Whether the session waits now: KSUSETIM = 0, and it has waited at all (SEQ# ≠ 0, as
    /// GV$SESSION_WAIT's text asks; before the first wait both are 0).
    pub fn is_waiting(&self, words: &[u64]) -> bool {
        self.wait.int(words) == 0 && self.seq.uint(words) != 0
    }

    fn selects(&self, select: &Select, words: &[u64]) -> bool {
        if !self.is_used(words) {
            return false;
        }
        let Select::Active { idle } = select else {
            return true;
        };
        let kind = self.kind.uint(words);
        if kind & 1 == 0 {
            return true;
        }
        if self.is_waiting(words) {
            let event = self.event.uint(words) as usize;
            !idle.get(event).copied().unwrap_or(false)
        } else {
            // background processes have no call bit between their actions
            self.status.uint(words) & 1 != 0 || kind & 16 != 0
        }
    }
}

/// What decides whether a row is wanted.
#[derive(Clone, Debug)]
enum Gate {
    /// Session rows, by these fields.
    Sessions(GateFields, Select),
    /// Rows of any state object: KSSPAFLG & 1.
    InUse(FieldRef),
}

impl Gate {
    fn selects(&self, words: &[u64]) -> bool {
        match self {
            Gate::Sessions(fields, select) => fields.selects(select, words),
            Gate::InUse(flag) => flag.uint(words) & 1 != 0,
        }
    }
}

/// Sweeps the rows of one bound plan. Owns the scratch memory, so that sweeping allocates nothing.
pub struct Walker {
    bound: BoundPlan,
    gate: Gate,
    scratch: Vec<u64>,
    again: Vec<u64>,
}

impl Walker {
    /// A walker, or `None` when the plan lacks the gate's fields.
    pub fn new(bound: BoundPlan, select: Select) -> Option<Walker> {
        let gate = Gate::Sessions(GateFields::of(&bound.plan)?, select);
        Some(Walker::with_gate(bound, gate))
    }

    /// A walker over the rows in use of an array of other state objects, e.g. processes, or `None`
    /// when the plan lacks their flag.
    pub fn of_state_objects(bound: BoundPlan) -> Option<Walker> {
        let gate = Gate::InUse(bound.plan.field(STATE_FLAG)?);
        Some(Walker::with_gate(bound, gate))
    }

    fn with_gate(bound: BoundPlan, gate: Gate) -> Walker {
        let words = bound.plan.row_words;
        Walker {
            bound,
            gate,
            scratch: vec![0; words],
            again: vec![0; words],
        }
    }

    /// The bound plan.
    pub fn bound(&self) -> &BoundPlan {
        &self.bound
    }

    /// A frame that fits.
    pub fn frame(&self) -> Frame {
        Frame::new(self.bound.rows.len(), self.bound.plan.row_words)
    }

    /// Reads all rows once into `frame`, which is cleared first. `elapsed_ns` gives the time since
    /// the walk's start; it is asked once for each selected row.
    pub fn sweep(&mut self, frame: &mut Frame, mut elapsed_ns: impl FnMut() -> u64) {
        frame.clear();
        self.bound.space.refresh();
        let spots = &self.bound.rows.spots;
        for (slot, spot) in spots.iter().enumerate() {
            if let Some(Ok(ahead)) = spots.get(slot + PREFETCH_AHEAD)
                && let Some(span) = self.bound.plan.gate.first()
            {
                self.bound.space.prefetch(*ahead, span.offset);
            }
            let Ok(spot) = spot else {
                frame.faulted += 1;
                continue;
            };
            frame.seen += 1;
            match read_gate(&self.bound, *spot, &mut self.scratch) {
                Ok(()) if self.gate.selects(&self.scratch) => {}
                Ok(()) => continue,
                Err(_) => {
                    frame.faulted += 1;
                    continue;
                }
            }
            let off_ns = elapsed_ns();
            match read_row(&self.bound, *spot, &mut self.scratch, &mut self.again) {
                Ok(quality) => {
                    // it may have been freed or gone idle between gate and row
                    if !self.gate.selects(&self.scratch) {
                        continue;
                    }
                    frame.torn += u32::from(quality.has(Quality::TORN));
                    frame.slots.push(slot as u32);
                    frame.quality.push(quality);
                    frame.off_ns.push(u32::try_from(off_ns).unwrap_or(u32::MAX));
                    frame.words.extend_from_slice(&self.scratch);
                }
                Err(_) => frame.faulted += 1,
            }
        }
    }
}

fn read_gate(bound: &BoundPlan, spot: Spot, words: &mut [u64]) -> Result<(), Fault> {
    for span in &bound.plan.gate {
        let dst = span.dst as usize..(span.dst + span.words) as usize;
        bound.space.read_words(spot, span.offset, &mut words[dst])?;
    }
    Ok(())
}

/// Reads a row until two readings in a row are equal, or the retries are used up.
fn read_row(
    bound: &BoundPlan,
    spot: Spot,
    words: &mut [u64],
    again: &mut [u64],
) -> Result<Quality, Fault> {
    read_once(bound, spot, words)?;
    let mut quality = Quality::CLEAN;
    for attempt in 0..=RETRIES {
        read_once(bound, spot, again)?;
        if words == again {
            break;
        }
        words.copy_from_slice(again);
        quality = quality.with(if attempt == RETRIES {
            Quality::TORN
        } else {
            Quality::RETRIED
        });
    }
    if words[0] != 0 {
        quality = quality.with(Quality::FAULT);
    }
    Ok(quality)
}

fn read_once(bound: &BoundPlan, spot: Spot, words: &mut [u64]) -> Result<(), Fault> {
    let plan = &bound.plan;
    read_gate(bound, spot, words)?;
    for span in &plan.spans {
        let dst = span.dst as usize..(span.dst + span.words) as usize;
        bound.space.read_words(spot, span.offset, &mut words[dst])?;
    }
    words[0] = 0;
    for (number, chase) in plan.chases.iter().enumerate() {
        let dst = chase.dst as usize..chase.dst as usize + chase.bytes.div_ceil(8) as usize;
        let pointer = chase.pointer.uint(words);
        if pointer == 0 || !follow(&*bound.space, chase, pointer, &mut words[dst.clone()]) {
            words[dst].fill(0);
            words[0] |= u64::from(pointer != 0) << number;
        }
    }
    Ok(())
}

fn follow(
    space: &dyn AddressSpace,
    chase: &crate::plan::Chase,
    pointer: u64,
    out: &mut [u64],
) -> bool {
    let Some(at) = crate::memory::TargetAddr(pointer).checked_add(chase.offset) else {
        return false;
    };
    let whole = (out.len() * 8) as u64;
    if let Ok(spot) = space.locate(at, whole) {
        return space.read_words(spot, 0, out).is_ok();
    }
    if !chase.is_text {
        return false;
    }
    // text may stand at the very end of its segment
    let Ok(spot) = space.locate(at, 1) else {
        return false;
    };
    let room = space
        .regions()
        .get(spot.region as usize)
        .map_or(0, |r| r.len - spot.offset)
        .min(whole);
    out.fill(0);
    let words = (room / 8) as usize;
    space.read_words(spot, 0, &mut out[..words]).is_ok()
}
