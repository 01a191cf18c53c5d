//! Release layouts as data: where every member of the structures that a reader looks at lies in memory.
//!
//! A [`Layout`] is a run-time value built from one table per release (`r12`, `r19`, `r23`). Nothing outside this
//! folder knows an offset. It doesn't write memory. Everybody in this crate may call it.

mod fixed;
mod moved;
mod r12;
mod r19;
mod r23;
mod revealed;
pub mod tables;
#[cfg(test)]
mod tests;

pub use fixed::{Content, FixedVariable};

/// How a column's bytes are stored (numbers of KQFCOTYP: Mikhail Velikikh, "reading X$KQFCO" and xinfo).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Unsigned integer of the declared size, KQFCOTYP 11.
    Unsigned,
    /// Signed integer of the declared size, KQFCOTYP 0.
    Signed,
    /// Raw address, 8 bytes, KQFCOTYP 9.
    Address,
    /// Text in place, KQFCOTYP 5; ends at a NUL byte or at the declared size.
    Text,
    /// Pointer to NUL-terminated text; the declared size is the longest text, KQFCOTYP 6.
    TextPointer,
    /// Seven-byte Oracle DATE in server-local time, KQFCODTY 12.
    Date7,
    /// Declared as a DATE of 7 bytes, stored as 4 bytes of seconds since 1970, KQFCODTY 12.
    Epoch4,
    /// Declared as a DATE of 7 bytes, stored as 4 bytes of Oracle's packed form, KQFCODTY 12.
    Packed4,
}

/// One column or unnamed member of a row structure.
#[derive(Clone, Debug)]
pub struct Column {
    /// X$ column name; a name in parentheses is a member that no X$ column shows.
    pub name: &'static str,
    /// How the bytes are stored.
    pub kind: Kind,
    /// Byte offset in the row.
    pub offset: u32,
    /// Declared size in bytes (KQFCOSIZ).
    pub size: u32,
    /// Width in bytes of the length behind a text (0 = none); 8-byte lengths are aligned to 8.
    pub length_width: u32,
}

impl Column {
    /// Bytes that the member itself takes in the row, without its length field.
    pub fn stored_width(&self) -> u32 {
        match self.kind {
            Kind::TextPointer | Kind::Address => 8,
            Kind::Epoch4 | Kind::Packed4 => 4,
            Kind::Date7 => 7,
            Kind::Unsigned | Kind::Signed | Kind::Text => self.size,
        }
    }

    /// Offset of the length field behind a text, if it has one.
    pub fn length_offset(&self) -> Option<u32> {
        let end = self.offset + self.size;
        match self.length_width {
            0 => None,
            8 => Some(end.next_multiple_of(8)),
            _ => Some(end),
        }
    }

    /// True for a member that no X$ column shows.
    pub fn is_hidden(&self) -> bool {
        self.name.starts_with('(')
    }
}

const fn column(
    name: &'static str,
    kind: Kind,
    offset: u32,
    size: u32,
    length_width: u32,
) -> Column {
    Column {
        name,
        kind,
        offset,
        size,
        length_width,
    }
}

/// How the rows of an array lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct RowArray {
    /// Bytes from one row to the next in a chunk (KQFTARSZ).
    pub stride: u64,
    /// Rows in one chunk; 0 = all rows in one run.
    pub chunk_rows: usize,
    /// Bytes between two chunks.
    pub chunk_gap: u64,
    /// True when addresses fall while the slot number rises.
    pub descending: bool,
}

impl RowArray {
    /// Bytes that `rows` rows take, gaps included.
    pub fn bytes(&self, rows: usize) -> u64 {
        let gaps = rows
            .saturating_sub(1)
            .checked_div(self.chunk_rows)
            .unwrap_or(0);
        rows as u64 * self.stride + gaps as u64 * self.chunk_gap
    }

    /// Offset of slot `index` from the lowest address of an array of `rows` rows.
    pub fn row_offset(&self, index: usize, rows: usize) -> u64 {
        let place = if self.descending {
            rows - 1 - index
        } else {
            index
        };
        let gaps = place.checked_div(self.chunk_rows).unwrap_or(0);
        place as u64 * self.stride + gaps as u64 * self.chunk_gap
    }
}

/// A row structure: its columns and how its rows lie.
#[derive(Clone, Debug)]
pub struct RowLayout {
    /// Columns and unnamed members in the order of their offsets.
    pub columns: Vec<Column>,
    /// Order and distance of the rows.
    pub rows: RowArray,
}

