//! SQL texts: read once per statement, proven, kept.
//!
//! A statement's text is copied from its cursor's handle when its SQL_ID is seen first, as a
//! session's current or previous statement, and counts only if its MD5 gives that SQL_ID. The proof
//! is over the bytes as they lie in memory; decoding and redaction come after it. A copy that fails
//! (freed, reused, moved meanwhile) is tried again when the statement is seen again, but not more
//! often than every [`RETRY_NS`], or [`RETRY_TOO_LONG_NS`].
//!
//! Memory is bounded: beyond [`Limits`] the text that was proven longest ago is forgotten, counted,
//! and read again when its statement is seen again. Texts that were taken ([`SqlTexts::take_fresh`])
//! are no longer held; their statements are not read again while they are known.
//!
//! Not for: where texts go. Callers: `snapshot`, `cli`.

use std::collections::{HashMap, VecDeque};

use super::Attachment;
use crate::decode::redact::redact;
use crate::decode::text::Charset;
use crate::decode::{Decoder, ShownSql};
use crate::memory::AddressSpace;
use crate::plan::handle::{self, HandleLayout, Unproven};
use crate::walk::Frame;

/// Time between two tries for the same statement, ns.
const RETRY_NS: u64 = 50_000_000;

/// The same when its text was too long: such a copy costs most and seldom ends otherwise.
const RETRY_TOO_LONG_NS: u64 = 10_000_000_000;

/// Why [`SqlTexts::of`] gives nothing.
pub const NO_TEXTS: &str = "the blueprint doesn't say where texts lie in cursor handles (kglhd.text), or live statements refused it";

/// How a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TextForm {
    /// Without literals, comments and passwords ([`crate::decode::redact`]).
    Redacted,
    /// As it lies in memory.
    Full,
}

impl TextForm {
    /// Its name, as in `--sql-text` and in a recording's metadata.
    pub fn name(self) -> &'static str {
        match self {
            TextForm::Redacted => "redacted",
            TextForm::Full => "full",
        }
    }
}

/// What is held at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text as shown.
    pub bytes: usize,
    /// Statements, with or without their text; and statements that were tried for in vain.
    pub statements: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 256 << 20,
            statements: 250_000,
        }
    }
}

/// A proven statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// SQL_ID as a number.
    pub sql_id: u64,
    /// Its text as shown.
    pub text: String,
    /// When it was proven, ns since the epoch.
    pub first_seen_ns: i64,
}

/// How reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TextStats {
    /// How texts are shown.
    pub form: TextForm,
    /// Texts that were read and proven.
    pub proven: u64,
    /// Statements that were seen and whose text was not had so far.
    pub unproven: u64,
    /// Copies whose MD5 didn't give the SQL_ID.
    pub mismatched_copies: u64,
    /// Copies that ran into unreadable memory.
    pub unreadable_copies: u64,
    /// Copies that were given up at the longest text that is read, 4 MiB.
    pub too_long_copies: u64,
    /// Proven texts that were forgotten for want of room before anybody took them.
    pub forgotten: u64,
    /// Bytes of all proven texts, as they lie in memory.
    pub bytes: u64,
}

/// All statements seen so far.
pub struct SqlTexts {
    layout: HandleLayout,
    charset: Charset,
    limits: Limits,
    /// By SQL_ID; `None`: proven, and its text was taken.
    known: HashMap<u64, Option<Statement>>,
    /// SQL_IDs by hash value, for rows whose high word isn't known.
    by_hash: HashMap<u32, u64>,
    /// SQL_IDs of held texts, oldest first.
    held: VecDeque<u64>,
    held_bytes: usize,
    /// When a statement may be tried for again, by SQL_ID, or by hash value where that is all.
    wait_until_ns: HashMap<u64, u64>,
    stats: TextStats,
}

impl SqlTexts {
    /// A reader of texts for this attachment; `None` when no live statement proved, or could have
    /// proven, where a handle's text lies.
    pub fn of(attachment: &Attachment, form: TextForm) -> Option<SqlTexts> {
        let charset = Charset::named(attachment.blueprint.charset.as_deref());
        let layout = attachment.accepted.handle;
        SqlTexts::new(layout, charset, form, Limits::default())
    }

    /// A reader of texts; `None` when the handle's layout was not accepted.
    pub fn new(
        layout: HandleLayout,
        charset: Charset,
        form: TextForm,
        limits: Limits,
    ) -> Option<SqlTexts> {
        layout.text?;
        Some(SqlTexts {
            layout,
            charset,
            limits,
            known: HashMap::new(),
            by_hash: HashMap::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            wait_until_ns: HashMap::new(),
            stats: TextStats {
                form,
                proven: 0,
                unproven: 0,
                mismatched_copies: 0,
                unreadable_copies: 0,
                too_long_copies: 0,
                forgotten: 0,
                bytes: 0,
            },
        })
    }

