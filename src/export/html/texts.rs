//! Texts of the statements that a page names, in the form that may leave.
//!
//! Callers: [`super::read`].

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::analyze::{AnalyzeError, Value};
use crate::decode::redact::redact;
use crate::record::{Reader, RecordError, Recording, ScanOptions};
use crate::sample::TextForm;

/// Statements by SQL_ID.
#[derive(Debug, Default)]
pub struct Texts {
    /// The form that they have; `None`: there are none.
    pub form: Option<TextForm>,
    /// Why there are none, or not in the form wanted.
    pub why: Option<String>,
    texts: BTreeMap<String, String>,
}

impl Texts {
    /// The texts of `ids` as a recording holds them, whole ones only if whole ones are wanted.
    ///
    /// # Errors
    /// [`AnalyzeError::Record`] if the table of texts can't be read.
    pub fn read<'a>(
        reader: &Reader,
        recording: &Recording,
        ids: impl Iterator<Item = &'a Value>,
        form: Option<TextForm>,
    ) -> Result<Texts, AnalyzeError> {
        let Some(form) = form else {
            return Ok(Texts::none("the page was made with --sql-text none"));
        };
        let whole = |form: &str| form != TextForm::Redacted.name();
        let may_be_whole = recording.runs.iter().any(|run| whole(&run.meta.sql_text));
        let recorded = |name: &str| recording.runs.iter().any(|run| run.meta.sql_text == name);
        let mut texts = Texts {
            form: Some(form),
            ..Texts::default()
        };
        if form == TextForm::Full && !recorded(TextForm::Full.name()) {
            texts.form = Some(TextForm::Redacted);
            texts.why = Some("the recording holds redacted texts only".to_owned());
        }
        let wanted: BTreeSet<String> = ids.map(Value::to_string).collect();
        let scan = ScanOptions {
            columns: Some(["sql_id", "sql_text"].map(str::to_owned).to_vec()),
            ..ScanOptions::default()
        };
        let batches = match reader.scan("sql_text", &scan) {
            Ok(batches) => batches,
            Err(RecordError::NoTable { .. } | RecordError::NoColumn { .. }) => {
                return Ok(Texts::none(
                    "the recording holds no SQL text; record with --sql-text redacted",
                ));
            }
            Err(error) => return Err(error.into()),
        };
        for batch in batches {
            let batch = batch?;
            // plain or dictionary
            let column = |name: &str| cast(batch.column_by_name(name)?, &DataType::Utf8).ok();
            let (Some(sql_ids), Some(sql_texts)) = (column("sql_id"), column("sql_text")) else {
                continue;
            };
            let (sql_ids, sql_texts) = (sql_ids.as_string::<i32>(), sql_texts.as_string::<i32>());
            for row in 0..batch.num_rows() {
                let id = sql_ids.value(row);
                let new = sql_texts.is_valid(row) && wanted.contains(id) && texts.get(id).is_none();
                if new {
                    let text = sql_texts.value(row);
                    let text = match may_be_whole && form == TextForm::Redacted {
                        true => redact(text),
                        false => text.to_owned(),
                    };
                    texts.texts.insert(id.to_owned(), text);
                }
            }
        }
        Ok(texts)
    }

    fn none(why: &str) -> Texts {
        Texts {
            why: Some(why.to_owned()),
            ..Texts::default()
        }
    }

    /// The text of a statement.
    pub fn get(&self, sql_id: &str) -> Option<&str> {
        self.texts.get(sql_id).map(String::as_str)
    }
}
