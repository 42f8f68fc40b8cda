//! From a connected socket to a session that is ready for commands (manual section 55.2.1).

use super::authentication::{Credentials, authenticate};
use super::message::Reader;
use super::socket::Patience;
use super::wire::{Wire, io_error, unexpected};
use crate::connect::{PINNED, Refusal, Settings};
use crate::error::Result;
use bytes::BytesMut;
use postgres_protocol::message::frontend;

/// What the server needs to be told to cancel a command of this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendKey {
    /// The process that serves us.
    pub pid: u32,
    /// Proves that it is ours.
    pub secret: i32,
}

/// Sends the startup packet, authenticates, and waits until the server is ready.
pub fn start_session(
    wire: &mut Wire,
    act: &str,
    settings: &Settings,
    timezone: &str,
    credentials: &Credentials<'_>,
    patience: Patience<'_>,
) -> std::result::Result<BackendKey, Refusal> {
    let mut message = BytesMut::new();
    frontend::startup_message(parameters(settings, timezone), &mut message)
        .map_err(|error| io_error(act, &error))?;
    wire.send(&message).map_err(|error| io_error(act, &error))?;
    authenticate(wire, act, credentials, patience)?;
    Ok(wait_until_ready(wire, act, patience)?)
}

fn parameters<'a>(
    settings: &'a Settings,
    timezone: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = [
        ("user", settings.user.as_str()),
        ("database", &settings.dbname),
        ("replication", "database"),
        ("application_name", &settings.application_name),
        ("timezone", timezone),
        ("client_encoding", "UTF8"),
        // Names in values are qualified.
        ("search_path", ""),
    ];
    let options = settings
        .options
        .as_deref()
        .map(|options| ("options", options));
    own.into_iter().chain(options).chain(PINNED)
}

fn wait_until_ready(wire: &mut Wire, act: &str, patience: Patience<'_>) -> Result<BackendKey> {
    let mut key = BackendKey::default();
    loop {
        let frame = wire.wait_frame(act, patience)?;
        match frame.tag {
            b'K' => key = parse_backend_key(wire.body(&frame))?,
            b'Z' => return Ok(key),
            _ => return Err(unexpected(act, &frame)),
        }
    }
}

