//! From a connected socket to a session that is ready for commands (manual section 55.2.1).

use super::authentication::{Credentials, authenticate};
use super::query::query;
use super::reader::Reader;
use super::wire::{Wire, io_error, unexpected};
use crate::connect::{Refusal, Settings};
use crate::error::{Error, Result};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::time::Duration;

/// What the server needs to be told to cancel a command of this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendKey {
    /// The process that serves us.
    pub pid: u32,
    /// Proves that it is ours.
    pub secret: i32,
}

/// What a session is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Statements on the catalogs.
    Sql,
    /// Statements that read the rows of tables, as they are to be printed: with this time zone.
    Rows {
        /// `timezone`
        timezone: &'a str,
    },
    /// Replication, with values printed in this time zone.
    Replication {
        /// `timezone`
        timezone: &'a str,
    },
}

/// Settings of every session that win over those of the role, the database and `PGOPTIONS`.
///
/// The first decide how names and values are printed, so that the same change always prints the
/// same. The timeouts are those that would break off what has to wait, as a new slot has to wait
/// for the transactions that run, or what has to idle, as a stream's look-ups do; what may not wait
/// for long is given up here, by `connect::Settings::limit`. [`settle`] sets two more that not all
/// servers know.
///
/// These are left as they are set, because somebody meant them: `default_transaction_read_only`
/// protects from writing, which only `pub create` and `pub drop` would (and it is what
/// `target_session_attrs` asks for); `role` decides with whose privileges the session acts and to
/// whom a new publication belongs. `row_security` means nothing here, except where rows are read.
const PINNED: [(&str, &str); 7] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("quote_all_identifiers", "off"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// How long setting up a session may take.
const SETTLING: Duration = Duration::from_secs(30);

/// Sends the startup packet, authenticates, and waits until the server is ready.
pub fn start_session(
    wire: &mut Wire,
    settings: &Settings,
    purpose: Purpose<'_>,
    credentials: &Credentials<'_>,
) -> std::result::Result<BackendKey, Refusal> {
    let mut message = BytesMut::new();
    let parameters = parameters(settings, purpose);
    let parameters = parameters
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    frontend::startup_message(parameters, &mut message).map_err(|error| io_error(&error))?;
    wire.send(&message).map_err(|error| io_error(&error))?;
    authenticate(wire, credentials)?;
    wait_until_ready(wire).map_err(|error| explained(error).into())
}

/// Sets what depends on the server, whose version is returned.
pub fn settle(wire: &mut Wire, purpose: Purpose<'_>) -> Result<u32> {
    *wire.limit() = wire.limit().no_longer_than(SETTLING);
    let parameter = |name: &str| wire.parameters.get(name).map(String::as_str);
    let reported = parameter("server_version").and_then(parse_server_version);
    let is_sql_ascii = parameter("server_encoding") == Some("SQL_ASCII");
    let version = match reported {
        Some(version) => version,
        None => {
            let row = query(wire, "SHOW server_version_num")?.unwrap_or_default();
            let number = row.into_iter().next().flatten();
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        }
    };
    let mut statements = Vec::new();
    if version >= 14_00_00 {
        statements.push("SET idle_session_timeout TO 0");
    }
    if version >= 17_00_00 {
        statements.push("SET transaction_timeout TO 0");
    }
    if is_sql_ascii {
        // Such a database holds any bytes: with UTF8 the server would refuse to send the first
        // invalid ones, every time.
        statements.push("SET client_encoding TO SQL_ASCII");
    }
    if let Purpose::Sql | Purpose::Rows { .. } = purpose {
        // Only now, so that the default is still the role's own: what the user writes in SQL is
        // read with that.
        statements.push("SET search_path TO ''");
    }
    if !statements.is_empty() {
        query(wire, &statements.join("; "))?;
    }
    Ok(version)
}

fn parameters(settings: &Settings, purpose: Purpose<'_>) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("user", settings.user.clone()),
        ("database", settings.dbname.clone()),
        ("application_name", settings.application_name.clone()),
        ("client_encoding", "UTF8".to_owned()),
    ];
    parameters.extend(settings.options.clone().map(|options| ("options", options)));
    parameters.extend(PINNED.map(|(name, value)| (name, value.to_owned())));
    let statement_timeout = match (purpose, settings.limit) {
        // What is given up here must not run on there.
        (Purpose::Sql, Some(limit)) => limit.as_millis().max(1).to_string(),
        _ => "0".to_owned(),
    };
    parameters.push(("statement_timeout", statement_timeout));
    match purpose {
        // No query on catalogs is worth compiling, which would take seconds.
        Purpose::Sql => {
            parameters.extend([("timezone", "UTC".to_owned()), ("jit", "off".to_owned())]);
        }
        // What row security hides would be missing: then rather an error. Long scans are rare, and
        // are not worth compiling either.
        Purpose::Rows { timezone } => parameters.extend([
            ("timezone", timezone.to_owned()),
            ("jit", "off".to_owned()),
            ("row_security", "off".to_owned()),
        ]),
        // Without search_path names in values are qualified.
        Purpose::Replication { timezone } => parameters.extend([
            ("replication", "database".to_owned()),
            ("timezone", timezone.to_owned()),
            ("search_path", String::new()),
        ]),
    }
    parameters
}