impl RowLayout {
    /// The member with that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// Members of the fixed variable `ksusga_`, as byte offsets from its address.
#[derive(Clone, Copy, Debug)]
pub struct KsusgaLayout {
    /// Pointer to the array of process row pointers.
    pub processes: u64,
    /// u32 number of processes.
    pub process_count: u64,
    /// Pointer to the array of session row pointers.
    pub sessions: u64,
    /// u32 number of sessions.
    pub session_count: u64,
    /// u32 number of statistics per session.
    pub statistic_count: u64,
    /// Pointer to the array of system statistics.
    pub system_statistics: u64,
}

/// Library-cache handle of a parent cursor, as byte offsets (Christoph Lutz `kglinv.bt`, 19.20; a public 19c sampler).
#[derive(Clone, Copy, Debug)]
pub struct HandleLayout {
    /// u8 namespace, 0 = SQL area.
    pub namespace: u64,
    /// u32 hash value.
    pub hash: u64,
    /// 16-byte full hash as four little-endian u32.
    pub full_hash: u64,
    /// u32 length of the text in bytes.
    pub length: u64,
    /// The text, NUL-terminated.
    pub text: u64,
}

/// The structure behind the session's module/action pointer (a public 19c sampler), as byte offsets.
#[derive(Clone, Copy, Debug)]
pub struct ModuleLayout {
    /// Module text.
    pub module: u64,
    /// u64 length of the module text.
    pub module_length: u64,
    /// u32 hash of the module text.
    pub module_hash: u64,
    /// Action text.
    pub action: u64,
    /// u64 length of the action text.
    pub action_length: u64,
    /// u32 hash of the action text.
    pub action_hash: u64,
    /// Longest text in bytes, for both.
    pub text_size: u64,
    /// Bytes of the whole structure.
    pub size: u64,
}

/// A row of the event table (X$KSLED); only stride and name are public.
#[derive(Clone, Copy, Debug)]
pub struct EventLayout {
    /// Bytes from row to row.
    pub stride: u64,
    /// Pointers to the texts of name, P1, P2, P3.
    pub texts: [u64; 4],
    /// u32 wait class id.
    pub class_id: u64,
    /// u32 wait class number.
    pub class_no: u64,
}

/// Everything that differs from release to release.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Full release number, e.g. `19.3.0.0.0`.
    pub release: &'static str,
    /// The short name that `--release` takes, e.g. `19.3`.
    pub short: &'static str,
    /// Bytes of a `kqftap` entry in the executable.
    pub kqftap_entry: usize,
    /// Session rows (X$KSUSE).
    pub session: RowLayout,
    /// Process rows (X$KSUPR).
    pub process: RowLayout,
    /// Members of `ksusga_`.
    pub ksusga: KsusgaLayout,
    /// Cursor handles.
    pub handle: HandleLayout,
    /// Module/action structure.
    pub module: ModuleLayout,
    /// Event table rows.
    pub event: EventLayout,
    /// Mask on KSUSEIDL in the STATUS rule of V$SESSION: 11 up to 12.2, 9 from 18c.
    pub status_mask: u64,
    /// Fixed SGA variables in the order of their addresses.
    pub fixed: Vec<FixedVariable>,
    /// Number of wait events.
    pub events: usize,
    /// Number of statistics, system-wide ones included.
    pub statistics: usize,
}

impl Layout {
    /// The layout of a release by its short name: `12.1`, `19.3` or `23.5`.
    pub fn of_release(short: &str) -> Option<Layout> {
        match short {
            "12.1" => Some(r12::layout()),
            "19.3" => Some(r19::layout()),
            "23.5" => Some(r23::layout()),
            _ => None,
        }
    }

    /// The fixed variable with that name.
    pub fn fixed_variable(&self, name: &str) -> Option<&FixedVariable> {
        self.fixed.iter().find(|v| v.name == name)
    }
}

const HANDLE: HandleLayout = HandleLayout {
    namespace: 0x20,
    hash: 0x160,
    full_hash: 0x168,
    length: 0x190,
    text: 0x1c0,
};

const MODULE: ModuleLayout = ModuleLayout {
    module: 0,
    module_length: 64,
    module_hash: 72,
    action: 76,
    action_length: 144,
    action_hash: 152,
    text_size: 64,
    size: 160,
};

const EVENT: EventLayout = EventLayout {
    stride: 0x38,
    texts: [0, 8, 16, 24],
    class_id: 32,
    class_no: 36,
};
