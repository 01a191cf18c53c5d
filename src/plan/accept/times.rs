//! Which form the 4-byte times of a row have: seconds since 1970, or Oracle's packed form.
//!
//! Public layouts show that SQL_EXEC_START takes 4 bytes, not how they are counted. A value is a
//! time of this session in one form only: read as the other it lies decades before the logon or
//! after now.

use super::{MOST, Trial, Verdict};
use crate::blueprint::model::{Accept, Field, Stored};
use crate::memory::TargetAddr;
use crate::plan::arrays::read_uint;
use crate::plan::times::{self, Moment};

impl Trial<'_> {
    /// Tests the session row's 4-byte times, epoch seconds first.
    pub(super) fn times(&mut self, used: &[TargetAddr]) {
        let Ok(row) = self.blueprint_row().cloned() else {
            return;
        };
        let logon = row.field("KSUSELTM").filter(|f| f.stored == Stored::Date7);
        for field in row
            .fields
            .iter()
            .filter(|f| f.accept == Some(Accept::Time4))
        {
            let mut result = (Verdict::Untested, (0, 0));
            for form in [Stored::Epoch4, Stored::Packed4] {
                let score = logon.map_or((0, 0), |l| self.score_times(used, field, l, form));
                if score.1 == 0 {
                    break;
                }
                if score.0 as f64 >= score.1 as f64 * MOST {
                    let key = (row.name.clone(), field.name.clone());
                    self.accepted.forms.insert(key, form);
                    result = (Verdict::Accepted(field.offset), score);
                    break;
                }
                result = (Verdict::Refused, score);
            }
            self.accepted
                .record(&row.name, &field.name, result.0, result.1);
        }
    }

    /// Rows whose value is a time between logon and now, and rows that have both values.
    fn score_times(
        &self,
        used: &[TargetAddr],
        field: &Field,
        logon: &Field,
        form: Stored,
    ) -> (usize, usize) {
        let Moment { now_s, zone } = &self.accepted.moment;
        let mut score = (0, 0);
        for row in used {
            let value = row
                .checked_add(field.offset)
                .and_then(|at| read_uint(self.space, at, 4).ok());
            let mut bytes = [0u8; 7];
            let logon = row
                .checked_add(logon.offset)
                .and_then(|at| self.space.read(at, &mut bytes).ok())
                .and_then(|()| times::date7(&bytes, zone));
            let (Some(value @ 1..), Some(logon)) = (value, logon) else {
                continue;
            };
            score.1 += 1;
            let time = times::seconds(value as u32, form, zone);
            score.0 += usize::from(time.is_some_and(|t| times::is_between(t, logon, *now_s)));
        }
        score
    }
}
