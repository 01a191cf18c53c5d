//! What bytes of text look like when nothing says that they are text.
//!
//! Not for: character sets.

/// Printable ASCII or part of another character; 0xff and 0xfe are in no UTF-8 text, but in many a number for "none".
pub fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | 0xa0..=0xfd)
}

/// Whether a byte can stand inside a text: as [`is_text`], or the later part of a character.
pub fn goes_on(byte: u8) -> bool {
    is_text(byte) || matches!(byte, 0x80..=0x9f)
}

/// The NUL-ended text of three characters or more that begins at `offset`.
pub fn text_at(row: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = row.get(offset..)?;
    let end = rest.iter().position(|b| !is_text(*b))?;
    (end >= 3).then(|| &rest[..end])
}
