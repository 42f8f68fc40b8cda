//! Creates what a stream needs and its options allow to create: publications, the slot.

use super::options;
use super::publish::Shown;
use super::requirements::Requirements;
use crate::catalog::publications;
use crate::catalog::refusal;
use crate::command::slot;
use crate::connect;
use crate::error::{CouldNot, Result};
use crate::lsn::Lsn;
use crate::stop::Stop;
use crate::walsender::Connection;
use log::info;
use std::ops::ControlFlow;

/// Creates the publications that the command line allows to create. They do not exist for WAL that
/// is older, so they come before the slot.
pub fn create_publications(requirements: &mut Requirements<'_>) -> Result<()> {
    if requirements.args.create_publication && requirements.plugin.has_publications() {
        create_missing_publications(requirements).could_not(requirements.action())?;
    }
    Ok(())
}

/// Creates the slot if the command line allows that. Returns whether it is new.
pub fn create_slot(requirements: &Requirements<'_>, stop: &Stop) -> Result<bool> {
    if let (Some(name), None) = (&requirements.args.slot, &requirements.slot) {
        create_named_slot(requirements, name, stop)?;
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
    let mut keep_on = keep_on(requirements, name, stop);
    connection.create_temporary_slot(name, plugin, two_phase, &mut keep_on)?;
    Ok(())
}

/// The same, and returns its consistent point and a snapshot of all that was committed before.
pub fn create_exporting_slot(
    requirements: &Requirements<'_>,
    connection: &mut Connection,
    name: &str,
    stop: &Stop,
) -> Result<(Lsn, String)> {
    let mut keep_on = keep_on(requirements, name, stop);
    connection.create_exporting_slot(name, requirements.plugin.name(), &mut keep_on)
}

/// Says what the slot waits for, and whether to go on waiting.
fn keep_on(
    requirements: &Requirements<'_>,
    name: &str,
    stop: &Stop,
) -> impl FnMut() -> ControlFlow<()> {
    let mut watch = slot::Watch::new(requirements.settings, name);
    let stop = stop.clone();
    move || {
        watch.tick();
        match stop.requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn create_missing_publications(requirements: &mut Requirements<'_>) -> Result<()> {
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

fn create_named_slot(requirements: &Requirements<'_>, name: &str, stop: &Stop) -> Result<()> {
    let args = requirements.args;
    let (settings, plugin) = (requirements.settings, requirements.plugin.name());
    let new = requirements.new_slot(name);
    let session = connect::sql(settings)?;
    let point = slot::create(session, settings, &new, args.timeout, stop)
        .map_err(|error| refusal::explain(error, &requirements.server.user))?;
    info!("created slot \"{name}\" with plugin {plugin}, consistent at {point}");
    Ok(())
}
