//! Oracle instances on this host, and why one can or can't be read.
//!
//! For: finding PMON processes, the memory that each instance uses, rights, namespaces and
//! candidates for its executable ([`survey`], [`scan`]); opening that memory ([`open_memory`]);
//! what the kernel says of its server processes ([`OsProcesses`]); noticing that an instance went
//! away ([`Watch`]); what the alert log says of its start ([`last_start`]); advice ([`doctor`]).
//!
//! Looking doesn't attach: only [`open_memory`] and [`doctor::diagnose`] do.
//!
//! Not for: what the memory means, versions or build-ids (`blueprint`).
//!
//! Callers: `blueprint` (executable candidates), `sample`, `record`, `cli`.

mod account;
mod alert;
mod captured;
mod cpus;
pub mod doctor;
mod instance;
#[cfg(test)]
mod live_tests;
mod maps;
mod open;
mod orphans;
mod processes;
mod procfs;
mod readable;
mod scan;
mod segments;
mod spent;
#[cfg(test)]
mod tests;
mod watch;

pub use self::account::Credentials;
pub use self::alert::{Startup, last_start};
pub use self::captured::{Captured, CapturedExecutable, TakenAt};
pub use self::cpus::cpus_online;
pub use self::instance::{
    Evidence, Executable, Granule, Instance, InstanceKind, MemoryKind, Namespace, Origin, Readable,
    Segment,
};
pub use self::maps::{MapsLine, parse_line};
pub use self::open::{OpenError, Via, open_memory};
pub use self::orphans::{Orphan, OrphanFiles};
pub use self::processes::{OsFact, OsProcess, OsProcesses};
pub use self::procfs::ProcRoot;
pub use self::scan::{Survey, scan, survey};
pub use self::spent::{command_line, family, own_cpu_ns, process_cpu_ns, thread_cpu_ns};
pub use self::watch::{Gone, Watch};
