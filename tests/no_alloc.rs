//! The sampler allocates nothing while it samples: counted over 10,000 ticks, on real segments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unsafe_code)] // a counting allocator can't be had without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sgascope::decode::columns::{needs_of, sample_columns};
use sgascope::discover::Via;
use sgascope::sample::{Attachment, Jitter, Sampler, SamplerOptions, Source};
use sgascope::walk::{Select, Walker};

/// Allocations of threads whose name is "sampler".
static COUNTED: AtomicU64 = AtomicU64::new(0);
/// Allocations of all threads.
static ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_SAMPLER: Cell<Option<bool>> = const { Cell::new(None) };
}

struct Counting;

fn count() {
    ALL.fetch_add(1, Ordering::Relaxed);
    let sampler = IS_SAMPLER.try_with(|known| {
        known.get().unwrap_or_else(|| {
            let mut name = [0u8; 16];
            // SAFETY: PR_GET_NAME writes at most 16 bytes, which `name` has.
            unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
            let is = name.starts_with(b"sampler\0");
            // a thread gets its name right after its start
            if is {
                known.set(Some(true));
            }
            is
        })
    });
    if sampler.unwrap_or(false) {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: all calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TICKS: u64 = 10_000;

#[test]
fn ten_thousand_ticks_without_an_allocation() {
    the_counter_counts();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_sgascope"));
    let simulator = program.with_file_name("sgasim");
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(&simulator)
        .args(["run", "--sid", "NOALLOC", "--dir"])
        .arg(dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("sgasim is built: cargo test --workspace");
    let ready = dir.path().join("instance.json");
    for _ in 0..500 {
        if ready.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let source = Source::Live {
        sid: Some("NOALLOC".into()),
        via: Via::Shm,
    };
    let attachment = Attachment::open(&source, None).unwrap();
    let bound = attachment
        .bind_sessions(&needs_of(&sample_columns()))
        .unwrap();
    let select = Select::Active {
        idle: attachment.events.idle_mask(),
    };
    let walker = Walker::new(bound, select).unwrap();
    let options = SamplerOptions {
        rate_hz: 4_000.0,
        jitter: Jitter::Uniform,
        duration: None,
        frames: 16,
        seed: 1,
    };
    let sampler = Sampler::start(walker, options).unwrap();
    let stop: Arc<_> = sampler.stop_flag();
    // the thread's own start (its name, its handle) may allocate
    let mut frames = 0;
    let mut rows = 0;
    let mut first = 0;
    while frames < TICKS + 10 {
        let frame = sampler.frames.recv().unwrap();
        rows += frame.len();
        sampler.give_back(frame);
        frames += 1;
        if frames == 10 {
            first = COUNTED.load(Ordering::Relaxed);
        }
    }
    let counted = COUNTED.load(Ordering::Relaxed) - first;
    stop.store(true, Ordering::Relaxed);
    let (stats, _) = sampler.join().unwrap();
    let _ = Command::new(&simulator)
        .args(["stop", "--dir"])
        .arg(dir.path())
        .status();
    let _ = child.wait();
    assert!(
        stats.frames >= TICKS && rows > 10_000,
        "{stats:?}, {rows} rows"
    );
    assert_eq!(counted, 0, "the sampling thread allocated");
    assert!(
        ALL.load(Ordering::Relaxed) > 1000,
        "the counter doesn't count"
    );
}

/// The counter sees an allocation of a thread of that name. Part of the one test here, since the
/// count is the whole process's.
fn the_counter_counts() {
    let before = COUNTED.load(Ordering::Relaxed);
    let made = std::thread::Builder::new()
        .name("sampler".into())
        .spawn(|| std::hint::black_box(vec![0u8; 100]).len())
        .unwrap();
    made.join().unwrap();
    assert!(COUNTED.load(Ordering::Relaxed) > before);
}
