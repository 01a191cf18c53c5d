//! A plan bound to the rows of one instance.

use std::sync::Arc;

use super::{Accepted, EventTable, Plan, RowTable};
use crate::memory::AddressSpace;

/// A plan, the memory it reads, and the proven place of every row.
#[derive(Clone)]
pub struct BoundPlan {
    /// The memory.
    pub space: Arc<dyn AddressSpace>,
    /// What to read of a row.
    pub plan: Plan,
    /// Where the rows are.
    pub rows: RowTable,
    /// What holds on this memory.
    pub accepted: Arc<Accepted>,
    /// Wait events.
    pub events: Arc<EventTable>,
}

/// Binds a plan to rows: each row is placed again for exactly the bytes that the plan reaches, so
/// that a row near the end of a segment is either wholly readable or a fault.
pub fn bind(
    space: Arc<dyn AddressSpace>,
    plan: Plan,
    rows: &RowTable,
    accepted: Arc<Accepted>,
    events: Arc<EventTable>,
) -> BoundPlan {
    let rows = RowTable::place(&*space, rows.addrs.clone(), plan.reach);
    BoundPlan {
        space,
        plan,
        rows,
        accepted,
        events,
    }
}
