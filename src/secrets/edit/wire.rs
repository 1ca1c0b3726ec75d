//! What the two processes of an edit say to each other over their socket: one byte of kind, eight of length, bytes.
//! The text goes this way and no other; buffers wipe themselves.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;

use quorate_secrets::secret::Secret;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use zeroize::Zeroizing;

/// What the keeper is asked.
pub(super) enum Request {
    /// Write this text to the file.
    Text(Secret),
    /// Run this command line and say how it ended, then give the file.
    Open(Vec<OsString>),
    /// Run this command line and say how it ended.
    Run(Vec<OsString>),
}

/// What the keeper answers.
pub(super) enum Answer {
    /// The private storage is there.
    Ready,
    /// The system gives none, and why.
    Refused(String),
    /// The text as it was left.
    Text(Secret),
    /// The program ended. An editor that ended with exit code 0 is told by its text.
    Ended(End),
    /// Something went wrong, in words.
    Failed(String),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// No text that a person edits is longer: the bound keeps a broken frame from asking for all memory.
const LONGEST: u64 = 1 << 31;

fn send(mut stream: &UnixStream, kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut head = [kind; 9];
    head[1..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    stream.write_all(&head)?;
    stream.write_all(payload)
}

fn receive(mut stream: &UnixStream) -> io::Result<(u8, Zeroizing<Vec<u8>>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u64::from_le_bytes(length);
    let length = usize::try_from(length).ok().filter(|_| length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("a frame that is too long"))?;
    let mut payload = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut payload)?;
    Ok((kind, payload))
}

fn unknown() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame of an unknown kind")
}

/// Sends a request.
pub(super) fn ask(stream: &UnixStream, request: &Request) -> io::Result<()> {
    match request {
        Request::Text(text) => send(stream, b'T', text.expose_bytes()),
        Request::Open(words) => send(stream, b'O', &joined(words)),
        Request::Run(words) => send(stream, b'R', &joined(words)),
    }
}

/// Words of a command line as one. None has a NUL in it.
fn joined(words: &[OsString]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    words.join(&0)
}

fn split(line: &[u8]) -> Vec<OsString> {
    line.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect()
}

/// Waits for a request.
pub(super) fn asked(stream: &UnixStream) -> io::Result<Request> {
    let (kind, payload) = receive(stream)?;
    match kind {
        b'T' => Ok(Request::Text(Secret::from_bytes(payload.to_vec()))),
        b'O' => Ok(Request::Open(split(&payload))),
        b'R' => Ok(Request::Run(split(&payload))),
        _ => Err(unknown()),
    }
}

/// Sends an answer.
pub(super) fn answer(stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Ready => send(stream, b'R', b""),
        Answer::Refused(why) => send(stream, b'N', why.as_bytes()),
        Answer::Text(text) => send(stream, b'T', text.expose_bytes()),
        Answer::Ended(End::Code(code)) => send(stream, b'E', &code.to_le_bytes()),
        Answer::Ended(End::Signal(signal)) => send(stream, b'S', &signal.to_le_bytes()),
        Answer::Failed(why) => send(stream, b'F', why.as_bytes()),
    }
}

/// Waits for an answer.
pub(super) fn answered(stream: &UnixStream) -> io::Result<Answer> {
    let (kind, payload) = receive(stream)?;
    let words = || String::from_utf8_lossy(&payload).into_owned();
    let number = || payload.as_slice().try_into().map(i32::from_le_bytes).map_err(|_| unknown());
    Ok(match kind {
        b'R' => Answer::Ready,
        b'N' => Answer::Refused(words()),
        b'T' => Answer::Text(Secret::from_bytes(payload.to_vec())),
        b'E' => Answer::Ended(End::Code(number()?)),
        b'S' => Answer::Ended(End::Signal(number()?)),
        b'F' => Answer::Failed(words()),
        _ => return Err(unknown()),
    })
}

/// Hands a descriptor to the other process: its own standard input is this socket, the editor's is ours.
pub(super) fn hand_over(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    message.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream, &[IoSlice::new(b"I")], &mut message, SendFlags::empty())?;
    Ok(())
}

/// Takes the descriptor that the other process hands over.
pub(super) fn take_over(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut message, flags)?;
    let descriptor = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::Error::other("no descriptor came"))
}