    /// Looks at the current and the previous statement of every row of a frame: reads their texts
    /// if they aren't known yet, and tells the decoder of proven SQL_IDs.
    pub fn look(&mut self, space: &dyn AddressSpace, decoder: &mut Decoder, frame: &Frame) {
        for i in 0..frame.len() {
            let words = frame.row(i);
            let current = decoder.shown_sql(words);
            let previous = decoder.shown_previous_sql(words);
            for shown in current.into_iter().chain(previous) {
                if let Some(id) = self.read(space, shown, frame.mono_ns, frame.wall_ns) {
                    decoder.confirm(id);
                }
            }
        }
    }

    /// Reads the text of a statement that isn't known yet; its SQL_ID if it was proven now.
    fn read(
        &mut self,
        space: &dyn AddressSpace,
        shown: ShownSql,
        mono_ns: u64,
        wall_ns: i64,
    ) -> Option<u64> {
        let id = shown.id.or_else(|| self.by_hash.get(&shown.hash).copied());
        if id.is_some_and(|id| self.known.contains_key(&id)) {
            return None;
        }
        let key = shown.id.unwrap_or(u64::from(shown.hash));
        let waits = self.wait_until_ns.get(&key);
        if waits.is_some_and(|until| mono_ns < *until) {
            return None;
        }
        match handle::proven_text(space, shown.handle, &self.layout, shown.hash, shown.id) {
            Ok((id, bytes)) => {
                self.wait_until_ns.remove(&key);
                if shown.id.is_none() {
                    self.by_hash.insert(shown.hash, id);
                }
                self.keep(id, &bytes, wall_ns);
                Some(id)
            }
            Err(why) => {
                self.fail(key, why, mono_ns);
                None
            }
        }
    }

    fn fail(&mut self, key: u64, why: Unproven, now_ns: u64) {
        let (count, pause_ns) = match why {
            Unproven::Mismatch => (&mut self.stats.mismatched_copies, RETRY_NS),
            Unproven::Unreadable => (&mut self.stats.unreadable_copies, RETRY_NS),
            Unproven::TooLong => (&mut self.stats.too_long_copies, RETRY_TOO_LONG_NS),
        };
        *count += 1;
        if self.wait_until_ns.len() >= self.limits.statements {
            self.wait_until_ns.clear();
        }
        self.wait_until_ns
            .insert(key, now_ns.saturating_add(pause_ns));
    }

    fn keep(&mut self, id: u64, bytes: &[u8], wall_ns: i64) {
        self.stats.proven += 1;
        self.stats.bytes += bytes.len() as u64;
        let whole = self.charset.decode(bytes);
        let text = match self.stats.form {
            TextForm::Full => whole.into_owned(),
            TextForm::Redacted => redact(&whole),
        };
        if self.known.len() >= self.limits.statements {
            // what was taken is safe elsewhere; it is read again when it is seen again
            self.known.retain(|_, statement| statement.is_some());
            self.by_hash.clear();
        }
        while self.held_bytes + text.len() > self.limits.bytes
            || self.held.len() >= self.limits.statements
        {
            let Some(oldest) = self.held.pop_front() else {
                break;
            };
            if let Some(Some(forgotten)) = self.known.remove(&oldest) {
                self.held_bytes -= forgotten.text.len();
                self.stats.forgotten += 1;
            }
        }
        self.held_bytes += text.len();
        self.held.push_back(id);
        let statement = Statement {
            sql_id: id,
            text,
            first_seen_ns: wall_ns,
        };
        self.known.insert(id, Some(statement));
    }

    /// The proven text of a statement that a row shows, if it is held.
    pub fn get(&self, shown: ShownSql) -> Option<&Statement> {
        let id = shown
            .id
            .or_else(|| self.by_hash.get(&shown.hash).copied())?;
        self.known.get(&id)?.as_ref()
    }

    /// The statements that are held, oldest first; from now on they are known, but not held.
    pub fn take_fresh(&mut self) -> Vec<Statement> {
        self.held_bytes = 0;
        let taken = self.held.drain(..);
        taken
            .filter_map(|id| self.known.get_mut(&id)?.take())
            .collect()
    }

