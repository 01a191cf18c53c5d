//! SQL statements: their identity (SQL_ID, hash) and the pool of texts that the workload runs.
//!
//! It knows nothing of memory. The engine and `instance` call it.

use md5::{Digest, Md5};

/// Digits of a SQL_ID (base 32 without e, i, l, o).
const ALPHABET: &[u8; 32] = b"0123456789abcdfghjkmnpqrstuvwxyz";

/// Identity of a statement: the four little-endian words of the MD5 of its text and one NUL byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqlIdentity {
    /// Words as stored in the handle.
    pub words: [u32; 4],
}

impl SqlIdentity {
    /// Identity of a text (rule: Slavik Markovich 2010, Philippe Marschall 2021).
    pub fn of(text: &str) -> SqlIdentity {
        let mut hasher = Md5::new();
        hasher.update(text.as_bytes());
        hasher.update([0u8]);
        let digest = hasher.finalize();
        let mut words = [0u32; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        SqlIdentity { words }
    }

    /// High word of the SQL_ID.
    pub fn high(&self) -> u32 {
        self.words[2]
    }

    /// Low word of the SQL_ID, which is the hash value.
    pub fn hash(&self) -> u32 {
        self.words[3]
    }
}

/// The 13 characters of a SQL_ID from its 64 bits.
pub fn sql_id(high: u32, low: u32) -> String {
    let value = u64::from(high) << 32 | u64::from(low);
    (0..13)
        .rev()
        .map(|digit| char::from(ALPHABET[(value >> (5 * digit) & 31) as usize]))
        .collect()
}

/// A stable hash of a module or action text; 0 for no text, Oracle's own for `SQL*Plus` (12.2.0.1 row).
pub fn module_hash(text: &str) -> u32 {
    match text {
        "" => 0,
        "SQL*Plus" => 3_669_949_024,
        _ => text.bytes().fold(0x811c_9dc5u32, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        }),
    }
}

/// One statement of the pool.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The whole text.
    pub text: String,
    /// Its identity.
    pub identity: SqlIdentity,
    /// Command code as V$SQLCOMMAND.COMMAND_TYPE (3 SELECT, 2 INSERT, 6 UPDATE, 7 DELETE, 47 PL/SQL, 189 MERGE).
    pub command: u8,
    /// Plan hash value, 0 for PL/SQL.
    pub plan: u32,
}

const TABLES: &[&str] = &[
    "orders",
    "order_items",
    "customers",
    "warehouses",
    "inventories",
    "products",
    "logon",
    "addresses",
    "card_details",
    "payments",
];

/// Distinct statements: `short` of a few dozen to some thousand bytes, `medium` above 4 kB, `long` above 64 kB.
pub fn pool(short: usize, medium: usize, long: usize) -> Vec<Statement> {
    let shorts = (0..short).map(short_text);
    let mediums = (0..medium).map(|i| long_text(i, 4_300 + 700 * i));
    let longs = (0..long).map(|i| long_text(100 + i, 66_000 + 9_000 * i));
    shorts.chain(mediums).chain(longs).map(statement).collect()
}

/// Distinct statements for a library cache under churn. Beside short ones: families of equal length that share their
/// beginning or their end, so that a copy of half of each looks whole; texts above 64 kB, the longest of 1 MB.
pub fn churning(count: usize) -> Vec<Statement> {
    let (mediums, longs) = (12, 16);
    let alike = count / 10;
    let shorts = count.saturating_sub(longs + mediums + alike);
    let texts = (0..shorts).map(short_text);
    let texts = texts.chain((0..alike).map(alike_text));
    let texts = texts.chain((0..mediums).map(|i| long_text(i, 4_300 + 700 * i)));
    texts
        .chain((0..longs).map(|i| long_text(100 + i, 66_000 + 63_000 * i)))
        .map(statement)
        .collect()
}

/// Texts of about 3,000 bytes whose difference is some words long.
fn alike_text(i: usize) -> (u8, String) {
    let same = "and t.größe <> 'Ähnlich' ".repeat(100);
    let mark = format!("{i:08}").repeat(4);
    let text = if i.is_multiple_of(2) {
        format!("select count(*) from orders t where 1 = 1 {same} and t.mark = '{mark}'")
    } else {
        format!("select count(*) from orders t where t.mark = '{mark}' {same}")
    };
    (3, text)
}

fn statement((command, text): (u8, String)) -> Statement {
    let identity = SqlIdentity::of(&text);
    let plan = if command == 47 {
        0
    } else {
        identity.words[0] | 1
    };
    Statement {
        text,
        identity,
        command,
        plan,
    }
}

