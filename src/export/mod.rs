//! Results in the forms that other programs show: one HTML page.
//!
//! Not for: computing ([`crate::analyze`] does), printing. Callers: `cli`.

pub mod html;
