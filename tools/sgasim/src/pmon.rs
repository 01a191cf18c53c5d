//! The instance's process: builds everything, then runs the workload and obeys commands until it has to end.
//!
//! `main` re-executes itself as this process with Oracle's process name. [`run`] returns only at a clean end.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::alert;
use crate::control::{self, Command, Request};
use crate::core::{CoreRange, write_core};
use crate::engine::cost::Cost;
use crate::engine::servers::Servers;
use crate::engine::stage::Stage;
use crate::engine::{Engine, EngineSpec, Workload, host_name};
use crate::expected;
use crate::instance::{Instance, InstanceError, InstanceSpec, database_name};
use crate::layout::Layout;
use crate::registry;
use crate::revealed;
use crate::scripted;
use crate::segments::{Area, Memory, MemoryKind};
use crate::spool::{SpoolSpec, write_spool};
use crate::sql;
use crate::trace::{AreaSpec, write_ipc_trace};
use crate::truth::TruthLog;
use crate::truth_spool;

/// Environment variable that carries the [`Config`] as JSON to the re-executed process.
pub const ENVIRONMENT: &str = "SGASIM_INSTANCE";

/// Everything that `sgasim run` was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// ORACLE_SID.
    pub sid: String,
    /// Short release name.
    pub release: String,
    /// Session slots.
    pub sessions: usize,
    /// Process slots.
    pub processes: usize,
    /// Kind of workload.
    pub workload: Workload,
    /// Seed of all choices.
    pub seed: u64,
    /// Directory of the instance, absolute.
    pub dir: PathBuf,
    /// Ends by itself after that time.
    pub duration: Option<Duration>,
    /// Truth file.
    pub truth: Option<PathBuf>,
    /// Kind of memory.
    pub memory: MemoryKind,
    /// Access mode of the segments.
    pub mode: u32,
    /// State changes a second.
    pub rate: u32,
    /// Pause between the stores of one change.
    pub store_pause: Duration,
    /// Begin paused.
    pub start_paused: bool,
    /// Process name before `_SID`.
    pub pmon_prefix: String,
    /// Fixture size.
    pub small: bool,
    /// Seed of a layout with every member moved.
    pub shuffle_layout: Option<u64>,
    /// Seed of a layout with blocks moved.
    pub shift_blocks: Option<u64>,
    /// Remove the executable once it has been used.
    pub no_executable: bool,
    /// Columns without a public place stand in the row.
    pub revealed: bool,
    /// 4-byte times are packed.
    pub packed_times: bool,
    /// Some sessions work through shared servers and pools.
    pub pooled: bool,
    /// Scripted sessions.
    pub scripted: bool,
    /// Processes of the operating system for the process rows.
    pub os_processes: bool,
    /// Situations to make.
    pub situations: Vec<u8>,
    /// MiB of the variable area.
    pub variable_mib: u64,
    /// File of what each session consumed.
    pub meter: Option<PathBuf>,
    /// Number of statements of a library cache under churn.
    pub cursors: Option<usize>,
    /// Statements a second that are loaded beside those that sessions run.
    pub cursor_churn: u32,
}

/// Why the instance did not start or could not go on.
#[derive(Debug, Error)]
pub enum PmonError {
    /// Not a release with a layout.
    #[error("release {0:?} is not known, expected 12.1, 19.3 or 23.5")]
    Release(String),
    /// The instance could not be built.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// A file of the instance's directory could not be written.
    #[error("{path}: {source}")]
    File {
        /// File.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The workload has lost its sessions.
    #[error(
        "a lock graph has replaced the sessions' states; start another instance for a workload"
    )]
    Graph,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, PmonError> {
    result.map_err(|source| PmonError::File {
        path: path.display().to_string(),
        source,
    })
}

static ENDING: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    ENDING.store(true, Ordering::SeqCst);
}

fn catch_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only stores an atomic flag, which is async-signal-safe.
        unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
    }
}

/// Gives this process Oracle's command name (the kernel keeps 15 bytes of it).
fn set_name(name: &str) {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    // SAFETY: the pointer is to a NUL-terminated buffer that outlives the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
}

