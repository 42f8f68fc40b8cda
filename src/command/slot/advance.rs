//! `walcat slot advance`: forget what a slot has not delivered yet.

use crate::catalog::server::Server;
use crate::catalog::slots::{self, Slot, SlotType};
use crate::cli::SlotAdvanceArgs;
use crate::command::answer;
use crate::connect::Client;
use crate::connect::{self, Settings};
use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use crate::text::human_size;

/// Moves the slot and says from where to where, and past how much.
pub fn run(args: &SlotAdvanceArgs, settings: &Settings) -> anyhow::Result<()> {
    let name = &args.name;
    let advance = format!("advance slot \"{name}\"");
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let Some(slot) = slots::find(&mut session, name)? else {
        let missing = slots::missing(&mut session, &server, name);
        return Err(missing.could_not(advance).into());
    };
    let from = position(&mut session, &server, &slot).could_not(&advance)?;
    let to = match args.to {
        Some(to) => target(to, from, &server).could_not(format!("{advance} to {to}"))?,
        None => server.position.max(from),
    };
    if to == from {
        return answer::tell(&format!("slot {name}: already at {from}"));
    }
    let to = slots::advance(&mut session, name, to)
        .map_err(|error| slots::explain(&mut session, &server, name, error))
        .could_not(advance)?;
    let passed = i64::try_from(to.0.saturating_sub(from.0)).unwrap_or(i64::MAX);
    answer::tell(&format!(
        "slot {name}: advanced from {from} to {to}, past {passed} ({}) of WAL",
        human_size(passed)
    ))
}

/// Where the slot is now, if it can be moved.
fn position(client: &mut Client, server: &Server, slot: &Slot) -> Result<Lsn> {
    if slot.slot_type == SlotType::Logical {
        slot.require_usable(client, server)?;
        return Ok(slot.confirmed_flush_lsn.unwrap_or(Lsn::INVALID));
    }
    if let Some(reason) = slot.lost() {
        return Err(Error::because(format!("it is invalidated ({reason})")));
    }
    slot.restart_lsn.ok_or_else(|| {
        Error::because("it has no position yet")
            .with_detail("A physical slot gets one when a standby uses it for the first time.")
    })
}

/// Where to move it. The server goes no further than its WAL, without a word; and never back.
fn target(to: Lsn, from: Lsn, server: &Server) -> Result<Lsn> {
    if to < from {
        return Err(Error::because(format!(
            "it is at {from} already, and slots do not move backwards"
        )));
    }
    if to > server.position {
        return Err(Error::because(format!(
            "the WAL ends at {}",
            server.position
        )));
    }
    Ok(to)
}
