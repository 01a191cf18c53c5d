//! Library-cache handles of parent cursors: SQL text, and its proof.
//!
//! A session's KSUSESQL is the address of its parent cursor's handle; the text lies in the handle
//! (Christoph Lutz, kglinv.bt for 19.20; an independent Pro*C sampler on 19c agrees on 0x1c0).
//! Handle memory is shared pool and can be freed and reused between two reads, so a text counts only
//! when its MD5 gives the SQL_ID: the digest of text plus one NUL byte, as four little-endian words;
//! the last two are the SQL_ID's high and low half, the last is the hash value (Marschall 2021 and
//! others; checked against public pairs below).

use md5::{Digest, Md5};

use super::arrays::read_uint;
use crate::memory::{AddressSpace, TargetAddr};

/// Longest SQL text that is read, in bytes. Oracle sets no limit; this one keeps damage bounded.
pub const MAX_SQL_TEXT: usize = 16 << 20;

/// How the handle is laid out; offsets in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HandleLayout {
    /// SQL_ID high word, 4 bytes.
    pub id_high: Option<u64>,
    /// SQL_ID low word = hash value, 4 bytes.
    pub id_low: Option<u64>,
    /// Text length, 4 bytes.
    pub text_len: Option<u64>,
    /// Text, NUL-terminated.
    pub text: Option<u64>,
}

/// The SQL_ID of a text as a 64-bit number: high word = SQL_ID's upper half, low word = hash value.
pub fn sql_id_of(text: &[u8]) -> u64 {
    let digest = Md5::new().chain_update(text).chain_update([0u8]).finalize();
    let word = |at: usize| {
        let mut bytes = [0u8; 4];
        bytes.copy_from_slice(&digest[at..at + 4]);
        u64::from(u32::from_le_bytes(bytes))
    };
    word(8) << 32 | word(12)
}

/// The 13 base-32 digits by which SQL_ID is shown.
pub fn sql_id_text(id: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghjkmnpqrstuvwxyz";
    (0..13)
        .rev()
        .map(|i| {
            let five = if i == 12 {
                id >> 60
            } else {
                id >> (i * 5) & 31
            };
            DIGITS[five as usize] as char
        })
        .collect()
}

/// The number behind 13 base-32 digits.
pub fn parse_sql_id(text: &str) -> Option<u64> {
    const DIGITS: &str = "0123456789abcdfghjkmnpqrstuvwxyz";
    if text.len() != 13 {
        return None;
    }
    text.chars().try_fold(0u64, |id, c| {
        let five = DIGITS.find(c)? as u64;
        id.checked_mul(32)?.checked_add(five)
    })
}

/// The SQL_ID that a handle claims, from its two words.
pub fn claimed_id(
    space: &dyn AddressSpace,
    handle: TargetAddr,
    layout: &HandleLayout,
) -> Option<u64> {
    let half = |offset: Option<u64>| {
        let at = handle.checked_add(offset?)?;
        read_uint(space, at, 4).ok()
    };
    Some(half(layout.id_high)? << 32 | half(layout.id_low)?)
}

/// Reads the text of a handle and returns it only if its MD5 gives `id`. `id`'s high word may be
/// unknown (`None`): then the hash value alone must agree, and the true SQL_ID is returned.
pub fn proven_text(
    space: &dyn AddressSpace,
    handle: TargetAddr,
    layout: &HandleLayout,
    hash: u32,
    id: Option<u64>,
) -> Option<(u64, Vec<u8>)> {
    let at = handle.checked_add(layout.text?)?;
    let length = layout
        .text_len
        .and_then(|offset| read_uint(space, handle.checked_add(offset)?, 4).ok())
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (1..=MAX_SQL_TEXT).contains(n));
    let text = match length {
        Some(n) => read_exactly(space, at, n)?,
        None => read_to_nul(space, at, MAX_SQL_TEXT)?,
    };
    let found = sql_id_of(&text);
    let right = match id {
        Some(id) => found == id,
        None => found as u32 == hash,
    };
    right.then_some((found, text))
}

/// Reads in pieces, so that a wild length costs at most one piece before it faults.
fn read_exactly(space: &dyn AddressSpace, at: TargetAddr, len: usize) -> Option<Vec<u8>> {
    space.locate(at, len as u64).ok()?;
    let mut text = vec![0u8; len];
    space.read(at, &mut text).ok()?;
    Some(text)
}

fn read_to_nul(space: &dyn AddressSpace, at: TargetAddr, max: usize) -> Option<Vec<u8>> {
    const PIECE: usize = 4096;
    let spot = space.locate(at, 1).ok()?;
    let region = space.regions().get(spot.region as usize)?;
    let room = (region.len - spot.offset).min(max as u64) as usize;
    let mut text = Vec::new();
    while text.len() < room {
        let from = text.len();
        let n = PIECE.min(room - from);
        text.resize(from + n, 0);
        space
            .read_bytes(spot, from as u64, &mut text[from..])
            .ok()?;
        if let Some(nul) = text[from..].iter().position(|b| *b == 0) {
            text.truncate(from + nul);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Public pairs of text, SQL_ID and hash value.
    const PAIRS: [(&str, &str, u32); 4] = [
        ("select * from dual", "a5ks9fhw2v9s1", 942_515_969),
        ("select 'Slavik' from dual", "29schpgjyfxux", 3_823_597_405),
        (
            "BEGIN pkg.fill_memory; END;\n",
            "fr9uqhy2xzj6n",
            2_246_034_644,
        ),
        (
            "update hr.employees set phone_number='650.555.1212' where employee_id = 110",
            "6smgtv6h8958b",
            2_693_043_467,
        ),
    ];

    #[test]
    fn golden_pairs() {
        for (text, id, hash) in PAIRS {
            let number = sql_id_of(text.as_bytes());
            assert_eq!(sql_id_text(number), id);
            assert_eq!(number as u32, hash);
            assert_eq!(parse_sql_id(id), Some(number));
        }
        assert_eq!(sql_id_text(0x76c5_6aff_99ce_af6b), "7djbazycwxbvb");
        assert_eq!(parse_sql_id("zzzzzzzzzzzzz"), None, "65 bits don't fit");
    }
}
