//! Blueprints from every source: the synthetic instance's executable, spool and trace, real public
//! data where it is present, and an executable of real size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../integration/support.rs"]
#[allow(dead_code)]
mod support;

mod elf;
mod hostile;
mod large;
mod public;
mod sources;
