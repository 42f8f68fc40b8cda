//! The socket of a connection, with or without TLS: blocking, but never read before `poll` says
//! that something is there, so that waiting can end at a deadline or when the user wants to stop.

use super::buffer::Buffer;
use crate::connect::{Endpoint, Interrupt, Keepalives, tls::TlsClient};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketType, addr::SocketAddrArg, sockopt,
};
use rustls::ClientConnection;
use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one write may take before the peer counts as gone: what is sent is small, so only a
/// peer that has long stopped reading can fill the socket's buffer.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting program looks whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long to wait before a socket file is tried again at which too many wait.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);
/// Encrypted bytes taken from the kernel at once.
const CIPHERTEXT: usize = 64 * 1024;

/// How long to wait for the server.
#[derive(Clone, Debug, Default)]
pub struct WaitLimit {
    /// Until then; `None`: for ever.
    pub deadline: Option<Instant>,
    /// As long as the user does not want to stop, which is asked ten times a second.
    pub interrupt: Interrupt,
}

/// A connection to a server.
pub struct Socket {
    fd: OwnedFd,
    tls: Option<Box<Tls>>,
    /// Ends all waiting for the server.
    pub limit: WaitLimit,
}

struct Tls {
    connection: ClientConnection,
    ciphertext: Vec<u8>,
    closed: bool,
}

impl WaitLimit {
    /// So long from now on, as long as the user does not want to stop; `None`: for ever.
    pub fn new(time: Option<Duration>, interrupt: &Interrupt) -> WaitLimit {
        WaitLimit {
            deadline: time.and_then(|time| Instant::now().checked_add(time)),
            interrupt: interrupt.clone(),
        }
    }

    /// The same, and not longer than this from now on.
    pub fn no_longer_than(&self, time: Duration) -> WaitLimit {
        let limit = Instant::now().checked_add(time);
        WaitLimit {
            deadline: self.deadline.into_iter().chain(limit).min(),
            interrupt: self.interrupt.clone(),
        }
    }

    /// Waits until `fd` is ready for `events`.
    pub fn wait(&self, fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<()> {
        loop {
            let pause = Timespec::try_from(self.pause()?).unwrap_or_default();
            match poll(&mut [PollFd::from_borrowed_fd(fd, events)], Some(&pause)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How long to wait before this is asked again. An error: no longer.
    pub fn pause(&self) -> io::Result<Duration> {
        self.check()?;
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        Ok(left.map_or(LOOK_UP, |left| left.min(LOOK_UP)))
    }

    /// Fails if there is no time left.
    pub fn check(&self) -> io::Result<()> {
        if self.interrupt.is_wanted() {
            return Err(io::Error::other("interrupted"));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "timeout expired"))
            }
            _ => Ok(()),
        }
    }
}

impl Socket {
    /// Connects to a server. The limit then holds for all waiting.
    pub fn connect(endpoint: &Endpoint, limit: WaitLimit) -> io::Result<Socket> {
        let mut socket = match endpoint {
            Endpoint::Unix(path) => Socket::connect_unix(path, &limit),
            Endpoint::Tcp(address) => Socket::connect_tcp(*address, &limit),
        }?;
        socket.limit = limit;
        Ok(socket)
    }

    fn connect_unix(path: &Path, limit: &WaitLimit) -> io::Result<Socket> {
        let address = SocketAddrUnix::new(path)?;
        let fd = new_socket(AddressFamily::UNIX)?;
        connect_within(&fd, &address, limit)?;
        Socket::new(fd)
    }

    fn connect_tcp(address: SocketAddr, limit: &WaitLimit) -> io::Result<Socket> {
        let fd = new_socket(if address.is_ipv6() {
            AddressFamily::INET6
        } else {
            AddressFamily::INET
        })?;
        connect_within(&fd, &address, limit)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        Socket::new(fd)
    }

