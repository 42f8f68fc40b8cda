//! Replication slots: what `pg_replication_slots` tells of them, and the functions that make, move
//! and drop them.

use super::server::{POSITION, Server};
use super::{column, decoded, enumerate, output_plugins, refusal, sessions};
use crate::connect::Client;
use crate::connect::invocation::{walcat, walcat_in};
use crate::error::{CouldNot, Error, Kind, Result};
use crate::lsn::Lsn;
use crate::plugin;
use crate::shell;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::PgLsn;

/// A replication slot (`pg_replication_slots`, manual section 54.20).
///
/// What not every version has is `None` where it lacks it, and `Some(None)` where it is null.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Slot {
    /// Its name.
    #[serde(rename(deserialize = "slot_name"))]
    pub name: String,
    /// Logical, or physical.
    pub slot_type: SlotType,
    /// The output plugin; physical slots have none.
    pub plugin: Option<String>,
    /// The database; physical slots have none.
    pub database: Option<String>,
    /// Whether it vanishes with its session.
    pub temporary: bool,
    /// Whether it is in use.
    pub active: bool,
    /// By whom.
    pub active_pid: Option<i32>,
    /// The oldest transaction whose rows it makes the server keep.
    pub xmin: Option<i64>,
    /// The oldest transaction whose rows in the system catalogs it makes the server keep.
    pub catalog_xmin: Option<i64>,
    /// From here on the server keeps WAL for it.
    pub restart_lsn: Option<Lsn>,
    /// Up to here all was confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// How far the confirmed position, of physical slots the restart position, is behind the end of
    /// the WAL, in bytes.
    pub lag_bytes: Option<i64>,
    /// How much WAL it makes the server keep, in bytes.
    pub retained_bytes: Option<i64>,
    /// Whether the WAL that it needs is still there: `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
    /// How much more WAL may be written before the slot is in danger, if that is limited.
    pub safe_wal_size: Option<i64>,
    /// Whether it decodes prepared transactions when they are prepared.
    #[serde(default)]
    pub two_phase: bool,
    /// From here on it does (18).
    #[serde(
        default,
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    pub two_phase_at: Option<Option<Lsn>>,
    /// Whether standbys take it over (17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<bool>,
    /// Whether it was copied from the primary (17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced: Option<bool>,
    /// Whether it conflicted with recovery and is invalid for that (16).
    #[serde(
        default,
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    pub conflicting: Option<Option<bool>>,
    /// Why it is invalid (17).
    #[serde(
        default,
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    pub invalidation_reason: Option<Option<String>>,
    /// Since when nobody uses it (17), in ISO 8601.
    #[serde(
        default,
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    pub inactive_since: Option<Option<String>>,
    /// What newer versions tell of it besides.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotType {
    /// Logical decoding.
    Logical,
    /// Streaming replication.
    Physical,
}

/// A slot to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewSlot<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its output plugin.
    pub plugin: &'a str,
    /// Whether it is to decode prepared transactions when they are prepared.
    pub two_phase: bool,
    /// Whether standbys are to take it over.
    pub failover: bool,
}

impl Slot {
    /// Why nothing can be read from it any more, if so.
    pub fn lost(&self) -> Option<String> {
        if let Some(Some(reason)) = &self.invalidation_reason {
            return Some(reason.clone());
        }
        // 16 says so of lost WAL too; only that takes the position.
        if self.conflicting == Some(Some(true)) && self.restart_lsn.is_some() {
            return Some("it conflicted with recovery".to_owned());
        }
        (self.wal_status.as_deref() == Some("lost"))
            .then(|| "the WAL it needs was removed".to_owned())
    }

