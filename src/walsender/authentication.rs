//! Proving who we are: trust, password in clear text or as MD5, SCRAM-SHA-256 (manual section 55.2.1 and 55.3).

use super::message::Reader;
use super::socket::Patience;
use super::wire::{Wire, io_error, unexpected};
use crate::error::{Error, Result};
use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

/// Who we are, and how to prove it.
pub struct Credentials<'a> {
    /// The role.
    pub user: &'a str,
    /// Finds the password, if the server asks for one.
    pub password: &'a mut dyn FnMut() -> Result<String>,
}

/// Answers the server until it says AuthenticationOk.
pub fn authenticate(
    wire: &mut Wire,
    act: &str,
    credentials: &mut Credentials<'_>,
    patience: Patience<'_>,
) -> Result<()> {
    let request = next_request(wire, act, patience)?;
    match request {
        Request::Ok => return Ok(()),
        Request::CleartextPassword => {
            let password = (credentials.password)()?;
            send(wire, act, |message| frontend::password_message(password.as_bytes(), message))?;
        }
        Request::Md5Password { salt } => {
            let password = (credentials.password)()?;
            let hash = md5_hash(credentials.user.as_bytes(), password.as_bytes(), salt);
            send(wire, act, |message| frontend::password_message(hash.as_bytes(), message))?;
        }
        Request::Sasl { mechanisms } => authenticate_by_scram(wire, act, &mechanisms, credentials, patience)?,
        Request::SaslContinue { .. } | Request::SaslFinal { .. } => return Err(out_of_turn(act)),
        Request::Unsupported(method) => {
            return Err(Error::new(format!(
                "could not {act}: the server wants {method} authentication, which walcat does not have"
            )));
        }
    }
    match next_request(wire, act, patience)? {
        Request::Ok => Ok(()),
        _ => Err(out_of_turn(act)),
    }
}

fn authenticate_by_scram(
    wire: &mut Wire,
    act: &str,
    mechanisms: &[String],
    credentials: &mut Credentials<'_>,
    patience: Patience<'_>,
) -> Result<()> {
    if !mechanisms.iter().any(|mechanism| mechanism == SCRAM_SHA_256) {
        let offered = mechanisms.join(", ");
        return Err(Error::new(format!(
            "could not {act}: the server wants one of the SASL mechanisms {offered}, which walcat does not have"
        )));
    }
    let password = (credentials.password)()?;
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    send(wire, act, |message| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), message))?;
    let Request::SaslContinue { data } = next_request(wire, act, patience)? else { return Err(out_of_turn(act)) };
    scram.update(&data).map_err(|error| io_error(act, &error).with_kind(crate::error::Kind::Permanent))?;
    send(wire, act, |message| frontend::sasl_response(scram.message(), message))?;
    let Request::SaslFinal { data } = next_request(wire, act, patience)? else { return Err(out_of_turn(act)) };
    scram.finish(&data).map_err(|error| io_error(act, &error).with_kind(crate::error::Kind::Permanent))
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

fn next_request(wire: &mut Wire, act: &str, patience: Patience<'_>) -> Result<Request> {
    let frame = wire.wait_frame(act, patience)?;
    match frame.tag {
        b'R' => parse_request(wire.body(&frame)),
        _ => Err(unexpected(act, &frame)),
    }
}

// kind: u32 | what belongs to the kind
fn parse_request(body: &[u8]) -> Result<Request> {
    let mut reader = Reader::new("Authentication", body);
    let request = match reader.u32("kind")? {
        0 => Request::Ok,
        2 => Request::Unsupported("Kerberos V5".to_owned()),
        3 => Request::CleartextPassword,
        5 => Request::Md5Password { salt: reader.array("salt")? },
        6 => Request::Unsupported("SCM credential".to_owned()),
        7 | 8 => return Ok(Request::Unsupported("GSSAPI".to_owned())),
        9 => return Ok(Request::Unsupported("SSPI".to_owned())),
        10 => Request::Sasl { mechanisms: parse_mechanisms(&mut reader)? },
        11 => Request::SaslContinue { data: reader.rest().to_vec() },
        12 => Request::SaslFinal { data: reader.rest().to_vec() },
        kind => return Ok(Request::Unsupported(format!("the unknown kind {kind} of"))),
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
            name => mechanisms.push(String::from_utf8_lossy(name).into_owned()),
        }
    }
}

fn send(wire: &mut Wire, act: &str, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<()> {
    let mut message = BytesMut::new();
    write(&mut message).and_then(|()| wire.send(&message)).map_err(|error| io_error(act, &error))
}

fn out_of_turn(act: &str) -> Error {
    Error::new(format!("could not {act}: the server sent an authentication message out of turn"))
}
