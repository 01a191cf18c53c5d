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
pub const MAX_SQL_TEXT: usize = 4 << 20;

/// Why a copy of a text counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The handle or its text doesn't lie in readable memory.
    Unreadable,
    /// It has no end within [`MAX_SQL_TEXT`].
    TooLong,
    /// Its MD5 doesn't give the SQL_ID: the handle was freed, reused, or overwritten meanwhile.
    Mismatch,
}

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
///
/// Where the text ends is said by the handle's length and by its NUL; either may be caught while it
/// changes, so the second is tried, on a copy of its own, when the first proves nothing.
///
/// # Errors
/// Why there is no proven text.
pub fn proven_text(
    space: &dyn AddressSpace,
    handle: TargetAddr,
    layout: &HandleLayout,
    hash: u32,
    id: Option<u64>,
) -> Result<(u64, Vec<u8>), Unproven> {
    let text_at = layout.text.and_then(|offset| handle.checked_add(offset));
    let at = text_at.ok_or(Unproven::Unreadable)?;
    let proven = |text: Vec<u8>| {
        let found = sql_id_of(&text);
        let right = id.map_or(found as u32 == hash, |id| found == id);
        right.then_some((found, text))
    };
    let length = layout
        .text_len
        .and_then(|offset| read_uint(space, handle.checked_add(offset)?, 4).ok())
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (1..=MAX_SQL_TEXT).contains(n));
    let by_length = length.and_then(|n| read_exactly(space, at, n));
    if let Some(text) = by_length.and_then(proven) {
        return Ok(text);
    }
    proven(read_to_nul(space, at)?).ok_or(Unproven::Mismatch)
}

/// Bounds are proven before anything is allocated, so that a wild length costs nothing.
fn read_exactly(space: &dyn AddressSpace, at: TargetAddr, len: usize) -> Option<Vec<u8>> {
    space.locate(at, len as u64).ok()?;
    let mut text = vec![0u8; len];
    space.read(at, &mut text).ok()?;
    Some(text)
}

/// Reads to the NUL in pieces, at most [`MAX_SQL_TEXT`] bytes and not past the segment's end.
fn read_to_nul(space: &dyn AddressSpace, at: TargetAddr) -> Result<Vec<u8>, Unproven> {
    const PIECE: usize = 4096;
    let spot = space.locate(at, 1).map_err(|_| Unproven::Unreadable)?;
    let region = space.regions().get(spot.region as usize);
    let left = region.ok_or(Unproven::Unreadable)?.len - spot.offset;
    let room = left.min(MAX_SQL_TEXT as u64 + 1) as usize;
    let mut text = Vec::new();
    while text.len() < room {
        let from = text.len();
        text.resize(from + PIECE.min(room - from), 0);
        space
            .read_bytes(spot, from as u64, &mut text[from..])
            .map_err(|_| Unproven::Unreadable)?;
        if let Some(nul) = text[from..].iter().position(|b| *b == 0) {
            text.truncate(from + nul);
            return Ok(text);
        }
    }
    Err(if room > MAX_SQL_TEXT {
        Unproven::TooLong
    } else {
        Unproven::Unreadable
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::BytesSpace;

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

    const AT: TargetAddr = TargetAddr(0x1000);
    const LAYOUT: HandleLayout = HandleLayout {
        id_high: None,
        id_low: None,
        text_len: Some(0),
        text: Some(8),
    };

    /// A handle with this text, and this in its length field.
    fn handle(text: &[u8], length: u32) -> BytesSpace {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(8, 0);
        bytes.extend_from_slice(text);
        bytes.push(0);
        BytesSpace::new(vec![(AT, bytes)]).unwrap()
    }

    fn read(space: &BytesSpace, id: u64) -> Result<(u64, Vec<u8>), Unproven> {
        proven_text(space, AT, &LAYOUT, id as u32, Some(id))
    }

    /// Every single wrong byte, wrong length and wrong SQL_ID is refused.
    #[test]
    fn a_changed_text_is_no_proof() {
        let text = "update hr.employees set phone_number = '€' where employee_id = 110".as_bytes();
        let id = sql_id_of(text);
        let length = text.len() as u32;
        assert_eq!(read(&handle(text, length), id), Ok((id, text.to_vec())));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut wrong = text.to_vec();
                wrong[at] ^= 1 << bit;
                let found = read(&handle(&wrong, length), id);
                assert_eq!(found, Err(Unproven::Mismatch), "byte {at} bit {bit}");
            }
            let cut = read(&handle(&text[..at], at as u32), id);
            assert_eq!(cut, Err(Unproven::Mismatch), "{at} bytes");
        }
        for bit in 0..64 {
            let found = read(&handle(text, length), id ^ 1 << bit);
            assert_eq!(found, Err(Unproven::Mismatch), "SQL_ID bit {bit}");
        }
        // the hash value alone proves where the row holds no more, and the text says the rest
        let space = handle(text, length);
        let by_hash = |hash| proven_text(&space, AT, &LAYOUT, hash, None);
        assert_eq!(by_hash(id as u32), Ok((id, text.to_vec())));
        assert_eq!(by_hash(id as u32 ^ 1), Err(Unproven::Mismatch));
    }

    /// A length that was caught while it changed costs nothing but a second copy.
    #[test]
    fn the_length_is_a_claim_too() {
        let text = b"select * from dual";
        let id = sql_id_of(text);
        for length in [0, 1, text.len() as u32 - 1, 19, 4096, 5 << 20, u32::MAX] {
            let found = read(&handle(text, length), id);
            assert_eq!(found, Ok((id, text.to_vec())), "length {length}");
        }
    }

    #[test]
    fn ends_are_kept() {
        let longest = vec![b'x'; MAX_SQL_TEXT];
        let id = sql_id_of(&longest);
        let space = handle(&longest, longest.len() as u32);
        assert_eq!(read(&space, id).map(|(id, _)| id), Ok(id));
        let longer = vec![b'x'; MAX_SQL_TEXT + 1];
        let space = handle(&longer, longer.len() as u32);
        assert_eq!(read(&space, sql_id_of(&longer)), Err(Unproven::TooLong));
        // the segment ends before the text does
        let mut bytes = vec![0u8; 8];
        bytes.extend_from_slice(b"select");
        let space = BytesSpace::new(vec![(AT, bytes)]).unwrap();
        assert_eq!(read(&space, 7), Err(Unproven::Unreadable));
        for wild in [0u64, 8, u64::MAX - 4, u64::MAX] {
            let found = proven_text(&space, TargetAddr(wild), &LAYOUT, 1, None);
            assert_eq!(found, Err(Unproven::Unreadable), "{wild:#x}");
        }
    }
}
