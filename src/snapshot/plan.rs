//! Which tables are read, and whether they can be.

use super::table::{Table, question};
use crate::connect::Client;
use crate::error::{CouldNot, Error, Result};
use crate::sql;

/// The tables of some publications.
pub struct Scope {
    /// The publications.
    pub publications: Vec<String>,
    /// Whether the table with this schema and name is to be read.
    pub chosen: Box<Chooses>,
}

/// Says of a schema and a name whether the table is chosen.
type Chooses = dyn Fn(&str, &str) -> bool;

/// The tables to be read, or just the one with this `oid`. Fails, before any of them is read, if
/// one of them cannot be; then all of those are named.
pub fn find(client: &mut Client, scope: &Scope, oid: Option<u32>) -> Result<Vec<Table>> {
    let act = "look up the tables whose rows are to be read";
    let rows = client
        .query(&question(&scope.publications, oid), &[])
        .could_not(act)?;
    let mut tables = Vec::new();
    for row in rows {
        let text: &str = row
            .try_get(0)
            .map_err(|reason| Error::new(format!("could not {act}: {reason}")))?;
        let table: Table = serde_json::from_str(text)
            .map_err(|reason| Error::new(format!("could not {act}: {reason}")))?;
        if (scope.chosen)(&table.schema, &table.name) {
            tables.push(table);
        }
    }
    check(client, &tables)?;
    Ok(tables)
}

fn check(client: &mut Client, tables: &[Table]) -> Result<()> {
    refuse_unreadable(client, tables)?;
    refuse(
        tables,
        |table| table.hidden,
        |names| {
            Error::new(format!(
                "could not read the rows of {names}: row security may hide some from this role"
            ))
            .with_remedy("a role with BYPASSRLS, or the owner of the tables")
        },
    )?;
    refuse(
        tables,
        |table| table.foreign.is_some(),
        |names| {
            Error::new(format!(
                "could not read the rows of {names}: some of their partitions are foreign tables"
            ))
            .with_detail("What changes in foreign tables is not streamed.")
            .with_remedy("--snapshot with the other tables")
        },
    )
}

/// Fails if one of these tables has no key: what changes in it cannot be merged with its rows.
pub fn require_keys(tables: &[Table]) -> Result<()> {
    refuse(
        tables,
        |table| !table.has_key(),
        |names| {
            Error::new(format!(
                "could not read the rows of {names}: no key tells them apart, and the slot is \
                 there already"
            ))
            .with_detail(
                "Without a key a table can only be read when the slot is created, by the same run. \
                 A key is a primary key, or a unique index over columns that are NOT NULL; if it \
                 is not the replica identity, that must be FULL or NOTHING; and its columns must \
                 be published.",
            )
            .with_remedy("ALTER TABLE ... ADD PRIMARY KEY ..., or --snapshot with the other tables")
        },
    )
}

fn refuse_unreadable(client: &mut Client, tables: &[Table]) -> Result<()> {
    if tables.iter().all(|table| table.readable) {
        return Ok(());
    }
    let user = client
        .query_one("SELECT current_user::pg_catalog.text", &[])
        .ok()
        .and_then(|row| row.try_get::<_, String>(0).ok())
        .unwrap_or_default();
    refuse(
        tables,
        |table| !table.readable,
        |names| {
            Error::new(format!(
                "could not read the rows of {names}: role \"{user}\" may not"
            ))
            .with_remedy(format!(
                "GRANT SELECT ON {names} TO {role}, and GRANT USAGE ON their schemas",
                role = sql::identifier(&user)
            ))
        },
    )
}

fn refuse(
    tables: &[Table],
    is_refused: impl Fn(&Table) -> bool,
    error: impl Fn(&str) -> Error,
) -> Result<()> {
    let refused: Vec<String> = tables
        .iter()
        .filter(|table| is_refused(table))
        .map(Table::sql)
        .collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(error(&refused.join(", "))),
    }
}
