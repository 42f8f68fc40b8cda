//! What servers answer to SSLRequest (manual section 55.2.10), and what both connections make of
//! it.

use crate::connect::attempt::{Encryption, Refusal};
use crate::error::Error;
use std::fmt;

/// Why a server that was asked for TLS gets no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOffer {
    /// It has no TLS, which is required.
    NoTls,
    /// It answers with an error, which must not be shown: anyone in between could have sent it.
    Error,
    /// It answers with what PostgreSQL never says there.
    Unknown(u8),
}

/// Returns `true` if the server's answer leads to TLS, `false` if the connection goes on without.
pub fn is_offered(answer: u8, encryption: Encryption) -> Result<bool, NoOffer> {
    match answer {
        b'S' => Ok(true),
        b'N' if encryption == Encryption::IfOffered => Ok(false),
        b'N' => Err(NoOffer::NoTls),
        b'E' => Err(NoOffer::Error),
        answer => Err(NoOffer::Unknown(answer)),
    }
}

impl From<NoOffer> for Refusal {
    fn from(no_offer: NoOffer) -> Refusal {
        let error = Error::because(no_offer);
        match no_offer {
            NoOffer::NoTls => error
                .with_remedy("sslmode=prefer, or ssl = on in the server's postgresql.conf")
                .into(),
            NoOffer::Error => Refusal::Tls(error),
            NoOffer::Unknown(_) => error.into(),
        }
    }
}

impl fmt::Display for NoOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoOffer::NoTls => {
                f.write_str("the server does not support TLS, but sslmode requires it")
            }
            NoOffer::Error => f.write_str("the server answered the request for TLS with an error"),
            NoOffer::Unknown(answer) => {
                let answer = answer.escape_ascii();
                write!(
                    f,
                    "the server answered the request for TLS with \"{answer}\": is it a PostgreSQL \
                     server?"
                )
            }
        }
    }
}

impl std::error::Error for NoOffer {}