fn short_text(i: usize) -> (u8, String) {
    let table = TABLES[i % TABLES.len()];
    match i % 12 {
        0 => (
            3,
            format!("select * from {table} where id = :B1 /* q{i} */"),
        ),
        1 => (
            6,
            format!(
                "update {table} set status = :B1, changed = systimestamp where id = :B2 /* u{i} */"
            ),
        ),
        2 => (
            2,
            format!(
                "insert into {table} (id, name, created) values (:B1, :B2, sysdate) /* i{i} */"
            ),
        ),
        3 => (
            7,
            format!("delete from {table} where created < sysdate - {i}"),
        ),
        4 => (
            3,
            format!(
                "select count(*), sum(amount) from {table} where region = 'Köln-Süd {i}' and remark like '%€%'"
            ),
        ),
        5 => (47, format!("begin pkg_{table}.run_{i}(:1, :2); end;\n")),
        6 => (
            3,
            format!(
                "select /*+ index(t {table}_ix) */ t.*, '日本語の注文 {i}' label from {table} t where t.id between :1 and :2"
            ),
        ),
        7 => (
            6,
            format!(
                "update {table} t set t.balance = t.balance - :1\n where t.id = :2\n   and t.version = {i}"
            ),
        ),
        8 => (
            189,
            format!(
                "merge into {table} d using (select :1 id, :2 v from dual) s on (d.id = s.id) when matched then update set d.v = s.v /* {i} */"
            ),
        ),
        9 => (3, wide_select(table, i)),
        10 => (
            3,
            format!(
                "SELECT c.*, ROWID FROM {table} c\n\tWHERE c.country = 'Österreich' AND c.no = {i}\nFOR UPDATE"
            ),
        ),
        _ => (3, format!("select max(id) from {table} partition (p{i})")),
    }
}

fn wide_select(table: &str, i: usize) -> String {
    let columns: Vec<String> = (0..(i % 90) + 10)
        .map(|c| format!("t.column_{c:03}_of_{table}"))
        .collect();
    format!(
        "select {} from {table} t where t.id = :B1 and {i} = {i}",
        columns.join(", ")
    )
}

fn long_text(i: usize, bytes: usize) -> (u8, String) {
    let mut text = format!("select /* report {i} */ o.id from orders o where o.id in (");
    let mut n = i;
    while text.len() < bytes {
        // A multi-byte character now and then, so that byte and character counts differ.
        let note = if n.is_multiple_of(50) {
            " /* Größe ≥ 5 */"
        } else {
            ""
        };
        text.push_str(&format!("{}{note}, ", 1_000_000 + n));
        n += 1;
    }
    text.push_str("0)");
    (3, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Public pairs of text, SQL_ID and hash value.
    #[test]
    fn sql_id_matches_public_pairs() {
        let pairs = [
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
            (
                "select * from dept where deptno=10",
                "4xamnunv51w9j",
                911_274_289,
            ),
        ];
        for (text, id, hash) in pairs {
            let identity = SqlIdentity::of(text);
            assert_eq!(sql_id(identity.high(), identity.hash()), id, "{text}");
            assert_eq!(identity.hash(), hash, "{text}");
        }
        assert_eq!(sql_id(0x76c5_6aff, 0x99ce_af6b), "7djbazycwxbvb");
        let slavik = SqlIdentity::of("select 'Slavik' from dual").words;
        assert_eq!(slavik, [0x7a48_3e90, 0x555a_b4ad, 0x24e1_90ab, 0xe3e7_775d]);
    }

    #[test]
    fn pool_holds_distinct_texts_of_all_sizes() {
        let pool = pool(420, 12, 8);
        let ids: std::collections::HashSet<_> = pool.iter().map(|s| s.identity.words).collect();
        assert_eq!(ids.len(), 440);
        assert!(pool.iter().filter(|s| s.text.len() > 65_536).count() >= 8);
        assert!(pool.iter().filter(|s| s.text.len() > 4_096).count() >= 20);
        assert!(pool.iter().any(|s| s.text.chars().count() < s.text.len()));
    }

    #[test]
    fn churning_pool_holds_families_of_equal_length() {
        let pool = churning(2_000);
        let ids: std::collections::HashSet<_> = pool.iter().map(|s| s.identity.words).collect();
        assert_eq!((pool.len(), ids.len()), (2_000, 2_000));
        assert!(pool.iter().any(|s| s.text.len() >= 1_000_000));
        let alike: Vec<_> = (0..4).map(|i| alike_text(i).1).collect();
        assert_eq!(alike[0].len(), alike[2].len());
        assert_eq!(alike[0].as_bytes()[..2_500], alike[2].as_bytes()[..2_500]);
        assert_eq!(alike[1].as_bytes()[200..], alike[3].as_bytes()[200..]);
    }

    #[test]
    fn module_hash_of_sqlplus_is_oracles() {
        assert_eq!(module_hash("SQL*Plus"), 3_669_949_024);
        assert_eq!(module_hash(""), 0);
    }
}
