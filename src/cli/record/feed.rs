//! What one attachment gives to a recording: frames made rows.
//!
//! Callers: `service`, `writer`.

use super::super::Failure;
use super::super::args::RecordArgs;
use super::burst::Bursts;
use crate::decode::Decoder;
use crate::decode::columns::{needs_of, sample_columns};
use crate::decode::needs::PREVIOUS_SQL_NEEDS;
use crate::sample::slow::SlowOptions;
use crate::sample::sql_texts::NO_TEXTS;
use crate::sample::{Attachment, Newcomers, Owners, SampleRows, SqlTexts};
use crate::walk::{Frame, Select, Walker};

/// Rows of one attachment, and what decodes them.
pub(super) struct Feed {
    pub(super) rows: SampleRows,
    pub(super) decoder: Decoder,
    pub(super) texts: Option<SqlTexts>,
    pub(super) attachment: Attachment,
    pub(super) bursts: Option<Bursts>,
    pub(super) slow: SlowOptions,
    owners: Owners,
}

impl Feed {
    /// Binds what is recorded, and gives the walker that copies it.
    pub(super) fn of(args: &RecordArgs, attachment: Attachment) -> Result<(Feed, Walker), Failure> {
        let columns = sample_columns();
        let slow = args.service.slow(&attachment)?;
        let form = args.sql_text.form();
        let mut needs = needs_of(&columns);
        needs.extend(PREVIOUS_SQL_NEEDS.iter().filter(|_| form.is_some()));
        let bound = attachment.bind_sessions(&needs)?;
        let select = if args.idle {
            Select::Used
        } else {
            Select::Active {
                idle: attachment.events.idle_mask(),
            }
        };
        let owners = Owners::new(&attachment);
        let context = owners.context().watching(bound.rows.len());
        let decoder = Decoder::within(&attachment.blueprint, &bound, &columns, context);
        let walker = Walker::new(bound, select).ok_or_else(|| attachment.lacks_gate())?;
        let rows = SampleRows::narrow(&decoder, &attachment.name, &attachment.blueprint.id);
        let texts = form.and_then(|form| SqlTexts::of(&attachment, form));
        if form.is_some() && texts.is_none() {
            tracing::warn!("no SQL text is recorded: {NO_TEXTS}");
        }
        let feed = Feed {
            rows,
            decoder,
            texts,
            attachment,
            bursts: None,
            slow,
            owners,
        };
        Ok((feed, walker))
    }

    /// By what a frame must be taken at once, while others may wait. `None`: each must be taken soon,
    /// since more than their sessions' processes is read afterwards, or triggers are judged.
    pub(super) fn newcomers(&self, triggers: bool) -> Option<Newcomers> {
        let patient = self.texts.is_none() && !triggers;
        patient.then(|| Newcomers::of(&self.decoder))
    }

    /// Makes rows of a frame.
    pub(super) fn take(&mut self, frame: &Frame) {
        if let Some(texts) = &mut self.texts {
            texts.look(&*self.attachment.space, &mut self.decoder, frame);
        }
        self.owners.look(frame, &mut self.decoder);
        self.rows.append(frame, &mut self.decoder);
    }
}
