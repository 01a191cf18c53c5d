//! Command line of sgasim: starts synthetic instances and tells running ones what to do.
//!
//! `run` re-executes this program under Oracle's process name and waits for it; the others are in `control`.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sgasim::control::{self, Command};
use sgasim::engine::Workload;
use sgasim::exe;
use sgasim::layout::{Layout, tables};
use sgasim::pmon::{self, Config, ENVIRONMENT};
use sgasim::registry;
use sgasim::segments::MemoryKind;

#[derive(Parser)]
#[command(
    name = "sgasim",
    about = "A synthetic Oracle instance for tests and demonstrations",
    version
)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start an instance and stay in the foreground until it ends
    Run(Box<RunArgs>),
    /// Stop the workload and write DIR/expected.json
    Pause(DirArgs),
    /// Let a paused workload go on
    Resume(DirArgs),
    /// End the instance and remove its memory
    Stop(DirArgs),
    /// Mark the instance's segments for removal while it lives on
    Rmid(DirArgs),
    /// Write an ELF core of the instance's memory
    Core {
        #[command(flatten)]
        dir: DirArgs,
        /// File to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Write only the executable of a release, as large as a real one
    #[command(hide = true)]
    Executable {
        /// Release whose layouts to use
        #[arg(long, default_value = "19.3", value_parser = ["12.1", "19.3", "23.5"])]
        release: String,
        /// Bytes of padding in its code, with one symbol for each 1,024
        #[arg(long, default_value_t = 0)]
        pad_executable: u64,
        /// File to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Write a spool of V$SESSION, V$PROCESS, V$SESSTAT, V$SESSION_WAIT and X$KSUSE as they are now
    TruthSpool {
        #[command(flatten)]
        dir: DirArgs,
        /// Directory to write it to
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Say what the workload's own steps have cost: changes, steps, CPU time in them
    Cost(DirArgs),
    /// Pause and set the random lock graph of a seed; the truth goes to DIR/graph.json
    Graph {
        #[command(flatten)]
        dir: DirArgs,
        /// Seed of the graph
        #[arg(long)]
        seed: u64,
    },
    /// Remove what killed instances left behind
    Clean {
        /// Only instances whose SID begins with this
        #[arg(long)]
        sid_prefix: String,
    },
}

#[derive(Args)]
struct DirArgs {
    /// Directory of the instance
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Args)]
struct RunArgs {
    /// ORACLE_SID
    #[arg(long, value_parser = sid)]
    sid: String,
    /// Release whose layouts to use
    #[arg(long, default_value = "19.3", value_parser = ["12.1", "19.3", "23.5"])]
    release: String,
    /// Session slots (parameter sessions)
    #[arg(long, default_value_t = 504, value_parser = clap::value_parser!(u32).range(12..=60_000))]
    sessions: u32,
    /// Process slots (parameter processes)
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u32).range(8..=60_000))]
    processes: u32,
    /// What the sessions do
    #[arg(long, value_enum, default_value_t = Workload::Oltp)]
    workload: Workload,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Directory for the executable and all files
    #[arg(long)]
    dir: PathBuf,
    /// End after this time, e.g. 60s
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Log every state change to this file
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Counters begin at 0 and move as working sessions' do; what each session consumed is added to this file
    #[arg(long)]
    meter: Option<PathBuf>,
    /// System V segments, or granule files in /dev/shm
    #[arg(long, default_value = "sysv", value_parser = memory)]
    memory: MemoryKind,
    /// Access mode of the memory
    #[arg(long, default_value = "640", value_parser = mode)]
    mode: u32,
    /// State changes a second over all sessions
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// Pause between the stores of one change, e.g. 2us
    #[arg(long, default_value = "0ns", value_parser = duration)]
    store_pause: Duration,
    /// Begin paused
    #[arg(long)]
    start_paused: bool,
    /// Process name before _SID
    #[arg(long, default_value = "ora_pmon")]
    pmon_prefix: String,
    /// Few events, statistics and texts: for fixtures
    #[arg(long)]
    small: bool,
    /// Move every member of the structures to a random place
    #[arg(long, value_name = "SEED", conflicts_with = "shift_blocks")]
    shuffle_layout: Option<u64>,
    /// Move whole blocks of session columns by multiples of 8
    #[arg(long, value_name = "SEED")]
    shift_blocks: Option<u64>,
    /// Leave no executable behind that would say where the members lie
    #[arg(long)]
    no_executable: bool,
    /// Columns of X$KSUSE that have no public place stand in the row
    #[arg(long)]
    revealed: bool,
    /// Start times of executions are stored in Oracle's packed form
    #[arg(long)]
    packed_times: bool,
    /// Some sessions work through shared servers, a dispatcher, the connection pool
    #[arg(long)]
    pooled: bool,
    /// Some sessions with values by which similar columns can be told apart
    #[arg(long)]
    scripted: bool,
    /// A sleeping process of the operating system for each process row
    #[arg(long)]
    os_processes: bool,
    /// Situations of sessions and processes to make: all, or numbers as 5,6,9; their account goes to DIR/situations.json
    #[arg(long, value_parser = situations, requires = "os_processes")]
    situations: Option<Situations>,
    /// Size of the variable area in MiB (grows when needed)
    #[arg(long, value_parser = clap::value_parser!(u64).range(4..=1_048_576))]
    variable_mib: Option<u64>,
    /// That many different statements, and room for half of them at a time
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    cursors: Option<u32>,
    /// Statements a second that are loaded over others beside those that sessions run; with any, all statements are run
    /// in turn, and previous cursors are freed
    #[arg(long, requires = "cursors", default_value_t = 0)]
    cursor_churn: u32,
}

