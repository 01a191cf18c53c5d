//! What is hidden, what stays readable, and that no text whatever makes it worse.

use proptest::prelude::*;

use super::redact;

#[test]
fn literals_become_placeholders() {
    for (sql, shown) in [
        (
            "select * from t where a = 'x''y' and b=N'z' and c = 1.5e-3",
            "select * from t where a = '?' and b=N'?' and c = ?",
        ),
        (
            "select q'[it's]', nq'{x}' from dual",
            "select '?', N'?' from dual",
        ),
        (
            "where d > DATE '2020-01-01' and t < INTERVAL '5' DAY(3)",
            "where d > DATE '?' and t < INTERVAL '?' DAY(?)",
        ),
        (
            "where a = :1 and b in (:B2, :name) and t1.c2 = 42d",
            "where a = :1 and b in (:B2, :name) and t1.c2 = ?",
        ),
        (
            "<<top>> for i in 1..10 loop null; end loop;",
            "<<top>> for i in ?..? loop null; end loop;",
        ),
        (
            "$IF $$debug $THEN x := 7; $END",
            "$IF $$debug $THEN x := ?; $END",
        ),
        (
            "select \"My Column\", \"it's\" from \"T\"",
            "select \"My Column\", \"?\" from \"T\"",
        ),
        ("select JSON_OBJECT('a':1234)", "select JSON_OBJECT('?':?)"),
        ("select 'Köln' ö from städte", "select '?' ö from städte"),
        ("", ""),
    ] {
        assert_eq!(redact(sql), shown, "{sql}");
    }
}

#[test]
fn comments_are_hidden_and_hints_kept() {
    for (sql, shown) in [
        (
            "select /*+ index(t ix) parallel(4) opt_param('x' 'secret') */ * from t -- secret\nwhere 1=1 /* it's */",
            "select /*+ index(t ix) parallel(?) opt_param('?' '?') */ * from t --?\nwhere ?=? /*?*/",
        ),
        (
            "select --+ full(t) 'x\n * from t",
            "select --+ full(t) '?'\n * from t",
        ),
        ("begin /*+ secret */ null; end;", "begin /*?*/ null; end;"),
        ("select /*+ secret", "select /*?*/"),
        (
            "select /*+ identified by secret */ 1",
            "select /*+ identified by ?*/ ?",
        ),
        ("select -- secret\rsecret\nsecret", "select --?"),
    ] {
        assert_eq!(redact(sql), shown, "{sql}");
    }
}

/// The clauses of the SQL Language Reference in which a password stands, in all its spellings.
#[test]
fn passwords_are_hidden() {
    for (sql, shown) in [
        (
            "alter user scott identified by tiger",
            "alter user scott identified by ?",
        ),
        (
            "ALTER USER scott IDENTIFIED BY \"Ti ger\" REPLACE old1 ACCOUNT UNLOCK",
            "ALTER USER scott IDENTIFIED BY ? REPLACE ? ACCOUNT UNLOCK",
        ),
        (
            "alter user a identified by \"x\"replace \"y\"",
            "alter user a identified by ? replace ?",
        ),
        (
            "create user a identified by values 'S:AB;T:CD' default tablespace users quota 10M on users",
            "create user a identified by VALUES ? default tablespace users quota ?M on users",
        ),
        (
            "create user a identified /* x */ by -- y\n secret;",
            "create user a identified /*?*/ by ?;",
        ),
        (
            "grant connect to a, b identified by p1, p2 with admin option",
            "grant connect to a, b identified by ? with admin option",
        ),
        (
            "create database link l connect to u identified by p using 'db'",
            "create database link l connect to u identified by ? using ?",
        ),
        (
            "create database link l connect to u identified by p authenticated by v identified by w",
            "create database link l connect to u identified by ? authenticated by ? identified by ?",
        ),
        (
            "set role a identified by p, b identified by q",
            "set role a identified by ? identified by ?",
        ),
        (
            "alter system set encryption wallet open identified by \"w\"",
            "alter system set encryption wallet open identified by ?",
        ),
        (
            "alter user a password 'x' account lock",
            "alter user a password ? account lock",
        ),
        ("alter user a password tiger", "alter user a password ?"),
        (
            "alter user a password expire",
            "alter user a password expire",
        ),
        (
            "create table t (a number encrypt identified by sesame, b varchar2(10))",
            "create table t (a number encrypt identified by ?))",
        ),
        (
            "create table t (a number encrypt using 'AES256' identified by sesame) tablespace u",
            "create table t (a number encrypt using ? identified by ?) tablespace u",
        ),
        (
            "alter user a identified by my secret words",
            "alter user a identified by ?",
        ),
        (
            "alter user a identified by x;y z",
            "alter user a identified by ?",
        ),
        (
            "alter user a identified by \"pa\"ss\" x",
            "alter user a identified by ?",
        ),
        ("connect scott/tiger@db", "connect ?"),
        (
            "create user password identified by x",
            "create user password identified by ?",
        ),
        (
            "begin dbms_credential.create_credential(credential_name => 'C', password => 'x'); end;",
            "begin dbms_credential.create_credential(credential_name => '?', password => '?'); end;",
        ),
        ("select password from users", "select password from users"),
    ] {
        assert_eq!(redact(sql), shown, "{sql}");
    }
}

