//! Whether the connection speaks TLS: SSLRequest and its answers (manual section 55.2.10), or TLS
//! from the first byte.

use super::socket::{Socket, WaitLimit};
use crate::connect::{Attempt, Encryption, Endpoint, Refusal, lost, tls, tls::TlsClient};
use crate::error::Error;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::io;

/// How to get to the server that was found, once more.
#[derive(Clone)]
pub struct Route {
    endpoint: Endpoint,
    /// With TLS, if the first connection has it.
    tls: Option<TlsClient>,
    direct: bool,
}

impl Route {
    /// Connects a socket and encrypts it, as the attempt says.
    pub fn open(attempt: &Attempt<'_>, limit: WaitLimit) -> Result<(Socket, Route), Refusal> {
        let mut socket = Socket::connect(&attempt.endpoint, limit)
            .map_err(|reason| attempt.unreachable(&reason))?;
        if let Endpoint::Tcp(_) = attempt.endpoint {
            socket
                .keep_alive(&attempt.settings.keepalives)
                .map_err(Error::because)?;
        }
        let tls = encrypt(&mut socket, attempt)?;
        let route = Route {
            endpoint: attempt.endpoint.clone(),
            tls,
            direct: attempt.settings.tls.direct,
        };
        Ok((socket, route))
    }

    /// A route for tests, without TLS.
    #[cfg(test)]
    pub fn plain(endpoint: Endpoint) -> Route {
        Route {
            endpoint,
            tls: None,
            direct: false,
        }
    }

    /// Connects one more socket to the same server in the same way.
    pub fn reopen(&self, limit: WaitLimit) -> io::Result<Socket> {
        let mut socket = Socket::connect(&self.endpoint, limit)?;
        if let Some(tls) = &self.tls {
            if !self.direct && request(&mut socket)? != b'S' {
                return Err(io::Error::other("the server does not support TLS"));
            }
            socket.start_tls(tls)?;
        }
        Ok(socket)
    }
}

fn encrypt(socket: &mut Socket, attempt: &Attempt<'_>) -> Result<Option<TlsClient>, Refusal> {
    if attempt.encryption == Encryption::Off {
        return Ok(None);
    }
    let client = tls::client(attempt)?;
    if !attempt.settings.tls.direct {
        let answer = request(socket).map_err(|reason| lost(&reason))?;
        if !tls::is_offered(answer, attempt.encryption)? {
            return Ok(None);
        }
    }
    socket
        .start_tls(&client)
        .map_err(|reason| tls::refusal(&reason))?;
    if attempt.settings.tls.direct && !socket.speaks_postgresql() {
        let reason = "the server did not confirm PostgreSQL's protocol (ALPN), as \
                      sslnegotiation=direct demands";
        return Err(Refusal::Tls(Error::because(reason)));
    }
    Ok(Some(client))
}

fn request(socket: &mut Socket) -> io::Result<u8> {
    let mut message = BytesMut::new();
    frontend::ssl_request(&mut message);
    socket.send(&message)?;
    socket.receive_byte()
}
