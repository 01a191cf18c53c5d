//! CPU time that other processes have used.
//!
//! For: what a client and its server cost, as `/proc/<pid>/stat` counts it, but to the nanosecond:
//! the kernel gives any process's CPU-time clock to everybody (clock_getcpuclockid(3)).
//! Callers: `bench`.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::ProcRoot;

/// CPU time of all threads of a process since it began, user and kernel, ns; `None` when there is no
/// such process.
pub fn process_cpu_ns(pid: i32) -> Option<u64> {
    // 0 would mean ourselves
    let clock = clock_getcpuclockid(Pid::from_raw((pid > 0).then_some(pid)?)).ok()?;
    clock_gettime(clock).ok().map(nanoseconds)
}

/// CPU time of this process, ns.
pub fn own_cpu_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(0, nanoseconds)
}

/// CPU time of the calling thread, ns.
pub fn thread_cpu_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, nanoseconds)
}

fn nanoseconds(time: TimeSpec) -> u64 {
    let (s, ns) = (time.tv_sec(), time.tv_nsec());
    u64::try_from(s).unwrap_or(0) * 1_000_000_000 + u64::try_from(ns).unwrap_or(0)
}

/// A process and all that descend from it, itself first.
pub fn family(pid: i32) -> Vec<i32> {
    let root = ProcRoot::default();
    let parents: Vec<(i32, i32)> = root
        .pids()
        .into_iter()
        .filter_map(|pid| Some((pid, root.stat(pid)?.ppid)))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        let fresh: Vec<i32> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !family.contains(pid))
            .collect();
        family.extend(fresh);
        next += 1;
    }
    family
}

/// The command line of a process, as it shows itself; `None` when there is none.
pub fn command_line(pid: i32) -> Option<String> {
    ProcRoot::default().cmdline(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_metered_as_proc_does() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done & wait"])
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let loops = loop {
            let family = family(pid);
            let busy = family.last().copied().filter(|last| *last != pid);
            // two ticks of a hundredth of a second, as /proc counts
            if let Some(busy) = busy.filter(|b| process_cpu_ns(*b) > Some(20_000_000)) {
                break busy;
            }
            std::thread::yield_now();
        };
        let before = process_cpu_ns(loops).unwrap();
        let ticks = ProcRoot::default().stat(loops).unwrap().cpu_ticks;
        let after = process_cpu_ns(loops).unwrap();
        let (low, high) = (before / 10_000_000 - 1, after / 10_000_000);
        assert!((low..=high).contains(&ticks), "{low} {ticks} {high}");
        for pid in [loops, pid] {
            let pid = Pid::from_raw(pid);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        child.wait().unwrap();
        assert_eq!(process_cpu_ns(0), None);
        assert!(own_cpu_ns() > 0 && thread_cpu_ns() > 0);
    }
}