#[test]
fn keystore_statements_show_keywords_only() {
    for (sql, shown) in [
        (
            "ADMINISTER KEY MANAGEMENT SET KEYSTORE OPEN IDENTIFIED BY pw CONTAINER = ALL",
            "ADMINISTER KEY MANAGEMENT SET KEYSTORE OPEN IDENTIFIED BY ? CONTAINER = ALL",
        ),
        (
            "administer key management alter keystore password identified by old set new1 with backup",
            "administer key management alter keystore password identified by ? set ? with backup",
        ),
        (
            "administer key management export keys with secret \"s\" to '/x' identified by pw",
            "administer key management export keys with secret ? to '?' identified by ?",
        ),
        (
            "administer key management set key identified by external store with backup",
            "administer key management set key identified by EXTERNAL STORE with backup",
        ),
        (
            "administer key management create key AB12:CD34 using tag 'x'",
            "administer key management create key ?:? using tag '?'",
        ),
    ] {
        assert_eq!(redact(sql), shown, "{sql}");
    }
}

#[test]
fn sources_of_other_languages_are_hidden() {
    for (sql, shown) in [
        (
            "create or replace procedure p wrapped \na000000\nsecret",
            "create or replace procedure p wrapped \n?",
        ),
        (
            "create java source named \"X\" as class X { String s = \"secret\"; }",
            "create java source ?",
        ),
        (
            "create mle module m language javascript as const s = `secret`",
            "create mle module m language javascript ?",
        ),
    ] {
        assert_eq!(redact(sql), shown, "{sql}");
    }
}

#[test]
fn what_cannot_be_decoded_ends_what_is_shown() {
    assert_eq!(redact("select 'a\u{fffd}' || secret"), "select '?'");
    assert_eq!(redact("select a\u{fffd} from secret"), "select a?");
}

/// Texts of 4 MiB made of what would let a careless reader start over again and again: were the
/// work not linear, this would not end within hours.
#[test]
fn long_texts_are_linear() {
    for piece in [
        "'",
        "''",
        "\"",
        "q'[",
        "q'[]",
        "/*",
        "/*+",
        "select /*+ ",
        "--\n",
        "identified by ",
        ":'",
        "; ",
        "(",
        "password ",
        "alter user password ",
        "identified by x, ",
        "é",
        "1.",
        "..",
        "n'",
        "nq'!",
        "identified by values ",
    ] {
        let text = piece.repeat((4 << 20) / piece.len());
        let shown = redact(&text);
        assert!(shown.len() <= 2 * text.len() + 16, "{piece}");
    }
}

const SECRET: &str = "zQsecretQz";

/// A clause that hides [`SECRET`].
fn hiding() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("'SECRET'"),
        Just("N'SECRET'"),
        Just("'it''s SECRET'"),
        Just("'a -- SECRET'"),
        Just("'a /* SECRET'"),
        Just("'\"SECRET'"),
        Just("q'[it's SECRET]'"),
        Just("Q'{SECRET'}'"),
        Just("nq'<SECRET>'"),
        Just("q'(SECRET)'"),
        Just("q'!SECRET!'"),
        Just("q'éSECRETé'"),
        Just("q'\"SECRET\"'"),
        Just("date'SECRET'"),
        Just("/* SECRET */"),
        Just("/* it's \" SECRET */"),
        Just("-- SECRET ' \" /*\n"),
        Just("/*+ 'SECRET' */"),
    ];
    let password = prop_oneof![
        Just("identified by SECRET"),
        Just("IDENTIFIED\n\tBY \"SECRET\""),
        Just("identified by 'SECRET'"),
        Just("identified by values 'S:SECRET'"),
        Just("identified/**/by/**/SECRET/**/replace/**/SECRET"),
        Just("identified by \"a\"replace SECRET"),
        Just("identified by a, SECRET"),
        Just("identified by a b SECRET"),
        Just("authenticated by SECRET"),
        Just("encrypt using SECRET"),
        Just("decrypt using \"SECRET\""),
        Just("with secret SECRET"),
    ];
    prop_oneof![3 => text, 2 => password].prop_map(|t| t.replace("SECRET", SECRET))
}

