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
         WHERE class.relkind IN ('r', 'p') AND class.relpersistence = 'p' AND NOT \
         class.relispartition
           AND namespace.nspname NOT LIKE 'pg\\_%' AND namespace.nspname <> 'information_schema'
         ORDER BY 1, 2";
    let rows = client.query(query, &[]).could_not("list tables")?;
    rows.iter()
        .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
        .collect()
}

/// Schema and name of those of these tables, or of their partitions, whose UPDATE and DELETE fail
/// once they are published, for want of a replica identity.
pub fn without_identity(
    client: &mut Client,
    tables: &[(String, String)],
) -> Result<Vec<(String, String)>> {
    let query = "SELECT DISTINCT leaf_n.nspname::pg_catalog.text, leaf.relname::pg_catalog.text
         FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]),
                         pg_catalog.unnest($2::pg_catalog.text[])) AS wanted (schema, name)
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema
         JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
         CROSS JOIN LATERAL (
             SELECT c.oid UNION SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)
         ) AS part (oid)
         JOIN pg_catalog.pg_class AS leaf ON leaf.oid = part.oid AND leaf.relkind = 'r'
         JOIN pg_catalog.pg_namespace AS leaf_n ON leaf_n.oid = leaf.relnamespace
         WHERE leaf.relreplident <> 'f' AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_index AS i
             WHERE i.indrelid = leaf.oid AND i.indisvalid AND i.indimmediate
               AND CASE leaf.relreplident WHEN 'd' THEN i.indisprimary
                                          WHEN 'i' THEN i.indisreplident ELSE false END)
         ORDER BY 1, 2";
    let (schemas, names): (Vec<&str>, Vec<&str>) = tables
        .iter()
        .map(|(schema, name)| (schema.as_str(), name.as_str()))
        .unzip();
    let rows = client
        .query(query, &[&schemas, &names])
        .could_not("look for replica identities")?;
    rows.iter()
        .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
        .collect()
}

/// The statement with which UPDATE and DELETE of a published table work, whatever it lacks.
pub fn full_identity(schema: &str, table: &str) -> String {
    format!(
        "ALTER TABLE {} REPLICA IDENTITY FULL",
        sql::table(schema, table)
    )
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
