//! The scripted sessions of a calibration: some sessions get values by which columns can be told apart that a plain
//! workload keeps equal (a schema other than the user's, a proxy user, editions, owners).
//!
//! Only `pmon` calls it.

use std::sync::Arc;

use crate::engine::fields::{Num, Text};
use crate::engine::stage::Stage;

/// Gives every third logged-on session its own values.
pub fn diversify(stage: &mut Stage) {
    for i in 0..stage.sessions.len() {
        let session = &stage.sessions[i];
        let user = session.num(Num::UserNo);
        if !session.is_in_use() || user == 0 || i % 3 != 0 {
            continue;
        }
        let n = i as u64 % 17;
        stage.begin();
        stage.put_all(
            i,
            &[
                (Num::SchemaNo, user + 20 + n),
                (Num::UserId, user + 300 + n),
                (Num::Edition, 133 + n),
                (Num::OwnerId, (1 << 16) + 40 + n),
                (Num::TranslationProfile, 70_000 + n),
            ],
        );
        stage.text(i, Text::Schema, &Arc::from(format!("SCHEMA_{n}")));
        stage.text(i, Text::UserName, &Arc::from(format!("PROXY_{}", n % 5)));
        stage.finish(i, "script");
    }
}
