//! The process rows, learned from a spool of V$PROCESS: where they are, and which columns they show.
//!
//! V$PROCESS lists only processes in use; their PID is the slot number (T. Poder, oracle-l 2015), so the pointer array
//! is the one whose entries at those numbers are the addresses listed. Columns by the public names of X$KSUPR (Oracle
//! Database Reference, C. Lutz, M. Velikikh). Not for: sessions.

use super::ask::Want;
use super::compose::{Head, field, head};
use super::learner::Learner;
use super::report::{Line, Report};
use super::scan::{self, Found};
use super::truth::{Shape, Spec, Spool, Table};
use crate::blueprint::model::{Accept, Anchor, Array, Struct};
use crate::memory::{AddressSpace, TargetAddr};

/// Bit of KSUPRFLG of background processes, as V$PROCESS.BACKGROUND decodes it.
const BACKGROUND: u64 = 2;

/// Rounds over the process rows.
pub struct Processes<'a> {
    learner: Learner<'a>,
    found: Found,
    bytes: u64,
}

/// Fields, structure, array of the process rows.
pub struct Parts {
    /// Where the array's address and count stand.
    pub anchors: Vec<Anchor>,
    /// The rows, and what stands at the anchor.
    pub structs: Vec<Struct>,
    /// The array.
    pub array: Array,
}

impl<'a> Processes<'a> {
    /// Finds the process rows by what the spool lists of them; `sessions` are the rows of sessions, which they are not.
    ///
    /// # Errors
    /// Why they weren't found, for people.
    pub fn find(
        space: &'a dyn AddressSpace,
        spool: &Spool,
        sessions: &[TargetAddr],
    ) -> Result<Processes<'a>, String> {
        let Some(table) = spool.table("v_process") else {
            return Err("the spool has no v_process.csv".into());
        };
        let listed = listed(table);
        if listed.len() < 2 {
            return Err("v_process.csv has no ADDR and PID of two processes".into());
        }
        let (mut found, bytes) = scan::arrays_with(space, &listed, sessions);
        let (Some(one), true) = (found.pop(), found.is_empty()) else {
            return Err(format!(
                "{} pointer arrays hold the addresses of V$PROCESS at their PIDs",
                found.len()
            ));
        };
        let learner = Learner::new(space, one.rows.clone())
            .ok_or("the addresses of V$PROCESS can't be rows")?;
        Ok(Processes {
            learner,
            found: one,
            bytes,
        })
    }

    /// One round, around `truth`.
    ///
    /// # Errors
    /// Those of `truth`.
    pub fn round<T, E>(&mut self, truth: impl FnOnce() -> Result<T, E>) -> Result<(usize, T), E> {
        self.learner.round(truth)
    }

    /// Takes in what the spool of a round says.
    pub fn tell(&mut self, round: usize, spool: &Spool) {
        let Some(table) = spool.table("v_process") else {
            return;
        };
        self.learner.tell(round, table, "PID", &specs());
        self.flags(round, table);
        if let Some(sessions) = spool.table("v_session") {
            self.sessions(round, table, sessions);
        }
    }

    /// KSSPAFLG: bit 0 is set in the rows that are listed, and in no other.
    fn flags(&mut self, round: usize, table: &Table) {
        let spec = spec("PID", "KSSPAFLG", Shape::Flag(1, "listed".into()));
        let listed: Vec<usize> = listed(table).into_iter().map(|l| l.0).collect();
        for row in 0..self.learner.rows.addrs.len() {
            let value = u64::from(listed.contains(&row));
            let want = Want::Masked { mask: 1, value };
            self.learner.tell_one(&spec, round, row, want);
        }
    }

    /// The session of a process that V$SESSION lists with one session only. PID 1 is PSEUDO, which has none.
    fn sessions(&mut self, round: usize, table: &Table, sessions: &Table) {
        let columns = ["SADDR", "PADDR"].map(|c| sessions.column(c));
        let [Some(session), Some(process)] = columns else {
            return;
        };
        let address = |row: &[Option<String>], at: usize| {
            let text = row.get(at)?.as_deref()?;
            u64::from_str_radix(text, 16).ok()
        };
        let spec = spec("SADDR", "session_addr", Shape::Address);
        for (slot, addr) in listed(table).into_iter().filter(|l| l.0 > 0) {
            let of_it = |row: &&Vec<Option<String>>| address(row, process) == Some(addr.0);
            let mut all = sessions.rows.iter().filter(of_it);
            if let (Some(row), None) = (all.next(), all.next())
                && let Some(at) = address(row, session)
            {
                self.learner.tell_one(&spec, round, slot, Want::Value(at));
            }
        }
    }

    /// What is certain; the rest is reported.
    pub fn finish(self, report: &mut Report) -> Option<Parts> {
        let mut fields = Vec::new();
        for learned in self.learner.answers() {
            report.lines.push(Line::of("ksupr", &learned));
            fields.extend(field(&learned));
        }
        for f in fields.iter_mut().filter(|f| f.name == "session_addr") {
            f.to = Some("ksuse".into());
        }
        report.bytes_read += self.bytes + self.learner.bytes();
        let [count] = self.found.counts.as_slice() else {
            report.remarks.push(format!(
                "process rows: the array's count is ambiguous ({:?}), so the array is left out",
                self.found.counts
            ));
            return None;
        };
        report.remarks.push(format!(
            "process pointer array: its address stands at 0x{}, its count of {} at 0x{count}",
            self.found.pointer,
            self.found.rows.len()
        ));
        let named = Head {
            name: "process_array_head",
            base: "processes",
            count: "process_count",
            evidence: "calibrated: the only place whose array holds the rows of V$PROCESS",
        };
        let (anchors, strukt, layout) = head(&named, self.found.pointer, *count);
        let row = Struct {
            table: Some("X$KSUPR".into()),
            ..super::compose::strukt("ksupr", self.learner.rows.len as u64, fields)
        };
        Some(Parts {
            anchors,
            structs: std::iter::once(row).chain(strukt).collect(),
            array: Array {
                name: "processes".into(),
                row: "ksupr".into(),
                layout,
                accept: Some(Accept::PidText),
                ordinal: None,
            },
        })
    }
}

