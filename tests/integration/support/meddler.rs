//! A server that lies: a proxy that changes what a real server says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A message of the real server.
pub struct Heard<'a> {
    /// Is it one for replication?
    pub replication: bool,
    /// The type of the message.
    pub tag: u8,
    /// What it holds behind its length.
    pub body: &'a [u8],
    /// How many answers with columns came on this connection before the one that this belongs to.
    pub answer: usize,
}

/// What becomes of it.
pub enum Act {
    /// It goes on as it is.
    Pass,
    /// This goes instead, so many times.
    Say(Vec<u8>, usize),
    /// Nothing comes any more, and the connection stays open.
    Silence,
    /// The connection is cut behind these bytes.
    Cut(Vec<u8>),
}

/// Stands between the program and a server; without TLS.
pub struct Meddler {
    port: u16,
}

impl Meddler {
    /// In front of the server at this port.
    pub fn before(
        port: u16,
        meddle: impl Fn(&Heard<'_>) -> Act + Send + Sync + 'static,
    ) -> Meddler {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let meddle = Arc::new(meddle);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let meddle = Arc::clone(&meddle);
                thread::spawn(move || serve(client, port, &*meddle));
            }
        });
        Meddler { port: own }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn serve(mut client: TcpStream, port: u16, meddle: &dyn Fn(&Heard<'_>) -> Act) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut startup).ok()?;
    let replication = startup.windows(12).any(|name| name == b"replication\0");
    server.write_all(&[&length[..], &startup].concat()).ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut answers = 0;
    loop {
        let mut header = [0; 5];
        if server.read_exact(&mut header).is_err() {
            let _ = client.shutdown(Shutdown::Both);
            return None;
        }
        let [tag, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        server.read_exact(&mut body).ok()?;
        if tag == b'T' {
            answers += 1;
        }
        let act = meddle(&Heard {
            replication,
            tag,
            body: &body,
            answer: usize::saturating_sub(answers, 1),
        });
        match act {
            Act::Pass => client.write_all(&message(tag, &body)).ok()?,
            Act::Say(bytes, times) => {
                for _ in 0..times {
                    client.write_all(&bytes).ok()?;
                }
            }
            Act::Silence => loop {
                // Until the program goes away, which ends the server's side too.
                server.read_exact(&mut [0]).ok()?;
            },
            Act::Cut(bytes) => {
                client.write_all(&bytes).ok()?;
                let _ = client.shutdown(Shutdown::Both);
                return None;
            }
        }
    }
}

/// A message as it goes over the wire.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// An error or a notice.
pub fn report(tag: u8, severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0");
    message(tag, body.as_bytes())
}
