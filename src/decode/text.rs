//! Text in the database's character set.
//!
//! For: Oracle character-set names to decoders, so that names and statements are shown right and
//! never as mojibake: what can't be decoded becomes U+FFFD, not another letter.
//! Not for: finding out which set an instance uses (the blueprint says).

use std::borrow::Cow;

use encoding_rs::Encoding;

/// How the bytes of a set are decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// UTF-8; in Oracle's `UTF8` characters past U+FFFF are two surrogates of 3 bytes each.
    Utf8,
    /// As the WHATWG standard has it.
    Web(&'static Encoding),
    /// ISO 8859: as the WHATWG standard has it from A0 on; 80 to 9F are control characters, which
    /// the web takes for Windows' letters.
    Iso(&'static Encoding),
    /// ASCII; every other byte is U+FFFD.
    Ascii,
}

use How::{Ascii, Iso, Utf8, Web};

/// Oracle character-set names (Globalization Support Guide, appendix A) and how each is decoded.
const SETS: &[(&str, How)] = &[
    ("AL32UTF8", Utf8),
    ("UTF8", Utf8),
    ("US7ASCII", Ascii),
    ("WE8ISO8859P1", Iso(encoding_rs::WINDOWS_1252)),
    ("WE8ISO8859P9", Iso(encoding_rs::WINDOWS_1254)),
    ("WE8ISO8859P15", Iso(encoding_rs::ISO_8859_15)),
    ("EE8ISO8859P2", Iso(encoding_rs::ISO_8859_2)),
    ("SE8ISO8859P3", Iso(encoding_rs::ISO_8859_3)),
    ("NEE8ISO8859P4", Iso(encoding_rs::ISO_8859_4)),
    ("CL8ISO8859P5", Iso(encoding_rs::ISO_8859_5)),
    ("AR8ISO8859P6", Iso(encoding_rs::ISO_8859_6)),
    ("EL8ISO8859P7", Iso(encoding_rs::ISO_8859_7)),
    ("IW8ISO8859P8", Iso(encoding_rs::ISO_8859_8)),
    ("NE8ISO8859P10", Iso(encoding_rs::ISO_8859_10)),
    ("BLT8ISO8859P13", Iso(encoding_rs::ISO_8859_13)),
    ("CEL8ISO8859P14", Iso(encoding_rs::ISO_8859_14)),
    ("WE8MSWIN1252", Web(encoding_rs::WINDOWS_1252)),
    ("EE8MSWIN1250", Web(encoding_rs::WINDOWS_1250)),
    ("CL8MSWIN1251", Web(encoding_rs::WINDOWS_1251)),
    ("CL8KOI8R", Web(encoding_rs::KOI8_R)),
    ("CL8KOI8U", Web(encoding_rs::KOI8_U)),
    ("RU8PC866", Web(encoding_rs::IBM866)),
    ("EL8MSWIN1253", Web(encoding_rs::WINDOWS_1253)),
    ("TR8MSWIN1254", Web(encoding_rs::WINDOWS_1254)),
    ("IW8MSWIN1255", Web(encoding_rs::WINDOWS_1255)),
    ("AR8MSWIN1256", Web(encoding_rs::WINDOWS_1256)),
    ("BLT8MSWIN1257", Web(encoding_rs::WINDOWS_1257)),
    ("VN8MSWIN1258", Web(encoding_rs::WINDOWS_1258)),
    ("TH8TISASCII", Web(encoding_rs::WINDOWS_874)),
    ("JA16SJIS", Web(encoding_rs::SHIFT_JIS)),
    ("JA16SJISTILDE", Web(encoding_rs::SHIFT_JIS)),
    ("JA16EUC", Web(encoding_rs::EUC_JP)),
    ("JA16EUCTILDE", Web(encoding_rs::EUC_JP)),
    ("ZHS16GBK", Web(encoding_rs::GBK)),
    ("ZHS16CGB231280", Web(encoding_rs::GBK)),
    ("ZHS32GB18030", Web(encoding_rs::GB18030)),
    ("ZHT16BIG5", Web(encoding_rs::BIG5)),
    ("ZHT16MSWIN950", Web(encoding_rs::BIG5)),
    ("ZHT16HKSCS", Web(encoding_rs::BIG5)),
    ("KO16KSC5601", Web(encoding_rs::EUC_KR)),
    ("KO16MSWIN949", Web(encoding_rs::EUC_KR)),
];

/// Decodes text of one database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charset(Option<How>);

impl Charset {
    /// The set of this Oracle name; unknown: ASCII alone is decoded; none: UTF-8 where it is valid,
    /// else ASCII alone.
    pub fn named(name: Option<&str>) -> Charset {
        let Some(name) = name else {
            return Charset(None);
        };
        let known = SETS.iter().find(|(set, _)| set.eq_ignore_ascii_case(name));
        Charset(Some(known.map_or(Ascii, |(_, how)| *how)))
    }

    /// What readers of the text should know, if not all of it can be shown.
    pub fn problem(name: Option<&str>) -> Option<String> {
        let advice = "other bytes than ASCII are shown as U+FFFD";
        match name {
            None => Some(format!(
                "the blueprint doesn't say the database's character set: text is read as UTF-8 where it is valid, {advice} elsewhere; add a spool of NLS_DATABASE_PARAMETERS"
            )),
            Some(name) if SETS.iter().all(|(set, _)| !set.eq_ignore_ascii_case(name)) => {
                Some(format!("the character set {name} is not known: {advice}"))
            }
            Some(_) => None,
        }
    }

    /// Bytes as text. A character cut off at the end is left out; other wrong bytes become U+FFFD.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        match self.0 {
            None => match std::str::from_utf8(whole_utf8(bytes)) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => ascii(bytes),
            },
            Some(Utf8) => utf8(bytes),
            Some(Ascii) => ascii(bytes),
            Some(Web(encoding)) => web(encoding, bytes),
            Some(Iso(encoding)) => iso(encoding, bytes),
        }
    }
}