    /// Fails, with the reason alone, if logical changes cannot be had from it in this session: it
    /// is physical, of another database, invalidated, or held by somebody else. The last may pass,
    /// so it is transient.
    pub fn require_usable(&self, client: &mut Client, server: &Server) -> Result<()> {
        if self.slot_type == SlotType::Physical {
            return Err(Error::because("it is a physical slot")
                .with_detail("Changes can be had from logical slots only.")
                .with_remedy(walcat("slot create NAME")));
        }
        if let Some(database) = self
            .database
            .as_ref()
            .filter(|&database| *database != server.database)
        {
            return Err(
                Error::because(format!("it belongs to database \"{database}\""))
                    .with_detail(format!(
                        "This session is connected to database \"{}\".",
                        server.database
                    ))
                    .with_remedy(walcat_in(
                        database,
                        format_args!("check -S {}", shell::word(&self.name)),
                    )),
            );
        }
        if let Some(reason) = self.lost() {
            return Err(Error::because(format!("it is invalidated ({reason})"))
                .with_detail("The server no longer has what the slot had not yet delivered.")
                .with_remedy(self.recreate_command()));
        }
        match self.active_pid {
            Some(pid) => Err(held(client, pid)),
            None => Ok(()),
        }
    }

    fn recreate_command(&self) -> String {
        let plugin = self
            .plugin
            .as_deref()
            .filter(|&plugin| plugin != plugin::DEFAULT.name);
        let plugin = plugin
            .map(|plugin| format!(" -P {}", shell::word(plugin)))
            .unwrap_or_default();
        let name = shell::word(&self.name);
        format!(
            "{} && {}",
            walcat(format_args!("slot drop {name}")),
            walcat(format_args!("slot create {name}{plugin}"))
        )
    }
}

/// All slots, by name.
pub fn list(client: &mut Client) -> Result<Vec<Slot>> {
    let rows = client
        .query(&query("true"), &[])
        .could_not("list replication slots")?;
    rows.iter().map(decoded).collect()
}

/// The slot of this name.
pub fn find(client: &mut Client, name: &str) -> Result<Option<Slot>> {
    let row = client.query_opt(&query("s.slot_name = $1"), &[&name]);
    row.could_not(format!("look up slot \"{name}\""))?
        .as_ref()
        .map(decoded)
        .transpose()
}

/// The reason alone that there is no such slot, and which there are: those of this database first.
pub fn missing(client: &mut Client, server: &Server, name: &str) -> Error {
    let error = Error::because(format!("there is no replication slot \"{name}\""))
        .with_remedy(walcat(format_args!("slot create {}", shell::word(name))));
    let Ok(mut slots) = list(client) else {
        return error;
    };
    slots.retain(|slot| slot.slot_type == SlotType::Logical);
    let (here, elsewhere): (Vec<&Slot>, Vec<&Slot>) = slots
        .iter()
        .partition(|slot| slot.database.as_deref() == Some(&server.database));
    let marked = |slot: &&Slot| {
        let database = slot.database.as_deref().unwrap_or_default();
        format!("{} (database \"{database}\")", slot.name)
    };
    let names: Vec<String> = here
        .iter()
        .map(|slot| slot.name.clone())
        .chain(elsewhere.iter().map(marked))
        .collect();
    error.with_detail(match names.as_slice() {
        [] => "There are no logical replication slots.".to_owned(),
        names => format!("The logical replication slots are: {}.", enumerate(names)),
    })
}

/// Explains the server's refusal to do something with a slot from the catalog: who holds it, which
/// slots there are, why it cannot be used. The error may then be the reason alone.
pub fn explain(client: &mut Client, server: &Server, name: &str, error: Error) -> Error {
    let said = error
        .server()
        .map(|server| server.message.clone())
        .unwrap_or_default();
    match error.sqlstate() {
        // undefined_object, object_in_use
        "42704" if said.contains("replication slot") => missing(client, server, name),
        "55006" => match find(client, name) {
            Ok(Some(Slot {
                active_pid: Some(pid),
                ..
            })) => held(client, pid),
            _ => error,
        },
        // object_not_in_prerequisite_state
        "55000" => match find(client, name) {
            Ok(Some(slot)) => match slot.require_usable(client, server) {
                Err(explained) if explained.kind() == Kind::Permanent => explained,
                _ => refusal::explain(error, &server.user),
            },
            _ => refusal::explain(error, &server.user),
        },
        _ => refusal::explain(error, &server.user),
    }
}

