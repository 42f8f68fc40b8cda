//! Ports that no other test gets in between.

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the system takes the ports of connections and of `port 0` (32768 and
/// up on Linux).
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A port for a server that starts later: this process gives none out twice, and nobody gets one by
/// chance.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..COUNT)
        .map(|_| {
            // Test processes that run at the same time begin at different places.
            let offset = std::process::id()
                .wrapping_mul(101)
                .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            (FIRST + offset % COUNT) as u16
        })
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free port")
}

/// A port on 127.0.0.1 that refuses connections as long as this lives: bound, so that nobody else
/// gets it, but not listening.
pub struct RefusingPort(OwnedFd);

impl RefusingPort {
    pub fn new() -> RefusingPort {
        let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&bound, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        RefusingPort(bound)
    }

    pub fn number(&self) -> u16 {
        SocketAddr::try_from(getsockname(&self.0).unwrap())
            .unwrap()
            .port()
    }
}
