//! Statements without what they hold of people's data and passwords.
//!
//! For: every SQL text that leaves the machine unless `full` was asked for. Literals become
//! placeholders, the statement stays readable: text `'?'` (`N'?'`), numbers `?`, comments `/*?*/`
//! and `--?`, passwords `?`. Kept are keywords, names (quoted ones too, unless they couldn't be
//! names), bind variables, and the words of hints. Hidden beside literals:
//!
//! - what follows IDENTIFIED BY (with VALUES, and REPLACE), AUTHENTICATED BY, PASSWORD in statements
//!   on accounts, SECRET, ENCRYPT and DECRYPT USING, until a word that can follow a password; in
//!   ADMINISTER KEY MANAGEMENT all that isn't one of its keywords; after CONNECT as the first word all;
//! - sources that aren't SQL: what follows WRAPPED, JAVA SOURCE, LANGUAGE JAVASCRIPT;
//! - the rest of the text after a literal, quoted name or comment whose end is missing, and after
//!   the first character that could not be decoded, since then nobody knows where literals begin.
//!
//! When in doubt more is hidden. Redacting again changes nothing. The time taken is linear in the
//! length. Not for: proving a text; SQL_ID stays that of the original. Names and words of hints can
//! tell something too; where that is a concern, record no text.
//!
//! Callers: `sample` (SQL texts).

mod lexer;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;

use lexer::{Lexer, Token};
use words::among;

/// Longest name that Oracle allows since 12.2, in bytes, with its quotes.
const LONGEST_NAME: usize = 130;

/// First words of a statement that are looked at.
const OPENING: usize = 4;

/// The statement without literals, comments and passwords.
pub fn redact(text: &str) -> String {
    let readable = match text.find('\u{fffd}') {
        // the mark of what is not shown stands there already when literals are looked for, so that
        // one which isn't closed hides it too
        Some(end) => Cow::Owned(text[..end].to_owned() + "?"),
        None => Cow::Borrowed(text),
    };
    let mut redactor = Redactor {
        out: String::with_capacity(readable.len()),
        opening: Vec::with_capacity(OPENING),
        previous: "",
        after_password: false,
    };
    redactor.run(Lexer::new(&readable));
    redactor.out
}

struct Redactor<'a> {
    out: String,
    /// The first words of the statement.
    opening: Vec<&'a str>,
    /// The element before this one, if it was a word.
    previous: &'a str,
    /// The element before this one was a password.
    after_password: bool,
}

impl<'a> Redactor<'a> {
    fn run(&mut self, mut lexer: Lexer<'a>) {
        while let Some((token, text)) = lexer.next() {
            match token {
                Token::Space => {
                    self.out.push_str(text);
                    continue;
                }
                Token::Comment { open } => {
                    self.comment(text, open);
                    continue;
                }
                Token::Word => {
                    self.word(text, &mut lexer);
                    continue;
                }
                Token::Number => self.out.push('?'),
                Token::Text { national, .. } => self.literal(national),
                Token::Quoted { open } => self.quoted(text, open),
                Token::Bind if self.on_keystore() => self.out.push_str(":?"),
                Token::Bind | Token::Other => self.out.push_str(text),
            }
            self.previous = "";
            self.after_password = false;
        }
    }

    /// Literals side by side would read as one with a quote in it.
    fn literal(&mut self, national: bool) {
        if !self.out.ends_with('\'') {
            self.out.push_str(if national { "N'?'" } else { "'?'" });
        }
    }

    fn quoted(&mut self, text: &str, open: bool) {
        let odd = |c: char| c == '\'' || c.is_control();
        let is_name = !open && text.len() <= LONGEST_NAME && !text.contains(odd);
        let shown = is_name && !self.on_keystore();
        self.out.push_str(if shown { text } else { "\"?\"" });
    }

    /// A hint is kept, redacted like the statement; other comments are hidden.
    fn comment(&mut self, text: &'a str, open: bool) {
        let hint = !open && among(self.previous, words::VERBS);
        let block = text.starts_with("/*");
        let body = text.strip_prefix(if block { "/*+" } else { "--+" });
        match body.filter(|_| hint) {
            Some(body) => {
                let verb = self.previous;
                let (before, after) = if block { ("/*+", "*/") } else { ("--+", "") };
                self.out.push_str(before);
                self.run(Lexer::of_hint(body.strip_suffix(after).unwrap_or(body)));
                self.out.push_str(after);
                (self.previous, self.after_password) = (verb, false);
            }
            None => self.out.push_str(if block { "/*?*/" } else { "--?" }),
        }
    }

    fn word(&mut self, word: &'a str, lexer: &mut Lexer<'a>) {
        if self.opening.len() < OPENING && !lexer.in_hint() {
            self.opening.push(word);
        }
        let known = among(word, words::KEYSTORE) || among(word, words::CLAUSES);
        let hidden = self.on_keystore() && !known;
        let word = if hidden { "?" } else { word };
        self.out.push_str(word);
        let previous = std::mem::replace(&mut self.previous, word);
        let after_password = std::mem::take(&mut self.after_password);
        if self.is_foreign(word, previous) {
            self.hide_rest(lexer);
        } else if self.precedes_password(word, previous, after_password, *lexer) {
            self.password(lexer);
        }
    }