/// feature_not_supported: the server cannot convert to the encoding that was asked for.
fn explained(error: Error) -> Error {
    let of_encoding = error
        .server()
        .is_some_and(|server| server.routine.as_deref() == Some("InitializeClientEncoding"));
    if error.sqlstate() != "0A000" || !of_encoding {
        return error;
    }
    error
        .with_detail(
            "The database is in an encoding that the server cannot convert to UTF-8, as \
             MULE_INTERNAL is, so its changes cannot be printed.",
        )
        .with_remedy("dump it, and restore it into a database with ENCODING 'UTF8'")
}

fn wait_until_ready(wire: &mut Wire) -> Result<BackendKey> {
    let mut key = BackendKey::default();
    loop {
        let frame = wire.wait_frame()?;
        match frame.tag {
            b'K' => key = parse_backend_key(wire.body(&frame))?,
            b'Z' => return Ok(key),
            _ => return Err(unexpected(&frame)),
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

/// `15.18 (Debian 15.18-0+deb12u1)` is 150018, `19beta1` 190000.
fn parse_server_version(text: &str) -> Option<u32> {
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (major, rest) = text.split_at(digits(text));
    let minor = rest
        .strip_prefix('.')
        .map(|rest| &rest[..digits(rest)])
        .unwrap_or("0");
    major
        .parse::<u32>()
        .ok()?
        .checked_mul(10_000)?
        .checked_add(minor.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::socket::{Socket, WaitLimit};
    use super::*;
    use crate::connect::{Arguments, ChannelBinding, Environment, Interrupt, Prompt};
    use crate::error::{Error, Kind};
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
        let given = Arguments {
            dbname: Some("user=ada dbname=db".into()),
            prompt: Prompt::Never,
            ..Arguments::default()
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
        *wire.limit() = WaitLimit::new(Some(deadline), &Interrupt::default());
        let purpose = Purpose::Replication { timezone: "UTC" };
        start_session(wire, &settings(), purpose, &credentials)
            .map_err(|refusal| refusal.could_not("connect"))
    }

    /// Starts a session with a server that says this whatever it hears, and then leaves.
    fn answered(answer: &[u8]) -> std::result::Result<BackendKey, Error> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answer).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap());
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
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap());
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
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap());
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
        let mut wire = Wire::new(Socket::new(ours.into()).unwrap());
        let Err(Refusal::Other(error)) = start(&mut wire, Duration::from_millis(200)) else {
            panic!("no error")
        };
        assert_eq!(error.to_string(), "could not connect: timeout expired");
        assert!(wire.parameters.len() <= 1000);
        drop(wire);
        server.join().unwrap();
    }

    #[test]
    fn knows_the_version() {
        for (text, number) in [
            ("15.18 (Debian 15.18-0+deb12u1)", Some(15_00_18)),
            ("19beta1", Some(19_00_00)),
            ("18.4", Some(18_00_04)),
            ("", None),
            ("x", None),
            ("99999999999", None),
            ("4294967295.1", None),
        ] {
            assert_eq!(parse_server_version(text), number, "{text}");
        }
    }
}
