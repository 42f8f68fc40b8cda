//! Proving who we are: trust, password in clear text or as MD5, SCRAM-SHA-256 with and without
//! channel binding (manual sections 55.2.1 and 55.3).

use super::reader::Reader;
use super::wire::{Wire, io_error, unexpected};
use crate::connect::tls::tls_server_end_point;
use crate::connect::{ChannelBinding, Refusal, plain};
use crate::error::{Error, Result};
use crate::text::readable;
use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use std::io;

/// Who we are, and how to prove it.
pub struct Credentials<'a> {
    /// The role.
    pub user: &'a str,
    /// The password, if one is known.
    pub password: Option<&'a str>,
    /// Whether SCRAM must be bound to the TLS channel.
    pub channel_binding: ChannelBinding,
}

impl Credentials<'_> {
    fn password(&self) -> std::result::Result<&[u8], Refusal> {
        self.password
            .map(str::as_bytes)
            .ok_or(Refusal::PasswordNeeded)
    }
}

/// Answers the server until it says AuthenticationOk.
pub fn authenticate(
    wire: &mut Wire,
    credentials: &Credentials<'_>,
) -> std::result::Result<(), Refusal> {
    let request = next_request(wire)?;
    let bound = match &request {
        Request::Sasl { mechanisms } => mechanisms.iter().any(|name| name == SCRAM_SHA_256_PLUS),
        _ => false,
    };
    if credentials.channel_binding == ChannelBinding::Require && !bound {
        let reason = "channel binding is required, but the server's authentication request does \
                      not support it";
        return Err(Error::because(reason).into());
    }
    match request {
        Request::Ok => return Ok(()),
        Request::CleartextPassword => {
            let password = credentials.password()?;
            send(wire, |message| {
                frontend::password_message(password, message)
            })?;
        }
        Request::Md5Password { salt } => {
            let hash = md5_hash(credentials.user.as_bytes(), credentials.password()?, salt);
            send(wire, |message| {
                frontend::password_message(hash.as_bytes(), message)
            })?;
        }
        Request::Sasl { mechanisms } => authenticate_by_scram(wire, &mechanisms, credentials)?,
        Request::SaslContinue { .. } | Request::SaslFinal { .. } => {
            return Err(out_of_turn().into());
        }
        Request::Unsupported(method) => return Err(unsupported(&method).into()),
    }
    match next_request(wire)? {
        Request::Ok => Ok(()),
        _ => Err(out_of_turn().into()),
    }
}

/// The server must prove in the end that it knows the password, too: an AuthenticationOk before is
/// refused.
fn authenticate_by_scram(
    wire: &mut Wire,
    mechanisms: &[String],
    credentials: &Credentials<'_>,
) -> std::result::Result<(), Refusal> {
    let (mechanism, binding) = choose_mechanism(wire, mechanisms, credentials.channel_binding)?;
    let failed = |error: io::Error| Error::because(plain(&error));
    let mut scram = ScramSha256::new(credentials.password()?, binding);
    send(wire, |message| {
        frontend::sasl_initial_response(mechanism, scram.message(), message)
    })?;
    let Request::SaslContinue { data } = next_request(wire)? else {
        return Err(out_of_turn().into());
    };
    scram.update(&data).map_err(failed)?;
    send(wire, |message| {
        frontend::sasl_response(scram.message(), message)
    })?;
    let Request::SaslFinal { data } = next_request(wire)? else {
        return Err(out_of_turn().into());
    };
    Ok(scram.finish(&data).map_err(failed)?)
}

fn choose_mechanism(
    wire: &Wire,
    mechanisms: &[String],
    wanted: ChannelBinding,
) -> Result<(&'static str, sasl::ChannelBinding)> {
    let offered = |wanted: &str| mechanisms.iter().any(|name| name == wanted);
    let can_bind = wire.socket().is_encrypted() && wanted != ChannelBinding::Disable;
    if can_bind && offered(SCRAM_SHA_256_PLUS) {
        let certificate = wire.socket().server_certificate();
        if let Some(hash) = certificate.and_then(tls_server_end_point) {
            return Ok((
                SCRAM_SHA_256_PLUS,
                sasl::ChannelBinding::tls_server_end_point(hash),
            ));
        }
    }
    if wanted == ChannelBinding::Require {
        let reason = if can_bind {
            "the signature algorithm of the server's certificate has no hash function"
        } else {
            "the connection is not encrypted"
        };
        return Err(Error::because(format!(
            "channel binding is required, but {reason}"
        )));
    }
    if !offered(SCRAM_SHA_256) {
        return Err(unsupported(&sasl_of(mechanisms)));
    }
    // If we could bind but are told that the server cannot, we say so: then the server notices if
    // somebody in between has lied.
    let binding = match can_bind && !offered(SCRAM_SHA_256_PLUS) {
        true => sasl::ChannelBinding::unrequested(),
        false => sasl::ChannelBinding::unsupported(),
    };
    Ok((SCRAM_SHA_256, binding))
}

/// What the server asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Ok,
    CleartextPassword,
    Md5Password { salt: [u8; 4] },
    Sasl { mechanisms: Vec<String> },
    SaslContinue { data: Vec<u8> },
    SaslFinal { data: Vec<u8> },
    Unsupported(String),
}

fn next_request(wire: &mut Wire) -> Result<Request> {
    let frame = wire.wait_frame()?;
    match frame.tag {
        b'R' => parse_request(wire.body(&frame)),
        _ => Err(unexpected(&frame)),
    }
}

// kind: u32 | what belongs to the kind
fn parse_request(body: &[u8]) -> Result<Request> {
    let mut reader = Reader::new("Authentication", body);
    let request = match reader.u32("kind")? {
        0 => Request::Ok,
        3 => Request::CleartextPassword,
        5 => Request::Md5Password {
            salt: reader.array("salt")?,
        },
        10 => Request::Sasl {
            mechanisms: parse_mechanisms(&mut reader)?,
        },
        11 => Request::SaslContinue {
            data: reader.rest().to_vec(),
        },
        12 => Request::SaslFinal {
            data: reader.rest().to_vec(),
        },
        kind => return Ok(Request::Unsupported(method(kind))),
    };
    reader.finish()?;
    Ok(request)
}

// { name: cstr }* | 0
fn parse_mechanisms(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let mut mechanisms = Vec::new();
    loop {
        match reader.cstr("mechanism")? {
            [] => return Ok(mechanisms),
            name => mechanisms.push(readable(name)),
        }
    }
}

fn send(wire: &mut Wire, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<()> {
    let mut message = BytesMut::new();
    write(&mut message)
        .and_then(|()| wire.send(&message))
        .map_err(|error| io_error(&error))
}

fn unsupported(method: &str) -> Error {
    Error::because(format!(
        "the server asks for {method} authentication, which walcat does not have"
    ))
}

/// The name of a way of authentication (manual section 55.7) other than those above.
fn method(kind: u32) -> String {
    match kind {
        2 => "Kerberos V5".to_owned(),
        6 => "SCM credential".to_owned(),
        7 | 8 => "GSSAPI".to_owned(),
        9 => "SSPI".to_owned(),
        kind => format!("unknown (number {kind})"),
    }
}

/// The name of SASL with mechanisms that walcat does not have.
fn sasl_of(mechanisms: &[String]) -> String {
    format!("SASL ({})", mechanisms.join(", "))
}

fn out_of_turn() -> Error {
    Error::because("the server sent an authentication message out of turn")
}
