//! A relay that is told of budgets, and one that isn't to be had.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;
use sgascope::finops::quota::{RelayError, post};

/// A relay that takes what comes and answers so: its address, and heads and documents that it heard.
pub fn relay(answer: &'static str) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let begin = head.len();
                reader.read_line(&mut head).unwrap();
                if let Some(n) = head[begin..].strip_prefix("Content-Length: ") {
                    length = n.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            let document = serde_json::from_slice(&body).unwrap();
            if sender.send((head, document)).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

#[test]
fn a_relay_is_told() {
    let (url, heard) = relay("HTTP/1.1 204 No Content\r\n\r\n");
    post(&url, "{\"a\":1}").unwrap();
    let (head, document) = heard.recv().unwrap();
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(document, serde_json::json!({"a": 1}));
}

#[test]
fn what_goes_wrong_with_a_relay_is_said() {
    let (url, heard) = relay("HTTP/1.1 500 No\r\n\r\n");
    let refused = post(&url, "{}").unwrap_err().to_string();
    assert!(refused.contains("500 No"), "{refused}");
    heard.recv().unwrap();
    for bad in ["https://x/", "http://", "http://a b/", "x"] {
        let error = post(bad, "{}").unwrap_err();
        assert!(matches!(error, RelayError::Address(_)), "{bad}");
    }
    let error = post("http://127.0.0.1:1/", "{}").unwrap_err();
    assert!(matches!(error, RelayError::Io { .. }), "{error}");
}