/// Builds the instance, prints the ready line and works until the end is asked for.
pub fn run(config: &Config) -> Result<(), PmonError> {
    catch_signals();
    set_name(&format!("{}_{}", config.pmon_prefix, config.sid));
    let mut engine = start(config)?;
    let dir = &config.dir;
    let _note = at(
        dir,
        registry::note(&config.sid, &engine.stage.instance.memory),
    )?;
    write_files(config, &engine.stage.instance)?;
    let (sender, requests) = channel();
    at(&dir.join("control.sock"), control::serve(dir, sender))?;
    let mut paused = None;
    if config.start_paused {
        pause(&mut engine, dir)?;
        paused = Some(Instant::now());
    }
    println!(
        "ready sid={} pid={} dir={}",
        config.sid,
        std::process::id(),
        dir.display()
    );
    at(dir, io::stdout().flush())?;
    work(&mut engine, config, &requests, paused);
    engine.meter_all();
    engine.stage.flush_truth(true);
    // The socket's removal shows that nobody listens any more.
    let _ = fs::remove_file(dir.join("control.sock"));
    Ok(())
}

fn start(config: &Config) -> Result<Engine, PmonError> {
    let mut layout = Layout::of_release(&config.release)
        .ok_or_else(|| PmonError::Release(config.release.clone()))?;
    if config.revealed {
        layout.reveal();
    }
    if config.packed_times {
        layout.pack_times();
    }
    if let Some(seed) = config.shuffle_layout {
        layout.shuffle(seed);
    }
    if let Some(seed) = config.shift_blocks {
        layout.shift_blocks(seed);
    }
    let spec = InstanceSpec {
        sid: config.sid.clone(),
        sessions: config.sessions,
        processes: config.processes,
        memory: config.memory,
        mode: config.mode,
        variable_bytes: config.variable_mib << 20,
        small: config.small,
        cursors: config.cursors,
    };
    let oracle = config.dir.join("bin/oracle");
    let instance = Instance::build(layout, &spec, &oracle)?;
    let truth = match &config.truth {
        Some(path) => at(path, TruthLog::create(path))?,
        None => TruthLog::none(),
    };
    let stage = Stage::new(instance, truth, config.store_pause);
    let engine = EngineSpec {
        workload: config.workload,
        seed: config.seed,
        rate: config.rate,
        pooled: config.pooled,
        cursor_churn: config.cursor_churn,
    };
    let mut engine = Engine::new(stage, &engine);
    if config.os_processes {
        engine.serve_with(Servers::new(&config.sid));
    }
    engine.populate(config.rate);
    if let Some(path) = &config.meter {
        at(path, engine.meter(path, config.seed))?;
    }
    if !config.situations.is_empty() {
        engine.make_situations(&config.situations);
        write_json(&config.dir.join("situations.json"), &json!(engine.accounts))?;
    }
    revealed::dress(&mut engine.stage);
    if config.no_executable {
        at(&oracle, fs::remove_file(&oracle))?;
    }
    Ok(engine)
}

fn write_files(config: &Config, instance: &Instance) -> Result<(), PmonError> {
    let dir = &config.dir;
    let areas: Vec<AreaSpec> = instance
        .memory
        .areas
        .iter()
        .map(|a| area_spec(a, config.mode))
        .collect();
    let spec = SpoolSpec {
        exe: &instance.exe,
        sid: &config.sid,
        instance_number: 1,
        host: &host_name(),
        session_addrs: &instance.places.sessions,
        process_addrs: &instance.places.processes,
        areas: &areas,
        parameters: &parameters(config),
    };
    at(&dir.join("spool"), write_spool(&dir.join("spool"), &spec))?;
    let maps = at(
        Path::new("/proc/self/maps"),
        fs::read_to_string("/proc/self/maps"),
    )?;
    let path = dir.join("ipc.trc");
    let release = instance.layout.release;
    at(
        &path,
        write_ipc_trace(
            &path,
            release,
            &config.sid,
            &areas,
            &maps,
            config.processes as u32,
        ),
    )?;
    let (database, pid) = (database_name(&config.sid), std::process::id());
    at(
        dir,
        alert::write(dir, release, &database, &config.sid, pid).map(drop),
    )?;
    write_statements(&dir.join("sql.jsonl"), instance)?;
    write_json(&dir.join("layout.json"), &layout_document(&instance.layout))?;
    let document = description(config, instance);
    write_json(&dir.join("instance.json"), &document)
}

