//! Pieces of an executable that were read lately.
//!
//! For: texts that are asked for one by one and stand close together, thousands of event names at
//! every start. Not for: keeping a file, of which only a few pieces are held. Callers: `elf`.

use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes of a piece.
const PIECE: u64 = 16 << 10;
/// Pieces held; each has one place.
const PIECES: u64 = 16;

/// The pieces, by their number modulo [`PIECES`].
#[derive(Debug, Default)]
pub(super) struct Pieces(Mutex<[Option<Piece>; PIECES as usize]>);

#[derive(Debug)]
struct Piece {
    number: u64,
    bytes: Vec<u8>,
}

impl Pieces {
    /// The bytes before the first NUL at `offset`, if it stands in the same piece and among the
    /// first `max` bytes. `read` reads at an offset as much as the file has.
    pub(super) fn before_nul(
        &self,
        offset: u64,
        max: usize,
        read: impl FnOnce(u64, &mut [u8]) -> io::Result<usize>,
    ) -> Option<Vec<u8>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = offset / PIECE;
        let place = pieces.get_mut((number % PIECES) as usize)?;
        if place.as_ref().is_none_or(|piece| piece.number != number) {
            let mut bytes = vec![0; PIECE as usize];
            let there = read(number * PIECE, &mut bytes).ok()?;
            bytes.truncate(there);
            *place = Some(Piece { number, bytes });
        }
        let bytes = place.as_ref()?.bytes.get((offset % PIECE) as usize..)?;
        let text = &bytes[..bytes.len().min(max)];
        let end = text.iter().position(|byte| *byte == 0)?;
        Some(text[..end].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_piece_is_read_once_and_never_taken_for_another() {
        // the file's bytes are its texts' numbers, 8 bytes each
        let files = |at: u64| format!("{:07}\0", at / 8).into_bytes()[(at % 8) as usize];
        let reads = Cell::new(0);
        let pieces = Pieces::default();
        let text = |offset: u64, max: usize| {
            let text = pieces.before_nul(offset, max, |at, buf| {
                reads.set(reads.get() + 1);
                for (i, byte) in buf.iter_mut().enumerate() {
                    *byte = files(at + i as u64);
                }
                Ok(buf.len())
            });
            text.map(|t| String::from_utf8(t).unwrap())
        };
        for number in 0..PIECE / 8 {
            assert_eq!(text(number * 8, 100), Some(format!("{number:07}")));
        }
        assert_eq!(reads.get(), 1);
        // another piece at the same place
        let other = PIECE * PIECES;
        assert_eq!(text(other, 8), Some(format!("{:07}", other / 8)));
        assert_eq!(text(0, 8), Some("0000000".into()));
        assert_eq!(reads.get(), 3);
        assert_eq!(text(3, 8), Some("0000".into()), "within a text");
        assert_eq!(text(0, 7), None, "no NUL so near");
    }

    #[test]
    fn the_end_of_a_piece_and_of_the_file() {
        let pieces = Pieces::default();
        let short = |_: u64, buf: &mut [u8]| {
            buf[..4].copy_from_slice(b"ab\0c");
            Ok(4)
        };
        assert_eq!(pieces.before_nul(1, 8, short), Some(b"b".to_vec()));
        assert_eq!(pieces.before_nul(3, 8, short), None, "no NUL in it");
        assert_eq!(pieces.before_nul(4, 8, short), None, "behind the end");
        assert_eq!(pieces.before_nul(5, 8, short), None);
        let fails = |_: u64, _: &mut [u8]| Err(io::Error::other("gone"));
        assert_eq!(pieces.before_nul(PIECE, 8, fails), None);
    }
}
