//! A PostgreSQL server of our own with its main segment in SysV memory, and clients of several kinds.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sgascope::memory::{SegmentAt, SysvSpace, TargetAddr};
use tempfile::TempDir;

const BIN: &str = "/usr/lib/postgresql/15/bin";
const DATABASES: [&str; 3] = ["postgres", "shop", "stock"];
const USERS: [&str; 3] = ["postgres", "anna", "ben"];

/// A running server; stopped when dropped.
pub struct Server {
    dir: TempDir,
}

/// A client; its session ends when dropped.
pub struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads messages until the server waits for a statement (ReadyForQuery).
fn ready(stream: &mut UnixStream) {
    loop {
        let mut head = [0u8; 5];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0u8; length - 4];
        stream.read_exact(&mut body).unwrap();
        assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
        if head[0] == b'Z' {
            return;
        }
    }
}

fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "postgres",
        "--regid",
        "postgres",
        "--clear-groups",
    ]);
    command.arg(Path::new(BIN).join(program));
    command.current_dir("/");
    command
}

fn good(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// What is compared of pg_stat_activity; times as the server stores them, µs since 2000
/// (src/include/datatype/timestamp.h, POSTGRES_EPOCH_JDATE).
pub fn activity_sql() -> String {
    "select pid, datid, usesysid, application_name, state, query, \
     (extract(epoch from query_start) * 1000000)::bigint - 946684800000000 as query_start \
     from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and query <> ''"
        .to_owned()
}

impl Server {
    /// Makes and starts a server with three databases and three users.
    pub fn start() -> Server {
        Server::with_connections(40)
    }

    /// The same for so many clients.
    pub fn with_connections(most: u32) -> Server {
        assert!(
            Path::new(BIN).join("postgres").exists(),
            "{BIN}/postgres is missing: apt-get install postgresql-15 (a server of the test's own is started; the packaged one isn't needed)"
        );
        let dir = tempfile::Builder::new()
            .prefix("sgascope-pg-")
            .tempdir()
            .unwrap();
        good(
            Command::new("chown")
                .arg("postgres:postgres")
                .arg(dir.path()),
        );
        let server = Server { dir };
        let data = server.data();
        good(as_postgres("initdb").arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
        ]));
        let options = format!(
            "-c shared_memory_type=sysv -c listen_addresses='' -c unix_socket_directories={} -c max_connections={most} -c shared_buffers=8MB -c fsync=off",
            server.dir.path().display()
        );
        let log = server.dir.path().join("log");
        let mut start = as_postgres("pg_ctl");
        start
            .arg("-D")
            .arg(&data)
            .arg("-o")
            .arg(options)
            .arg("-l")
            .arg(log)
            .args(["-w", "start"]);
        // The server inherits the streams, so they must not be pipes that somebody waits on.
        let status = start
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl start failed");
        for database in &DATABASES[1..] {
            server.sql(&format!("create database {database}"));
        }
        for user in &USERS[1..] {
            server.sql(&format!("create user {user}"));
        }
        server
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The command of a client that may do anything, as a user types it.
    pub fn client_command(&self) -> String {
        let socket = self.dir.path().display();
        format!("{BIN}/psql -X -q -h {socket} -U postgres -d postgres")
    }

    fn psql(&self) -> Command {
        let mut command = as_postgres("psql");
        command
            .arg("-h")
            .arg(self.dir.path())
            .args(["-X", "-q", "-A", "-t", "-F", "\t"]);
        command
    }

    /// What a statement gives.
    pub fn sql(&self, statement: &str) -> String {
        good(
            self.psql()
                .args(["-U", "postgres", "-d", "postgres", "-c", statement]),
        )
    }

    /// Attaches the server's main segment read-only, at the addresses that the server uses.
    pub fn attach(&self) -> SysvSpace {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        let pid = lines[0].trim();
        let shmid: i32 = lines[6].split_whitespace().nth(1).unwrap().parse().unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let line = maps
            .lines()
            .find(|l| l.contains("/SYSV") && l.contains(&format!(" {shmid} ")))
            .unwrap();
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let segment = SegmentAt {
            shmid,
            address: TargetAddr(number(from)),
            len: number(to) - number(from),
            name: format!("shmid {shmid}"),
        };
        SysvSpace::attach(&[segment]).unwrap()
    }

    /// pg_stat_activity of all client backends but our own.
    pub fn activity(&self) -> BTreeMap<u32, BTreeMap<String, String>> {
        let columns = [
            "pid",
            "datid",
            "usesysid",
            "application_name",
            "state",
            "query",
            "query_start",
        ];
        let text = self.sql(&activity_sql());
        text.lines()
            .map(|line| {
                let cells = line.split('\t').map(str::to_owned);
                let row: BTreeMap<String, String> =
                    columns.iter().map(|c| (*c).to_owned()).zip(cells).collect();
                (row["pid"].parse().unwrap(), row)
            })
            .collect()
    }

    /// A session without a program of its own: it speaks the protocol itself (PostgreSQL's manual,
    /// "Message Flow"). It sleeps in a statement, sits idle, or sits in a transaction.
    pub fn backend(&self, i: usize) -> UnixStream {
        let mut stream = UnixStream::connect(self.dir.path().join(".s.PGSQL.5432")).unwrap();
        let wait = Some(std::time::Duration::from_secs(60));
        stream.set_read_timeout(wait).unwrap();
        let mut start = 196_608u32.to_be_bytes().to_vec();
        let (user, database) = (USERS[i % 3], DATABASES[(i / 2) % 3]);
        let name = format!("steady-{i}");
        for text in [
            "user",
            user,
            "database",
            database,
            "application_name",
            &name,
        ] {
            start.extend_from_slice(text.as_bytes());
            start.push(0);
        }
        start.push(0);
        let length = |bytes: usize| u32::try_from(bytes + 4).unwrap().to_be_bytes();
        stream.write_all(&length(start.len())).unwrap();
        stream.write_all(&start).unwrap();
        ready(&mut stream);
        let mut ask = |statement: String| {
            stream.write_all(b"Q").unwrap();
            stream.write_all(&length(statement.len() + 1)).unwrap();
            stream.write_all(statement.as_bytes()).unwrap();
            stream.write_all(&[0]).unwrap();
        };
        match i % 4 {
            0 => ask(format!("select pg_sleep(300) /* {name} sleeps */")),
            1 => {
                ask(format!("select {i} as idle_now"));
                ready(&mut stream);
            }
            _ => {
                ask("begin".to_owned());
                ask(format!("select 'in transaction', {i}"));
                ready(&mut stream);
                ready(&mut stream);
            }
        }
        stream
    }

    /// A client: steady ones sleep in a statement, sit idle or sit in a transaction; every fourth of the first hundred
    /// keeps working.
    pub fn client(&self, i: usize) -> Client {
        let mut command = self.psql();
        let busy = i < 100 && i % 4 == 3;
        let name = if busy {
            format!("busy-{i}")
        } else {
            format!("steady-{i}")
        };
        command
            .args(["-U", USERS[i % 3], "-d", DATABASES[(i / 2) % 3]])
            .env("PGAPPNAME", &name);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = match (busy, i % 4) {
            (true, _) => "select count(*) from generate_series(1, 20000);\n".repeat(2000),
            (_, 0) => format!("select pg_sleep(300) /* {name} sleeps */;\n"),
            (_, 1) => format!("select {i} as idle_now;\n"),
            _ => format!("begin;\nselect 'in transaction', {i};\n"),
        };
        let mut stdin = child.stdin.take().unwrap();
        // A thread of its own: psql takes the statements as the server gets through them. It keeps the session open.
        std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
            let _ = stdin.flush();
            std::thread::sleep(std::time::Duration::from_secs(120));
        });
        Client(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = as_postgres("pg_ctl");
        stop.arg("-D")
            .arg(self.data())
            .args(["-m", "immediate", "-w", "stop"]);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
