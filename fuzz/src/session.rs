//! A server that says anything, on a socket.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use walcat::catalog::{publications, sessions, slots};
use walcat::connect::{self, Settings};
use walcat::error::Result;
use walcat::lsn::Lsn;
use walcat::walsender::{Connection, Message};

/// ReadyForQuery without its last byte, the state of the transaction.
const READY: &[u8] = b"Z\0\0\0\x05";
/// How long the client is waited for.
const PATIENCE: Duration = Duration::from_millis(5);

/// A server and the settings to connect to it.
struct Server {
    words: Sender<Vec<u8>>,
    settings: Settings,
    _directory: TempDir,
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// All that a server says on a replication connection, from the first byte to the last: the
/// session comes to its end.
pub fn walsender(input: &[u8]) {
    speak(input, |settings| {
        let mut connection = Connection::open(settings, "UTC")?;
        connection.identify_system()?;
        connection.start_replication("slot", Lsn(0), &[])?;
        loop {
            match connection.next_message()? {
                Some(Message::CopyDone) => return Ok(()),
                Some(_) => {}
                None => {
                    connection.receive()?;
                }
            }
        }
    });
}

/// The same of a connection for SQL.
pub fn sql(input: &[u8]) {
    speak(input, |settings| {
        let mut client = connect::sql(settings)?;
        while !client.is_closed() {
            let _ = slots::list(&mut client);
            let _ = publications::names(&mut client);
            let _ = sessions::find(&mut client, 7);
        }
        Ok(())
    });
}

/// Lets the server speak to a session.
fn speak(words: &[u8], session: impl FnOnce(&Settings) -> Result<()>) {
    SERVER.with_borrow_mut(|server| {
        let server = server.get_or_insert_with(Server::start);
        let sent = server.words.send(words.to_vec());
        sent.expect("the server is there");
        // What comes of it does not matter.
        let _ = session(&server.settings);
    });
}

/// Says it all, but after each ReadyForQuery not before the client has spoken, or has nothing to
/// say; then leaves.
fn say(socket: &mut UnixStream, words: &[u8]) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut rest = words;
    while !rest.is_empty() {
        if let Ok(0) = socket.read(&mut [0; 4096]) {
            return Ok(());
        }
        let ready = rest.windows(READY.len()).position(|part| part == READY);
        let length = ready.map_or(rest.len(), |at| rest.len().min(at + READY.len() + 1));
        let (now, later) = rest.split_at(length);
        socket.write_all(now)?;
        rest = later;
    }
    socket.shutdown(Shutdown::Write)?;
    socket.set_read_timeout(None)?;
    socket.read_to_end(&mut Vec::new()).map(|_| ())
}

impl Server {
    fn start() -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().display();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.1")).expect("a socket");
        let (words, heard) = channel::<Vec<u8>>();
        thread::spawn(move || {
            for words in heard {
                let Ok((mut socket, _)) = listener.accept() else {
                    return;
                };
                // Whether anybody listens to the end does not matter.
                let _ = say(&mut socket, &words);
            }
        });
        let settings =
            crate::settings(&format!("host={path} port=1 password=x")).expect("settings");
        Server {
            words,
            settings,
            _directory: directory,
        }
    }
}
