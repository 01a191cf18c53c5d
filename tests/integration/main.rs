//! Tests of the whole program against the synthetic instance: real segments, real processes, real
//! files. One binary, so that there is one link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accuracy;
mod backfill;
mod bench;
mod big;
mod chains;
mod columns;
mod corruption;
mod cost;
mod damage;
mod dump_truth;
mod fixtures;
mod groups;
mod guest;
mod image;
mod invariants;
mod mutation;
mod reconcile;
mod refusals;
mod report;
mod scheduling;
mod selection;
mod service;
mod sql_text;
mod statistics;
mod storage;
mod support;
mod surface;