    /// Whether what follows isn't SQL, or is a connect string.
    fn is_foreign(&self, word: &str, previous: &str) -> bool {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let after = |keyword: &str| previous.eq_ignore_ascii_case(keyword);
        let creates = self.opens_with("CREATE");
        let connects = self.opening.len() == 1 && among(word, &["CONNECT", "CONN"]);
        connects
            || (creates && is("WRAPPED"))
            || (creates && is("SOURCE") && after("JAVA"))
            || (is("JAVASCRIPT") && after("LANGUAGE"))
    }

    fn precedes_password(
        &self,
        word: &str,
        previous: &str,
        after_password: bool,
        mut ahead: Lexer<'a>,
    ) -> bool {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if is("BY") {
            return among(previous, &["IDENTIFIED", "AUTHENTICATED"]);
        }
        if is("USING") {
            return after_password || among(previous, &["ENCRYPT", "DECRYPT"]);
        }
        if is("REPLACE") {
            return after_password;
        }
        if is("SET") {
            return after_password && self.on_keystore();
        }
        let secret =
            is("SECRET") && (self.on_keystore() || among(previous, &["TRANSPORT", "WITH"]));
        let on_account = self
            .opening
            .first()
            .is_some_and(|w| among(w, words::ACCOUNT_VERBS))
            && self
                .opening
                .iter()
                .any(|w| among(w, words::ACCOUNT_OBJECTS));
        if !secret && !(is("PASSWORD") && (on_account || after_password)) {
            return false;
        }
        match ahead.significant() {
            None => false,
            Some((_, Token::Word, next)) => !among(next, words::CLAUSES),
            Some((_, Token::Other, next)) => !matches!(next, "," | ";" | ")"),
            Some(_) => true,
        }
    }

    /// Hides a password and all up to a word that can follow one, so that what is wrongly written
    /// is hidden too.
    fn password(&mut self, lexer: &mut Lexer<'a>) {
        if self.keep_external_store(lexer) {
            return;
        }
        self.keep_values(lexer);
        let (mut must, mut hidden) = (true, false);
        loop {
            let mut after = *lexer;
            let Some((before, token, text)) = after.significant() else {
                lexer.finish();
                return;
            };
            let ends = match (token, text) {
                (Token::Word, word) => !must && among(word, words::CLAUSES),
                (Token::Other, ";") => after.rest().trim_start().is_empty(),
                (Token::Other, ")") => {
                    let next = after.rest().chars().next();
                    !must && next.is_none_or(|c| c.is_whitespace() || ",;)".contains(c))
                }
                _ => false,
            };
            if ends {
                if token == Token::Word {
                    self.out.push(' ');
                }
                *lexer = before;
                self.after_password = true;
                return;
            }
            if !hidden {
                self.out.push_str(" ?");
                hidden = true;
            }
            // another password follows a comma, whatever it looks like
            must = text == ",";
            *lexer = after;
        }
    }

    /// IDENTIFIED BY VALUES '…' keeps VALUES. `?` is how its hash is shown, so that redacting again
    /// changes nothing.
    fn keep_values(&mut self, lexer: &mut Lexer<'a>) {
        let mut after = *lexer;
        let mut next = match after.significant() {
            Some((_, Token::Word, word)) if word.eq_ignore_ascii_case("VALUES") => after,
            _ => return,
        };
        let hash = next.significant().map(|(_, token, text)| (token, text));
        if matches!(hash, Some((Token::Text { .. }, _) | (Token::Other, "?"))) {
            self.out.push_str(" VALUES");
            *lexer = after;
        }
    }

    /// IDENTIFIED BY EXTERNAL STORE names no password.
    fn keep_external_store(&mut self, lexer: &mut Lexer<'a>) -> bool {
        let mut after = *lexer;
        for keyword in ["EXTERNAL", "STORE"] {
            match after.significant() {
                Some((_, Token::Word, word)) if word.eq_ignore_ascii_case(keyword) => {}
                _ => return false,
            }
        }
        self.out.push_str(" EXTERNAL STORE");
        *lexer = after;
        true
    }

    fn hide_rest(&mut self, lexer: &mut Lexer<'a>) {
        let rest = lexer.rest();
        let hidden = rest.trim_start();
        self.out.push_str(&rest[..rest.len() - hidden.len()]);
        if !hidden.is_empty() {
            self.out.push('?');
        }
        lexer.finish();
    }

    fn opens_with(&self, keyword: &str) -> bool {
        self.opening
            .first()
            .is_some_and(|w| w.eq_ignore_ascii_case(keyword))
    }

    fn on_keystore(&self) -> bool {
        self.opens_with("ADMINISTER")
    }
}
