//! Which tables a publication makes unfit for UPDATE or DELETE, because what it publishes of the
//! old row cannot be had.
//!
//! The rules are those of the server's `CheckCmdReplicaIdentity` (manual sections 29.1.1, 29.4 and
//! 29.5): a table needs a replica identity; a row filter may use only its columns, and a column
//! list must have all of them, where UPDATE or DELETE is published.

use super::{column, enumerate};
use crate::connect::Client;
use crate::error::{CouldNot, Error, Result};
use std::collections::BTreeSet;
use std::fmt;

/// For so many tables the statements that mend them are told.
const REMEDIES_SHOWN: usize = 20;

/// A table on which UPDATE or DELETE fails as long as a publication is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreplicable {
    /// Its name with its schema, quoted where needed.
    pub table: String,
    /// Its schema and its name.
    pub name: (String, String),
    /// Those of the partitioned table that it is a part of, at the top of all; else its own.
    pub root: (String, String),
    /// Whether the session's role owns it.
    pub owned: bool,
    /// Whether UPDATE fails.
    pub update: bool,
    /// Whether DELETE fails.
    pub delete: bool,
    /// Why.
    pub reason: Reason,
    /// Whether it is published with a column list. Then `REPLICA IDENTITY FULL`, which is all
    /// columns, is no way out.
    pub column_list: bool,
}

/// Why UPDATE or DELETE fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no replica identity.
    NoIdentity,
    /// The row filter uses columns outside the replica identity.
    Filter,
    /// The column list lacks columns of the replica identity.
    Columns,
    /// There is a column list, whatever is in it, and the replica identity is `FULL`.
    Full,
    /// The replica identity has generated columns that are not published (18).
    Generated,
}

impl Unreplicable {
    /// `UPDATE and DELETE`, or the one that fails.
    pub fn operations(&self) -> &'static str {
        match (self.update, self.delete) {
            (true, false) => "UPDATE",
            (false, true) => "DELETE",
            _ => "UPDATE and DELETE",
        }
    }

    /// The statement that mends it.
    pub fn remedy(&self) -> String {
        let table = &self.table;
        match self.reason {
            Reason::NoIdentity if self.column_list => {
                format!(
                    "a primary key for {table} within the column list and with the columns of any \
                     row filter"
                )
            }
            Reason::Filter if self.column_list => {
                format!(
                    "publish it without the column list, then ALTER TABLE {table} REPLICA IDENTITY \
                     FULL"
                )
            }
            Reason::NoIdentity | Reason::Filter => {
                format!("ALTER TABLE {table} REPLICA IDENTITY FULL")
            }
            Reason::Columns => {
                format!("add the columns of its replica identity to the column list of {table}")
            }
            Reason::Full => format!("publish {table} without a column list"),
            Reason::Generated => {
                "ALTER PUBLICATION ... SET (publish_generated_columns = stored)".to_owned()
            }
        }
    }
}

/// Which statements fail on which table, and why.
impl fmt::Display for Unreplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::NoIdentity => "it has no replica identity",
            Reason::Filter => {
                "the row filter uses columns that are not part of its replica identity"
            }
            Reason::Columns => "the column list does not cover its replica identity",
            Reason::Full => "it has a column list, which cannot cover REPLICA IDENTITY FULL",
            Reason::Generated => {
                "its replica identity has generated columns that are not published"
            }
        };
        let fail = if self.update && self.delete {
            "fail"
        } else {
            "fails"
        };
        write!(
            f,
            "{} {fail} on table {}: {reason}",
            self.operations(),
            self.table
        )
    }
}

/// The reason alone not to make UPDATE or DELETE fail on these tables, of which there is at least
/// one, with the statements that give them what they lack.
pub fn refusal(harmed: &[Unreplicable]) -> Error {
    let names: Vec<&str> = harmed.iter().map(|table| table.table.as_str()).collect();
    let operations = harmed.first().map_or("", Unreplicable::operations);
    let error = Error::because(format!("{operations} would fail on {}", enumerate(&names)));
    let Some(first) = harmed.first() else {
        return error;
    };
    error
        .with_detail(format!("{first}."))
        .with_remedy(remedies(harmed))
}

/// The statements that mend them before there is a publication.
fn remedies(harmed: &[Unreplicable]) -> String {
    let mend = |table: &Unreplicable| match table.reason {
        Reason::Generated => format!(
            "a replica identity without generated columns for {}",
            table.table
        ),
        _ => table.remedy(),
    };
    // A partition may be harmed in more than one way.
    let mut seen = BTreeSet::new();
    let mut each: Vec<String> = harmed
        .iter()
        .map(mend)
        .filter(|remedy| seen.insert(remedy.clone()))
        .collect();
    if let Some(more @ 1..) = each.len().checked_sub(REMEDIES_SHOWN) {
        each.truncate(REMEDIES_SHOWN);
        each.push(format!("and the same for {more} more"));
    }
    each.join("; ")
}

