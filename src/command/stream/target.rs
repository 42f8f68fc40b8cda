//! The database in which psql replays the changes, for `--once`.
//!
//! A table there says which transaction was the last. The statements keep it up, in the same
//! transactions as the changes; here it is made and read.

use crate::connect::{self, Arguments, Client, Settings};
use crate::error::{CouldNot, Error, Result};
use crate::event::{EventId, Place};
use crate::lsn::Lsn;
use crate::render::Once;
use crate::sink::Source;
use std::time::Duration;
use tokio_postgres::types::PgLsn;

/// How long the target may take to answer while the stream waits.
const LIMIT: Duration = Duration::from_secs(2);

const FIND: &str = "SELECT pg_catalog.to_regclass('walcat.replayed') IS NOT NULL";

const CREATE: &str = "
    CREATE SCHEMA IF NOT EXISTS walcat;
    CREATE TABLE IF NOT EXISTS walcat.replayed (
        system pg_catalog.text, slot pg_catalog.text, lsn pg_catalog.pg_lsn NOT NULL, PRIMARY KEY \
        (system, slot)
    )";

const INSERT: &str = "INSERT INTO walcat.replayed VALUES ($1, $2, '0/0') ON CONFLICT DO NOTHING";

const READ: &str = "SELECT lsn FROM walcat.replayed WHERE system = $1 AND slot = $2";

/// Where the changes are replayed.
pub struct Target {
    settings: Settings,
    client: Option<Client>,
    system: String,
    slot: String,
}

impl Target {
    /// Connects, makes the table if it is not there, and reads up to where the target has the
    /// changes of `source`.
    pub fn open(conninfo: &str, source: &Source) -> Result<(Target, Lsn)> {
        if connect::shows_password(conninfo) {
            return Err(Error::usage(
                "could not use --once: every user of this machine could read the password in it",
            )
            .with_remedy("a password file (~/.pgpass) or a service file"));
        }
        let given = Arguments {
            dbname: Some(conninfo.to_owned()),
            prompt: connect::Prompt::Never,
            ..Arguments::default()
        };
        let mut target = Target {
            settings: Settings::resolve_other(&given)?,
            client: None,
            system: source.system.clone(),
            slot: source.slot.clone().unwrap_or_default(),
        };
        let mut client = connect::sql(&target.settings)?;
        let found = client
            .query_one(FIND, &[])
            .could_not("prepare the target")?;
        if !found.try_get::<_, bool>(0).unwrap_or_default() {
            client
                .batch_execute(CREATE)
                .could_not("prepare the target")?;
        }
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&target.system, &target.slot];
        client
            .execute(INSERT, &key)
            .could_not("prepare the target")?;
        target.client = Some(client);
        let last = target.read()?;
        Ok((target, last))
    }

    /// What the statements have to say, behind the transaction at `last`.
    pub fn once(&self, last: Lsn) -> Once {
        Once {
            system: self.system.clone(),
            slot: self.slot.clone(),
            last,
        }
    }

    /// The event that the transaction at `last` ends with, if there is one.
    pub fn event(last: Lsn) -> Option<EventId> {
        last.is_valid().then_some(EventId {
            lsn: last,
            place: Place::End,
        })
    }

    fn read(&mut self) -> Result<Lsn> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(connect::sql(&self.settings.with_limit(LIMIT))?);
        }
        let client = self
            .client
            .as_mut()
            .ok_or_else(|| Error::new("could not connect: no session"))?;
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&self.system, &self.slot];
        let row = client
            .query_one(READ, &key)
            .could_not("ask the target how far it is")?;
        let lsn: PgLsn = row.try_get(0).map_err(|error| {
            Error::new(format!(
                "could not ask the target how far it is: its table walcat.replayed is another: \
                 {error}"
            ))
        })?;
        Ok(Lsn(u64::from(lsn)))
    }
}

impl crate::sink::Target for Target {
    fn last(&mut self) -> Result<Option<Lsn>> {
        match self.read() {
            Ok(last) => Ok(Some(last)),
            Err(error) if error.kind() == crate::error::Kind::Transient => {
                self.client = None;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
