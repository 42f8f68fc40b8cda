//! `walcat slot create`: waits for the running transactions, and says for which.

use crate::catalog::publications;
use crate::catalog::refusal;
use crate::catalog::server::Server;
use crate::catalog::slots::{self, NewSlot, Slot};
use crate::cli::SlotCreateArgs;
use crate::command::answer;
use crate::command::publication::creation;
use crate::connect::invocation::walcat;
use crate::connect::{self, Client, Settings};
use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use crate::plugin::{self, Support};
use crate::shell;
use crate::stop::Stop;
use log::warn;

/// Prints the slot and its consistent point.
pub fn run(args: &SlotCreateArgs, settings: &Settings, stop: &Stop) -> anyhow::Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let plugin = args.kind.plugin.as_deref().unwrap_or(plugin::DEFAULT.name);
    let new = NewSlot {
        name: &args.name,
        plugin,
        two_phase: args.kind.two_phase,
        failover: args.kind.failover,
    };
    if let Some(there) = slots::find(&mut session, new.name)? {
        return keep(&there, &new, &server, args.if_not_exists);
    }
    require(&server, &new)?;
    let first = missing_publication(&mut session, &server, &new)?;
    match super::create(session, settings, &new, args.timeout, stop) {
        Ok(lsn) => {
            let name = new.name;
            if let Some(remedy) = first {
                warn!(
                    remedy = remedy.as_str();
                    "the database has no publication, and slot \"{name}\" cannot send what is \
                     written before there is one"
                );
            }
            answer::tell(&format!(
                "slot {name}: plugin {plugin}, consistent point {lsn}"
            ))
        }
        // Another client created it meanwhile.
        Err(error) if error.sqlstate() == "42710" && args.if_not_exists => {
            let there = slots::find(&mut connect::sql(settings)?, new.name)?;
            there.map_or(Err(error.into()), |there| keep(&there, &new, &server, true))
        }
        Err(error) => Err(refusal::explain(error, &server.user).into()),
    }
}

/// What creates a publication, if the slot needs one and there is none: it cannot send through a
/// publication what is written before that is there.
fn missing_publication(
    session: &mut Client,
    server: &Server,
    new: &NewSlot<'_>,
) -> Result<Option<String>> {
    let has_publications = plugin::find(new.plugin).is_some_and(|plugin| plugin.has_publications);
    if !has_publications || !publications::names(session)?.is_empty() {
        return Ok(None);
    }
    creation(session, server, publications::DEFAULT_NAME).map(Some)
}

/// The slot is there already, which is fine if it is the one that was wanted.
fn keep(
    there: &Slot,
    new: &NewSlot<'_>,
    server: &Server,
    if_not_exists: bool,
) -> anyhow::Result<()> {
    let name = new.name;
    let differs = |what: &str, there: &Option<String>| {
        let there = there.as_deref().unwrap_or("none");
        Err(Error::new(format!(
            "could not create slot \"{name}\": it already exists, with {what} {there}"
        ))
        .with_remedy(format!(
            "another name, or, to lose what it holds: {}",
            walcat(format_args!("slot drop {}", shell::word(name)))
        ))
        .into())
    };
    if there.plugin.as_deref() != Some(new.plugin) {
        return differs("plugin", &there.plugin);
    }
    if there.database.as_deref() != Some(&server.database) {
        return differs("database", &there.database);
    }
    if if_not_exists && new.two_phase && !there.two_phase {
        return differs("two-phase", &Some("off".to_owned()));
    }
    if if_not_exists && new.failover && there.failover != Some(true) {
        return differs("failover", &Some("off".to_owned()));
    }
    if !if_not_exists {
        return Err(Error::new(format!(
            "could not create slot \"{name}\": it already exists"
        ))
        .with_remedy(walcat(format_args!(
            "slot create --if-not-exists {}{}",
            shell::word(name),
            kind_options(new)
        )))
        .into());
    }
    let confirmed = there.confirmed_flush_lsn.unwrap_or(Lsn::INVALID);
    let plugin = new.plugin;
    answer::tell(&format!(
        "slot {name}: plugin {plugin}, already there, confirmed up to {confirmed}"
    ))
}

/// The options that ask for a slot of this kind.
pub fn kind_options(new: &NewSlot<'_>) -> String {
    let plugin = Some(new.plugin).filter(|&plugin| plugin != plugin::DEFAULT.name);
    let plugin = plugin.map(|plugin| format!(" -P {}", shell::word(plugin)));
    let two_phase = if new.two_phase { " --two-phase" } else { "" };
    let failover = if new.failover { " --failover" } else { "" };
    plugin.unwrap_or_default() + two_phase + failover
}

/// Refuses what the server would refuse with a syntax error, or understand differently.
pub fn require(server: &Server, new: &NewSlot<'_>) -> Result<()> {
    require_all(server, new).could_not(format!("create slot \"{}\"", new.name))
}

fn require_all(server: &Server, new: &NewSlot<'_>) -> Result<()> {
    server.require_version(14, "walcat")?;
    server.require_decoding()?;
    if server.in_recovery {
        server.require_version(16, "a logical slot on a standby")?;
    }
    if new.failover {
        server.require_version(17, "--failover")?;
    }
    if let Some(Support::Since(major)) = plugin::find(new.plugin).map(|plugin| plugin.two_phase)
        && new.two_phase
    {
        let what = format!("--two-phase with {}", new.plugin);
        server.require_version(major, &what)?;
    }
    Ok(())
}
