//! The stream under the SQL connection: negotiates TLS, and listens to what the server says first.
//!
//! The `postgres` crate takes any answer to its SSLRequest for "no"; it waits for ever for the huge
//! message that the first bytes of a web server seem to announce; and it does not tell which way of
//! authentication it lacks. If it is told that TLS is required and negotiated directly, it leaves
//! the new socket to the code here.

use crate::connect::tls::{TlsClient, is_offered};
use crate::connect::{Encryption, authentication};
use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres_rustls::MakeRustlsConnect;

/// length: u32 | code: u16 u16
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// How much of the server's first words is kept: enough for the names of the ways of authentication
/// it offers.
const KEPT: usize = 256;
/// The longest first message that is taken for one of PostgreSQL, as in libpq.
const LONGEST: u32 = 30_000;

/// Makes the streams of one attempt.
#[derive(Clone)]
pub struct Negotiator {
    encryption: Encryption,
    direct: bool,
    client: Option<TlsClient>,
    heard: Heard,
}

/// The first bytes that the server sent after the negotiation.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<u8>>>);

/// The server's first words are not those of PostgreSQL.
#[derive(Debug)]
pub struct NotPostgres;

impl std::fmt::Display for NotPostgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server does not speak PostgreSQL's protocol")
    }
}

impl std::error::Error for NotPostgres {}

impl Negotiator {
    /// For a socket over TCP; `client` is there unless `encryption` is off.
    pub fn new(encryption: Encryption, direct: bool, client: Option<TlsClient>) -> Negotiator {
        Negotiator {
            encryption,
            direct,
            client,
            heard: Heard::default(),
        }
    }

    /// What the server said first.
    pub fn heard(&self) -> Heard {
        self.heard.clone()
    }

    async fn negotiate(self, mut socket: Socket) -> io::Result<Negotiated> {
        let encrypted = match &self.client {
            None => false,
            Some(_) if self.direct => true,
            Some(_) => self.is_offered(&mut socket).await?,
        };
        let stream: Box<dyn TlsStream + Send + Unpin> = match self.client {
            Some(client) if encrypted => {
                let mut connector = MakeRustlsConnect::new((*client.config).clone());
                let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(
                    &mut connector,
                    &client.name.to_str(),
                );
                Box::new(connect.connect(socket).await?)
            }
            _ => Box::new(Plain(socket)),
        };
        Ok(Negotiated {
            stream,
            heard: self.heard,
        })
    }

    async fn is_offered(&self, socket: &mut Socket) -> io::Result<bool> {
        socket.write_all(&SSL_REQUEST).await?;
        is_offered(socket.read_u8().await?, self.encryption).map_err(io::Error::other)
    }
}

impl MakeTlsConnect<Socket> for Negotiator {
    type Stream = Negotiated;
    type TlsConnect = Negotiator;
    type Error = Infallible;

    fn make_tls_connect(&mut self, _domain: &str) -> Result<Negotiator, Infallible> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Negotiator {
    type Stream = Negotiated;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Negotiated>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(self.negotiate(socket))
    }
}

/// A stream over which the session runs.
pub struct Negotiated {
    stream: Box<dyn TlsStream + Send + Unpin>,
    heard: Heard,
}

impl TlsStream for Negotiated {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl AsyncRead for Negotiated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        match result {
            Poll::Ready(Ok(())) => Poll::Ready(
                self.heard
                    .hear(buffer.filled().get(before..).unwrap_or_default()),
            ),
            other => other,
        }
    }
}

impl AsyncWrite for Negotiated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A socket without TLS.
struct Plain(Socket);

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Heard {
    /// Keeps the first bytes; an error if no PostgreSQL server begins like that.
    fn hear(&self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.len());
        if room == 0 {
            return Ok(());
        }
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if is_postgres(&kept) {
            Ok(())
        } else {
            Err(io::Error::other(NotPostgres))
        }
    }

    /// The way of authentication that the server asked for first, if walcat cannot do it.
    pub fn unsupported_authentication(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // 'R' | length: u32 | kind: u32 | what belongs to the kind
        let (b"R", rest) = kept.split_first_chunk::<1>()? else {
            return None;
        };
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        match u32::from_be_bytes(*kind) {
            0 | 3 | 5 => None,
            10 => {
                let names = rest
                    .split(|byte| *byte == 0)
                    .take_while(|name| !name.is_empty());
                let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
                (!names.iter().any(|name| name.starts_with("SCRAM-SHA-256")))
                    .then(|| authentication::sasl(&names))
            }
            kind => Some(authentication::name(kind)),
        }
    }
}

/// Can a PostgreSQL server begin like this: with an authentication request, an error, a notice or
/// NegotiateProtocolVersion of a believable length?
fn is_postgres(kept: &[u8]) -> bool {
    let Some((tag, rest)) = kept.split_first() else {
        return true;
    };
    let length = rest
        .first_chunk::<4>()
        .map_or(8, |length| u32::from_be_bytes(*length));
    matches!(tag, b'R' | b'E' | b'N' | b'v') && (4..=LONGEST).contains(&length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Heard {
        let heard = Heard::default();
        for byte in bytes {
            heard.hear(&[*byte]).unwrap();
        }
        heard
    }

    #[test]
    fn names_what_walcat_cannot_do() {
        let name = |bytes: &[u8]| heard(bytes).unsupported_authentication();
        assert_eq!(name(b"R\0\0\0\x08\0\0\0\0"), None);
        assert_eq!(name(b"R\0\0\0\x08\0\0\0\x03"), None);
        assert_eq!(name(b"R\0\0\0\x08\0\0\0\x07").as_deref(), Some("GSSAPI"));
        assert_eq!(name(b"R\0\0\0\x08\0\0\0\x09").as_deref(), Some("SSPI"));
        assert_eq!(
            name(b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0").as_deref(),
            Some("SASL (OAUTHBEARER)")
        );
        assert_eq!(name(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), None);
        assert_eq!(
            name(b"R\0\0\0\x08\0\0\0\x63").as_deref(),
            Some("unknown (number 99)")
        );
        assert_eq!(name(b"R\0\0\0\x08\0\0"), None);
        assert_eq!(name(b"E\0\0\0\x08abcd"), None);
    }

    #[test]
    fn tells_postgres_from_others() {
        for (bytes, yes) in [
            (&b""[..], true),
            (b"R\0\0\0\x08", true),
            (b"R\0", true),
            (b"E\0\0\x01\0SFATAL", true),
            (b"HTTP/1.1 400 Bad Request", false),
            (b"ERROR\r\n", false),
            (b"N\0\0\0\0", false),
            (b"-ERR unknown", false),
        ] {
            assert_eq!(is_postgres(bytes), yes, "{bytes:?}");
        }
    }

    #[test]
    fn keeps_no_more_than_it_needs() {
        let heard = Heard::default();
        heard
            .hear(&[b"R\0\0\x01\0".as_slice(), &[0; 5000]].concat())
            .unwrap();
        heard.hear(&[0; 5000]).unwrap();
        assert_eq!(heard.0.lock().unwrap().len(), KEPT);
    }
}
