//! One delta as a row that stands by itself: in a ledger, in the file of dead letters, printed.
//!
//! Callers: the rest of `finops`, `cli`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::deltas::read::HOUR_US;
use super::deltas::sessions::Session;
use super::deltas::{COUNTERS, CpuSource, Delta, LifeKey};
use super::mapping::SessionAttributes;

/// A delta with whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The same for the same interval of the same session, whenever it is made.
    pub id: String,
    /// Tenant; none in a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Host of the recording.
    pub host: String,
    /// SID of the instance.
    pub instance_name: String,
    /// SID.
    pub session_id: u32,
    /// SERIAL#.
    pub session_serial_no: u32,
    /// LOGON_TIME, µs since 1970; 0 where it isn't known.
    pub logon_us: i64,
    /// End of the interval, RFC 3339.
    pub sample_time: String,
    /// Begin of the interval, µs since 1970.
    pub from_us: i64,
    /// End of the interval, µs since 1970.
    pub to_us: i64,
    /// Since when CPU that is counted now may have been used, µs since 1970.
    pub cpu_since_us: i64,
    /// `counter`, `os`, or `samples`: filled from imported ones.
    pub cpu_source: CpuSource,
    /// CPU, µs.
    pub cpu_us: u64,
    /// DB time, µs.
    pub db_time_us: u64,
    /// Logical reads.
    pub logical_reads: u64,
    /// Physical reads.
    pub physical_reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Redo, bytes.
    pub redo_bytes: u64,
    /// User calls.
    pub user_calls: u64,
    /// Commits.
    pub user_commits: u64,
    /// Executions.
    pub executions: u64,
    /// Bytes sent to the client.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Temporary space taken, bytes.
    pub temp_growth_bytes: u64,
    /// Temporary space now, bytes.
    pub temp_bytes: u64,
    /// PGA now, bytes.
    pub pga_bytes: u64,
    /// Temporary space over time, bytes × µs; as text, as it may be larger than numbers of JSON.
    #[serde(with = "as_text")]
    pub temp_byte_us: u128,
    /// How far that may be off.
    #[serde(with = "as_text")]
    pub temp_byte_us_bound: u128,
    /// PGA over time, bytes × µs.
    #[serde(with = "as_text")]
    pub pga_byte_us: u128,
    /// The first interval of its session.
    pub first: bool,
    /// A counter fell.
    pub reset: bool,
    /// USER, BACKGROUND or RECURSIVE.
    pub session_kind: String,
    /// Attributes that rules look at.
    pub username: Option<String>,
    /// SERVICE_NAME.
    pub service_name: Option<String>,
    /// OSUSER.
    pub osuser: Option<String>,
    /// PROGRAM.
    pub program: Option<String>,
    /// MACHINE.
    pub machine: Option<String>,
    /// CLIENT_IDENTIFIER.
    pub client_id: Option<String>,
    /// MODULE.
    pub module: Option<String>,
    /// ACTION.
    pub action: Option<String>,
    /// Container.
    pub con_name: Option<String>,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&number.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Row {
    /// The row of a delta.
    pub fn of(session: &Session, delta: &Delta) -> Row {
        let a = session.attributes.clone();
        let [
            cpu_us,
            db_time_us,
            logical_reads,
            physical_reads,
            read_bytes,
            written_bytes,
            redo_bytes,
            user_calls,
            user_commits,
            executions,
            sent_bytes,
            received_bytes,
        ] = delta.counters;
        Row {
            id: id_of(session, delta),
            tenant: None,
            host: session.host.clone(),
            instance_name: session.instance.clone(),
            session_id: delta.key.sid,
            session_serial_no: delta.key.serial,
            logon_us: delta.key.logon_us,
            sample_time: rfc3339(delta.to_us),
            from_us: delta.from_us,
            to_us: delta.to_us,
            cpu_since_us: delta.cpu_since_us,
            cpu_source: delta.cpu_source,
            cpu_us,
            db_time_us,
            logical_reads,
            physical_reads,
            read_bytes,
            written_bytes,
            redo_bytes,
            user_calls,
            user_commits,
            executions,
            sent_bytes,
            received_bytes,
            temp_growth_bytes: delta.temp_growth_bytes,
            temp_bytes: delta.temp_bytes,
            pga_bytes: delta.pga_bytes,
            temp_byte_us: delta.temp_byte_us,
            temp_byte_us_bound: delta.temp_byte_us_bound,
            pga_byte_us: delta.pga_byte_us,
            first: delta.first,
            reset: delta.reset,
            session_kind: session.kind.clone(),
            username: a.oracle_user,
            service_name: a.service_name,
            osuser: a.client_os_user,
            program: a.client_program,
            machine: a.client_machine,
            client_id: a.client_id,
            module: a.module_name,
            action: a.action,
            con_name: session.con_name.clone(),
        }
    }

    /// Whose it is, as it was read.
    pub fn session(&self) -> Session {
        Session {
            host: self.host.clone(),
            instance: self.instance_name.clone(),
            kind: self.session_kind.clone(),
            con_name: self.con_name.clone(),
            attributes: SessionAttributes {
                oracle_user: self.username.clone(),
                service_name: self.service_name.clone(),
                client_os_user: self.osuser.clone(),
                client_program: self.program.clone(),
                client_machine: self.machine.clone(),
                client_id: self.client_id.clone(),
                module_name: self.module.clone(),
                action: self.action.clone(),
                ..SessionAttributes::default()
            },
        }
    }

    /// The delta, as it was read.
    pub fn delta(&self) -> Delta {
        let counters: [u64; COUNTERS] = [
            self.cpu_us,
            self.db_time_us,
            self.logical_reads,
            self.physical_reads,
            self.read_bytes,
            self.written_bytes,
            self.redo_bytes,
            self.user_calls,
            self.user_commits,
            self.executions,
            self.sent_bytes,
            self.received_bytes,
        ];
        Delta {
            key: LifeKey {
                sid: self.session_id,
                serial: self.session_serial_no,
                logon_us: self.logon_us,
            },
            tag: 0,
            from_us: self.from_us,
            to_us: self.to_us,
            cpu_since_us: self.cpu_since_us,
            counters,
            cpu_source: self.cpu_source,
            temp_growth_bytes: self.temp_growth_bytes,
            temp_byte_us: self.temp_byte_us,
            temp_byte_us_bound: self.temp_byte_us_bound,
            pga_byte_us: self.pga_byte_us,
            temp_bytes: self.temp_bytes,
            pga_bytes: self.pga_bytes,
            first: self.first,
            reset: self.reset,
        }
    }
}

/// RFC 3339 of µs since 1970.
pub fn rfc3339(time_us: i64) -> String {
    Timestamp::from_microsecond(time_us).map_or_else(|_| time_us.to_string(), |t| t.to_string())
}

/// The first 16 bytes of SHA-256 over whose and when.
fn id_of(session: &Session, delta: &Delta) -> String {
    let mut hash = Sha256::new();
    for text in [&session.host, &session.instance] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(delta.key.sid.to_le_bytes());
    hash.update(delta.key.serial.to_le_bytes());
    if delta.cpu_source == CpuSource::Samples {
        // one of a session's hour, whatever is imported later; samples tell no LOGON_TIME
        let a = &session.attributes;
        for text in [&a.module_name, &a.action, &a.client_id] {
            let text = text.as_deref().unwrap_or_default();
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(b"samples");
        hash.update(delta.to_us.div_euclid(HOUR_US).to_le_bytes());
    } else {
        hash.update(delta.key.logon_us.to_le_bytes());
        hash.update(delta.to_us.to_le_bytes());
    }
    let bytes = hash.finalize();
    bytes[..16].iter().map(|b| format!("{b:02x}")).collect()
}
