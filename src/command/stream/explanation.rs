//! Explains why a stream failed with what the catalog tells about the slot and the role.

use super::plan::Plan;
use super::requirements::Requirements;
use crate::catalog::{output_plugins, publications, slots};
use crate::connect::invocation::walcat;
use crate::error::{Error, Result};
use crate::shell;

/// The failure, with what the server's own words leave open.
pub fn explain(requirements: &mut Requirements<'_>, plan: &Plan, error: Error) -> Error {
    if error.server().is_none() {
        return error;
    }
    let stream = requirements.action();
    let Ok(client) = requirements.catalog.client() else {
        return error;
    };
    // undefined_object
    if requirements.plugin.has_publications() && error.sqlstate() == "42704" {
        if let Err(missing) = publications::require(client, &requirements.publications) {
            return missing.could_not(stream);
        }
        if error
            .server()
            .is_some_and(|server| server.message.starts_with("publication"))
        {
            return younger_publication(plan, error);
        }
    }
    let error = output_plugins::explain(client, requirements.plugin.name(), error);
    slots::explain(client, &requirements.server, &plan.slot, error).could_not(stream)
}

/// The server has skipped what it cannot send through one of the publications: an error unless it
/// comes again the next time.
pub fn explain_skipped(requirements: &mut Requirements<'_>, plan: &Plan) -> Result<()> {
    requirements.require_publications()?;
    if plan.confirms_nothing() || requirements.publications.is_empty() {
        return Ok(());
    }
    let error = Error::new(format!(
        "could not {}: a publication is younger than what waits there",
        requirements.action()
    ));
    Err(younger_publication(plan, error))
}

fn younger_publication(plan: &Plan, error: Error) -> Error {
    error
        .with_detail(
            "The publication is there now, but was not when the changes were made that wait in \
             the slot. The server cannot send them through it. To advance the slot is to lose all \
             that waits, also what was made since.",
        )
        .with_remedy(format!(
            "a publication that is older, or, to lose what waits: {}",
            walcat(format_args!("slot advance {}", shell::word(&plan.slot)))
        ))
}