    /// Takes over a connected socket, with no limit for waiting.
    pub fn new(fd: OwnedFd) -> io::Result<Socket> {
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(SEND_TIMEOUT))?;
        Ok(Socket {
            fd,
            tls: None,
            limit: WaitLimit::default(),
        })
    }

    /// Lets the kernel find out that the other side is gone.
    pub fn keep_alive(&self, keepalives: &Keepalives) -> io::Result<()> {
        let fd = &self.fd;
        #[cfg(target_os = "linux")]
        if let Some(timeout) = keepalives.tcp_user_timeout {
            sockopt::set_tcp_user_timeout(fd, timeout.as_millis().try_into().unwrap_or(u32::MAX))?;
        }
        sockopt::set_socket_keepalive(fd, keepalives.enabled)?;
        if !keepalives.enabled {
            return Ok(());
        }
        if let Some(idle) = keepalives.idle {
            sockopt::set_tcp_keepidle(fd, idle)?;
        }
        if let Some(interval) = keepalives.interval {
            sockopt::set_tcp_keepintvl(fd, interval)?;
        }
        if let Some(count) = keepalives.count {
            sockopt::set_tcp_keepcnt(fd, count)?;
        }
        Ok(())
    }

    /// Waits until the server sent something. Ask [`Socket::receive`] first whether it lies here
    /// already.
    pub fn wait_readable(&self) -> io::Result<()> {
        self.limit.wait(self.as_fd(), PollFlags::IN)
    }

    /// Returns `true` if the server sent something, or hung up. Does not wait.
    pub fn is_readable(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// One byte, as the answer to SSLRequest is: no more, for what follows may belong to TLS.
    pub fn receive_byte(&mut self) -> io::Result<u8> {
        self.wait_readable()?;
        let mut byte = [0];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut byte))? {
            0 => Err(closed()),
            _ => Ok(u8::from_be_bytes(byte)),
        }
    }

    /// One read of what the kernel has. Blocks if there is nothing. Returns how many bytes came,
    /// encrypted or not: at least one. With TLS all that could be decrypted is in the buffer, so
    /// `poll` on the socket misses nothing.
    pub fn receive(&mut self, buffer: &mut Buffer) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let count = buffer.receive(|bytes| {
                rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, spare_capacity(bytes)))
            })?;
            return if count == 0 { Err(closed()) } else { Ok(count) };
        };
        let count = tls.receive(&self.fd, buffer)?;
        tls.flush(&self.fd)?;
        if count == 0 { Err(closed()) } else { Ok(count) }
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return RawSocket(&self.fd).write_all(bytes);
        };
        tls.connection.writer().write_all(bytes)?;
        tls.flush(&self.fd)
    }

    /// Speaks TLS from here on.
    pub fn start_tls(&mut self, client: &TlsClient) -> io::Result<()> {
        let connection = ClientConnection::new(Arc::clone(&client.config), client.name.clone())
            .map_err(io::Error::other)?;
        let mut tls = Tls {
            connection,
            ciphertext: vec![0; CIPHERTEXT],
            closed: false,
        };
        tls.flush(&self.fd)?;
        while tls.connection.is_handshaking() {
            self.limit.wait(self.fd.as_fd(), PollFlags::IN)?;
            let result = tls.take(&self.fd);
            // Also after a failure: the alert tells the server why.
            let flushed = tls.flush(&self.fd);
            if result? == 0 {
                return Err(closed());
            }
            flushed?;
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Returns `true` if the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns `true` if the server confirmed by ALPN that PostgreSQL's protocol is spoken within
    /// TLS.
    pub fn speaks_postgresql(&self) -> bool {
        self.tls
            .as_ref()
            .and_then(|tls| tls.connection.alpn_protocol())
            .is_some()
    }

    /// The certificate (DER) that the server showed.
    pub fn server_certificate(&self) -> Option<&[u8]> {
        self.tls
            .as_ref()?
            .connection
            .peer_certificates()?
            .first()
            .map(AsRef::as_ref)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Tls {
    /// Reads from the socket once and decrypts all of it into `buffer`.
    fn receive(&mut self, fd: &OwnedFd, buffer: &mut Buffer) -> io::Result<usize> {
        if self.closed {
            return Ok(0);
        }
        let count = rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut self.ciphertext[..]))?;
        let mut ciphertext = self.ciphertext.get(..count).unwrap_or_default();
        self.closed = count == 0;
        while !ciphertext.is_empty() && !self.closed {
            self.closed = self.connection.read_tls(&mut ciphertext)? == 0;
            self.connection
                .process_new_packets()
                .map_err(io::Error::other)?;
            loop {
                let mut reader = self.connection.reader();
                let count = match reader.fill_buf() {
                    Ok([]) => {
                        self.closed = true;
                        break;
                    }
                    // A record of TLS is shorter than the room.
                    Ok(plaintext) => buffer.receive(|bytes| {
                        bytes.extend_from_slice(plaintext);
                        plaintext.len()
                    }),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                reader.consume(count);
            }
        }
        Ok(count)
    }

    /// Reads a part of the handshake.
    fn take(&mut self, fd: &OwnedFd) -> io::Result<usize> {
        let count = self.connection.read_tls(&mut RawSocket(fd))?;
        self.connection
            .process_new_packets()
            .map_err(io::Error::other)?;
        Ok(count)
    }

    fn flush(&mut self, fd: &OwnedFd) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut RawSocket(fd))?;
        }
        Ok(())
    }
}

