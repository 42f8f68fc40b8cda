//! Whether a server has the history of what was received: the same system, the same timeline or one
//! that left it later, WAL that reaches as far.

use crate::error::{CouldNot, Error, Kind, Result};
use crate::lsn::Lsn;
use crate::sink::Held;
use crate::walsender::{Connection, SystemIdentification};

/// Why the WAL of a server may not be that which was received.
const SET_BACK: &str = "The server was set back, or a standby has taken its place that lacks what \
                        was received: what it has instead cannot be told apart from it.";

/// Fails unless the server has all up to `received`, which the sink holds from an earlier run.
pub fn require_that_of_sink(
    connection: &mut Connection,
    system: &SystemIdentification,
    held: &Held<'_>,
    received: Lsn,
) -> Result<()> {
    match held.timeline.filter(|_| received.is_valid()) {
        Some(timeline) => require_timeline(connection, system.timeline, timeline, received)
            .could_not(format!("go on in {}", held.name)),
        None => Ok(()),
    }
}

/// The timeline that all comes from that this connection brings, if that is known: a standby may be
/// promoted, and goes on sending without a word.
pub fn lasting_timeline(connection: &Connection, system: &SystemIdentification) -> Option<u32> {
    let is_standby = connection.parameter("in_hot_standby") == Some("on");
    (!is_standby).then_some(system.timeline)
}

/// Fails unless the server is the one that was `known`, with all up to `received`, which came on
/// `timeline` if that is known.
pub fn require_same(
    connection: &mut Connection,
    system: &SystemIdentification,
    known: &SystemIdentification,
    timeline: Option<u32>,
    received: Lsn,
) -> Result<()> {
    if known.system_id != system.system_id {
        return Err(Error::new(
            "could not go on: another server has taken the place of the one that the stream came \
             from",
        )
        .with_detail(
            "The system identifiers differ: WAL positions of one mean nothing to the other.",
        ));
    }
    if received > system.flushed {
        let error = Error::new(format!(
            "could not go on: the server's WAL ends at {}, but was received up to {received}",
            system.flushed
        ));
        let standby = connection.parameter("in_hot_standby") == Some("on");
        return Err(if standby {
            error.with_kind(Kind::Transient)
        } else {
            error.with_detail(SET_BACK)
        });
    }
    match timeline {
        Some(old) => {
            require_timeline(connection, system.timeline, old, received).could_not("go on")
        }
        None => Ok(()),
    }
}

/// Fails if the server left the timeline on which all up to `received` came before that.
fn require_timeline(
    connection: &mut Connection,
    new: u32,
    known: u32,
    received: Lsn,
) -> Result<()> {
    if new == known {
        return Ok(());
    }
    let reason = match connection.switch_point(known, new)? {
        Some(point) if received <= point => return Ok(()),
        Some(point) => format!("was left at {point}, but was received up to {received}"),
        None => "is not among those that it comes from".to_owned(),
    };
    Err(Error::because(format!(
        "the server is on timeline {new}, and timeline {known} {reason}"
    ))
    .with_detail(SET_BACK))
}
