//! Cells: integers and texts out of a scratch row of little-endian words.
//!
//! For: the one place that knows how a field's bytes lie in the words that `walk` copied.
//! Not for: meaning (that is `decode`).

use crate::blueprint::model::Stored;

/// Where a field's bytes are in a scratch row, and how they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// First byte in the scratch row.
    pub byte: u32,
    /// Bytes.
    pub size: u32,
    /// How they are stored.
    pub stored: Stored,
    /// Number of the chase that fetched them; `None`: part of the row itself.
    pub chase: Option<u8>,
    /// The word of its first byte.
    word: u32,
    /// Bits of that word before it.
    shift: u32,
    /// Whether its number goes on in the next word.
    straddles: bool,
    /// The bits of its number.
    mask: u64,
}

impl FieldRef {
    /// A field at this place of a scratch row.
    pub fn new(byte: u32, size: u32, stored: Stored, chase: Option<u8>) -> FieldRef {
        let (shift, bits) = (byte % 8 * 8, size.min(8) * 8);
        FieldRef {
            byte,
            size,
            stored,
            chase,
            word: byte / 8,
            shift,
            straddles: shift + bits > 64,
            mask: u64::MAX.checked_shr(64 - bits).unwrap_or(0),
        }
    }

    /// The same field elsewhere in the scratch row.
    #[must_use]
    pub fn moved_to(self, byte: u32) -> FieldRef {
        FieldRef::new(byte, self.size, self.stored, self.chase)
    }

    /// The field as an unsigned integer; fields wider than 8 bytes give their first 8.
    // rows are decoded by the million: what can be worked out beforehand is
    #[inline]
    pub fn uint(&self, row: &[u64]) -> u64 {
        let word = self.word as usize;
        let mut value = row.get(word).copied().unwrap_or(0) >> (self.shift & 63);
        if self.straddles {
            value |= row.get(word + 1).copied().unwrap_or(0) << (64 - self.shift);
        }
        value & self.mask
    }

    /// How far its number is shifted in its word, and the number's bits; `None` when it lies across two
    /// words.
    pub fn in_one_word(&self) -> Option<(u32, u64)> {
        (!self.straddles).then_some((self.shift, self.mask))
    }

    /// Whether the chase that fetched the field faulted in this row: the first word says so.
    #[inline]
    pub fn is_faulted(&self, row: &[u64]) -> bool {
        let faults = row.first().copied().unwrap_or(0);
        self.chase.is_some_and(|chase| faults >> chase & 1 != 0)
    }

    /// The field as a signed integer, extended from its width.
    #[inline]
    pub fn int(&self, row: &[u64]) -> i64 {
        let bits = 64 - self.size.clamp(1, 8) * 8;
        ((self.uint(row) << bits) as i64) >> bits
    }

    /// Copies the field's bytes into `out` and returns how many (the smaller of both).
    pub fn bytes(&self, row: &[u64], out: &mut [u8]) -> usize {
        self.copy(row, out, |_| false)
    }

    /// Copies the field's bytes before the first NUL into `out` and returns how many; what follows
    /// in `out` is left as it is or holds what stands behind the NUL.
    pub fn bytes_to_nul(&self, row: &[u64], out: &mut [u8]) -> usize {
        let n = self.copy(row, out, |piece| piece.contains(&0));
        out[..n].iter().position(|b| *b == 0).unwrap_or(n)
    }

    /// Copies word by word, and no further than a piece that is the last by `ends`.
    fn copy(&self, row: &[u64], out: &mut [u8], ends: impl Fn(&[u8]) -> bool) -> usize {
        let n = out.len().min(self.size as usize);
        let mut done = 0;
        while done < n {
            let at = self.byte as usize + done;
            let word = row.get(at / 8).copied().unwrap_or(0).to_le_bytes();
            let piece = &word[at % 8..][..(8 - at % 8).min(n - done)];
            out[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
            if ends(piece) {
                break;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(byte: u32, size: u32) -> FieldRef {
        FieldRef::new(byte, size, Stored::Uint, None)
    }

    #[test]
    fn integers_of_every_width_and_place() {
        let row = [0x8877_6655_4433_2211u64, 0xFFEE_DDCC_BBAA_0099];
        assert_eq!(field(0, 1).uint(&row), 0x11);
        assert_eq!(field(2, 2).uint(&row), 0x4433);
        assert_eq!(field(4, 4).uint(&row), 0x8877_6655);
        assert_eq!(field(0, 8).uint(&row), row[0]);
        assert_eq!(field(6, 4).uint(&row), 0x0099_8877, "straddles two words");
        assert_eq!(field(6, 4).in_one_word(), None);
        assert_eq!(field(2, 2).in_one_word(), Some((16, 0xFFFF)));
        assert_eq!(field(12, 4).int(&row), i64::from(0xFFEE_DDCCu32 as i32));
        assert_eq!(field(16, 8).uint(&row), 0, "past the end reads as zero");
        assert_eq!(field(3, 0).uint(&row), 0);
        assert_eq!(field(3, 0).int(&row), 0);
        assert_eq!(field(0, 4).moved_to(6), field(6, 4));
    }

    #[test]
    fn bytes_keep_memory_order() {
        let row = [
            u64::from_le_bytes(*b"abcdefgh"),
            u64::from_le_bytes(*b"ijklmnop"),
        ];
        let mut out = [0u8; 6];
        assert_eq!(field(5, 6).bytes(&row, &mut out), 6);
        assert_eq!(&out, b"fghijk");
        let row = [row[0], u64::from_le_bytes(*b"ij\0lmnop"), row[0]];
        let mut out = [0u8; 24];
        assert_eq!(field(5, 19).bytes_to_nul(&row, &mut out), 5);
        assert_eq!(&out[..5], b"fghij");
        assert_eq!(field(0, 8).bytes_to_nul(&row, &mut out), 8, "no NUL");
    }
}