/// `size` is what the area uses, which for the fixed one is a little less than its segment.
fn area_spec(area: &Area, mode: u32) -> AreaSpec {
    let fixed = area.area == "Fixed Size";
    AreaSpec {
        name: area.area.clone(),
        shmid: area.shmid,
        key: area.key,
        address: area.address,
        size: if fixed { area.size - 0x470 } else { area.size },
        segment_size: area.size,
        mode,
        nattch: if fixed { 2 } else { 1 },
    }
}

fn parameters(config: &Config) -> Vec<(String, String)> {
    let target = if config.memory == MemoryKind::Amm {
        config.variable_mib << 20
    } else {
        0
    };
    [
        ("processes", config.processes.to_string()),
        ("sessions", config.sessions.to_string()),
        ("db_name", database_name(&config.sid)),
        ("instance_name", config.sid.clone()),
        ("memory_target", target.to_string()),
        ("timed_statistics", "TRUE".into()),
        ("cpu_count", "2".into()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .to_vec()
}

fn write_statements(path: &Path, instance: &Instance) -> Result<(), PmonError> {
    let lines: Vec<String> = instance
        .pool
        .iter()
        .map(|s| {
            let id = sql::sql_id(s.identity.high(), s.identity.hash());
            json!({"sql_id": id, "hash": s.identity.hash(), "text": s.text}).to_string() + "\n"
        })
        .collect();
    at(path, fs::write(path, lines.concat()))
}

fn description(config: &Config, instance: &Instance) -> serde_json::Value {
    let fixed: serde_json::Map<String, serde_json::Value> = instance
        .layout
        .fixed
        .iter()
        .map(|v| (v.name.to_string(), json!(v.address)))
        .collect();
    let build_id: String = instance
        .exe_map
        .build_id
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    json!({
        "sid": config.sid,
        "pmon_pid": std::process::id(),
        "release": instance.layout.release,
        "memory": config.memory,
        "segments": instance.memory.areas,
        "fixed_variables": fixed,
        "build_id": build_id,
    })
}

/// Where the members really are: what a learned layout is compared with.
fn layout_document(layout: &Layout) -> serde_json::Value {
    let row = |row: &crate::layout::RowLayout| {
        let offsets: serde_json::Map<String, serde_json::Value> = row
            .columns
            .iter()
            .map(|c| (c.name.to_string(), json!(c.offset)))
            .collect();
        json!({"stride": row.rows.stride, "columns": offsets})
    };
    let (g, h, m) = (&layout.ksusga, &layout.handle, &layout.module);
    json!({
        "session": row(&layout.session),
        "process": row(&layout.process),
        "ksusga": {"processes": g.processes, "process_count": g.process_count, "sessions": g.sessions,
            "session_count": g.session_count, "statistic_count": g.statistic_count},
        "handle": {"hash": h.hash, "full_hash": h.full_hash, "length": h.length, "text": h.text},
        "module": {"module": m.module, "module_length": m.module_length, "module_hash": m.module_hash,
            "action": m.action, "action_length": m.action_length, "action_hash": m.action_hash},
    })
}

/// Writes a document whole: a reader of the path never sees half of it.
fn write_json(path: &Path, document: &serde_json::Value) -> Result<(), PmonError> {
    let draft = path.with_extension("json.new");
    let bytes = serde_json::to_vec_pretty(document).map_err(io::Error::from);
    at(&draft, bytes.and_then(|b| fs::write(&draft, b)))?;
    at(path, fs::rename(&draft, path))
}

fn pause(engine: &mut Engine, dir: &Path) -> Result<(), PmonError> {
    revealed::dress(&mut engine.stage);
    engine.stage.flush_truth(true);
    write_json(
        &dir.join("expected.json"),
        &expected::document(&engine.stage),
    )?;
    let path = dir.join("statistics.json");
    at(
        &path,
        fs::write(&path, engine.stage.counters.document(&engine.stage)),
    )
}

/// The main loop: due changes, then a short sleep in which commands may come.
fn work(
    engine: &mut Engine,
    config: &Config,
    requests: &Receiver<Request>,
    mut paused: Option<Instant>,
) {
    let end = config.duration.map(|d| Instant::now() + d);
    let mut cost = Cost::default();
    while !ENDING.load(Ordering::SeqCst) {
        let mut sleep = if paused.is_some() {
            Duration::from_millis(50)
        } else {
            cost.of(|| engine.advance())
        };
        if let Some(end) = end {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep = sleep.min(left);
        }
        match requests.recv_timeout(sleep) {
            Ok(request) => {
                let stop = request.command == Command::Stop;
                if stop {
                    engine.stage.flush_truth(true);
                    engine.stage.instance.memory.remove();
                }
                let outcome = obey(engine, config, &request.command, (&mut paused, cost));
                // A client that gave up waiting needs no answer.
                let _ = request.outcome.send(outcome.map_err(|e| e.to_string()));
                if stop {
                    // Either the client has its answer or it doesn't matter any more.
                    let _ = request.delivered.recv_timeout(Duration::from_secs(1));
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn obey(
    engine: &mut Engine,
    config: &Config,
    command: &Command,
    (paused, cost): (&mut Option<Instant>, Cost),
) -> Result<String, PmonError> {
    match command {
        Command::Pause => {
            paused.get_or_insert_with(Instant::now);
            pause(engine, &config.dir)?;
            Ok("paused".into())
        }
        Command::Resume if engine.graph_set => Err(PmonError::Graph),
        Command::Resume => {
            if let Some(since) = paused.take() {
                engine.skip(since.elapsed().as_nanos() as u64);
            }
            Ok("running".into())
        }
        Command::Stop => Ok("stopped".into()),
        Command::Cost => Ok(cost.document(engine.stage.changes).to_string()),
        Command::Graph(seed) => {
            paused.get_or_insert_with(Instant::now);
            let document = engine.set_graph(*seed);
            write_json(&config.dir.join("graph.json"), &document)?;
            Ok(format!("graph of seed {seed} set"))
        }
        Command::Truth(path) => {
            revealed::dress(&mut engine.stage);
            at(path, truth_spool::write(&engine.stage, path))?;
            // Afterwards, so that the values have settled when the next truth is asked for.
            if config.scripted && paused.is_none() {
                scripted::diversify(&mut engine.stage);
            }
            Ok(format!("truth written to {}", path.display()))
        }
        Command::Rmid => {
            engine.stage.instance.memory.remove();
            Ok("segments marked for removal".into())
        }
        Command::Core(path) => {
            let began = Instant::now();
            let result = save_core(
                &engine.stage.instance.memory,
                path,
                &config.dir.join("bin/oracle"),
            );
            if paused.is_none() {
                engine.skip(began.elapsed().as_nanos() as u64);
            }
            result.map(|()| format!("core written to {}", path.display()))
        }
    }
}

fn save_core(memory: &Memory, path: &Path, oracle: &Path) -> Result<(), PmonError> {
    let readers: Vec<_> = memory
        .areas
        .iter()
        .map(|a| move |offset: u64, bytes: &mut [u8]| memory.read(a.address + offset, bytes))
        .collect();
    let ranges: Vec<CoreRange<'_>> = memory
        .areas
        .iter()
        .zip(&readers)
        .map(|(a, read)| CoreRange {
            address: a.address,
            len: a.size,
            read,
        })
        .collect();
    at(
        path,
        write_core(
            path,
            &ranges,
            std::process::id() as i32,
            &oracle.display().to_string(),
        ),
    )
}