// pid: u32 | secret: i32
fn parse_backend_key(body: &[u8]) -> Result<BackendKey> {
    let mut reader = Reader::new("BackendKeyData", body);
    let key = BackendKey {
        pid: reader.u32("process number")?,
        secret: reader.u32("secret key")? as i32,
    };
    reader.finish()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{ChannelBinding, Environment, Given, Prompt, Voice};
    use crate::error::{Error, Kind};
    use crate::walsender::socket::Socket;
    use std::collections::HashMap;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::thread;
    use std::time::{Duration, Instant};

    fn settings() -> Settings {
        let environment = Environment {
            variables: HashMap::new(),
            home: None,
            user_name: || None,
            socket_directory: PathBuf::from("/nowhere"),
            system_directories: Vec::new(),
        };
        let given = Given {
            dbname: Some("user=ada dbname=db".into()),
            prompt: Prompt::Never,
            ..Given::default()
        };
        Settings::resolve_in(&given, &environment).unwrap()
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    fn request(kind: u32, rest: &[u8]) -> Vec<u8> {
        message(b'R', &[&kind.to_be_bytes()[..], rest].concat())
    }

    fn good_answer() -> Vec<u8> {
        [
            request(0, b""),
            message(b'S', b"server_version\x0015.18\0"),
            message(b'N', b"VNOTICE\0C00000\0Mhello\0\0"),
            message(b'K', b"\0\0\0\x07\xFF\xFF\xFF\xFF"),
            message(b'Z', b"I"),
        ]
        .concat()
    }

    fn start(wire: &mut Wire, deadline: Duration) -> std::result::Result<BackendKey, Refusal> {
        let credentials = Credentials {
            user: "ada",
            password: Some("secret"),
            channel_binding: ChannelBinding::Prefer,
        };
        let patience = Patience {
            deadline: Some(Instant::now() + deadline),
            interrupted: &|| false,
        };
        start_session(wire, "connect", &settings(), "UTC", &credentials, patience)
    }

    /// Starts a session with a server that says this whatever it hears, and then leaves.
    fn answered(answer: &[u8]) -> std::result::Result<BackendKey, Error> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answer).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap(), Voice::default());
        start(&mut wire, Duration::from_secs(10)).map_err(|refusal| match refusal {
            Refusal::Other(error) | Refusal::Tls(error) => error,
            Refusal::PasswordNeeded => Error::new("password needed"),
        })
    }

    /// Starts a session with a server that asks for SCRAM and answers the client's first message,
    /// whose nonce it is given.
    fn answered_to_scram(first: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> Error {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            theirs
                .write_all(&request(10, b"SCRAM-SHA-256\0\0"))
                .unwrap();
            let mut heard = Vec::new();
            let mut bytes = [0; 4096];
            while !heard.windows(3).any(|bytes| bytes == b",r=") {
                let count = theirs.read(&mut bytes).unwrap();
                heard.extend(&bytes[..count]);
            }
            let text = String::from_utf8_lossy(&heard).into_owned();
            theirs
                .write_all(&first(text.rsplit(",r=").next().unwrap()))
                .unwrap();
        });
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap(), Voice::default());
        let result = start(&mut wire, Duration::from_secs(10));
        server.join().unwrap();
        match result {
            Err(Refusal::Other(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn starts_a_session() {
        assert_eq!(
            answered(&good_answer()).unwrap(),
            BackendKey { pid: 7, secret: -1 }
        );
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap(), Voice::default());
        theirs.write_all(&good_answer()).unwrap();
        start(&mut wire, Duration::from_secs(10)).unwrap();
        assert_eq!(
            wire.parameters.get("server_version").map(String::as_str),
            Some("15.18")
        );
        drop(wire);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).unwrap();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        for pair in [
            "user\0ada\0",
            "database\0db\0",
            "replication\0database\0",
            "timezone\0UTC\0",
            "search_path\0\0",
        ] {
            assert!(sent.contains(pair), "{sent:?} lacks {pair:?}");
        }
    }

    #[test]
    fn a_server_may_close_at_every_byte() {
        let answer = good_answer();
        for cut in 0..answer.len() {
            let error = answered(&answer[..cut]).unwrap_err();
            let expected = (
                "could not connect: server closed the connection unexpectedly".to_owned(),
                Kind::Transient,
            );
            assert_eq!((error.to_string(), error.kind()), expected, "cut at {cut}");
        }
    }

    #[test]
    fn no_answer_makes_it_panic() {
        let answers = [
            good_answer(),
            request(10, b"SCRAM-SHA-256\0\0"),
            request(5, b"salt"),
            message(b'E', b"VFATAL\0\0"),
        ];
        for answer in answers {
            for at in 0..answer.len() {
                for value in [
                    0, 1, 3, 4, 5, 10, 11, 12, 0x7F, 0x80, 0xFF, b'E', b'N', b'R', b'S', b'Z',
                ] {
                    let mut bytes = answer.clone();
                    bytes[at] = value;
                    let _ = answered(&bytes);
                }
            }
        }
    }

    #[test]
    fn what_it_cannot_do_it_names() {
        for (answer, reason) in [
            (
                request(2, b""),
                "the server asks for Kerberos V5 authentication, which walcat does not have",
            ),
            (
                request(6, b""),
                "the server asks for SCM credential authentication, which walcat does not have",
            ),
            (
                request(7, b""),
                "the server asks for GSSAPI authentication, which walcat does not have",
            ),
            (
                request(9, b""),
                "the server asks for SSPI authentication, which walcat does not have",
            ),
            (
                request(10, b"OAUTHBEARER\0\0"),
                "the server asks for SASL (OAUTHBEARER) authentication, which walcat does not have",
            ),
            (
                request(10, b"\0"),
                "the server asks for SASL () authentication, which walcat does not have",
            ),
            (
                request(99, b"?"),
                "the server asks for unknown (number 99) authentication, which walcat does not \
                 have",
            ),
            (
                request(11, b"r=x"),
                "the server sent an authentication message out of turn",
            ),
            (
                request(12, b"v=x"),
                "the server sent an authentication message out of turn",
            ),
            (
                [request(3, b""), request(3, b"")].concat(),
                "the server sent an authentication message out of turn",
            ),
            (
                message(b'Z', b"I"),
                "the server sent the unexpected message \"Z\"",
            ),
            (
                message(b'v', b"\0\0\0\0\0\0\0\0"),
                "the server sent the unexpected message \"v\"",
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
                "the server does not speak PostgreSQL's protocol: the field \"length\" at byte 1 \
                 of its message \"H\" says 1414811695",
            ),
            (
                b"R\x40\0\0\0".to_vec(),
                "the server does not speak PostgreSQL's protocol: the field \"length\" at byte 1 \
                 of its message \"R\" says 1073741824",
            ),
        ] {
            let error = answered(&answer).unwrap_err();
            assert_eq!(
                (error.to_string(), error.kind()),
                (format!("could not connect: {reason}"), Kind::Permanent)
            );
        }
    }

    #[test]
    fn broken_messages_are_named() {
        for (answer, part) in [
            (
                message(b'R', b"\0\0"),
                "Authentication: its field \"kind\" at byte 0",
            ),
            (
                request(5, b"sal"),
                "Authentication: its field \"salt\" at byte 4",
            ),
            (request(5, b"salty"), "Authentication: it goes on at byte 8"),
            (
                request(10, b"SCRAM"),
                "Authentication: its field \"mechanism\" at byte 4",
            ),
            (
                message(b'S', b"name"),
                "ParameterStatus: its field \"name\" at byte 0",
            ),
            (
                message(b'S', b"name\0value"),
                "ParameterStatus: its field \"value\" at byte 5",
            ),
            (
                [request(0, b""), message(b'K', b"\0\0\0")].concat(),
                "BackendKeyData: its field \"process number\" at byte 0",
            ),
            (
                message(b'E', b"M"),
                "ErrorResponse: its field \"field text\" at byte 1",
            ),
        ] {
            let error = answered(&answer).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn scram_of_a_hostile_server_fails_at_once() {
        let first = |answer: String| request(11, answer.as_bytes());
        let start = Instant::now();
        for error in [
            answered_to_scram(move |nonce| first(format!("r={nonce}x,s=c2FsdA==,i=4294967295"))),
            answered_to_scram(move |nonce| {
                first(format!("r={nonce}x,s=c2FsdA==,i=99999999999999"))
            }),
            answered_to_scram(move |nonce| first(format!("r={nonce}x,s=c2FsdA==,i=-1"))),
            answered_to_scram(move |nonce| first(format!("r={nonce}x,s=$$$$,i=4096"))),
            answered_to_scram(move |nonce| first(format!("r=x{nonce},s=c2FsdA==,i=4096"))),
            answered_to_scram(move |_| first(String::new())),
            answered_to_scram(move |_| request(11, b"\xFF\xFE")),
            // It must prove that it knows the password.
            answered_to_scram(|_| good_answer()),
            answered_to_scram(move |nonce| {
                [
                    first(format!("r={nonce}x,s=c2FsdA==,i=4096")),
                    good_answer(),
                ]
                .concat()
            }),
            answered_to_scram(move |nonce| {
                [
                    first(format!("r={nonce}x,s=c2FsdA==,i=4096")),
                    request(12, b"v=AAAA"),
                    good_answer(),
                ]
                .concat()
            }),
            answered_to_scram(move |nonce| {
                [
                    first(format!("r={nonce}x,s=c2FsdA==,i=4096")),
                    request(12, b"e=other-error"),
                ]
                .concat()
            }),
        ] {
            assert!(
                error.to_string().starts_with("could not connect: "),
                "{error}"
            );
            assert_eq!(error.kind(), Kind::Permanent, "{error}");
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "took {:?}",
            start.elapsed()
        );
    }

    #[test]
    fn a_server_that_talks_without_end_is_given_up() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            for number in 0u64.. {
                let talk = [
                    message(b'S', format!("{number}\0value\0").as_bytes()),
                    message(b'N', b"VNOTICE\0\0"),
                ];
                if theirs.write_all(&talk.concat().repeat(100)).is_err() {
                    break;
                }
            }
        });
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap(), Voice::default());
        let Err(Refusal::Other(error)) = start(&mut wire, Duration::from_millis(200)) else {
            panic!("no error")
        };
        assert_eq!(error.to_string(), "could not connect: timeout expired");
        assert!(wire.parameters.len() <= 1000);
        drop(wire);
        server.join().unwrap();
    }
}
