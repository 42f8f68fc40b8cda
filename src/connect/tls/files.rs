//! Reading certificates, keys and revocation lists.

use crate::connect::attempt::plain;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The certificates of a PEM file; `what` says which file it is.
pub fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = read(path, what)?;
    match certificates.is_empty() {
        true => Err(format!(
            "could not read {what} file \"{}\": it holds no certificate",
            path.display()
        )),
        false => Ok(certificates),
    }
}

/// The revocation lists of a PEM file.
pub fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    read(path, "certificate revocation list")
}

/// The key of the client's certificate. Others must not be able to read it; root's may be readable
/// by its group, as in libpq.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("certificate present, but not private key file \"{shown}\"")
        }
        _ => format!(
            "could not read private key file \"{shown}\": {}",
            plain(&error)
        ),
    })?;
    if !metadata.is_file() {
        return Err(format!(
            "private key file \"{shown}\" is not a regular file"
        ));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(format!(
            "private key file \"{shown}\" has group or world access; file must have permissions \
             u=rw \
             (0600) or less if owned by the current user, or permissions u=rw,g=r (0640) or less \
             if owned by root"
        ));
    }
    let bytes = fs::read(path).map_err(|error| {
        format!(
            "could not read private key file \"{shown}\": {}",
            plain(&error)
        )
    })?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let encrypted = String::from_utf8_lossy(&bytes).contains("ENCRYPTED");
        match encrypted {
            true => {
                format!(
                    "could not read private key file \"{shown}\": it is encrypted, which \
                         walcat does not support"
                )
            }
            false => format!("could not read private key file \"{shown}\": {error}"),
        }
    })
}

/// The certificate authorities that the system trusts.
pub fn system_roots() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.is_empty(), found.errors.first()) {
        (false, _) => Ok(found.certs),
        (true, Some(error)) => Err(format!(
            "could not read the system's root certificates: {error}"
        )),
        (true, None) => Err("could not find the system's root certificates".to_owned()),
    }
}

fn read<T: PemObject>(path: &Path, what: &str) -> Result<Vec<T>, String> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{what} file \"{shown}\" does not exist"),
        _ => format!("could not read {what} file \"{shown}\": {}", plain(&error)),
    })?;
    T::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("could not read {what} file \"{shown}\": {error}"))
}
