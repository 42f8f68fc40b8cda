//! `walcat check`: looks at all that streaming needs, before anything depends on it.

mod findings;
mod publications;
mod server;
mod slots;

use crate::catalog::server::Server;
use crate::cli::CheckArgs;
use crate::command::answer;
use crate::connect::{self, Settings};
use crate::plugin;
use anyhow::{Result, bail};
use findings::Findings;

/// Prints one line for each thing looked at, and fails after that if one of them would keep a
/// stream from running.
pub fn run(args: &CheckArgs, settings: &Settings) -> Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let mut findings = Findings::default();
    server::check(&mut findings, &mut session, &server, settings)?;
    let plugin = slots::check(&mut findings, &mut session, &server, args.slot.as_deref())?;
    server::check_plugin(&mut findings, &mut session, &plugin)?;
    let publications: Vec<String> = args
        .publication
        .iter()
        .flat_map(|names| names.0.clone())
        .collect();
    let has_publications = plugin::find(&plugin).is_some_and(|plugin| plugin.has_publications);
    if has_publications || !publications.is_empty() {
        publications::check(&mut findings, &mut session, &publications)?;
    }
    answer::print(&findings.to_string())?;
    match findings.failures() {
        0 => Ok(()),
        failures => bail!("{failures} of {} checks failed", findings.len()),
    }
}
