//! The log that is to be published into.

use super::findings::Findings;
use crate::catalog::server::Server;
use crate::cli::CheckArgs;
use crate::connect::Client;
use crate::error::Result;

/// Looks at the log.
#[cfg(feature = "nats")]
pub fn check(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    to: &str,
    args: &CheckArgs,
) -> Result<()> {
    use crate::catalog::server;
    use crate::command::log_destination::destination;
    use crate::error::Kind;
    use crate::sink::{Sink, Source, nats};
    let source = Source {
        system: server::system_identifier(session)?,
        timeline: None,
        database: server.database.clone(),
        slot: None,
    };
    let to = destination(to, &args.subject, &args.access, source)?;
    match nats::open(to, &|_| false) {
        Ok(log) => {
            let held = log.held();
            findings.ok(match held.last {
                Some(last) => format!("{} can be published into, and ends at {last}", held.name),
                None => format!("{} can be published into", held.name),
            });
            for (text, remedy) in log.warnings() {
                findings.warn(text, remedy);
            }
        }
        Err(error) if error.kind() == Kind::Usage => return Err(error),
        Err(error) => {
            let remedy = error.remedy().unwrap_or("another stream").to_owned();
            findings.fail(error.to_string(), remedy);
        }
    }
    Ok(())
}

/// There is nothing to look with.
#[cfg(not(feature = "nats"))]
pub fn check(
    findings: &mut Findings,
    _: &mut Client,
    _: &Server,
    _: &str,
    _: &CheckArgs,
) -> Result<()> {
    findings.fail(
        "this walcat was built without the feature \"nats\"",
        "cargo install walcat",
    );
    Ok(())
}
