//! A layout in which columns stand in the row that real releases compute, or keep where nobody has published: what a
//! reader does with such a column can only be tested when there is one. And one that packs its 4-byte times.
//!
//! Every place here is invented. Only `pmon` calls it.

use super::Kind::{Address, Epoch4, Packed4, Signed, Text, Unsigned};
use super::{Column, Kind, Layout, column};

/// Columns of X$KSUSE without a public place, and some of X$KSLWT: name, kind, bytes.
#[rustfmt::skip]
const REVEALED: &[(&str, Kind, u32)] = &[
    ("KSUSEPRO", Address, 8), // not public
    ("KSLWTSTIME", Unsigned, 8), // not public
    ("KSLWTLTIME", Unsigned, 8), // not public
    ("KSLWTTREM", Signed, 8), // not public
    ("KSLWTINWAIT", Unsigned, 4), // not public
    ("KSLWTFLAGS", Unsigned, 4), // not public
    ("KSSPATYP", Unsigned, 4), // not public
    ("KSUSEPXOPT", Unsigned, 4), // not public
    ("KSUSECQD", Unsigned, 4), // not public
    ("KSUSECTM", Unsigned, 4), // not public
    ("KSUSEWTM", Unsigned, 4), // not public
    ("KSUSEBLOCKER", Unsigned, 4), // not public
    ("KSUSEFBLOCKER", Unsigned, 4), // not public
    ("KSUSEAPH", Unsigned, 4), // not public
    ("KSUSEACH", Unsigned, 4), // not public
    ("CON_ID", Unsigned, 2), // not public
    ("KSUSEGRP", Text, 32), // not public
    ("KSUSESVC", Text, 64), // not public
    ("KSUSEAPP", Text, 64), // not public
    ("KSUSEACT", Text, 64), // not public
];

impl Layout {
    /// Adds the columns behind all others; rows grow.
    pub fn reveal(&mut self) {
        let mut at = self.session.rows.stride as u32 + 8;
        for &(name, kind, size) in REVEALED {
            at = at.next_multiple_of(if kind == Text { 1 } else { size });
            self.session.columns.push(column(name, kind, at, size, 0));
            at += size;
        }
        self.session.rows.stride = u64::from(at).next_multiple_of(8);
    }

    /// True after [`Layout::reveal`].
    pub fn is_revealed(&self) -> bool {
        self.session.column("KSUSEBLOCKER").is_some()
    }

    /// Stores 4-byte times of executions in Oracle's packed form.
    pub fn pack_times(&mut self) {
        let times = |c: &&mut Column| c.kind == Epoch4;
        for column in self.session.columns.iter_mut().filter(times) {
            column.kind = Packed4;
        }
    }

    /// Bits of a blocker that hold the SID: 16 up to 12.2, 18 from 18c (public texts of GV$SESSION).
    pub fn blocker_bits(&self) -> u32 {
        if self.status_mask == 11 { 16 } else { 18 }
    }
}
