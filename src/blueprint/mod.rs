//! Layouts as data: the blueprint of one exact Oracle executable.
//!
//! For: the JSON model ([`model`]), reading and writing it, its semantic checks, extraction from an
//! `oracle` executable, hints for what an executable can't say, and the registry.
//!
//! Not for: reading live memory; that a claim of a blueprint holds on a live instance is proven by
//! `plan` when it binds.
//!
//! Callers: `plan`, `decode` (rules and dictionaries), `sample`, `record` (identity), `cli`.

pub mod model;