/// Numbers of situations.
#[derive(Clone)]
struct Situations(Vec<u8>);

fn situations(text: &str) -> Result<Situations, String> {
    let known = sgasim::engine::situations::numbers();
    if text == "all" {
        return Ok(Situations(known));
    }
    let numbers = text.split(',').map(|n| n.parse().ok());
    let numbers: Option<Vec<u8>> = numbers.map(|n| n.filter(|n| known.contains(n))).collect();
    numbers
        .map(Situations)
        .ok_or_else(|| format!("expected all, or some of {known:?} with commas"))
}

fn sid(text: &str) -> Result<String, String> {
    let fits = (1..=12).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits {
        Ok(text.into())
    } else {
        Err("expected 1 to 12 letters, digits or _".into())
    }
}

fn memory(text: &str) -> Result<MemoryKind, String> {
    match text {
        "sysv" => Ok(MemoryKind::Sysv),
        "amm" => Ok(MemoryKind::Amm),
        _ => Err("expected sysv or amm".into()),
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).map_err(|e| e.to_string())?;
    if mode & 0o600 == 0o600 && mode <= 0o777 {
        Ok(mode)
    } else {
        Err("expected an octal mode such as 600 or 640".into())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits]
        .parse()
        .map_err(|_| "expected a number and a unit, e.g. 60s or 2us".to_string())?;
    match &text[digits..] {
        "ns" => Ok(Duration::from_nanos(number)),
        "us" | "µs" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        other => Err(format!(
            "unknown unit {other:?}, expected ns, us, ms, s, m or h"
        )),
    }
}

fn main() -> ExitCode {
    sgasim::engine::servers::sleep_if_server();
    if let Ok(config) = std::env::var(ENVIRONMENT) {
        return instance_process(&config);
    }
    let result = match Cli::parse().action {
        Action::Run(args) => return run(&args),
        Action::Pause(at) => tell(&at.dir, &Command::Pause),
        Action::Cost(at) => tell(&at.dir, &Command::Cost),
        Action::Resume(at) => tell(&at.dir, &Command::Resume),
        Action::Stop(at) => stop(&at.dir),
        Action::Rmid(at) => tell(&at.dir, &Command::Rmid),
        Action::Core { dir, output } => std::path::absolute(&output)
            .map_err(|e| format!("{}: {e}", output.display()))
            .and_then(|path| tell(&dir.dir, &Command::Core(path))),
        Action::Executable {
            release,
            pad_executable,
            output,
        } => executable(&release, pad_executable, &output),
        Action::TruthSpool { dir, output } => std::path::absolute(&output)
            .map_err(|e| format!("{}: {e}", output.display()))
            .and_then(|path| tell(&dir.dir, &Command::Truth(path))),
        Action::Graph { dir, seed } => tell(&dir.dir, &Command::Graph(seed)),
        Action::Clean { sid_prefix } => clean(&sid_prefix),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failure(&message),
    }
}

fn failure(message: &str) -> ExitCode {
    eprintln!("sgasim: {message}");
    ExitCode::FAILURE
}

fn instance_process(config: &str) -> ExitCode {
    let config: Config = match serde_json::from_str(config) {
        Ok(config) => config,
        Err(error) => return failure(&format!("{ENVIRONMENT} is not a configuration: {error}")),
    };
    match pmon::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error.to_string()),
    }
}

fn tell(dir: &Path, command: &Command) -> Result<(), String> {
    let message = control::send(dir, command).map_err(|e| e.to_string())?;
    println!("{message}");
    Ok(())
}

