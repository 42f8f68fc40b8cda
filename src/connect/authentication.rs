//! Ways of authentication that walcat does not have, as both connections name them.

/// Why there is no connection to a server that asks for it.
pub fn unsupported(method: &str) -> String {
    format!("the server asks for {method} authentication, which walcat does not have")
}

/// The name of an authentication request (manual section 55.7) other than those for a password and
/// SASL.
pub fn name(kind: u32) -> String {
    match kind {
        2 => "Kerberos V5".to_owned(),
        6 => "SCM credential".to_owned(),
        7 | 8 => "GSSAPI".to_owned(),
        9 => "SSPI".to_owned(),
        kind => format!("unknown (number {kind})"),
    }
}

/// The name of SASL with mechanisms that walcat does not have.
pub fn sasl(mechanisms: &[impl AsRef<str>]) -> String {
    let mechanisms: Vec<&str> = mechanisms.iter().map(AsRef::as_ref).collect();
    format!("SASL ({})", mechanisms.join(", "))
}