/// Lexically whole pieces between the hiding ones. The words are such as can follow a password.
fn plain() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("select "),
        Just(" from t1 "),
        Just(" = :1 "),
        Just(" \"My Name\" "),
        Just(" 42 "),
        Just(" /*+ full(t) */ "),
        Just(" (a, b) "),
        Just("\n"),
        Just("\u{3000}"),
        Just(" ÄÖ "),
        Just(" || "),
        Just("; "),
        Just(" profile p "),
        Just(" replace(a, 'x', 'y') "),
        Just(" 'x'"),
        Just("\"x\""),
        Just(" 1q'[x]' "),
        Just(" password "),
        Just("1.."),
    ]
    .prop_map(str::to_owned)
}

fn statement() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        Just("alter user u "),
        Just("create database link l "),
        Just("administer key management "),
        Just("select "),
        Just("begin "),
        Just("update t set a = "),
    ];
    let piece = prop_oneof![hiding(), plain()];
    (start, prop::collection::vec(piece, 0..12)).prop_map(|(start, pieces)| {
        // a space, since a literal glued to another one or to a word is another literal
        pieces.iter().fold(start.to_owned(), |sql, p| sql + " " + p)
    })
}

/// Characters that decide where elements begin and end.
fn noise() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'"),
        Just("\""),
        Just("q'"),
        Just("n"),
        Just("["),
        Just("]"),
        Just("--"),
        Just("/*"),
        Just("/*+"),
        Just("*/"),
        Just("select"),
        Just(" "),
        Just("\n"),
        Just("\r"),
        Just("1"),
        Just("."),
        Just("e"),
        Just(":"),
        Just("?"),
        Just(","),
        Just(";"),
        Just(")"),
        Just("identified by "),
        Just("values"),
        Just("external store"),
        Just("replace"),
        Just("password "),
        Just("alter user "),
        Just("administer "),
        Just("create "),
        Just("wrapped"),
        Just("connect"),
        Just("é"),
        Just("\u{fffd}"),
        Just("\u{3000}"),
        Just("x"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn planted_secrets_never_survive(sql in statement()) {
        let shown = redact(&sql);
        prop_assert!(!shown.contains(SECRET), "{} → {}", sql, shown);
    }

    /// A statement cut off anywhere shows no more than the whole.
    #[test]
    fn nor_do_they_in_cut_off_statements(sql in statement(), cut in any::<prop::sample::Index>()) {
        let mut end = cut.index(sql.len());
        while !sql.is_char_boundary(end) {
            end -= 1;
        }
        // what is left of a secret that was cut
        let least = &SECRET[..6];
        let shown = redact(&sql[..end]);
        prop_assert!(!shown.contains(least), "{} → {}", &sql[..end], shown);
    }

    #[test]
    fn twice_is_once(sql in prop_oneof![statement(), noise(), any::<String>()]) {
        let once = redact(&sql);
        prop_assert_eq!(redact(&once), once.clone(), "{}", sql);
    }

    /// No digit is shown but in names, binds and words.
    #[test]
    fn no_number_is_shown(sql in noise()) {
        let shown = redact(&sql);
        let bytes: Vec<char> = shown.chars().collect();
        for (i, c) in bytes.iter().enumerate() {
            let after_word = i > 0 && (bytes[i - 1].is_alphanumeric() || bytes[i - 1] == ':');
            let in_quotes = shown.contains('"');
            prop_assert!(!c.is_ascii_digit() || after_word || in_quotes, "{} → {}", sql, shown);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = crate::decode::text::Charset::named(Some("AL32UTF8")).decode(&bytes).into_owned();
        let latin = crate::decode::text::Charset::named(None).decode(&bytes).into_owned();
        redact(&text);
        redact(&latin);
    }
}
