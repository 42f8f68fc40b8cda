//! Creates what a stream needs and its options allow to create: publications, the slot.

use super::options;
use super::publish::Shown;
use super::requirements::Requirements;
use crate::catalog::publications;
use crate::catalog::refusal;
use crate::command::slot;
use crate::connect;
use crate::error::{CouldNot, Result};
use crate::stop::Stop;
use crate::walsender::Connection;
use log::info;
use std::ops::ControlFlow;

/// Creates what the command line allows to create, the publications first: they do not exist for
/// WAL that is older. Returns whether the slot is new.
pub fn create(requirements: &mut Requirements<'_>, stop: &Stop) -> Result<bool> {
    if requirements.args.create_publication && requirements.plugin.has_publications() {
        create_publications(requirements).could_not(requirements.action())?;
    }
    if let (Some(name), None) = (&requirements.args.slot, &requirements.slot) {
        create_slot(requirements, name, stop)?;
        return Ok(true);
    }
    Ok(false)
}

/// Creates the slot that goes with the connection.
pub fn create_temporary_slot(
    requirements: &Requirements<'_>,
    connection: &mut Connection,
    name: &str,
    stop: &Stop,
) -> Result<()> {
    let plugin = requirements.plugin.name();
    let two_phase = options::two_phase(requirements.args);
    let mut watch = slot::Watch::new(requirements.settings, name);
    let mut keep_on = || {
        watch.tick();
        if stop.requested() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    connection.create_temporary_slot(name, plugin, two_phase, &mut keep_on)?;
    Ok(())
}

fn create_publications(requirements: &mut Requirements<'_>) -> Result<()> {
    let args = requirements.args;
    let server = &requirements.server;
    let client = requirements.catalog.client()?;
    let there = publications::names(client)?;
    let (old, new): (Vec<String>, Vec<String>) = requirements
        .publications
        .iter()
        .cloned()
        .partition(|name| there.contains(name));
    if new.is_empty() && !args.print.table.is_empty() {
        // What `--table` chooses of those that are there was looked at.
        return Ok(());
    }
    let shown = Shown::new(client, &args.print)?;
    for name in &new {
        if shown.create(client, server, name)? {
            info!("created publication \"{name}\"");
        }
    }
    if new.is_empty() {
        shown.warn_of_fewer(client, server, &old)?;
    }
    Ok(())
}

fn create_slot(requirements: &Requirements<'_>, name: &str, stop: &Stop) -> Result<()> {
    let args = requirements.args;
    let (settings, plugin) = (requirements.settings, requirements.plugin.name());
    let new = requirements.new_slot(name);
    let session = connect::sql(settings)?;
    let point = slot::create(session, settings, &new, args.timeout, stop)
        .map_err(|error| refusal::explain(error, &requirements.server.user))?;
    info!("created slot \"{name}\" with plugin {plugin}, consistent at {point}");
    Ok(())
}
