//! A log as destination: what the options of `stream` and `check` say of it.

use crate::cli::AccessOptions;
use crate::connect::revealed;
use crate::error::{Error, Result};
use crate::sink::Source;
use crate::sink::nats::{Access, LogDestination, LogUrl, Template};
use std::time::Duration;

/// Where to publish what comes from `source`, with the user of the options or the environment.
pub fn destination(
    url: &str,
    subject: &str,
    access: &AccessOptions,
    source: Source,
) -> Result<LogDestination> {
    let certificate = match (&access.nats_cert, &access.nats_key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => {
            return Err(Error::usage(
                "could not use the client certificate: --nats-cert and --nats-key go together",
            ));
        }
    };
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user =
        variable("NATS_USER").map(|user| (user, variable("NATS_PASSWORD").unwrap_or_default()));
    Ok(LogDestination {
        url: LogUrl::parse(&revealed(url))?,
        subjects: Template::parse(subject, &source.database)?,
        create: None,
        confirm_delay: Duration::ZERO,
        stub: None,
        atomic: false,
        standby: None,
        access: Access {
            user,
            credentials: access.nats_creds.clone(),
            nkey: access.nats_nkey.clone(),
            root_certificates: access.nats_ca.clone(),
            certificate,
        },
        source,
    })
}