/// Where there is no such flag, it is enough that the standard library ignores SIGPIPE.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;

/// The encrypted side.
struct RawSocket<'a>(&'a OwnedFd);

impl Read for RawSocket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::read(self.0, &mut *bytes)
        })?)
    }
}

impl Write for RawSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::net::send(self.0, bytes, SEND_FLAGS) {
            Err(Errno::AGAIN) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server does not read what is sent to it",
            )),
            result => Ok(result?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let fd = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}

fn connect_within(fd: &OwnedFd, address: &impl SocketAddrArg, limit: &WaitLimit) -> io::Result<()> {
    rustix::io::ioctl_fionbio(fd, true)?;
    loop {
        match rustix::net::connect(fd, address) {
            Ok(()) => break,
            Err(Errno::INPROGRESS | Errno::INTR) => {
                limit.wait(fd.as_fd(), PollFlags::OUT)?;
                sockopt::socket_error(fd)??;
                break;
            }
            // As many wait at the socket file as may; nothing tells when there is room again.
            Err(Errno::AGAIN) => thread::sleep(limit.pause()?.min(CONNECT_PAUSE)),
            Err(error) => return Err(error.into()),
        }
    }
    rustix::io::ioctl_fionbio(fd, false)?;
    Ok(())
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "server closed the connection unexpectedly",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_file_at_which_too_many_wait_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let address = SocketAddrUnix::new(&path).unwrap();
        let listener = new_socket(AddressFamily::UNIX).unwrap();
        rustix::net::bind(&listener, &address).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let within = |milliseconds| {
            let time = Duration::from_millis(milliseconds);
            WaitLimit::new(Some(time), &Interrupt::default())
        };
        let waiting: Vec<_> = (0..10)
            .map_while(|_| Socket::connect_unix(&path, &within(50)).ok())
            .collect();
        assert!((1..10).contains(&waiting.len()));
        let reason = Socket::connect_unix(&path, &within(50)).err().unwrap();
        assert_eq!(reason.kind(), io::ErrorKind::TimedOut);
        // Once there is room it goes on.
        thread::scope(|scope| {
            let room = scope.spawn(|| rustix::net::accept(&listener).unwrap());
            assert!(Socket::connect_unix(&path, &within(60_000)).is_ok());
            room.join().unwrap();
        });
    }
}
