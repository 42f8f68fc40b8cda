//! Names that begin in some way, for somebody who types one.

use super::column;
use crate::connect::Client;
use crate::error::{CouldNot, Result};

/// More are of no use to anybody.
const LIMIT: &str = "LIMIT 1000";

/// Slots, of any plugin.
pub fn slots(client: &mut Client, beginning: &str) -> Result<Vec<String>> {
    let slots = "SELECT slot_name::pg_catalog.text AS name FROM pg_catalog.pg_replication_slots \
                 WHERE slot_type = 'logical'";
    list(client, slots, beginning)
}

/// Publications of the database.
pub fn publications(client: &mut Client, beginning: &str) -> Result<Vec<String>> {
    let publications = "SELECT pubname::pg_catalog.text AS name FROM pg_catalog.pg_publication";
    list(client, publications, beginning)
}

/// Databases that take connections.
pub fn databases(client: &mut Client, beginning: &str) -> Result<Vec<String>> {
    let databases = "SELECT datname::pg_catalog.text AS name FROM pg_catalog.pg_database \
                     WHERE datallowconn AND NOT datistemplate";
    list(client, databases, beginning)
}

/// Tables of users, with their schemas, where `schema.table` or `table` begins so.
pub fn tables(client: &mut Client, beginning: &str) -> Result<Vec<(String, String)>> {
    let query = format!(
        "SELECT nspname::pg_catalog.text, relname::pg_catalog.text
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
           AND (pg_catalog.starts_with(nspname || '.' || relname, $1)
             OR pg_catalog.starts_with(relname, $1))
         ORDER BY 1, 2 {LIMIT}"
    );
    let rows = client
        .query(&query, &[&beginning])
        .could_not("list tables")?;
    rows.iter()
        .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
        .collect()
}

fn list(client: &mut Client, names: &str, beginning: &str) -> Result<Vec<String>> {
    let query = format!(
        "SELECT name FROM ({names}) names WHERE pg_catalog.starts_with(name, $1) ORDER BY 1 {LIMIT}"
    );
    let rows = client
        .query(&query, &[&beginning])
        .could_not("list names")?;
    rows.iter().map(|row| column(row, 0)).collect()
}