/// Creates a logical slot and returns its consistent point. It waits for all running transactions.
pub fn create(client: &mut Client, slot: &NewSlot<'_>) -> Result<Lsn> {
    create_kind(client, slot, false)
}

/// The same, of a slot that is gone with the session.
pub fn create_temporary(client: &mut Client, slot: &NewSlot<'_>) -> Result<Lsn> {
    create_kind(client, slot, true)
}

fn create_kind(client: &mut Client, slot: &NewSlot<'_>, temporary: bool) -> Result<Lsn> {
    // By their names: where they stand, and whether they are there at all, depends on the version.
    let failover = if slot.failover {
        ", failover => true"
    } else {
        ""
    };
    let query = format!(
        "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot(slot_name => $1, plugin => \
         $2,
             temporary => $4, twophase => $3{failover})"
    );
    let row = client
        .query_one(
            &query,
            &[&slot.name, &slot.plugin, &slot.two_phase, &temporary],
        )
        .map_err(|error| {
            // The server reports an error before it takes back what it had begun; when it answers
            // again, that is done.
            let _ = client.batch_execute("");
            let error = Error::from(error).could_not(format!("create slot \"{}\"", slot.name));
            output_plugins::explain(client, slot.plugin, error)
        })?;
    position(&row)
}

/// Drops a slot that nobody uses.
pub fn drop(client: &mut Client, name: &str) -> Result<()> {
    client
        .execute("SELECT pg_catalog.pg_drop_replication_slot($1)", &[&name])
        .could_not(format!("drop slot \"{name}\""))?;
    Ok(())
}

/// Moves a slot forward and returns where it is then.
pub fn advance(client: &mut Client, name: &str, to: Lsn) -> Result<Lsn> {
    let row = client
        .query_one(
            "SELECT end_lsn FROM pg_catalog.pg_replication_slot_advance($1, $2)",
            &[&name, &PgLsn::from(to.0)],
        )
        .could_not(format!("advance slot \"{name}\""))?;
    position(&row)
}

/// The error for a slot that another session holds. It may be released, so it is transient.
fn held(client: &mut Client, pid: i32) -> Error {
    let holder = match sessions::find(client, pid) {
        Ok(Some(session)) => session.to_string(),
        _ => format!("PID {pid}"),
    };
    let who = match sessions::may_end(client, pid) {
        Ok(true) => "end that session",
        _ => "as a superuser",
    };
    Error::because(format!("it is in use by {holder}"))
        .with_kind(Kind::Transient)
        .with_remedy(format!("{who}: SELECT pg_terminate_backend({pid})"))
}

/// Selects slots as JSON texts.
fn query(condition: &str) -> String {
    format!(
        "SELECT (pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.-) 'datoid'::pg_catalog.text
             OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(
             'xmin', s.xmin::pg_catalog.text::pg_catalog.int8,
             'catalog_xmin', s.catalog_xmin::pg_catalog.text::pg_catalog.int8,
             'lag_bytes', CASE WHEN s.restart_lsn IS NOT NULL THEN GREATEST(
                 pg_catalog.pg_wal_lsn_diff(here, COALESCE(s.confirmed_flush_lsn, s.restart_lsn)), \
                 0) END,
             'retained_bytes', CASE WHEN s.restart_lsn IS NOT NULL THEN GREATEST(
                 pg_catalog.pg_wal_lsn_diff(here, s.restart_lsn), 0) END))::pg_catalog.text
         FROM pg_catalog.pg_replication_slots AS s, (SELECT {POSITION} AS here) AS wal
         WHERE {condition} ORDER BY s.slot_name"
    )
}

fn position(row: &Row) -> Result<Lsn> {
    let lsn: PgLsn = column(row, 0)?;
    Ok(Lsn(lsn.into()))
}

/// A key that is there, be it null, as `Some`.
fn known<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
