//! The columns of tables: the catalog behind
//! [`Decoder::wal2json`](crate::decode::Decoder::wal2json).

use super::on_demand::{LookUps, OnDemand};
use super::{Value, column};
use crate::decode::{CatalogColumn, CatalogTable, RelationCatalog, Written};
use crate::error::{CouldNot, Kind, Result};
use crate::event::Column;
use log::warn;
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// The columns as wal2json would send them, with the modifier in the type's name; and which
/// transaction wrote the entry of each, which looks as ADD COLUMN left it or was altered since:
/// newer minor releases add an option of their own, `pg_attver`.
const LOOK_UP: &str = "
    SELECT
        attribute.attname,
        attribute.atttypid,
        pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
        coalesce(attribute.attnum = ANY (index.indkey), false),
        attribute.attlen = -1 AND attribute.attstorage <> 'p',
        attribute.xmin,
        pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.xid,
        attribute.attstorage = type.typstorage AND COALESCE(attribute.attstattarget, -1) = -1
            AND attribute.attacl IS NULL
            AND NOT EXISTS (SELECT FROM pg_catalog.unnest(attribute.attoptions) AS option
                            WHERE NOT pg_catalog.starts_with(option, 'pg_attver='))
            AND (attribute.atthasmissing OR NOT (attribute.attnotnull OR attribute.atthasdef)),
        class.relreplident = 'f'
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
    JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_index AS index ON index.indrelid = class.oid AND index.indisprimary
    WHERE namespace.nspname = $1 AND class.relname = $2 AND attribute.attnum > 0 AND NOT \
    attribute.attisdropped
    ORDER BY attribute.attnum";

/// Looks tables up on a connection of its own, which it opens when it is asked first.
pub struct SqlRelations {
    connection: OnDemand,
    warned: bool,
}

impl SqlRelations {
    /// Asks on a connection of its own. Warns of the first failure that does not break the stream
    /// off.
    pub fn new(look_ups: &LookUps) -> SqlRelations {
        SqlRelations {
            connection: OnDemand::new(look_ups),
            warned: false,
        }
    }

    /// `None` if there is no such table, or one without columns.
    fn look_up(&mut self, schema: &str, table: &str) -> Result<Option<CatalogTable>> {
        let rows = self.connection.ask(|client| {
            client
                .query(LOOK_UP, &[&schema, &table])
                .could_not("look up the columns of a table")
        })?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(CatalogTable {
            columns: rows.iter().map(catalog_column).collect::<Result<_>>()?,
            identity_full: column(first, 8)?,
        }))
    }
}

impl RelationCatalog for SqlRelations {
    fn table(&mut self, schema: &str, table: &str) -> Option<CatalogTable> {
        match self.look_up(schema, table) {
            Ok(found) => found,
            Err(error) => {
                if error.kind() != Kind::Transient && !std::mem::replace(&mut self.warned, true) {
                    warn!("{error}; values that an update left alone may go unnamed");
                }
                None
            }
        }
    }
}

fn catalog_column(row: &Row) -> Result<CatalogColumn> {
    let (name, type_oid, type_name, key) = (
        column(row, 0)?,
        column(row, 1)?,
        column(row, 2)?,
        column(row, 3)?,
    );
    let toastable = column(row, 4)?;
    let (Xid(by), Xid(next)) = (column(row, 5)?, column(row, 6)?);
    let written = Some(Written {
        by,
        next,
        as_added: column(row, 7)?,
    });
    Ok(CatalogColumn {
        column: Column {
            name,
            type_oid,
            type_name,
            type_modifier: -1,
            key,
        },
        toastable,
        written,
    })
}

/// A transaction's number: `xid`.
struct Xid(u32);

impl FromSql<'_> for Xid {
    fn from_sql(_: &Type, raw: &[u8]) -> std::result::Result<Xid, Box<dyn Error + Sync + Send>> {
        Ok(Xid(u32::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::XID
    }
}

impl Value for Xid {
    fn of(row: &Row, index: usize) -> std::result::Result<Xid, tokio_postgres::Error> {
        row.try_get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Interrupt;
    use crate::error::Error;
    use crate::logged;

    #[test]
    fn a_catalog_that_cannot_be_had_is_told_once() {
        logged::messages();
        let look_ups = LookUps::with(
            |_| Err(Error::new("could not connect: nobody there")),
            Interrupt::default(),
        );
        let mut relations = SqlRelations::new(&look_ups);
        assert_eq!(relations.table("public", "a"), None);
        assert_eq!(relations.table("public", "b"), None);
        assert_eq!(
            logged::warnings(),
            ["could not connect: nobody there; values that an update left alone may go unnamed"]
        );
    }
}
