//! What warden and process 1 say to each other: once what was made, then signals.
//!
//! ```text
//! init -> warden   one line of JSON, with descriptors: the listeners in the order of their ports, then the terminal
//! warden -> init   0: begin; after that each byte is a signal for the command
//! ```

use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};

/// What process 1, or the stage before it, has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// All is built, and every layer named here is in force.
    Ready(Layers),
    /// Nothing was started.
    Failed(String),
}

/// What confines the command besides the namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    pub seccomp: bool,
    /// Landlock's version; 0 without it.
    pub landlock_abi: u32,
}

/// The byte that lets process 1 start the command.
pub(crate) const BEGIN: u8 = 0;
const DESCRIPTORS_MAX: usize = 16;
const REPORT_BYTES_MAX: usize = 16 * 1024;

/// # Errors
/// If the other side is gone, or there are too many descriptors.
pub(crate) fn send(socket: &UnixStream, report: &Report, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.truncate(REPORT_BYTES_MAX);
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(&line)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// # Errors
/// If the other side ended without a report, or it is none.
pub(crate) fn receive(socket: &mut UnixStream) -> io::Result<(Report, Vec<OwnedFd>)> {
    let mut line = vec![0; REPORT_BYTES_MAX + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        socket.as_fd(),
        &mut [IoSliceMut::new(&mut line)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    line.truncate(message.bytes);
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let mut byte = [0];
    while line.last().is_some_and(|last| *last != b'\n') && line.len() <= REPORT_BYTES_MAX {
        match socket.read(&mut byte)? {
            0 => break,
            _ => line.push(byte[0]),
        }
    }
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&line)?, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek as _, Write as _};

    #[test]
    fn a_report_arrives_with_its_descriptors() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x").unwrap();
        let ready = Report::Ready(Layers { seccomp: true, landlock_abi: 7 });
        send(&here, &ready, &[file.as_fd(), file.as_fd()]).unwrap();
        let (report, descriptors) = receive(&mut there).unwrap();
        assert_eq!((report, descriptors.len()), (ready, 2));
        let mut same = std::fs::File::from(descriptors.into_iter().next().unwrap());
        same.rewind().unwrap();
        let mut text = String::new();
        same.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn an_end_without_a_report_is_an_error() {
        let (here, mut there) = UnixStream::pair().unwrap();
        drop(here);
        assert_eq!(receive(&mut there).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
