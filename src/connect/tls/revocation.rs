//! Lists of revoked certificates.

use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::Version;
use x509_cert::der::{AnyRef, Decode, Reader, Result, SliceReader};
use x509_cert::time::Time;

/// A list of revoked certificates.
#[derive(Debug)]
pub struct RevocationList {
    list: CertRevocationList<'static>,
    /// Seconds since 1970.
    issued: u64,
}

impl RevocationList {
    /// Reads a list.
    pub fn parse(der: &CertificateRevocationListDer<'_>) -> std::result::Result<Self, String> {
        use webpki::Error::*;
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| match error {
            BadDer | UnsupportedCrlVersion => "it is not of version 2".to_owned(),
            TrailingData(webpki::DerTypeId::Time) => {
                "it does not say until when it is valid".to_owned()
            }
            error => error.to_string(),
        })?;
        let issued = issued(der).map_err(|error| error.to_string())?;
        Ok(RevocationList {
            list: list.into(),
            issued: issued.to_unix_duration().as_secs(),
        })
    }

    /// The list, unless it comes from the future.
    pub fn as_of(&self, now: UnixTime) -> Option<&CertRevocationList<'static>> {
        (self.issued <= now.as_secs()).then_some(&self.list)
    }
}

/// When a list was made: webpki knows but does not tell.
// SEQUENCE { SEQUENCE { version: INTEGER, algorithm: SEQUENCE, issuer: SEQUENCE, issued: Time, ...
fn issued(der: &[u8]) -> Result<Time> {
    let mut reader = SliceReader::new(der)?;
    let mut issued = None;
    reader.sequence(|list| {
        list.sequence(|content| {
            Version::decode(content)?;
            AnyRef::decode(content)?;
            AnyRef::decode(content)?;
            issued = Some(Time::decode(content)?);
            content.read_slice(content.remaining_len())
        })?;
        list.read_slice(list.remaining_len())
    })?;
    issued.ok_or_else(|| x509_cert::der::ErrorKind::Failed.into())
}
