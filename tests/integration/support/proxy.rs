//! A bad network: a TCP proxy in front of a server that can cut, stall and swallow what passes
//! through it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Passes on what comes, both ways, unless told otherwise.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<u16>,
    links: Mutex<Vec<Arc<Link>>>,
}

/// One connection through the proxy.
struct Link {
    client: TcpStream,
    server: TcpStream,
    mode: Mutex<Mode>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Nothing gets through until it is told to pass again.
    Stall,
    /// Everything is taken and nothing gets through, for ever: a connection that is open on both
    /// sides and dead between.
    Swallow,
}

impl Proxy {
    /// In front of the server at this port.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(port),
            links: Mutex::default(),
        });
        let proxy = Proxy {
            address,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connect(client);
            }
        });
        proxy
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on new connections go to another server.
    pub fn redirect(&self, port: u16) {
        *self.shared.target.lock().unwrap() = port;
    }

    /// Closes all connections.
    pub fn cut(&self) {
        for link in self.shared.links.lock().unwrap().drain(..) {
            link.close();
        }
    }

    /// Stops all connections where they are, until [`Proxy::pass`].
    pub fn stall(&self) {
        self.set(Mode::Stall);
    }

    /// Lets stalled connections go on.
    pub fn pass(&self) {
        self.set(Mode::Pass);
    }

    /// Makes all connections that are open now dead without closing them. New ones are well.
    pub fn swallow(&self) {
        self.set(Mode::Swallow);
    }

    fn set(&self, mode: Mode) {
        for link in self.shared.links.lock().unwrap().iter() {
            link.set(mode);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn connect(&self, client: TcpStream) {
        let port = *self.target.lock().unwrap();
        // Without a server the client sees its connection closed at once.
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        let link = Arc::new(Link {
            client,
            server,
            mode: Mutex::new(Mode::Pass),
            changed: Condvar::new(),
        });
        self.links.lock().unwrap().push(Arc::clone(&link));
        let back = Arc::clone(&link);
        thread::spawn(move || link.pump(&link.client, &link.server));
        thread::spawn(move || back.pump(&back.server, &back.client));
    }
}

impl Link {
    fn set(&self, mode: Mode) {
        let mut current = self.mode.lock().unwrap();
        if *current != Mode::Swallow {
            *current = mode;
        }
        self.changed.notify_all();
    }

    fn close(&self) {
        self.set(Mode::Pass);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            let mode = self.mode.lock().unwrap();
            let mode = *self
                .changed
                .wait_while(mode, |mode| *mode == Mode::Stall)
                .unwrap();
            match (mode, count) {
                // A dead network does not tell that the other side is gone.
                (Mode::Swallow, 0) => return,
                (Mode::Swallow, _) => {}
                (_, 0) => return self.close(),
                _ => {
                    if to.write_all(&buffer[..count]).is_err() {
                        return self.close();
                    }
                }
            }
        }
    }
}
