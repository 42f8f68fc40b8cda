//! The publications: are they there, what is in them, and which tables do they make unfit for
//! UPDATE or DELETE.

use super::findings::Findings;
use crate::catalog::publications::{self, Existing};
use crate::catalog::replica_identity;
use crate::catalog::server::Server;
use crate::command::publication::creation;
use crate::connect::invocation::walcat;
use crate::connect::{Client, Settings};
use crate::error::Result;
use crate::shell;
use crate::sql::quoted;
use crate::walsender::Connection;

/// How many tables of a publication are named one by one.
const TABLES_SHOWN: usize = 20;

/// How long it may take to find out whether a slot can send through a publication.
const PATIENCE: &str = "3s";

/// The SQLSTATE of the warning that a publication was not there: object_not_in_prerequisite_state.
const NO_PUBLICATION: &str = "55000";

/// Looks at the publications that are named, or else at all. `slot` is the one that is to send
/// through those that are named.
pub fn check(
    findings: &mut Findings,
    session: &mut Client,
    server: &Server,
    wanted: &[String],
    slot: Option<&str>,
    settings: &Settings,
) -> Result<()> {
    let there = publications::existing(session)?;
    if wanted.is_empty() && there.is_empty() {
        findings.fail(
            "the database has no publication, and pgoutput needs one",
            creation(session, server, publications::DEFAULT_NAME)?,
        );
    }
    if wanted.is_empty() {
        return there
            .iter()
            .try_for_each(|publication| check_one(findings, session, publication));
    }
    for name in wanted {
        if let Some(publication) = there.iter().find(|there| there.name == *name) {
            check_one(findings, session, publication)?;
            if let Some(slot) = slot {
                check_age(findings, settings, publication, slot)?;
            }
        } else {
            let late = match slot {
                Some(slot) => format!(
                    ", and slot \"{slot}\" cannot send through it what is written before that"
                ),
                None => String::new(),
            };
            let remedy = creation(session, server, name)?;
            findings.fail(format!("there is no publication \"{name}\"{late}"), remedy);
        }
    }
    Ok(())
}

/// A slot cannot send what was written before the publication was there: what waits in it decides.
fn check_age(
    findings: &mut Findings,
    settings: &Settings,
    publication: &Existing,
    slot: &str,
) -> Result<()> {
    let name = &publication.name;
    if is_younger(settings, name, slot)? {
        findings.fail(
            format!("publication \"{name}\" is younger than what waits in slot \"{slot}\""),
            format!(
                "a publication that is older, or, to lose what waits: {}",
                walcat(format_args!("slot advance {}", shell::word(slot)))
            ),
        );
    }
    Ok(())
}

/// Returns `true` if what waits in a slot of pgoutput was written before this publication was
/// there. It is looked for without moving the slot, and not for long; what cannot be known counts
/// as `false`.
fn is_younger(settings: &Settings, publication: &str, slot: &str) -> Result<bool> {
    let mut connection = Connection::open(settings, "UTC")?;
    let limit = format!("SET statement_timeout TO '{PATIENCE}'");
    connection.ask(&limit)?;
    // Quotes by doubling: a replication session may know no other.
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    // Only warnings of what is asked now count.
    connection.take_warning();
    // A missing publication shows at the first change, of whatever table.
    let query = format!(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_logical_slot_peek_binary_changes({}, NULL, 1,
             VARIADIC ARRAY['proto_version', '1', 'publication_names', {}])",
        literal(slot),
        literal(&quoted(publication))
    );
    Ok(match connection.ask(&query) {
        // From 18 on the server only warns of it.
        Ok(_) => connection.take_warning().as_deref() == Some(NO_PUBLICATION),
        // undefined_object
        Err(error) => error.sqlstate() == "42704",
    })
}

fn check_one(findings: &mut Findings, session: &mut Client, publication: &Existing) -> Result<()> {
    let name = &publication.name;
    match publication.tables {
        0 => findings.warn(
            format!("publication \"{name}\" has no tables"),
            walcat("pub list"),
        ),
        1 => findings.ok(format!("publication \"{name}\" has 1 table")),
        count => findings.ok(format!("publication \"{name}\" has {count} tables")),
    }
    let unreplicable = replica_identity::unreplicable(session, publication.oid)?;
    for table in unreplicable.iter().take(TABLES_SHOWN) {
        let remedy = match table.owned {
            true => table.remedy(),
            false => format!("as the owner of the table: {}", table.remedy()),
        };
        findings.warn(format!("publication \"{name}\": {table}"), remedy);
    }
    if let Some(more @ 1..) = unreplicable.len().checked_sub(TABLES_SHOWN) {
        findings.warn(
            format!("publication \"{name}\": UPDATE or DELETE fails on {more} more tables"),
            "give them a primary key or REPLICA IDENTITY FULL",
        );
    }
    Ok(())
}
