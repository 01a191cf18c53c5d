//! Clocks that run faster, for programs that are started with them: an hour of theirs is seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::time::{ClockId, clock_gettime};

/// Stretches time since a moment by a factor, in all that asks for the time or sleeps; the wall clock
/// shows another date then.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
static long long wall, mono, factor, shown;
static long (*raw)(long, ...);
static int (*sleep_raw)(clockid_t, int, const struct timespec *, struct timespec *);
static void begin(void) {
    if (factor) return;
    raw = dlsym(RTLD_NEXT, "syscall");
    sleep_raw = dlsym(RTLD_NEXT, "clock_nanosleep");
    const char *text = getenv("TEST_WARP");
    factor = 1;
    if (text) sscanf(text, "%lld %lld %lld %lld", &wall, &mono, &factor, &shown);
}
__attribute__((constructor)) static void at_start(void) { begin(); }
static long long base(clockid_t id) {
    switch (id) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: return wall;
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_COARSE: case CLOCK_MONOTONIC_RAW: return mono;
    default: return -1;
    }
}
static long long ns(const struct timespec *t) { return t->tv_nsec + t->tv_sec * 1000000000LL; }
static struct timespec spec(long long n) {
    struct timespec t = { n / 1000000000LL, n % 1000000000LL };
    return t;
}
/* what a clock showed at that moment */
static long long start(clockid_t id) { return base(id) == wall ? shown : base(id); }
/* when it really is that time of a clock */
static struct timespec real(clockid_t id, const struct timespec *t) {
    long long b = base(id), n = ns(t);
    return spec(b < 0 || n < start(id) ? n : b + (n - start(id)) / factor + 1);
}
int clock_gettime(clockid_t id, struct timespec *t) {
    begin();
    int result = raw(SYS_clock_gettime, id, t);
    long long b = base(id);
    if (result == 0 && b >= 0 && ns(t) >= b) *t = spec(start(id) + (ns(t) - b) * factor);
    return result;
}
int clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *left) {
    begin();
    struct timespec until = flags & TIMER_ABSTIME ? real(id, t) : spec(ns(t) / factor);
    return sleep_raw(id, flags, &until, left);
}
int nanosleep(const struct timespec *t, struct timespec *left) {
    struct timespec span = spec(ns(t) / (begin(), factor));
    return raw(SYS_nanosleep, &span, left);
}
long syscall(long number, ...) {
    begin();
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    struct timespec until;
    if (number == SYS_futex && a[3]) {
        int op = a[1] & FUTEX_CMD_MASK;
        struct timespec *t = (struct timespec *)a[3];
        clockid_t id = a[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        if (op == FUTEX_WAIT_BITSET) until = real(id, t), a[3] = (long)&until;
        else if (op == FUTEX_WAIT) until = spec(ns(t) / factor), a[3] = (long)&until;
    }
    return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
"#;

/// Clocks that run faster from now on.
pub struct Warp {
    shim: PathBuf,
    wall_ns: i64,
    mono_ns: i64,
    factor: i64,
    shown_ns: i64,
}

impl Warp {
    pub fn new(dir: &Path, factor: i64, begin: jiff::Timestamp) -> Warp {
        let (source, shim) = (dir.join("warp.c"), dir.join("warp.so"));
        fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&shim)
            .arg(&source)
            .arg("-ldl")
            .status()
            .expect("cc is needed");
        assert!(built.success());
        Warp {
            shim,
            wall_ns: now(ClockId::CLOCK_REALTIME),
            mono_ns: now(ClockId::CLOCK_MONOTONIC),
            factor,
            shown_ns: begin.as_microsecond() * 1000,
        }
    }

    /// A program lives by these clocks.
    pub fn apply(&self, command: &mut Command) {
        let values = [self.wall_ns, self.mono_ns, self.factor, self.shown_ns];
        let values = values.map(|n| n.to_string()).join(" ");
        command
            .env("LD_PRELOAD", &self.shim)
            .env("TEST_WARP", values);
    }

    /// Seconds that have gone by on these clocks.
    pub fn seconds(&self) -> i64 {
        (now(ClockId::CLOCK_MONOTONIC) - self.mono_ns) * self.factor / 1_000_000_000
    }
}

fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).unwrap();
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}
