//! What the texts of fixed views give a blueprint: themselves, and the version rules they state.
//!
//! It reads no source: see `views` and `spool`. Callers: `assemble`.

use std::collections::BTreeMap;

use super::facts::{Facts, Said, ViewText};
use super::hints::HintsFile;
use super::model::{Confidence, Rule, View};
use super::view_text;

/// Texts as one source gives them, whole unless they show that they aren't.
pub fn said(texts: BTreeMap<String, String>, by: &str) -> BTreeMap<String, Said<ViewText>> {
    let view = |(name, text): (String, String)| {
        let complete = view_text::lacks(&text).is_none();
        (name, Said::new(ViewText { text, complete }, by))
    };
    texts.into_iter().map(view).collect()
}

/// The texts of all views that sources gave.
pub fn texts(facts: &Facts) -> BTreeMap<String, View> {
    let view = |said: &Said<ViewText>| View {
        text: said.value.text.clone(),
        complete: said.value.complete,
        source: said.source().to_owned(),
        evidence: said.also(),
    };
    let texts = facts.views.iter();
    texts
        .map(|(name, said)| (name.clone(), view(said)))
        .collect()
}

/// The hints' rules, and in their place those that this build's own GV$SESSION states.
pub fn rules(facts: &Facts, hints: &HintsFile) -> BTreeMap<String, Rule> {
    let mut out = hints.rules.clone();
    let Some(said) = facts.views.get(view_text::SESSION_VIEW) else {
        return out;
    };
    for stated in view_text::stated(&said.value.text) {
        let hinted = out.get(stated.rule).filter(|r| r.value != stated.value);
        let against = hinted.map(|r| format!("; hints say {} ({})", r.value, r.source));
        let evidence = format!(
            "{} in the text of {}{}",
            stated.expression,
            view_text::SESSION_VIEW,
            against.unwrap_or_default()
        );
        let rule = Rule {
            value: stated.value.into(),
            source: said.source().to_owned(),
            confidence: Confidence::High,
            evidence: Some(evidence),
        };
        out.insert(stated.rule.to_owned(), rule);
    }
    out
}
