//! Character sets on bytes written by hand from their code tables, on cut and on wrong bytes.

use proptest::prelude::*;

use super::*;

fn decode(set: &str, bytes: &[u8]) -> String {
    Charset::named(Some(set)).decode(bytes).into_owned()
}

#[test]
fn sets_decode_their_own_bytes() {
    for (set, bytes, text) in [
        ("AL32UTF8", "Grüße".as_bytes(), "Grüße"),
        ("al32utf8", "日本".as_bytes(), "日本"),
        ("WE8ISO8859P1", b"Gr\xfc\xdfe \xa4", "Grüße ¤"),
        ("WE8ISO8859P15", b"Gr\xfc\xdfe \xa4", "Grüße €"),
        ("WE8MSWIN1252", b"Gr\xfc\xdfe \x80", "Grüße €"),
        ("WE8ISO8859P9", b"\xddstanbul", "İstanbul"),
        ("EE8ISO8859P2", b"P\xf8\xedli\xb9 \xb3", "Příliš ł"),
        ("EE8MSWIN1250", b"P\xf8\xedli\x9a \xb3", "Příliš ł"),
        ("CL8MSWIN1251", b"\xcc\xee\xf1\xea\xe2\xe0", "Москва"),
        ("CL8ISO8859P5", b"\xbc\xde\xe1\xda\xd2\xd0", "Москва"),
        ("CL8KOI8R", b"\xed\xcf\xd3\xcb\xd7\xc1", "Москва"),
        ("RU8PC866", b"\x8c\xae\xe1\xaa\xa2\xa0", "Москва"),
        ("JA16SJIS", b"\x93\xfa\x96\x7b", "日本"),
        ("JA16EUC", b"\xc6\xfc\xcb\xdc", "日本"),
        ("ZHS16GBK", b"\xd6\xd0\xb9\xfa", "中国"),
        ("ZHS32GB18030", b"\xd6\xd0\x81\x30\x84\x36", "中¥"),
        ("ZHT16BIG5", b"\xa4\xa4\xb0\xea", "中國"),
        ("KO16MSWIN949", b"\xc7\xd1\xb1\xdb", "한글"),
        ("EL8ISO8859P7", b"\xc1\xe8\xde\xed\xe1", "Αθήνα"),
        ("TH8TISASCII", b"\xe4\xb7\xc2", "ไทย"),
    ] {
        assert_eq!(decode(set, bytes), text, "{set}");
    }
}

/// The web takes ISO 8859-1 for Windows-1252; Oracle doesn't.
#[test]
fn control_characters_of_iso_sets_are_no_letters() {
    assert_eq!(decode("WE8ISO8859P1", b"a\x80\xe4"), "a\u{80}ä");
    assert_eq!(decode("WE8ISO8859P9", b"\x8a\xf0"), "\u{8a}ğ");
    // bytes that happen to be UTF-8 stay what they are in the database
    assert_eq!(decode("WE8ISO8859P1", "ü".as_bytes()), "Ã¼");
}

/// Oracle's UTF8 writes characters past U+FFFF as two surrogates.
#[test]
fn surrogate_pairs_are_one_character() {
    let pair = b"\xed\xa0\xbd\xed\xb8\x80";
    assert_eq!(decode("UTF8", pair), "😀");
    assert_eq!(
        decode("UTF8", b"a\xed\xa0\xbd\xed\xb8\x80\xc3\xbcb"),
        "a😀üb"
    );
    assert_eq!(decode("UTF8", &pair[..4]), "", "cut off at the width");
    assert!(decode("UTF8", b"\xed\xb8\x80 alone").ends_with(" alone"));
}

#[test]
fn a_character_cut_off_by_the_width_is_left_out() {
    for (set, bytes, text) in [
        ("AL32UTF8", &"日本".as_bytes()[..5], "日"),
        ("AL32UTF8", &"Grüße".as_bytes()[..3], "Gr"),
        ("JA16SJIS", b"\x93\xfa\x96", "日"),
        ("JA16EUC", b"\xc6\xfc\xcb", "日"),
        ("ZHS16GBK", b"\xd6\xd0\xb9", "中"),
        ("ZHS32GB18030", b"\xd6\xd0\x81\x30\x84", "中"),
        ("ZHT16BIG5", b"\xa4\xa4\xb0", "中"),
        ("KO16KSC5601", b"\xc7\xd1\xb1", "한"),
    ] {
        assert_eq!(decode(set, bytes), text, "{set}");
    }
    assert_eq!(Charset::named(None).decode(&"日本".as_bytes()[..5]), "日");
}

#[test]
fn wrong_bytes_become_replacement_characters() {
    assert_eq!(decode("AL32UTF8", b"a\xffb"), "a\u{fffd}b");
    assert_eq!(decode("JA16SJIS", b"a\x81\x20b"), "a\u{fffd} b");
    assert_eq!(decode("US7ASCII", b"M\xfcller"), "M\u{fffd}ller");
}

#[test]
fn an_unknown_set_shows_ascii_and_says_so() {
    assert_eq!(decode("TR8EBCDIC1026", b"M\xfcller"), "M\u{fffd}ller");
    let problem = Charset::problem(Some("TR8EBCDIC1026")).unwrap();
    assert!(problem.contains("TR8EBCDIC1026") && problem.contains("U+FFFD"));
    assert_eq!(Charset::problem(Some("WE8ISO8859P1")), None);
    // no set at all: what is valid UTF-8 is hardly anything else
    let none = Charset::named(None);
    assert_eq!(none.decode("Grüße".as_bytes()), "Grüße");
    assert_eq!(none.decode(b"Gr\xfc\xdfe"), "Gr\u{fffd}\u{fffd}e");
    assert!(Charset::problem(None).is_some());
}

proptest! {
    /// No bytes panic, ASCII before them stays as it is, and no set makes text out of nothing.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let sets = SETS.iter().map(|(set, _)| Some(*set)).chain([None, Some("NOSUCH")]);
        for set in sets {
            let charset = Charset::named(set);
            let text = charset.decode(&bytes);
            prop_assert!(text.len() <= bytes.len() * 3, "{set:?}");
            let mut longer = b"SCOTT ".to_vec();
            longer.extend(&bytes);
            prop_assert!(charset.decode(&longer).starts_with("SCOTT "), "{set:?}");
        }
    }
}
