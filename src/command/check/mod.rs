//! `walcat check`: looks at all that streaming needs, before anything depends on it. It fails where
//! `walcat stream` would.

mod findings;
mod log_destination;
mod publications;
mod server;
mod slots;

use crate::catalog::server::Server;
use crate::cli::{CheckArgs, CheckFormat};
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
    let powers = server::check(&mut findings, &mut session, &server, settings)?;
    let slot = slots::check(
        &mut findings,
        &mut session,
        &server,
        powers,
        args.slot.as_deref(),
    )?;
    let plugin = slot.plugin;
    server::check_plugin(&mut findings, &mut session, &server, &plugin)?;
    let publications: Vec<String> = args
        .publication
        .iter()
        .flat_map(|names| names.0.clone())
        .collect();
    let has_publications = plugin::find(&plugin).is_some_and(|plugin| plugin.has_publications);
    if has_publications {
        let holder = slot.usable.as_deref().filter(|_| powers.replication);
        publications::check(
            &mut findings,
            &mut session,
            &server,
            &publications,
            holder,
            settings,
        )?;
    } else if !publications.is_empty() {
        findings.fail(
            format!("plugin {plugin} knows no publications"),
            "check without --publication, or a slot with the plugin pgoutput",
        );
    }
    if let Some(to) = &args.to {
        log_destination::check(&mut findings, &mut session, &server, to, args)?;
    }
    answer::print(&match args.format {
        CheckFormat::Text => findings.to_string(),
        CheckFormat::Json => answer::json(findings.as_slice())?,
    })?;
    match findings.failures() {
        0 => Ok(()),
        failures => bail!("{failures} of {} checks failed", findings.len()),
    }
}
