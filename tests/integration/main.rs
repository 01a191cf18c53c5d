//! Tests of the whole program against the synthetic instance: real segments, real processes, real
//! files. One binary, so that there is one link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accuracy;
mod chains;
mod corruption;
mod dump_truth;
mod fixtures;
mod guest;
mod mutation;
mod refusals;
mod support;
mod surface;
