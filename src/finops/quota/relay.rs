//! Telling a local relay over plain HTTP.
//!
//! For: one POST of a JSON document. There is no TLS here: a relay on this host or network passes it
//! on. Callers: [`super`], `cli`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of an answer that is read, bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// Why a relay wasn't told.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Not an address that can be told.
    #[error("{0:?} is no address of a relay; expected http://host[:port][/path]")]
    Address(String),
    /// The network's reason.
    #[error("{url}: {source}")]
    Io {
        /// Where.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// It answered that it didn't take it.
    #[error("{url}: 2xx expected, it answered {status:?}")]
    Refused {
        /// Where.
        url: String,
        /// Its first line.
        status: String,
    },
}

/// Host with port, and path.
fn parts(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if host.is_empty() || !plain(host) || !plain(path) {
        return None;
    }
    let numbered = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = match numbered {
        true => host.to_owned(),
        false => format!("{host}:80"),
    };
    Some((host, path.to_owned()))
}

/// Posts a JSON document.
///
/// # Errors
/// The address isn't one, the network's, or an answer that isn't 2xx.
pub fn post(url: &str, body: &str) -> Result<(), RelayError> {
    let (host, path) = parts(url).ok_or_else(|| RelayError::Address(url.to_owned()))?;
    let io = |source| RelayError::Io {
        url: url.to_owned(),
        source,
    };
    let status = exchange(&host, &path, body).map_err(io)?;
    let code = status.split(' ').nth(1).unwrap_or_default();
    match code.len() == 3 && code.starts_with('2') {
        true => Ok(()),
        false => Err(RelayError::Refused {
            url: url.to_owned(),
            status: status.trim_end().to_owned(),
        }),
    }
}

fn exchange(host: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut last = std::io::Error::other("the name has no address");
    for address in host.to_socket_addrs()? {
        let mut stream = match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => stream,
            Err(error) => {
                last = error;
                continue;
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sgascope/{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut status = String::new();
        BufReader::new(stream.take(MAX_ANSWER)).read_line(&mut status)?;
        return Ok(status);
    }
    Err(last)
}
