//! `--until-now`: the end of the WAL of all that has committed by now.
//!
//! With `synchronous_commit = off` a transaction has committed, for everybody who asks, before its
//! WAL is on the server's disk, and a WAL sender sends only what is there. So the bound is where
//! WAL is inserted now, and the stream begins once it is flushed up to there.

use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use crate::stop::Stop;
use crate::walsender::Connection;
use std::time::{Duration, Instant};

const LOOK_AT_WAL: &str = "look how far the WAL is flushed";
/// How often to look how far the WAL is flushed.
const LOOK: Duration = Duration::from_millis(10);

/// What the server tells of its WAL.
struct Wal {
    inserted: Lsn,
    flushed: Lsn,
    /// `wal_writer_delay`
    writer_delay: Duration,
}

/// Waits until all that has committed by now is on the server's disk, and returns where its WAL
/// ends. A standby has `flushed` of what its primary sent, and nothing else has committed there.
pub fn committed_by_now(connection: &mut Connection, flushed: Lsn, stop: &Stop) -> Result<Lsn> {
    if connection.parameter("in_hot_standby") == Some("on") {
        return Ok(flushed);
    }
    let now = Wal::ask(connection).could_not(LOOK_AT_WAL)?;
    // "The maximum delay is three times wal_writer_delay": manual section 28.4.
    let mut nudge = Some(Instant::now() + now.writer_delay * 3);
    let mut flushed = now.flushed;
    while flushed < now.inserted && !stop.requested() {
        if nudge.is_some_and(|nudge| Instant::now() >= nudge) {
            // What is left belongs to transactions that still run, or is the header of a page: the
            // WAL writer lets it be until something commits. A transaction of nothing but its
            // number does.
            connection
                .ask("SELECT pg_catalog.pg_current_xact_id()")
                .could_not("flush the WAL")?;
            nudge = None;
        }
        stop.wait(LOOK);
        flushed = Wal::ask(connection).could_not(LOOK_AT_WAL)?.flushed;
    }
    Ok(now.inserted)
}

impl Wal {
    fn ask(connection: &mut Connection) -> Result<Wal> {
        let query = "SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_current_wal_insert_lsn(), \
                     pg_catalog.pg_current_wal_flush_lsn(), setting) FROM pg_catalog.pg_settings \
                     WHERE name = 'wal_writer_delay'";
        let answer = connection.ask(query)?.unwrap_or_default();
        let mut fields = answer.split(' ');
        let mut lsn = || fields.next()?.parse().ok();
        let (inserted, flushed) = (lsn(), lsn());
        let delay = fields.next().and_then(|field| field.parse().ok());
        match (inserted, flushed, delay) {
            (Some(inserted), Some(flushed), Some(milliseconds)) => Ok(Wal {
                inserted,
                flushed,
                writer_delay: Duration::from_millis(milliseconds),
            }),
            _ => Err(Error::because(format!("the server answered {answer:?}"))),
        }
    }
}
