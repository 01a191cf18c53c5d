//! Files that people write, read whole.
//!
//! For: rules, prices, scripts, keys; a file that grows for ever, or none at all (`/dev/zero`), ends with an error.
//! Not for: recordings. Callers: the rest of `finops`, `cli`.

use std::io::{Error, Result};
use std::path::Path;

use crate::blueprint::registry::read_file;

/// Largest file that is read, bytes.
const MAX_FILE: u64 = 64 << 20;

/// The bytes of a file.
///
/// # Errors
/// The file system's, or it has more than 64 MiB.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_file(path, MAX_FILE)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(Error::other(format!(
            "expected at most {MAX_FILE} bytes, found more"
        ))),
        false => Ok(bytes),
    }
}

/// The text of a file in UTF-8.
///
/// # Errors
/// As [`bytes`], or it isn't UTF-8.
pub fn text(path: &Path) -> Result<String> {
    let text = String::from_utf8(bytes(path)?);
    text.map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::other(format!("expected UTF-8, found another byte at offset {at}"))
    })
}

/// Where and what is wrong with TOML: line and column, from 1, and the message in one line.
pub fn located(text: &str, error: &toml::de::Error) -> (usize, usize, String) {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (line, column, error.message().replace('\n', "; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_and_one_that_is_no_text_are_errors() {
        let endless = text(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(endless.contains("at most 67108864 bytes"), "{endless}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules");
        std::fs::write(&path, b"abc\xff").unwrap();
        let odd = text(&path).unwrap_err().to_string();
        assert!(odd.contains("offset 3"), "{odd}");
        assert_eq!(bytes(&path).unwrap(), b"abc\xff");
    }
}
