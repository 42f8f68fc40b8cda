//! Tables that can be published.

use super::column;
use crate::connect::Client;
use crate::error::{CouldNot, Result};
use crate::sql;

/// Schema and name of every table whose changes reach the WAL: permanent ones that users made,
/// partitioned tables for all of their partitions.
pub fn publishable(client: &mut Client) -> Result<Vec<(String, String)>> {
    let query = "SELECT namespace.nspname::pg_catalog.text, class.relname::pg_catalog.text
         FROM pg_catalog.pg_class AS class
         JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
         WHERE class.relkind IN ('r', 'p') AND class.relpersistence = 'p' AND NOT class.relispartition
           AND namespace.nspname NOT LIKE 'pg\\_%' AND namespace.nspname <> 'information_schema'
         ORDER BY 1, 2";
    let rows = client.query(query, &[]).could_not("list tables")?;
    rows.iter()
        .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
        .collect()
}

/// A table of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Schema and name of the partitioned table that it is a part of, at the top of all.
    pub root: Option<(String, String)>,
}

impl Table {
    /// Its name with its schema, quoted where needed.
    pub fn sql(&self) -> String {
        sql::table(&self.schema, &self.name)
    }
}

/// Every table whose changes can be published, partitions too.
pub fn all(client: &mut Client) -> Result<Vec<Table>> {
    let query = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
                        rn.nspname::pg_catalog.text, root.relname::pg_catalog.text
         FROM pg_catalog.pg_class AS c
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         LEFT JOIN pg_catalog.pg_class AS root
              ON c.relispartition AND root.oid = pg_catalog.pg_partition_root(c.oid)
         LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = root.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
           AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
         ORDER BY 1, 2";
    let rows = client.query(query, &[]).could_not("list tables")?;
    rows.iter()
        .map(|row| {
            let root: (Option<String>, Option<String>) = (column(row, 2)?, column(row, 3)?);
            Ok(Table {
                schema: column(row, 0)?,
                name: column(row, 1)?,
                root: root.0.zip(root.1),
            })
        })
        .collect()
}