/// The tables on which the publication of this oid makes UPDATE or DELETE fail, by name.
///
/// The check of the server looks at the table that holds the row, so a partitioned table counts by
/// its partitions, each with the filter and the columns of the table it is published as. `to_jsonb`
/// reads what 14 lacks (`prattrs`, `prqual`) and what came with 18 (`pubgencols`).
pub fn unreplicable(client: &mut Client, publication: u32) -> Result<Vec<Unreplicable>> {
    let rows = client
        .query(QUERY, &[&publication])
        .could_not("check the replica identities")?;
    rows.iter()
        .map(|row| {
            let reason: String = column(row, 3)?;
            let reason = match reason.as_str() {
                "identity" => Reason::NoIdentity,
                "filter" => Reason::Filter,
                "columns" => Reason::Columns,
                "full" => Reason::Full,
                _ => Reason::Generated,
            };
            Ok(Unreplicable {
                table: column(row, 0)?,
                name: (column(row, 5)?, column(row, 6)?),
                root: (column(row, 7)?, column(row, 8)?),
                owned: column(row, 9)?,
                update: column(row, 1)?,
                delete: column(row, 2)?,
                reason,
                column_list: column(row, 4)?,
            })
        })
        .collect()
}

const QUERY: &str = r"
WITH publication AS (
    SELECT p.*, pg_catalog.to_jsonb(p) ->> 'pubgencols' AS gencols
    FROM pg_catalog.pg_publication AS p
    WHERE p.oid = $1 AND (p.pubupdate OR p.pubdelete)
), published AS (
    SELECT g.relid FROM publication AS p,
         pg_catalog.pg_get_publication_tables(p.pubname::pg_catalog.text) AS g
), leaf AS (
    SELECT relid, relid AS published_as FROM published
    UNION
    SELECT t.relid, published.relid
    FROM published, pg_catalog.pg_partition_tree(published.relid) AS t
), target AS (
    SELECT c.oid, c.relreplident, leaf.published_as,
           i.indexrelid IS NOT NULL AS has_index,
           ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = c.oid AND a.attnum = ANY (key)) AS identity,
           EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = c.oid AND NOT a.attisdropped
                         AND (c.relreplident = 'f' OR a.attnum = ANY (key))
                         AND (a.attgenerated = 'v' OR a.attgenerated = 's' AND p.gencols = 'n')
           ) AS hides_generated,
           pg_catalog.to_jsonb(r) ->> 'prqual' AS filter,
           NULLIF(pg_catalog.to_jsonb(r) -> 'prattrs', 'null') AS columns,
           p.pubupdate, p.pubdelete, p.gencols
    FROM publication AS p
         CROSS JOIN leaf
         JOIN pg_catalog.pg_class AS c ON c.oid = leaf.relid AND c.relkind = 'r'
         LEFT JOIN pg_catalog.pg_index AS i
              ON i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND CASE c.relreplident
                 WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
         -- Columns that an index only INCLUDEs are no key; the vector counts from 0.
         CROSS JOIN LATERAL (SELECT (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] AS key) AS k
         LEFT JOIN pg_catalog.pg_publication_rel AS r
              ON r.prpubid = p.oid AND r.prrelid = leaf.published_as
), judged AS (
    SELECT t.oid, t.pubupdate, t.pubdelete, t.columns IS NOT NULL AS column_list, CASE
        WHEN t.relreplident <> 'f' AND NOT t.has_index THEN 'identity'
        WHEN t.relreplident <> 'f' AND t.filter IS NOT NULL AND EXISTS (
                 SELECT FROM pg_catalog.regexp_matches(t.filter, ':varattno (-?\d+)', 'g') AS used
                      LEFT JOIN pg_catalog.pg_attribute AS a
                           ON a.attrelid = t.published_as AND a.attnum = used[1]::pg_catalog.int2
                 WHERE a.attname IS NULL OR a.attname <> ALL (t.identity)) THEN 'filter'
        WHEN t.columns IS NOT NULL AND t.relreplident = 'f' THEN 'full'
        WHEN t.columns IS NOT NULL AND EXISTS (
                 SELECT FROM pg_catalog.unnest(t.identity) AS name
                 WHERE name NOT IN (SELECT a.attname FROM pg_catalog.pg_attribute AS a
                                    WHERE a.attrelid = t.published_as
                                          AND t.columns @> pg_catalog.to_jsonb(a.attnum))
             ) THEN 'columns'
        WHEN t.gencols IS NOT NULL AND (t.columns IS NULL OR t.relreplident = 'f')
             AND t.hides_generated THEN 'generated'
    END AS reason
    FROM target AS t
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), j.pubupdate, j.pubdelete, j.reason,
       j.column_list, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       root_n.nspname::pg_catalog.text, root.relname::pg_catalog.text,
       pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM judged AS j
     JOIN pg_catalog.pg_class AS c ON c.oid = j.oid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_class AS root
          ON root.oid = COALESCE(pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid, c.oid)
     JOIN pg_catalog.pg_namespace AS root_n ON root_n.oid = root.relnamespace
WHERE j.reason IS NOT NULL
ORDER BY n.nspname, c.relname";
