//! What types consist of: the catalog behind [`crate::value::Types`].

use super::column;
use super::on_demand::{LookUps, OnDemand};
use crate::error::{CouldNot, Result};
use crate::value::{ComputedColumn, Shape, TypeCatalog, TypeEntry};
use tokio_postgres::Row;

/// The types asked for and all that they consist of. `kind` is what `json_categorize_type`
/// (PostgreSQL's `json.c`, since version 17 `jsonfuncs.c`) goes by: domains count as what they are
/// over, only true arrays as arrays; a cast to json counts if it is no type of the system's; and
/// hstore is the type whose cast is the function that makes objects of it.
const LOOK_UP: &str = "
    WITH RECURSIVE reachable (oid) AS (
        SELECT pg_catalog.unnest($1::pg_catalog.oid[])
        UNION
        SELECT part.oid
        FROM reachable
        JOIN pg_catalog.pg_type AS type ON type.oid = reachable.oid
        CROSS JOIN LATERAL (
            SELECT type.typbasetype
            WHERE type.typtype = 'd'
            UNION ALL
            SELECT type.typelem
            WHERE type.typtype <> 'd' AND type.typsubscript = \
            'pg_catalog.array_subscript_handler'::pg_catalog.regproc
            UNION ALL
            SELECT attribute.atttypid
            FROM pg_catalog.pg_attribute AS attribute
            WHERE type.typtype = 'c' AND attribute.attrelid = type.typrelid
              AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ) AS part (oid)
    )
    SELECT
        type.oid,
        pg_catalog.format_type(type.oid, NULL),
        CASE
            WHEN type.typtype = 'd' THEN 'domain'
            WHEN element.oid IS NOT NULL THEN 'array'
            WHEN type.typtype = 'c' THEN 'composite'
            WHEN EXISTS (
                SELECT FROM pg_catalog.pg_cast AS to_json
                JOIN pg_catalog.pg_proc AS function ON function.oid = to_json.castfunc
                WHERE to_json.castsource = type.oid AND to_json.casttarget = \
                'pg_catalog.json'::pg_catalog.regtype
                  AND function.prosrc = 'hstore_to_json'
            ) THEN 'hstore'
            WHEN type.oid >= 16384 AND EXISTS (
                SELECT FROM pg_catalog.pg_cast AS to_json
                WHERE to_json.castsource = type.oid AND to_json.casttarget = \
                'pg_catalog.json'::pg_catalog.regtype
                  AND to_json.castmethod = 'f'
            ) THEN 'cast'
            ELSE 'scalar'
        END AS kind,
        type.typbasetype,
        element.oid,
        element.typdelim,
        attributes.names,
        attributes.types
    FROM reachable
    JOIN pg_catalog.pg_type AS type ON type.oid = reachable.oid
    LEFT JOIN pg_catalog.pg_type AS element
        ON element.oid = type.typelem
        AND type.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc
    LEFT JOIN LATERAL (
        SELECT
            pg_catalog.array_agg(attribute.attname ORDER BY attribute.attnum) AS names,
            pg_catalog.array_agg(attribute.atttypid ORDER BY attribute.attnum) AS types
        FROM pg_catalog.pg_attribute AS attribute
        WHERE type.typtype = 'c' AND attribute.attrelid = type.typrelid
          AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ) AS attributes ON true";

/// The columns of a table that only the server writes.
const COMPUTED: &str = "
    SELECT attribute.attname, attribute.attgenerated = ''
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1 AND class.relname = $2
      AND (attribute.attgenerated <> '' OR attribute.attidentity = 'a')
      AND attribute.attnum > 0 AND NOT attribute.attisdropped";

/// Looks types up on a connection of its own, which it opens when it is asked first.
pub struct SqlTypes {
    connection: OnDemand,
}

impl SqlTypes {
    /// Asks on a connection of its own.
    pub fn new(look_ups: &LookUps) -> SqlTypes {
        SqlTypes {
            connection: OnDemand::new(look_ups),
        }
    }
}

impl TypeCatalog for SqlTypes {
    fn look_up(&mut self, oids: &[u32]) -> Result<Vec<TypeEntry>> {
        let oids = oids.to_vec();
        let rows = self
            .connection
            .ask(|client| client.query(LOOK_UP, &[&oids]).could_not("look up types"))?;
        rows.iter().map(entry).collect()
    }

    fn computed_columns(&mut self, schema: &str, table: &str) -> Result<Vec<ComputedColumn>> {
        let rows = self.connection.ask(|client| {
            client
                .query(COMPUTED, &[&schema, &table])
                .could_not("look up the generated columns of a table")
        })?;
        let computed = |row: &Row| {
            Ok(ComputedColumn {
                name: column(row, 0)?,
                identity: column(row, 1)?,
            })
        };
        rows.iter().map(computed).collect()
    }
}

fn entry(row: &Row) -> Result<TypeEntry> {
    let kind: String = column(row, 2)?;
    let shape = match kind.as_str() {
        "domain" => Shape::Domain {
            base: column(row, 3)?,
        },
        "array" => Shape::Array {
            element: column(row, 4)?,
            delimiter: column::<i8>(row, 5)?.cast_unsigned(),
        },
        "composite" => {
            let (names, types): (Vec<String>, Vec<u32>) = (column(row, 6)?, column(row, 7)?);
            Shape::Composite {
                attributes: names.into_iter().zip(types).collect(),
            }
        }
        "hstore" => Shape::Hstore,
        "cast" => Shape::Cast,
        _ => Shape::Scalar,
    };
    Ok(TypeEntry {
        oid: column(row, 0)?,
        name: column(row, 1)?,
        shape,
    })
}
