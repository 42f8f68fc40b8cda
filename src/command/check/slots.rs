//! The slot: is it there, of use, and how far behind; or all slots of the database, if none is
//! named.

use super::findings::Findings;
use crate::catalog::server::Server;
use crate::catalog::slots::{self, Slot, SlotType};
use crate::command::answer::human_size;
use crate::connect::Client;
use crate::error::{CouldNot, Kind, Result};
use crate::plugin;
use crate::shell;

/// Looks at the slot, or at all, and returns the plugin that a stream would use.
pub fn check(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    wanted: Option<&str>,
) -> Result<String> {
    let Some(name) = wanted else {
        check_all(findings, session, server)?;
        return Ok(plugin::DEFAULT.name.to_owned());
    };
    let Some(slot) = slots::find(session, name)? else {
        findings.fail(
            format!("there is no replication slot \"{name}\""),
            format!("walcat slot create {}", shell::word(name)),
        );
        return Ok(plugin::DEFAULT.name.to_owned());
    };
    match slot
        .require_usable(session, server)
        .could_not(format!("stream from slot \"{name}\""))
    {
        Ok(()) => check_lag(findings, &slot),
        Err(error) => {
            let remedy = error.remedy().unwrap_or("walcat slot list").to_owned();
            if error.kind() == Kind::Transient {
                findings.warn(error.to_string(), remedy);
                check_lag(findings, &slot);
            } else {
                findings.fail(error.to_string(), remedy);
            }
        }
    }
    let plugin = slot.plugin.unwrap_or_default();
    if plugin::find(&plugin).is_none() && slot.slot_type == SlotType::Logical {
        findings.warn(
            format!("slot \"{name}\" has plugin {plugin}, which walcat cannot decode"),
            "stream --format raw",
        );
    }
    Ok(plugin)
}

fn check_all(findings: &mut Findings, session: &mut Client, server: &Server) -> Result<()> {
    let slots = slots::list(session)?;
    let here: Vec<&Slot> = slots
        .iter()
        .filter(|slot| slot.database.as_deref() == Some(&server.database))
        .collect();
    for slot in &here {
        match slot.lost() {
            Some(reason) => findings.warn(
                format!("slot \"{}\" is invalidated ({reason})", slot.name),
                format!("walcat slot drop {}", shell::word(&slot.name)),
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
