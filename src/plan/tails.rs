//! Texts of which mostly the beginning is enough.
//!
//! Names have 128 bytes of room in the row and seldom more than 30 in use. Where a text's room goes on for
//! a cache line or more behind its first words, the rest is only read when these don't hold its end.
//!
//! Not for: how it is read (that is `walk`, for mapped memory; other memory is read in one piece).

use std::collections::BTreeSet;

use super::{FieldRef, Span};
use crate::blueprint::model::Stored;

/// Words of a text that are read in any case: a name of 30 bytes, as Oracle's were up to 12.1, ends there.
const HEAD: u32 = 4;
/// Words from which a tail is worth the question whether it is needed: a cache line.
const WORTH: usize = 8;

/// Tails of a plan: whoever reads them keeps a bit for each.
const MOST: usize = u64::BITS as usize;

/// The rest of a text in the row itself. Unless it is read its words are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The word of the scratch row whose last byte is NUL if the text ends there or before.
    pub after: u32,
    /// First word in the scratch row.
    pub dst: u32,
    /// Words of it.
    pub words: u32,
    /// Bytes from the row's start.
    pub offset: u64,
}

/// The tails of these fields, which are all of the row's own; no word of a tail belongs to two of them.
pub(super) fn of(fields: &[FieldRef], spans: &[Span]) -> Vec<Tail> {
    let words = |f: &FieldRef| f.byte / 8..(f.byte + f.size).div_ceil(8);
    let mut tails: Vec<Tail> = Vec::new();
    for field in fields.iter().filter(|f| f.stored == Stored::Text) {
        let others = fields.iter().filter(|f| *f != field);
        let taken: BTreeSet<u32> = others.flat_map(words).collect();
        let own = words(field);
        let dst = own.start + HEAD;
        let tail: Vec<u32> = (dst..own.end).take_while(|w| !taken.contains(w)).collect();
        let span = spans
            .iter()
            .find(|s| (s.dst..s.dst + s.words).contains(&dst));
        if let Some(span) = span
            && tail.len() >= WORTH
        {
            tails.push(Tail {
                after: dst - 1,
                dst,
                words: tail.len() as u32,
                offset: span.offset + u64::from(dst - span.dst) * 8,
            });
        }
    }
    // two names of one field
    tails.sort_unstable_by_key(|tail| tail.dst);
    tails.dedup();
    tails.truncate(MOST);
    tails
}
