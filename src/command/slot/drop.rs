//! `walcat slot drop`.

use crate::catalog::server::Server;
use crate::catalog::{refusal, sessions, slots};
use crate::cli::SlotDropArgs;
use crate::connect::Client;
use crate::connect::invocation::walcat;
use crate::connect::{self, Settings};
use crate::error::{Error, Result};
use crate::shell;
use log::info;
use std::time::{Duration, Instant};

/// How long `--force` tries: a consumer that reconnects may take the slot again and again.
const FORCE_TIMEOUT: Duration = Duration::from_secs(15);

const UNDEFINED_OBJECT: &str = "42704";
const OBJECT_IN_USE: &str = "55006";

/// Drops the slots, or none if one of them is not there.
pub fn run(args: &SlotDropArgs, settings: &Settings) -> anyhow::Result<()> {
    let mut session = connect::sql(settings)?;
    let server = Server::ask(&mut session)?;
    let mut there = Vec::new();
    for name in &args.names {
        match slots::find(&mut session, name)? {
            Some(_) => there.push(name),
            None if args.if_exists => {}
            None => return Err(missing(&mut session, &server, name).into()),
        }
    }
    for name in there {
        if args.force {
            drop_by_force(&mut session, &server, name)?;
        } else {
            slots::drop(&mut session, name)
                .map_err(|error| in_use(&mut session, &server, name, error))?;
        }
        info!("dropped slot \"{name}\"");
    }
    Ok(())
}

/// Ends whoever holds the slot, until it can be dropped.
fn drop_by_force(client: &mut Client, server: &Server, name: &str) -> Result<()> {
    let start = Instant::now();
    let mut ended = false;
    loop {
        let left = FORCE_TIMEOUT.saturating_sub(start.elapsed());
        if let Some(pid) = slots::find(client, name)?.and_then(|slot| slot.active_pid) {
            let holder = sessions::find(client, pid)?;
            ended = sessions::terminate(client, pid, left)
                .map_err(|error| refusal::explain(error, &server.user))?;
            if let Some(holder) = holder.filter(|_| ended) {
                info!("ended {holder}, which held slot \"{name}\"");
            }
        }
        match slots::drop(client, name) {
            // A temporary slot went with its session.
            Err(error) if error.sqlstate() == UNDEFINED_OBJECT && ended => return Ok(()),
            Err(error) if error.sqlstate() == OBJECT_IN_USE && !left.is_zero() => {}
            Err(error) => return Err(in_use(client, server, name, error)),
            Ok(()) => return Ok(()),
        }
    }
}

/// The error for a slot that is not there, without the advice to create it.
fn missing(client: &mut Client, server: &Server, name: &str) -> Error {
    slots::missing(client, server, name)
        .with_remedy(walcat("slot list"))
        .could_not(format!("drop slot \"{name}\""))
}

fn in_use(client: &mut Client, server: &Server, name: &str, error: Error) -> Error {
    let in_use = error.sqlstate() == OBJECT_IN_USE;
    let explained =
        slots::explain(client, server, name, error).could_not(format!("drop slot \"{name}\""));
    if in_use {
        explained.with_remedy(walcat(format_args!(
            "slot drop --force {}",
            shell::word(name)
        )))
    } else {
        explained
    }
}
