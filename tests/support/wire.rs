//! Bytes on a Unix socket, and replies as they came.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::patience::PATIENCE;

/// Sends bytes and reads whatever comes until the other side closes.
///
/// # Panics
/// If it does not close. A request that is to succeed needs `Connection: close`.
pub fn raw(socket: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut connection = Connection::open(socket);
    connection.send(bytes);
    connection.rest()
}

/// Sends bytes and reads one reply.
///
/// # Panics
/// If none comes.
pub fn exchange(socket: &Path, bytes: &[u8]) -> Reply {
    let mut connection = Connection::open(socket);
    connection.send(bytes);
    connection.reply()
}

/// One connection, used by hand. Dropping it hangs up.
pub struct Connection {
    stream: UnixStream,
    /// Read, and not part of a reply yet.
    ahead: Vec<u8>,
}

impl Connection {
    /// # Panics
    /// If nothing listens.
    pub fn open(socket: &Path) -> Self {
        Self::try_open(socket).unwrap_or_else(|error| panic!("{}: {error}", socket.display()))
    }

    /// # Errors
    /// If nothing listens, or we are not let in.
    pub fn try_open(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// The other side may have closed already; what it said will be read all the same.
    pub fn send(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes);
    }

    /// One whole reply.
    ///
    /// # Panics
    /// If the connection ends before.
    pub fn reply(&mut self) -> Reply {
        self.try_reply()
            .unwrap_or_else(|| panic!("no whole reply, only: {:?}", String::from_utf8_lossy(&self.ahead)))
    }

    /// One whole reply, or none if the connection ends before.
    ///
    /// # Panics
    /// If the reply has no length, which the gate always gives.
    pub fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some((reply, length)) = Reply::parse(&self.ahead) {
                self.ahead.drain(..length);
                return Some(reply);
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Everything until the other side closes.
    ///
    /// # Panics
    /// If it does not close.
    pub fn rest(mut self) -> Vec<u8> {
        while self.more() {}
        self.ahead
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(length) => {
                self.ahead.extend_from_slice(&chunk[..length]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => {
                panic!("the connection stays open ({error}) after {:?}", String::from_utf8_lossy(&self.ahead))
            }
        }
    }
}

/// One HTTP reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The replies in bytes that were read to the end.
    pub fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while let Some((reply, length)) = Self::parse(bytes) {
            replies.push(reply);
            bytes = &bytes[length..];
        }
        replies
    }

    /// The reply at the start of `bytes` and its length, if it is there whole.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..head_end]);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Self { status, headers, body: Vec::new() };
        let length: usize = reply.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        let end = head_end + length;
        reply.body = bytes.get(head_end..end)?.to_vec();
        Some((reply, end))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// # Panics
    /// If the body is no JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// Status and the problem's code; empty where there is none.
    pub fn outcome(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (self.status, body["error"].as_str().unwrap_or_default().to_owned())
    }

    /// The body, if the status is this.
    ///
    /// # Panics
    /// With the whole reply, if it is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}
