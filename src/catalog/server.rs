//! What every command must know of the server before it acts: version, recovery, `wal_level`,
//! position.

use super::column;
use crate::connect::Client;
use crate::error::{CouldNot, Error, Result};
use crate::lsn::Lsn;
use crate::version::Version;
use postgres_protocol::escape::escape_literal;
use tokio_postgres::types::PgLsn;

/// The server and the session, as they were when asked.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its version.
    pub version: Version,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// `wal_level`
    pub wal_level: String,
    /// `server_encoding`: that of the database
    pub encoding: String,
    /// The database of the session.
    pub database: String,
    /// The role of the session.
    pub user: String,
    /// Where the WAL ends: what is written, or on a standby replayed.
    pub position: Lsn,
}

/// The SQL of the WAL position that counts: a standby has replayed it, a primary written it.
pub(super) const POSITION: &str = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN \
    pg_catalog.pg_last_wal_replay_lsn() \
     ELSE pg_catalog.pg_current_wal_lsn() END";

impl Server {
    /// Asks the server, in one query.
    pub fn ask(client: &mut Client) -> Result<Server> {
        let query = format!(
            "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
             pg_catalog.pg_is_in_recovery(),
                    pg_catalog.current_setting('wal_level'), \
                    pg_catalog.current_setting('server_encoding'),
                    pg_catalog.current_database()::pg_catalog.text, current_user::pg_catalog.text, \
                    {POSITION},
                    pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)"
        );
        let row = client
            .query_one(&query, &[])
            .could_not("ask the server for its settings")?;
        let version: i32 = column(&row, 0)?;
        let position: Option<PgLsn> = column(&row, 6)?;
        Ok(Server {
            version: Version::new(version.unsigned_abs(), column(&row, 7)?),
            in_recovery: column(&row, 1)?,
            wal_level: column(&row, 2)?,
            encoding: column(&row, 3)?,
            database: column(&row, 4)?,
            user: column(&row, 5)?,
            position: position.map_or(Lsn::INVALID, |lsn| Lsn(lsn.into())),
        })
    }

    /// Returns `true` if its WAL holds what logical decoding needs. From 19 on the first logical
    /// slot sees to that by itself.
    fn decodes(&self) -> bool {
        self.wal_level == "logical" || (self.wal_level == "replica" && self.version.major() >= 19)
    }

    /// Fails, with the reason alone, where its WAL does not hold what logical decoding needs.
    pub fn require_decoding(&self) -> Result<()> {
        if self.decodes() {
            return Ok(());
        }
        Err(Error::because(format!(
            "wal_level is \"{}\", not \"logical\"",
            self.wal_level
        ))
        .with_remedy("ALTER SYSTEM SET wal_level = logical, then restart the server"))
    }

    /// Fails, with the reason alone, on a server older than that, which `what` needs.
    pub fn require_version(&self, major: u32, what: &str) -> Result<()> {
        if self.version.major() >= major {
            return Ok(());
        }
        let message = format!(
            "{what} needs PostgreSQL {major} or later, the server is {}",
            self.version
        );
        Err(Error::because(message))
    }
}

/// How many replication slots and WAL senders there are, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Replication slots in use.
    pub slots: i64,
    /// `max_replication_slots`
    pub max_slots: i64,
    /// WAL senders at work.
    pub wal_senders: i64,
    /// `max_wal_senders`
    pub max_wal_senders: i64,
}

/// A setting that is a number.
#[derive(Clone, Debug)]
pub struct Number {
    /// In the setting's own unit, as milliseconds.
    pub value: i64,
    /// With its unit, as `1min`.
    pub text: String,
}

/// Counts slots and WAL senders.
pub fn room(client: &mut Client) -> Result<Room> {
    let query = "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots),
                        pg_catalog.current_setting('max_replication_slots')::pg_catalog.int8,
                        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication),
                        pg_catalog.current_setting('max_wal_senders')::pg_catalog.int8";
    let row = client
        .query_one(query, &[])
        .could_not("count slots and WAL senders")?;
    Ok(Room {
        slots: column(&row, 0)?,
        max_slots: column(&row, 1)?,
        wal_senders: column(&row, 2)?,
        max_wal_senders: column(&row, 3)?,
    })
}

/// The value of a setting that is a number; `None` where this version does not know it.
pub fn number(client: &mut Client, name: &str) -> Result<Option<Number>> {
    let query = "SELECT setting::pg_catalog.int8, pg_catalog.current_setting(name)
                 FROM pg_catalog.pg_settings WHERE name = $1";
    let row = client
        .query_opt(query, &[&name])
        .could_not(format!("ask the server for {name}"))?;
    row.map(|row| {
        Ok(Number {
            value: column(&row, 0)?,
            text: column(&row, 1)?,
        })
    })
    .transpose()
}

/// The value of a setting; `None` where this version does not know it.
pub fn setting(client: &mut Client, name: &str) -> Result<Option<String>> {
    let row = client
        .query_one("SELECT pg_catalog.current_setting($1, true)", &[&name])
        .could_not(format!("ask the server for {name}"))?;
    column(&row, 0)
}

/// Loads a library into the session, which fails if it is not installed. Only a superuser may.
pub fn load(client: &mut Client, library: &str) -> Result<()> {
    let statement = format!("LOAD {}", escape_literal(library));
    client
        .batch_execute(&statement)
        .could_not(format!("load the library of output plugin {library}"))
}

/// Where the WAL ends that the server has: a standby may have received more than it has replayed.
pub fn received(client: &mut Client) -> Result<Lsn> {
    let query = format!("SELECT GREATEST({POSITION}, pg_catalog.pg_last_wal_receive_lsn())");
    let row = client
        .query_one(&query, &[])
        .could_not("ask the server for its WAL position")?;
    let position: Option<PgLsn> = column(&row, 0)?;
    Ok(position.map_or(Lsn::INVALID, |lsn| Lsn(lsn.into())))
}

/// The system identifier: that of the cluster, which its copies share.
pub fn system_identifier(client: &mut Client) -> Result<String> {
    let query = "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()";
    let row = client
        .query_one(query, &[])
        .could_not("ask the server for its system identifier")?;
    // It is an unsigned number, and SQL has none of this size.
    let signed: String = column(&row, 0)?;
    Ok(signed
        .parse::<i64>()
        .map_or(signed, |number| number.cast_unsigned().to_string()))
}

/// Fails if there is no time zone of this name.
pub fn require_timezone(client: &mut Client, name: &str) -> Result<()> {
    let query = "SELECT pg_catalog.set_config('timezone', $1, true)";
    let set = client
        .query_one(query, &[&name])
        .could_not(format!("use --timezone {name}"));
    // invalid_parameter_value
    set.map(|_| ()).map_err(|error| match error.sqlstate() {
        "22023" => error.with_remedy("one of SELECT name FROM pg_timezone_names, as Europe/Berlin"),
        _ => error,
    })
}