    /// How reading went so far.
    pub fn stats(&self) -> TextStats {
        TextStats {
            unproven: self.wait_until_ns.len() as u64,
            ..self.stats
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{BytesSpace, TargetAddr};

    const LAYOUT: HandleLayout = HandleLayout {
        id_high: None,
        id_low: None,
        text_len: Some(0),
        text: Some(8),
    };
    const LATER: u64 = RETRY_NS;

    /// One handle with this text, and what a row shows of it.
    fn handle(address: u64, text: &str) -> (BytesSpace, ShownSql) {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        let handle = TargetAddr(address);
        let id = handle::sql_id_of(text.as_bytes());
        let shown = ShownSql {
            handle,
            hash: id as u32,
            id: Some(id),
        };
        (BytesSpace::new(vec![(handle, bytes)]).unwrap(), shown)
    }

    fn texts(form: TextForm, bytes: usize, statements: usize) -> SqlTexts {
        let limits = Limits { bytes, statements };
        SqlTexts::new(LAYOUT, Charset::default(), form, limits).unwrap()
    }

    #[test]
    fn a_text_is_read_once_and_kept() {
        let mut texts = texts(TextForm::Full, 1000, 10);
        let (space, shown) = handle(0x1000, "select 1 from dual");
        assert_eq!(texts.read(&space, shown, 0, 5), shown.id);
        assert_eq!(texts.read(&space, shown, 0, 6), None, "known");
        assert_eq!(texts.get(shown).unwrap().text, "select 1 from dual");
        let taken = texts.take_fresh();
        assert_eq!((taken.len(), taken[0].first_seen_ns), (1, 5));
        assert_eq!(texts.get(shown), None, "taken");
        assert_eq!(texts.read(&space, shown, 0, 7), None, "still known");
        assert!(texts.take_fresh().is_empty());
        // a row without the high word finds it by its hash value
        let by_hash = ShownSql { id: None, ..shown };
        assert_eq!(texts.read(&space, by_hash, 0, 8), shown.id);
        assert_eq!(texts.read(&space, by_hash, 0, 8), None);
        assert_eq!(texts.get(by_hash).unwrap().text, "select 1 from dual");
        assert_eq!(texts.stats().proven, 2);
    }

    /// SQL_ID is proven on the original, and stays its SQL_ID.
    #[test]
    fn redaction_comes_after_the_proof() {
        let mut texts = texts(TextForm::Redacted, 1000, 10);
        let (space, shown) = handle(0x1000, "select 'secret' from dual where 1 = :1");
        assert_eq!(texts.read(&space, shown, 0, 0), shown.id);
        let found = texts.get(shown).unwrap();
        assert_eq!(found.text, "select '?' from dual where ? = :1");
        assert_eq!(Some(found.sql_id), shown.id);
    }

    #[test]
    fn a_failed_copy_is_counted_and_tried_again_later() {
        let mut texts = texts(TextForm::Full, 1000, 10);
        let (before, _) = handle(0x1000, "select 1 from dual");
        let (after, shown) = handle(0x1000, "select 2 from dual");
        assert_eq!(texts.read(&before, shown, 0, 0), None, "another text");
        assert_eq!(texts.read(&after, shown, LATER - 1, 0), None, "too soon");
        assert_eq!(texts.stats().unproven, 1);
        assert_eq!(texts.read(&after, shown, LATER, 0), shown.id);
        let freed = ShownSql {
            handle: TargetAddr(0x9000),
            hash: 7,
            id: Some(7),
        };
        assert_eq!(texts.read(&after, freed, LATER, 0), None);
        let stats = texts.stats();
        assert_eq!((stats.mismatched_copies, stats.unreadable_copies), (1, 1));
        assert_eq!((stats.proven, stats.unproven), (1, 1));
    }

    /// What is held never exceeds the limits; what was forgotten is read again.
    #[test]
    fn memory_is_bounded() {
        for (bytes, statements) in [(50, 1000), (100_000, 2)] {
            let mut texts = texts(TextForm::Full, bytes, statements);
            let all: Vec<_> = (10..40)
                .map(|i| handle(i << 12, &format!("select {i} from dual")))
                .collect();
            for (space, shown) in &all {
                assert_eq!(texts.read(space, *shown, 0, 0), shown.id);
                assert!(texts.held_bytes <= bytes && texts.held.len() <= statements);
                assert!(texts.known.len() <= statements + 1);
            }
            assert_eq!(texts.stats().forgotten, 28, "two of them fit");
            let (space, first) = &all[0];
            assert_eq!(texts.get(*first), None);
            assert_eq!(texts.read(space, *first, 0, 0), first.id);
            assert_eq!(texts.take_fresh().len(), 2);
            assert_eq!(texts.held_bytes, 0);
        }
    }
}
