//! The slot: is it there, of use, and how far behind; or all slots of the database, if none is
//! named.

use super::findings::Findings;
use crate::catalog::privileges::Powers;
use crate::catalog::publications;
use crate::catalog::server::Server;
use crate::catalog::slots::{self, Slot, SlotType};
use crate::connect::Client;
use crate::connect::invocation::walcat;
use crate::error::{CouldNot, Kind, Result};
use crate::plugin;
use crate::shell;
use crate::text::human_size;

/// What a stream would use.
pub struct Used {
    /// The output plugin.
    pub plugin: String,
    /// The slot's name, if it can be streamed from.
    pub usable: Option<String>,
}

/// Looks at the slot, or at all, and returns what a stream would use.
pub fn check(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    powers: Powers,
    wanted: Option<&str>,
) -> Result<Used> {
    let new = Used {
        plugin: plugin::DEFAULT.name.to_owned(),
        usable: None,
    };
    let Some(name) = wanted else {
        check_all(findings, session, server, powers)?;
        return Ok(new);
    };
    let Some(slot) = slots::find(session, name)? else {
        let create = walcat(format_args!("slot create {}", shell::word(name)));
        let remedy = powers.as_replicator(&create);
        findings.fail(
            format!("there is no replication slot \"{name}\""),
            match publications::names(session)?.is_empty() {
                true => format!("as soon as there is a publication: {remedy}"),
                false => remedy,
            },
        );
        return Ok(new);
    };
    let usable = slot
        .require_usable(session, server)
        .could_not(format!("stream from slot \"{name}\""));
    let usable = match usable {
        Ok(()) => true,
        Err(error) => {
            let remedy = error
                .remedy()
                .map_or_else(|| walcat("slot list"), str::to_owned);
            findings.fail(error.to_string(), remedy);
            // Another session holds it for now.
            if error.kind() == Kind::Transient {
                check_lag(findings, &slot);
            }
            false
        }
    };
    if usable {
        check_lag(findings, &slot);
    }
    let plugin = slot.plugin.unwrap_or_default();
    if plugin::find(&plugin).is_none() && slot.slot_type == SlotType::Logical {
        findings.fail(
            format!("slot \"{name}\" has plugin {plugin}, which walcat cannot decode"),
            walcat(format_args!("stream --format raw -S {}", shell::word(name))),
        );
    }
    Ok(Used {
        plugin,
        usable: usable.then(|| name.to_owned()),
    })
}

fn check_all(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    powers: Powers,
) -> Result<()> {
    let slots = slots::list(session)?;
    let here: Vec<&Slot> = slots
        .iter()
        .filter(|slot| slot.database.as_deref() == Some(&server.database))
        .collect();
    for slot in &here {
        match slot.lost() {
            Some(reason) => findings.warn(
                format!("slot \"{}\" is invalidated ({reason})", slot.name),
                powers.as_replicator(&walcat(format_args!(
                    "slot drop {}",
                    shell::word(&slot.name)
                ))),
            ),
            None => check_lag(findings, slot),
        }
    }
    if here.is_empty() {
        findings.ok("the database has no slots yet");
    }
    Ok(())
}

fn check_lag(findings: &mut Findings, slot: &Slot) {
    let size = |bytes: Option<i64>| human_size(bytes.unwrap_or_default());
    let text = format!(
        "slot \"{}\" is {} behind and retains {} of WAL",
        slot.name,
        size(slot.lag_bytes),
        size(slot.retained_bytes)
    );
    // With a limit: less than half of what may be retained is left.
    let tight = slot
        .safe_wal_size
        .is_some_and(|safe| safe < slot.retained_bytes.unwrap_or_default());
    match slot.wal_status.as_deref() {
        Some("unreserved") => findings.warn(
            format!("{text}, and is about to be lost"),
            "stream from it at once",
        ),
        _ if tight => {
            let safe = size(slot.safe_wal_size);
            findings.warn(
                format!("{text}; it is lost after {safe} more"),
                "stream from it, or raise max_slot_wal_keep_size",
            );
        }
        _ => findings.ok(text),
    }
}
