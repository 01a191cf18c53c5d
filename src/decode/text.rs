//! Text in the database's character set.
//!
//! For: Oracle character-set names to decoders, so that names and statements are shown right and
//! never as mojibake. Not for: finding out which set an instance uses (the blueprint says).

use std::borrow::Cow;

use encoding_rs::Encoding;

/// Oracle character-set names and the encoding by which each is decoded. The names are those of
/// Oracle's Globalization Support Guide, appendix A; encodings those of the WHATWG standard.
const SETS: &[(&str, &Encoding)] = &[
    ("AL32UTF8", encoding_rs::UTF_8),
    ("UTF8", encoding_rs::UTF_8),
    ("WE8MSWIN1252", encoding_rs::WINDOWS_1252),
    ("WE8ISO8859P15", encoding_rs::ISO_8859_15),
    ("EE8ISO8859P2", encoding_rs::ISO_8859_2),
    ("EE8MSWIN1250", encoding_rs::WINDOWS_1250),
    ("CL8ISO8859P5", encoding_rs::ISO_8859_5),
    ("CL8MSWIN1251", encoding_rs::WINDOWS_1251),
    ("CL8KOI8R", encoding_rs::KOI8_R),
    ("EL8ISO8859P7", encoding_rs::ISO_8859_7),
    ("EL8MSWIN1253", encoding_rs::WINDOWS_1253),
    ("TR8MSWIN1254", encoding_rs::WINDOWS_1254),
    ("WE8ISO8859P9", encoding_rs::WINDOWS_1254),
    ("IW8MSWIN1255", encoding_rs::WINDOWS_1255),
    ("IW8ISO8859P8", encoding_rs::ISO_8859_8),
    ("AR8MSWIN1256", encoding_rs::WINDOWS_1256),
    ("AR8ISO8859P6", encoding_rs::ISO_8859_6),
    ("BLT8MSWIN1257", encoding_rs::WINDOWS_1257),
    ("VN8MSWIN1258", encoding_rs::WINDOWS_1258),
    ("TH8TISASCII", encoding_rs::WINDOWS_874),
    ("JA16SJIS", encoding_rs::SHIFT_JIS),
    ("JA16SJISTILDE", encoding_rs::SHIFT_JIS),
    ("JA16EUC", encoding_rs::EUC_JP),
    ("JA16EUCTILDE", encoding_rs::EUC_JP),
    ("ZHS16GBK", encoding_rs::GBK),
    ("ZHS16CGB231280", encoding_rs::GBK),
    ("ZHS32GB18030", encoding_rs::GB18030),
    ("ZHT16BIG5", encoding_rs::BIG5),
    ("ZHT16MSWIN950", encoding_rs::BIG5),
    ("ZHT16HKSCS", encoding_rs::BIG5),
    ("KO16KSC5601", encoding_rs::EUC_KR),
    ("KO16MSWIN949", encoding_rs::EUC_KR),
];

/// Decodes text of one database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charset(Option<&'static Encoding>);

impl Charset {
    /// The set of this Oracle name; unknown or none: UTF-8 where it is valid, else WE8ISO8859P1.
    pub fn named(name: Option<&str>) -> Charset {
        let known = name.and_then(|n| SETS.iter().find(|(set, _)| set.eq_ignore_ascii_case(n)));
        Charset(known.map(|(_, encoding)| *encoding))
    }

    /// Bytes as text. A character cut off at the end is left out; other wrong bytes become U+FFFD.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        match self.0 {
            None => match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                // a multi-byte character cut off by the field's width is still UTF-8
                Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => {
                    String::from_utf8_lossy(&bytes[..e.valid_up_to()])
                }
                Err(_) => encoding_rs::mem::decode_latin1(bytes),
            },
            Some(encoding) if encoding == encoding_rs::UTF_8 => {
                let whole = match std::str::from_utf8(bytes) {
                    Err(e) if e.error_len().is_none() => e.valid_up_to(),
                    _ => bytes.len(),
                };
                String::from_utf8_lossy(&bytes[..whole])
            }
            Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
        }
    }
}

/// The bytes before the first NUL.
pub fn before_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_decode_their_own_bytes() {
        let decode = |set, bytes: &[u8]| Charset::named(Some(set)).decode(bytes).into_owned();
        assert_eq!(decode("AL32UTF8", "Grüße".as_bytes()), "Grüße");
        assert_eq!(decode("WE8MSWIN1252", b"Gr\xfc\xdfe \x80"), "Grüße €");
        assert_eq!(decode("WE8ISO8859P1", b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(decode("JA16SJIS", b"\x93\xfa\x96\x7b"), "日本");
        assert_eq!(
            decode("AL32UTF8", &"日本".as_bytes()[..5]),
            "日",
            "cut off at the width"
        );
        assert_eq!(decode("AL32UTF8", b"a\xffb"), "a\u{fffd}b");
        assert_eq!(Charset::named(None).decode(b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(Charset::named(None).decode("Grüße".as_bytes()), "Grüße");
    }

    #[test]
    fn no_byte_sequence_panics() {
        for (set, _) in SETS {
            for a in 0..=255u8 {
                for b in [0u8, 0x40, 0x81, 0xfe, 0xff] {
                    let _ = Charset::named(Some(set)).decode(&[a, b, a]);
                }
            }
        }
    }
}