/// Slot and address of the processes listed.
fn listed(table: &Table) -> Vec<(usize, TargetAddr)> {
    let (Some(address), Some(number)) = (table.column("ADDR"), table.column("PID")) else {
        return Vec::new();
    };
    let one = |row: &Vec<Option<String>>| {
        let at = u64::from_str_radix(row[address].as_deref()?, 16).ok()?;
        let slot = usize::try_from(table.number(row, number)?.checked_sub(1)?).ok()?;
        Some((slot, TargetAddr(at)))
    };
    table.rows.iter().filter_map(one).collect()
}

fn spec(column: &str, field: &str, shape: Shape) -> Spec {
    Spec {
        column: column.into(),
        via: None,
        field: field.into(),
        shape,
    }
}

/// Columns of V$PROCESS and the fields that they show.
fn specs() -> Vec<Spec> {
    let number = |widest| Shape::Uint { widest, null: None };
    vec![
        spec("SPID", "KSUPROSID", Shape::Text),
        spec("USERNAME", "KSUPRUNM", Shape::Text),
        spec("SERIAL#", "KSUPRSER", number(4)),
        spec("TERMINAL", "KSUPRTID", Shape::Text),
        spec("PROGRAM", "KSUPRPNM", Shape::Text),
        spec("BACKGROUND", "KSUPRFLG", Shape::Mark(BACKGROUND)),
        spec("LATCHWAIT", "KSLLAWAT", Shape::Address),
        spec("PGA_USED_MEM", "KSUPRPUM", number(8)),
    ]
}
