//! What stands for a session in a chain: the values of the columns asked for, joined as
//! ash_wait_chains users do (`username||':'||program2||event2`).
//!
//! Callers: [`super::batches`].

use crate::analyze::render::printable;

/// A derived column: the program without what differs from connection to connection.
pub(super) const PROGRAM2: &str = "program2";
/// A derived column: the event with the mode of the enqueue.
pub(super) const EVENT2: &str = "event2";

/// PROGRAM as ash_wait_chains shortens it: `(sqlplus)` of `sqlplus@app01 (TNS V1-V3)`, `(DBWn)` of
/// `oracle@db (DBW0)`; digits become `n`.
pub(super) fn program2(program: &str, background: bool) -> String {
    let inner = program
        .rfind('(')
        .map(|at| &program[at..])
        .filter(|rest| rest.ends_with(')') && program.len() > rest.len());
    let slave = inner.is_some_and(|inner| {
        let name = inner.trim_matches(['(', ')']);
        let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
        ["J", "P", "DBW"]
            .iter()
            .any(|p| name.strip_prefix(p).is_some_and(digits))
    });
    let kept = match inner {
        Some(inner) if background || slave => inner.to_owned(),
        // client@host (…): the client alone
        Some(inner) => match program[..program.len() - inner.len()].rsplit_once('@') {
            Some((client, _)) => format!("({client})"),
            None => format!("({program})"),
        },
        None => format!("({program})"),
    };
    kept.chars()
        .map(|c| if c.is_ascii_digit() { 'n' } else { c })
        .collect()
}

/// EVENT with the mode that an enqueue is asked for in.
pub(super) fn event2(event: &str, p1: u64) -> String {
    match event.starts_with("enq: ") {
        true => format!("{event} [mode={}]", p1 & 0x3fff),
        false => event.to_owned(),
    }
}

/// A node's text: values joined by blanks, a user's name followed by a colon; nulls are left out.
pub(super) fn joined<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (column, value) in parts.filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() && !text.ends_with(':') {
            text.push(' ');
        }
        text.push_str(&printable(value));
        if column == "username" {
            text.push(':');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_as_ash_wait_chains_shortens_them() {
        for (program, background, shown) in [
            ("sqlplus@app01 (TNS V1-V3)", false, "(sqlplus)"),
            ("JDBC Thin Client", false, "(JDBC Thin Client)"),
            ("w3wp.exe", false, "(wnwp.exe)"),
            ("oracle@db01 (DBW0)", true, "(DBWn)"),
            ("oracle@db01 (J003)", false, "(Jnnn)"),
            ("oracle@db01 (P01A)", false, "(oracle)"),
            ("", false, "()"),
            ("(", false, "(()"),
        ] {
            assert_eq!(program2(program, background), shown, "{program}");
        }
    }

    #[test]
    fn nodes_leave_out_nulls() {
        let parts = [
            ("username", "SOE"),
            ("program2", "(sqlplus)"),
            ("sql_id", ""),
            ("event2", "ON\u{1b}CPU"),
        ];
        assert_eq!(joined(parts.into_iter()), "SOE:(sqlplus) ON?CPU");
        assert_eq!(event2("enq: TX - x", 0x5458_0006), "enq: TX - x [mode=6]");
    }
}