fn ascii(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => bytes
            .iter()
            .map(|b| {
                if b.is_ascii() {
                    char::from(*b)
                } else {
                    '\u{fffd}'
                }
            })
            .collect(),
    }
}

/// The bytes without a character that is cut off at the end by the field's width.
fn whole_utf8(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => &bytes[..e.valid_up_to()],
        _ => bytes,
    }
}

fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.windows(2).any(|w| w[0] == 0xed && w[1] >= 0xa0) {
        return String::from_utf8_lossy(whole_utf8(bytes));
    }
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest
            .windows(2)
            .position(|w| w[0] == 0xed && w[1] >= 0xa0)
            .unwrap_or(rest.len());
        let last = end == rest.len();
        let plain = if last { whole_utf8(rest) } else { &rest[..end] };
        text.push_str(&String::from_utf8_lossy(plain));
        rest = &rest[end..];
        match rest {
            [] => {}
            [
                0xed,
                a @ 0xa0..=0xaf,
                b @ 0x80..=0xbf,
                0xed,
                c @ 0xb0..=0xbf,
                d @ 0x80..=0xbf,
                ..,
            ] => {
                let half = |high: u8, low: u8| u32::from(high & 0xf) << 6 | u32::from(low & 0x3f);
                let point = 0x1_0000 + (half(*a, *b) << 10) + half(*c, *d);
                text.push(char::from_u32(point).unwrap_or('\u{fffd}'));
                rest = &rest[6..];
            }
            // half a pair at the width's end
            short if short.len() < 6 => break,
            _ => {
                text.push('\u{fffd}');
                rest = &rest[2..];
            }
        }
    }
    text.into()
}

/// Decodes; a character that is cut off at the end stays in the decoder.
fn web<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length(bytes.len());
    let mut text = String::with_capacity(room.unwrap_or(bytes.len() * 3 + 16));
    let (_, read, _) = decoder.decode_to_string(bytes, &mut text, false);
    debug_assert_eq!(read, bytes.len());
    text.into()
}

fn iso<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    if !bytes.iter().any(|b| (0x80..=0x9f).contains(b)) {
        return web(encoding, bytes);
    }
    let mut text = String::new();
    for part in bytes.chunk_by(|a, b| (0x80..=0x9f).contains(a) == (0x80..=0x9f).contains(b)) {
        match part.first() {
            Some(0x80..=0x9f) => text.extend(part.iter().map(|b| char::from(*b))),
            _ => text.push_str(&web(encoding, part)),
        }
    }
    text.into()
}

/// The bytes before the first NUL.
pub fn before_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
