//! Creates what a stream needs and its options allow to create: publications, the slot.

use super::options;
use super::requirements::Requirements;
use crate::catalog::publications::{self, Contents, NewPublication};
use crate::catalog::refusal;
use crate::catalog::table_spec::TableSpec;
use crate::catalog::tables;
use crate::command::slot;
use crate::connect::{self, Client};
use crate::error::{CouldNot, Error, Result};
use crate::select::{Filter, Operations};
use crate::shell;
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
    let client = requirements.catalog.client()?;
    let there = publications::names(client)?;
    let missing = |name: &&String| !there.contains(name);
    for name in requirements.publications.iter().filter(missing) {
        let specs;
        let contents = if args.print.table.is_empty() {
            Contents::AllTables
        } else {
            specs = chosen_tables(client, &args.print.table)?;
            Contents::Only {
                tables: &specs,
                schemas: &[],
            }
        };
        let new = NewPublication {
            name,
            contents,
            operations: &[],
            // The tables that are named are those that are to be shown, not their partitions.
            via_root: !args.print.table.is_empty(),
        };
        if publications::create_harmless(client, &requirements.server, &new)? {
            info!("created publication \"{name}\"");
        }
    }
    Ok(())
}

/// The tables that the patterns of `--table` choose now, as a publication takes them.
fn chosen_tables(client: &mut Client, patterns: &[String]) -> Result<Vec<TableSpec>> {
    let filter = Filter::new(patterns, Operations::ALL)?;
    let chosen: Vec<_> = tables::publishable(client)?
        .into_iter()
        .filter(|(schema, table)| filter.operations_of(schema, table) != Operations::NONE)
        .collect();
    if chosen.is_empty() {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| shell::word(pattern))
            .collect();
        return Err(Error::because(format!(
            "no table matches --table {}",
            patterns.join(" --table ")
        )));
    }
    Ok(chosen
        .iter()
        .map(|(schema, table)| TableSpec::named(schema, table))
        .collect())
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
