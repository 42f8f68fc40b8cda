//! Tables that can be published.

use super::{column, failed};
use crate::error::Result;
use postgres::Client;

/// Schema and name of every table whose changes reach the WAL: permanent ones that users made, partitioned tables for all of their
/// partitions.
pub fn publishable(client: &mut Client) -> Result<Vec<(String, String)>> {
    let query = "SELECT namespace.nspname::pg_catalog.text, class.relname::pg_catalog.text
         FROM pg_catalog.pg_class AS class
         JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
         WHERE class.relkind IN ('r', 'p') AND class.relpersistence = 'p' AND NOT class.relispartition
           AND namespace.nspname NOT LIKE 'pg\\_%' AND namespace.nspname <> 'information_schema'
         ORDER BY 1, 2";
    let rows = client.query(query, &[]).map_err(failed("list tables"))?;
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
}
