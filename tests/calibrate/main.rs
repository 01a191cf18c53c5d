//! Calibration against synthetic instances whose layouts no table knows: every member moved, the executable withheld.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../integration/support.rs"]
mod support;
mod with_prior;
mod with_truth;
mod without_truth;
