//! Columns of numbers, a block of rows at a time.
//!
//! For: loops that do for each row only what differs from row to row. Where a field's number lies in
//! one word and always fits, it is cut out without a look at what it is. Callers: `column`.

use crate::decode::{Basis, Decoder, Row, Value};
use crate::plan::FieldRef;

/// A number that a column can hold, or not.
pub(super) trait Number: Copy + Default {
    /// The largest that can be held.
    const MAX: u64;
    /// Whether numbers below zero can be held.
    const SIGNED: bool;
    /// One that is known to fit.
    fn cut(n: u64) -> Self;
    fn of_uint(n: u64) -> Option<Self>;
    fn of_int(n: i64) -> Option<Self>;
}

impl Number for u32 {
    const MAX: u64 = u32::MAX as u64;
    const SIGNED: bool = false;
    #[inline]
    fn cut(n: u64) -> u32 {
        n as u32
    }
    #[inline]
    fn of_uint(n: u64) -> Option<u32> {
        u32::try_from(n).ok()
    }
    #[inline]
    fn of_int(_: i64) -> Option<u32> {
        None
    }
}

impl Number for u64 {
    const MAX: u64 = u64::MAX;
    const SIGNED: bool = false;
    #[inline]
    fn cut(n: u64) -> u64 {
        n
    }
    #[inline]
    fn of_uint(n: u64) -> Option<u64> {
        Some(n)
    }
    #[inline]
    fn of_int(_: i64) -> Option<u64> {
        None
    }
}

impl Number for i64 {
    const MAX: u64 = i64::MAX as u64;
    const SIGNED: bool = true;
    #[inline]
    fn cut(n: u64) -> i64 {
        n as i64
    }
    #[inline]
    fn of_uint(n: u64) -> Option<i64> {
        i64::try_from(n).ok()
    }
    #[inline]
    fn of_int(n: i64) -> Option<i64> {
        Some(n)
    }
}

/// Where a number lies whose bits are all in one word.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    word: usize,
    shift: u32,
    mask: u64,
}

impl Cut {
    /// `None`: it lies across two words, or has more bits than `most` has.
    fn of(field: FieldRef, most: u64) -> Option<Cut> {
        let (shift, mask) = field.in_one_word().filter(|(_, mask)| *mask <= most)?;
        Some(Cut {
            word: field.byte as usize / 8,
            shift,
            mask,
        })
    }

    #[inline]
    fn number(self, row: &Row<'_>) -> u64 {
        row.words.get(self.word).copied().unwrap_or(0) >> (self.shift & 63) & self.mask
    }
}

/// The bits of so many rows, all set.
#[inline]
pub(super) fn all(rows: usize) -> u64 {
    u64::MAX.checked_shr(64 - rows as u32).unwrap_or(0)
}

/// Adds one number for each row; which of them are there, as bits.
#[inline]
pub(super) fn fill<T: Copy + Default>(
    rows: &[Row<'_>],
    out: &mut Vec<T>,
    mut value: impl FnMut(&Row<'_>) -> Option<T>,
) -> u64 {
    let mut valid = 0;
    out.extend(rows.iter().enumerate().map(|(i, row)| {
        let value = value(row);
        valid |= u64::from(value.is_some()) << i;
        value.unwrap_or_default()
    }));
    valid
}

/// The same where a number says of itself whether it is there.
#[inline]
fn fill_those<T: Number>(
    rows: &[Row<'_>],
    out: &mut Vec<T>,
    number: impl Fn(&Row<'_>) -> (u64, bool),
) -> u64 {
    let mut valid = 0;
    out.extend(rows.iter().enumerate().map(|(i, row)| {
        let (n, there) = number(row);
        valid |= u64::from(there) << i;
        T::cut(n & 0u64.wrapping_sub(u64::from(there)))
    }));
    valid
}

/// The numbers of a column that follow from `basis`.
pub(super) fn numbers<T: Number>(
    (basis, place): (&Basis, usize),
    decoder: &Decoder,
    rows: &[Row<'_>],
    out: &mut Vec<T>,
) -> u64 {
    match *basis {
        Basis::Nothing => {
            out.resize(out.len() + rows.len(), T::default());
            0
        }
        Basis::Slot => fill(rows, out, |r| T::of_uint(u64::from(r.slot) + 1)),
        Basis::Uint(field, null) => uints(field, null, rows, out),
        Basis::Int(field) => match Cut::of(field, u64::MAX) {
            Some(cut) if T::SIGNED => {
                let bits = 64 - field.size.clamp(1, 8) * 8;
                let number = |r| (((cut.number(r) << bits) as i64) >> bits) as u64;
                out.extend(rows.iter().map(|r| T::cut(number(r))));
                all(rows.len())
            }
            _ => fill(rows, out, |r| T::of_int(field.int(r.words))),
        },
        Basis::UintIf(field, condition) => {
            match (Cut::of(field, T::MAX), Cut::of(condition, u64::MAX)) {
                (Some(cut), Some(condition)) => {
                    fill_those(rows, out, |r| (cut.number(r), condition.number(r) != 0))
                }
                _ => fill(rows, out, |r| {
                    let n = T::of_uint(field.uint(r.words));
                    n.filter(|_| condition.uint(r.words) != 0)
                }),
            }
        }
        Basis::UintInPlsql(field) => fill(rows, out, |r| {
            let n = field.uint(r.words);
            let none = n == 0 || !decoder.in_plsql(r.words);
            T::of_uint(n).filter(|_| !none)
        }),
        Basis::Observed => fill(rows, out, |r| r.observed_us.and_then(T::of_uint)),
        Basis::OsPid => fill(rows, out, |r| r.os_pid.and_then(|n| T::of_uint(n.into()))),
        _ => fill(rows, out, |r| match decoder.value(place, r) {
            Value::Uint(n) => T::of_uint(n),
            Value::Int(n) => T::of_int(n),
            _ => None,
        }),
    }
}

/// Those of a field, which is absent at one value.
fn uints<T: Number>(field: FieldRef, null: Option<u64>, rows: &[Row<'_>], out: &mut Vec<T>) -> u64 {
    match (Cut::of(field, T::MAX), field.chase, null) {
        (Some(cut), None, None) => {
            out.extend(rows.iter().map(|r| T::cut(cut.number(r))));
            all(rows.len())
        }
        (Some(cut), None, Some(null)) => fill_those(rows, out, |r| {
            let n = cut.number(r);
            (n, n != null)
        }),
        _ => fill(rows, out, |r| {
            let n = field.uint(r.words);
            let none = null == Some(n) || field.is_faulted(r.words);
            T::of_uint(n).filter(|_| !none)
        }),
    }
}
