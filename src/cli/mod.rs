//! Arguments to what they mean, commands, exit codes.
//!
//! For: the only module that prints. Commands parse what the user said ([`args`]), call the modules
//! below, and turn their errors into one line and an exit code ([`exit`]).
//!
//! Not for: deciding anything about Oracle.
//!
//! Callers: `main.rs`.

pub mod args;
mod bench;
mod blueprint;
mod brief;
mod calibrate;
mod chains;
mod columns;
mod cost;
mod discover;
mod doctor;
mod dump;
mod exit;
mod explain;
mod filter;
mod groups;
mod html;
mod image;
mod import;
mod instances;
mod look;
mod one_moment;
mod print;
mod processes;
mod quantities;
mod reconcile;
mod record;
mod recursive;
mod report;
mod stacks;
mod statistics;
mod table;

use std::process::ExitCode;

use clap::Parser;

pub use exit::{Exit, Failure};

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // clap prints help and version on stdout with code 0, usage errors on stderr
            let code = if e.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
            let _ = e.print();
            return code.into();
        }
    };
    let level = if args.quiet {
        tracing::Level::ERROR
    } else {
        tracing::Level::WARN
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
    match run(&args) {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_broken_pipe() => Exit::Ok.into(),
        Err(failure) => {
            eprintln!("sgascope: {}", failure.message);
            failure.exit.into()
        }
    }
}

fn run(args: &args::Args) -> Result<Exit, Failure> {
    one_moment::check(&args.command)?;
    match &args.command {
        args::Command::Discover(a) => discover::run(a),
        args::Command::Doctor(a) => doctor::run(a),
        args::Command::Blueprint(a) => blueprint::run(a),
        args::Command::Dump(a) => dump::run(a),
        args::Command::Record(a) => import::run_record(a, args.quiet),
        args::Command::Report(a) => report::run(a),
        args::Command::Reconcile(a) => reconcile::run(a),
        args::Command::Chains(a) => chains::run(a),
        args::Command::Groups(a) => groups::run(a),
        args::Command::Cost(a) => cost::run(a),
        args::Command::Image(a) => image::run(a, args.quiet),
        args::Command::Bench(a) => bench::run(a),
    }
}
