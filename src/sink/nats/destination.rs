//! Where to publish, and how.

use super::subject::Template;
use crate::error::{Error, Result};
use crate::record::ReadLines;
use crate::sink::Source;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The port of servers that name none.
const PORT: u16 = 4222;

/// A stream that is to be published into.
#[derive(Clone, Debug)]
pub struct LogDestination {
    /// The servers and the stream.
    pub url: LogUrl,
    /// How subjects are made.
    pub subjects: Template,
    /// With how many replicas the stream is created if it is not there; `None`: not at all.
    pub create: Option<usize>,
    /// How long after its acknowledgement a message counts as safe.
    pub confirm_delay: Duration,
    /// What makes a stub of a record that is too large; `None`: that is an error.
    pub stub: Option<&'static dyn ReadLines>,
    /// Whether transactions are to be kept together.
    pub atomic: bool,
    /// After how long a silence of another publisher it takes over, if it follows one.
    pub standby: Option<Duration>,
    /// What proves who we are.
    pub access: Access,
    /// Where the events come from.
    pub source: Source,
}

/// Credentials and certificates, beside what the URL has.
#[derive(Clone, Default)]
pub struct Access {
    /// The user's name and password.
    pub user: Option<(String, String)>,
    /// The file with a token and the seed of a key.
    pub credentials: Option<PathBuf>,
    /// The file with the seed of a key.
    pub nkey: Option<PathBuf>,
    /// The file with the certificates to trust, instead of the system's.
    pub root_certificates: Option<PathBuf>,
    /// The files with the client's certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Passwords stay unseen.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

/// `nats://[USER[:PASSWORD]@]HOST[:PORT][,...]/STREAM`
#[derive(Clone)]
pub struct LogUrl {
    /// Whether TLS is required.
    pub tls: bool,
    /// Host and port of each server.
    pub hosts: Vec<String>,
    /// The user's name, and the password; a name alone is a token.
    pub login: Option<(String, Option<String>)>,
    /// The stream's name.
    pub stream: String,
}

impl LogUrl {
    /// Reads a URL. No error shows it: it may hold a password.
    pub fn parse(text: &str) -> Result<LogUrl> {
        let refused = |reason: &str| {
            Error::usage(format!("could not use --to: {reason}"))
                .with_remedy("--to nats://HOST/STREAM")
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refused("it is no URL"))?;
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return Err(refused("the URL must begin with nats:// or tls://")),
        };
        let (servers, stream) = rest
            .rsplit_once('/')
            .ok_or_else(|| refused("the URL names no stream"))?;
        if stream.is_empty() {
            return Err(refused("the URL names no stream"));
        }
        let fine = |c: char| c.is_ascii_graphic() && !".*>/\\?#%".contains(c);
        if !stream.chars().all(fine) {
            return Err(refused(
                "the name of a stream is printable ASCII characters but . * > / \\ ? # %",
            ));
        }
        let (mut hosts, mut login) = (Vec::new(), None);
        for server in servers.split(',') {
            let host = match server.rsplit_once('@') {
                Some((user, host)) => {
                    let (name, password) = match user.split_once(':') {
                        Some((name, password)) => (name, Some(password)),
                        None => (user, None),
                    };
                    let decode = |text| decoded(text).ok_or_else(|| refused("a %-code is wrong"));
                    let own = (decode(name)?, password.map(decode).transpose()?);
                    if login.get_or_insert_with(|| own.clone()) != &own {
                        return Err(refused("the servers have different users"));
                    }
                    host
                }
                None => server,
            };
            hosts.push(with_port(host).ok_or_else(|| refused("a server's name is no host name"))?);
        }
        Ok(LogUrl {
            tls,
            hosts,
            login,
            stream: stream.to_owned(),
        })
    }
}

/// Without user and password.
impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
        write!(f, "{scheme}://{}/{}", self.hosts.join(","), self.stream)
    }
}

/// The same.
impl fmt::Debug for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `HOST:PORT`; an IPv6 address stands in brackets.
fn with_port(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (format!("[{address}]"), port)
        }
        None => {
            let (name, _) = host.split_once(':').unwrap_or((host, ""));
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || !name.chars().all(fine) {
                return None;
            }
            (name.to_owned(), host.get(name.len()..)?)
        }
    };
    match port {
        "" => Some(format!("{name}:{PORT}")),
        port => {
            let port: u16 = port.strip_prefix(':')?.parse().ok()?;
            Some(format!("{name}:{port}"))
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_login_and_stream() {
        let url = LogUrl::parse("nats://a,b:5000,[::1]:7/WAL").unwrap();
        assert_eq!(url.to_string(), "nats://a:4222,b:5000,[::1]:7/WAL");
        assert_eq!(url.login, None);
        let url = LogUrl::parse("tls://me:p%40ss%3A@a.example/WAL").unwrap();
        assert_eq!(url.login, Some(("me".into(), Some("p@ss:".into()))));
        assert_eq!(format!("{url} {url:?}").matches("p@ss").count(), 0);
        let token = LogUrl::parse("nats://t0ken@a/WAL").unwrap();
        assert_eq!(token.login, Some(("t0ken".into(), None)));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        for text in [
            "secret",
            "http://secret/WAL",
            "nats://u:secret@a",
            "nats://u:secret@a/",
            "nats://u:secret@a/W.L",
            "nats://u:secret@a/W L",
            "nats://u:secret@/WAL",
            "nats://u:secret@a:x/WAL",
            "nats://u:secret@a:70000/WAL",
            "nats://u:secret@a b/WAL",
            "nats://u:secret@[::1/WAL",
            "nats://u:secret%4@a/WAL",
            "nats://u:secret@a,v:secret@b/WAL",
        ] {
            let error = LogUrl::parse(text).unwrap_err().report();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
