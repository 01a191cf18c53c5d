//! The text of a fixed view: whether it is all there, whether two agree, and which version rules it
//! states.
//!
//! GV$SESSION's own text says how Oracle decodes STATUS and the blockers in exactly this build, where
//! public queries for the same release contradict each other. V$FIXED_VIEW_DEFINITION (X$KQFVT.KQFTPSEL,
//! VARCHAR2(4000)) cuts it before its FROM clause (Jonathan Lewis, `v$fixed_view_definition`, 2022);
//! the executable holds all of it (Christoph Lutz, `gdb/kqfvi.sh`).
//!
//! It is no SQL parser: it looks for known expressions. Callers: `assemble`, `merge`, `spool`,
//! `checks`, `views`.

use serde::{Deserialize, Serialize};

/// The view whose text states rules.
pub const SESSION_VIEW: &str = "GV$SESSION";
/// Bytes at which V$FIXED_VIEW_DEFINITION cuts.
pub const CUT: usize = 4000;

/// The text of a fixed view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The query.
    pub text: String,
    /// Whether it is all there; a source may cut it.
    pub complete: bool,
    /// Id of the source.
    pub source: String,
    /// Other sources that agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// One line, blanks single: sources differ in how they break lines.
pub fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a text can't be all of a query; `None` when nothing speaks against it.
pub fn lacks(text: &str) -> Option<&'static str> {
    let mut depth = 0usize;
    let mut quoted = false;
    for byte in text.bytes() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted && depth == 0 => {
                return Some("a parenthesis is closed that wasn't open");
            }
            b')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    if quoted {
        return Some("a quote isn't closed");
    }
    if depth > 0 {
        return Some("a parenthesis isn't closed");
    }
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    (!words.any(|word| word == "from")).then_some("there is no FROM clause")
}

/// A version rule that a view's text states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Name of the rule.
    pub rule: &'static str,
    /// Its value.
    pub value: u64,
    /// The expression that states it.
    pub expression: String,
}

/// The rules that the text of GV$SESSION states, also one that is cut: each only when all expressions
/// of its kind agree.
pub fn stated(text: &str) -> Vec<Stated> {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let mut out = Vec::new();
    // decode(bitand(s.ksuseidl,9),1,'ACTIVE',…
    let status = masks(&plain, "ksuseidl").filter(|(_, rest)| rest.starts_with(",1,'active'"));
    if let Some(value) = single(status.map(|(mask, _)| mask)) {
        out.push(Stated {
            rule: "status_mask",
            value,
            expression: format!("bitand(ksuseidl,{value})"),
        });
    }
    // bitand(s.ksuseblocker,2147221504)/262144: the instance stands above 18 bits of SID.
    let packed =
        masks(&plain, "ksuseblocker").filter_map(|(_, rest)| number(rest.strip_prefix('/')?));
    if let Some(divisor) = single(packed).filter(|d| d.is_power_of_two()) {
        out.push(Stated {
            rule: "blocker_bits",
            value: u64::from(divisor.trailing_zeros()),
            expression: format!("bitand(ksuseblocker,…)/{divisor}"),
        });
    }
    // where bitand(s.ksspaflg,1)!=0
    let used = masks(&plain, "ksspaflg").filter(|(_, rest)| rest.starts_with("!=0"));
    if let Some(value) = single(used.map(|(mask, _)| mask)) {
        out.push(Stated {
            rule: "kssflag_used_bit",
            value,
            expression: format!("bitand(ksspaflg,{value})!=0"),
        });
    }
    out
}

/// Every `bitand([alias.]column,number)` of a text without blanks: the number, and what follows.
fn masks<'a>(plain: &'a str, column: &'a str) -> impl Iterator<Item = (u64, &'a str)> {
    plain
        .match_indices("bitand(")
        .filter_map(move |(at, call)| {
            let argument = &plain[at + call.len()..];
            let (name, rest) = argument.split_once(',')?;
            let name = name.rsplit('.').next()?;
            let (digits, rest) = rest.split_once(')')?;
            (name == column).then_some((digits.parse().ok()?, rest))
        })
}

/// The number at the start of a text, if something follows it: at the end it may be cut.
fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    text[..end].parse().ok()
}

/// The only value there is, however often.
fn single(mut values: impl Iterator<Item = u64>) -> Option<u64> {
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "select s.indx,decode(bitand(s.ksuseidl,9),1,'ACTIVE',0,'INACTIVE','KILLED'), \
        decode(s.ksuseblocker,4294967295,null,bitand(s.ksuseblocker, 2147221504)/262144),\n \
        bitand(s.ksuseblocker,262143) from x$ksuse s where bitand(s.ksspaflg,1)!=0";

    fn rules(text: &str) -> Vec<(&'static str, u64)> {
        stated(text)
            .into_iter()
            .map(|s| (s.rule, s.value))
            .collect()
    }

    #[test]
    fn rules_are_read_from_the_text() {
        let all = [
            ("status_mask", 9),
            ("blocker_bits", 18),
            ("kssflag_used_bit", 1),
        ];
        assert_eq!(rules(NEW), all);
        let old = NEW
            .replace("ksuseidl,9", "KSUSEIDL , 11")
            .replace("2147221504)/262144", "2147418112)/65536");
        assert_eq!(
            rules(&old)[..2],
            [("status_mask", 11), ("blocker_bits", 16)]
        );
        // Cut anywhere, it states what is there and nothing else.
        for end in 0..NEW.len() {
            assert!(
                rules(&NEW[..end]).iter().all(|rule| all.contains(rule)),
                "{end}"
            );
        }
    }

    #[test]
    fn expressions_that_disagree_state_nothing() {
        let both = NEW.replace(" from ", ",bitand(s.ksuseblocker,2147418112)/65536 from ");
        assert_eq!(rules(&both), [("status_mask", 9), ("kssflag_used_bit", 1)]);
        assert_eq!(rules("bitand(s.ksuseidl,9)=1"), []);
        assert_eq!(rules(""), []);
    }

    #[test]
    fn what_is_cut_is_seen() {
        assert_eq!(lacks(NEW), None);
        assert_eq!(lacks("select ')' from dual"), None);
        assert_eq!(lacks("select 1"), Some("there is no FROM clause"));
        assert_eq!(lacks("select 'a from b"), Some("a quote isn't closed"));
        assert_eq!(
            lacks("select (a from b"),
            Some("a parenthesis isn't closed")
        );
        assert!(lacks("select a) from b").is_some());
        assert_eq!(normal(" a\n  b\tc "), "a b c");
    }
}
