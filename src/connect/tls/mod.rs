//! What TLS means here: one [`ClientConfig`] for the SQL and for the replication connection, what
//! is verified under which `sslmode`, and what to tell the user when it fails.

mod certificate;
mod chain;
mod channel_binding;
mod distrust;
mod ecdsa;
mod failure;
mod files;
mod offer;
mod restated;
mod revocation;
mod usage;
mod verifier;

pub use channel_binding::tls_server_end_point;
pub use failure::reason;
pub use offer::{NoOffer, is_offered};

use super::attempt::{Attempt, Refusal, lost};
use super::{Roots, SslMode, TlsSettings};
use crate::error::Error;
use chain::Chain;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use std::io;
use std::sync::Arc;
use verifier::{Verification, Verifier};

/// The name of PostgreSQL's protocol in ALPN; a direct negotiation needs it.
const ALPN: &[u8] = b"postgresql";

/// The client's side of TLS for one attempt: what rustls needs to begin.
#[derive(Clone)]
pub struct TlsClient {
    /// How to speak.
    pub config: Arc<ClientConfig>,
    /// The name to ask for. The name to verify is in `config`, so that it may be any that a user
    /// can write.
    pub name: ServerName<'static>,
}

/// Reads certificates and keys and makes everything ready for the handshake.
pub fn client(attempt: &Attempt<'_>) -> Result<TlsClient, Refusal> {
    let settings = &attempt.settings.tls;
    let host = attempt.server_name();
    let config = config(settings, host).map_err(|reason| Refusal::Tls(Error::because(reason)))?;
    Ok(TlsClient {
        config: Arc::new(config),
        name: name_to_ask_for(settings, host),
    })
}

/// What the failure of a handshake means: a lost connection is transient, all else is not.
pub fn refusal(error: &io::Error) -> Refusal {
    Refusal::Tls(match reason(error) {
        Some(reason) => Error::because(reason),
        None => lost(error),
    })
}

fn config(settings: &TlsSettings, host: &str) -> Result<ClientConfig, String> {
    let verifier = Verifier(verification(settings, host)?);
    let provider = CryptoProvider {
        signature_verification_algorithms: *ecdsa::ALGORITHMS,
        ..ring::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions(settings))
        .map_err(|error| format!("could not use these TLS versions: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let shown = certificate.display();
            builder
                .with_client_auth_cert(
                    files::certificates(certificate, "certificate")?,
                    files::private_key(key)?,
                )
                .map_err(|error| {
                    format!("could not use certificate file \"{shown}\" with its key: {error}")
                })?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let allowed = [
        (&version::TLS13, settings.versions.tls13),
        (&version::TLS12, settings.versions.tls12),
    ];
    allowed
        .into_iter()
        .filter(|(_, allowed)| *allowed)
        .map(|(version, _)| version)
        .collect()
}

/// As in libpq a file of roots makes every mode verify the chain; without one only the modes that
/// demand it fail.
fn verification(settings: &TlsSettings, host: &str) -> Result<Verification, String> {
    let roots = match &settings.roots {
        Roots::None if settings.mode >= SslMode::VerifyCa => {
            return Err(
                "there is no root certificate file to verify the server with; \
                        name one with sslrootcert, or use sslrootcert=system"
                    .to_owned(),
            );
        }
        Roots::None => return Ok(Verification::Nothing),
        Roots::File(path) => files::certificates(path, "root certificate")?,
        Roots::System => files::system_roots()?,
    };
    let revoked = match &settings.revoked {
        Some(path) => files::revocation_lists(path)?,
        None => Vec::new(),
    };
    let chain = Chain::new(roots, &revoked)?;
    Ok(match settings.mode {
        SslMode::VerifyFull => Verification::ChainAndName(chain, host.to_owned()),
        _ => Verification::Chain(chain),
    })
}

/// The name for SNI. rustls sends none for an address, so an address stands for "none".
fn name_to_ask_for(settings: &TlsSettings, host: &str) -> ServerName<'static> {
    let none = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])));
    if settings.sni {
        ServerName::try_from(host.to_owned()).unwrap_or(none)
    } else {
        none
    }
}