/// Stops the instance and waits until its process is gone.
fn stop(dir: &Path) -> Result<(), String> {
    let pid = pmon_pid(dir);
    tell(dir, &Command::Stop)?;
    for _ in 0..500 {
        match &pid {
            Some(pid) if alive(pid) => std::thread::sleep(Duration::from_millis(10)),
            _ => return Ok(()),
        }
    }
    Err("the instance's process did not end within 5 s".into())
}

fn pmon_pid(dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(dir.join("instance.json")).ok()?;
    let document: serde_json::Value = serde_json::from_str(&text).ok()?;
    document["pmon_pid"].as_u64().map(|pid| pid.to_string())
}

/// True while the process exists and isn't a zombie.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn executable(release: &str, padding: u64, output: &Path) -> Result<(), String> {
    let layout = Layout::of_release(release).ok_or("the release is not known")?;
    let spec = tables::exe_spec(&layout, padding);
    let map =
        exe::write_executable(&spec, output).map_err(|e| format!("{}: {e}", output.display()))?;
    println!("{} bytes", map.image_bytes);
    Ok(())
}

fn clean(prefix: &str) -> Result<(), String> {
    for line in registry::clean(prefix).map_err(|e| e.to_string())? {
        println!("{line}");
    }
    Ok(())
}

fn run(args: &RunArgs) -> ExitCode {
    match start(args) {
        Ok(child) => wait(child),
        Err(message) => failure(&message),
    }
}

fn config(args: &RunArgs) -> Result<Config, String> {
    let describe = |path: &Path| format!("{}: ", path.display());
    std::fs::create_dir_all(&args.dir).map_err(|e| describe(&args.dir) + &e.to_string())?;
    let dir = args
        .dir
        .canonicalize()
        .map_err(|e| describe(&args.dir) + &e.to_string())?;
    let truth = args
        .truth
        .as_ref()
        .map(std::path::absolute)
        .transpose()
        .map_err(|e| e.to_string())?;
    let meter = args.meter.as_ref().map(std::path::absolute);
    let meter = meter.transpose().map_err(|e| e.to_string())?;
    Ok(Config {
        meter,
        sid: args.sid.clone(),
        release: args.release.clone(),
        sessions: args.sessions as usize,
        processes: args.processes as usize,
        workload: args.workload,
        seed: args.seed,
        dir,
        duration: args.duration,
        truth,
        memory: args.memory,
        mode: args.mode,
        rate: args.rate,
        store_pause: args.store_pause,
        start_paused: args.start_paused,
        pmon_prefix: args.pmon_prefix.clone(),
        small: args.small,
        shuffle_layout: args.shuffle_layout,
        shift_blocks: args.shift_blocks,
        no_executable: args.no_executable,
        revealed: args.revealed,
        packed_times: args.packed_times,
        pooled: args.pooled,
        scripted: args.scripted,
        os_processes: args.os_processes,
        situations: args.situations.clone().map_or_else(Vec::new, |s| s.0),
        variable_mib: args
            .variable_mib
            .unwrap_or(if args.small { 4 } else { 128 }),
        cursors: args.cursors.map(|n| n as usize),
        cursor_churn: args.cursor_churn,
    })
}

/// The process that signals are passed on to.
static CHILD: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: libc::c_int) {
    let child = CHILD.load(Ordering::SeqCst);
    if child > 0 {
        // SAFETY: kill is async-signal-safe; the pid is our own child's until it has been waited for.
        unsafe { libc::kill(child, signal) };
    }
}

fn start(args: &RunArgs) -> Result<Child, String> {
    let config = config(args)?;
    let own = std::env::current_exe().map_err(|e| format!("own executable: {e}"))?;
    let mut program = Program::new(own);
    program
        .arg0(format!("{}_{}", config.pmon_prefix, config.sid))
        .env(
            ENVIRONMENT,
            serde_json::to_string(&config).map_err(|e| e.to_string())?,
        )
        .env("ORACLE_SID", &config.sid)
        .env("ORACLE_HOME", &config.dir)
        .env("ORACLE_BASE", &config.dir);
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
    unsafe {
        program.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    let child = program
        .spawn()
        .map_err(|e| format!("starting the instance: {e}"))?;
    CHILD.store(child.id() as i32, Ordering::SeqCst);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only reads an atomic and calls kill.
        unsafe { libc::signal(signal, pass_on as *const () as libc::sighandler_t) };
    }
    Ok(child)
}

fn wait(mut child: Child) -> ExitCode {
    let status = child.wait();
    CHILD.store(0, Ordering::SeqCst);
    match status {
        Ok(status) => ExitCode::from(exit_code(status)),
        Err(error) => failure(&format!("waiting for the instance: {error}")),
    }
}

/// The child's exit code, or 128 + signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}
