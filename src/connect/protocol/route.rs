//! Whether the connection speaks TLS: SSLRequest and its answers (manual section 55.2.10), or TLS
//! from the first byte.

use super::socket::{Patience, Socket};
use crate::connect::{Attempt, Encryption, Endpoint, Refusal, tls, tls::TlsClient};
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
    pub fn open(attempt: &Attempt<'_>, patience: Patience<'_>) -> Result<(Socket, Route), Refusal> {
        let mut socket =
            connect(&attempt.endpoint, patience).map_err(|error| attempt.unreachable(&error))?;
        if let Endpoint::Tcp(_) = attempt.endpoint {
            socket
                .keep_alive(&attempt.settings.keepalives)
                .map_err(|error| attempt.permanent(error))?;
        }
        let tls = encrypt(&mut socket, attempt, patience)?;
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
    pub fn reopen(&self, patience: Patience<'_>) -> io::Result<Socket> {
        let mut socket = connect(&self.endpoint, patience)?;
        if let Some(tls) = &self.tls {
            if !self.direct && request(&mut socket, patience)? != b'S' {
                return Err(io::Error::other("the server does not support TLS"));
            }
            socket.start_tls(tls, patience)?;
        }
        Ok(socket)
    }
}

fn connect(endpoint: &Endpoint, patience: Patience<'_>) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Unix(path) => Socket::connect_unix(path, patience),
        Endpoint::Tcp(address) => Socket::connect_tcp(*address, patience),
    }
}

fn encrypt(
    socket: &mut Socket,
    attempt: &Attempt<'_>,
    patience: Patience<'_>,
) -> Result<Option<TlsClient>, Refusal> {
    if attempt.encryption == Encryption::Off {
        return Ok(None);
    }
    let client = tls::client(attempt)?;
    if !attempt.settings.tls.direct {
        let answer = request(socket, patience).map_err(|error| attempt.lost(&error))?;
        if !tls::is_offered(answer, attempt.encryption)
            .map_err(|no_offer| no_offer.refusal(attempt))?
        {
            return Ok(None);
        }
    }
    socket
        .start_tls(&client, patience)
        .map_err(|error| tls::refusal(attempt, &error))?;
    if attempt.settings.tls.direct && !socket.speaks_postgresql() {
        let reason = "the server did not confirm PostgreSQL's protocol (ALPN), as \
                      sslnegotiation=direct demands";
        return Err(Refusal::Tls(attempt.permanent(reason)));
    }
    Ok(Some(client))
}

fn request(socket: &mut Socket, patience: Patience<'_>) -> io::Result<u8> {
    let mut message = BytesMut::new();
    frontend::ssl_request(&mut message);
    socket.send(&message)?;
    socket.receive_byte(patience)
}
