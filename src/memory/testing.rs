//! Helpers for tests that need real shared memory: a process of its own makes and owns it, as with
//! a real instance. Needs `perl` and `ipcrm` (util-linux), which keeps raw memory and every
//! writing system call out of this crate, tests included.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{SegmentAt, TargetAddr, sysv};

/// What the owner process does: makes and attaches the segments, first page of the first one
/// read-only as a real instance has it, says what it made, then serves `poke` until its input ends.
const OWNER: &str = r#"
use strict; $| = 1; my ($mode, @at) = @ARGV; my @ids;
for my $spec (@at) {
    my ($address, $size) = split /:/, $spec;
    my $id = shmget(0, $size, 01000 | oct $mode) // die "shmget: $!";
    shmwrite($id, join('', map { chr($_ % 251) } 0 .. $size - 1), 0, $size) or die "shmwrite: $!";
    die "shmat: $!" if syscall(30, $id, hex $address, 0) != hex $address;
    syscall(10, hex $address, 4096, 1) if !@ids && $size > 4096;
    push @ids, $id;
}
print "@ids\n";
while (<STDIN>) {
    my ($id, $offset, $word) = split;
    shmwrite($id, pack('Q<', $word), $offset, 8) or die "poke: $!";
    print "done\n";
}
"#;

/// A process that owns segments, under a name and environment of choice. Ends, and its segments
/// with it, when dropped.
pub(crate) struct Owner {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
    /// Its segments in the order asked for.
    pub(crate) segments: Vec<SegmentAt>,
}

impl Owner {
    /// Segments at (address, bytes), of permission bits `mode` (octal digits); byte i holds
    /// i mod 251.
    pub(crate) fn start(name: &str, mode: &str, at: &[(u64, u64)]) -> Owner {
        let mut child = Command::new("perl")
            .arg0(name)
            .args(["-e", OWNER, mode])
            .args(at.iter().map(|(address, len)| format!("{address:x}:{len}")))
            .env_clear()
            .env("ORACLE_SID", name.rsplit('_').next().unwrap())
            .env("ORACLE_HOME", "/nonexistent/oracle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs perl");
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let shmids: Vec<i32> = line
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        assert_eq!(shmids.len(), at.len(), "the owner process failed");
        let segments = shmids.into_iter().zip(at);
        Owner {
            segments: segments
                .map(|(shmid, (address, len))| SegmentAt {
                    shmid,
                    address: TargetAddr(*address),
                    len: *len,
                    name: format!("shmid {shmid}"),
                })
                .collect(),
            child,
            input,
            output,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Stores a word in its first segment.
    pub(crate) fn poke(&mut self, offset: u64, word: u64) {
        let shmid = self.segments[0].shmid;
        writeln!(self.input.as_mut().unwrap(), "{shmid} {offset} {word}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }

    /// Marks all its segments for removal; they stay while someone is attached.
    pub(crate) fn mark(&self) {
        for segment in &self.segments {
            let _ = Command::new("ipcrm")
                .args(["-m", &segment.shmid.to_string()])
                .stderr(Stdio::null())
                .status()
                .expect("this test needs ipcrm");
        }
    }

    /// Ends the process without cleaning up: its segments stay. It stays a zombie until dropped.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        // Wait until it has ended, but leave it to be collected.
        let stat = format!("/proc/{}/stat", self.pid());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
    }

    /// Collects a killed process, so that its number is free.
    pub(crate) fn collect(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.mark();
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Attachments of a segment now.
pub(crate) fn nattch(shmid: i32) -> u64 {
    sysv::segment_state(shmid).unwrap().nattch
}

/// Runs test `name` of this program again as another user, with `value` in `SGASCOPE_AS_OTHER`.
/// `None` when that can't be done here: not root, or the program lies where others can't go.
pub(crate) fn as_other_user(name: &str, value: &str) -> Option<()> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SGASCOPE_AS_OTHER", value)
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "as another user: {text}{error}");
            assert!(text.contains("1 passed"), "as another user: {text}");
            Some(())
        }
        Err(e) => {
            eprintln!("skipped: can't run as another user: {e}");
            None
        }
    }
}

/// What [`as_other_user`] passed on; `None` in the first run.
pub(crate) fn other_user_value() -> Option<String> {
    std::env::var("SGASCOPE_AS_OTHER").ok()
}

/// A xorshift generator: the same numbers in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
