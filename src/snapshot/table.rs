//! A table whose rows are read: what of it is published, by which key it is read, and the
//! statements that read it.

use super::held::key_values;
use super::merge::Request;
use crate::event::{Column, Relation, ReplicaIdentity};
use crate::sql;
use serde::Deserialize;

/// A published table as the catalog has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// `pg_class.oid`
    pub oid: u32,
    /// The schema's name.
    pub schema: String,
    /// The table's name.
    #[serde(rename = "table")]
    pub name: String,
    /// Whether it is partitioned. Then its rows are those of its partitions.
    pub partitioned: bool,
    /// `pg_class.relreplident`
    identity: char,
    /// What is published of it.
    columns: Vec<TableColumn>,
    /// What it is read by; empty if nothing will do.
    key: Vec<KeyColumn>,
    /// Which rows are published; `None`: all.
    filter: Option<String>,
    /// What all of this depends on. If it is another, it may all be different.
    pub fingerprint: String,
    /// About how many rows there are; less than 0 if nobody knows.
    pub rows: f64,
    /// Whether the role may read what is published.
    pub readable: bool,
    /// Whether row security hides rows from the role.
    pub hidden: bool,
    /// The foreign table among its partitions, if there is one.
    pub foreign: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct TableColumn {
    name: String,
    #[serde(rename = "type")]
    type_oid: u32,
    modifier: i32,
    identity: bool,
}

/// A column of the key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct KeyColumn {
    name: String,
    /// Its type, as SQL.
    #[serde(rename = "sql")]
    type_sql: String,
    /// The collation of the index, as SQL, if it is not the column's.
    collation: Option<String>,
}

/// What is asked about the tables of these publications: a JSON text for each that has `oid`, or
/// for all of them.
pub fn question(publications: &[String], oid: Option<u32>) -> String {
    let names = literals(publications);
    let one = oid.map_or(String::new(), |oid| format!("AND c.oid = {oid}"));
    let fingerprint = fingerprint("c.oid", publications);
    // Row filters and column lists came with PostgreSQL 15: `to_jsonb` has what is there. The
    // partitions are those of `pg_inherits`: `pg_partition_tree` would wait for locks on them.
    format!(
        "WITH published AS (
           SELECT c.oid,
             CASE WHEN pg_catalog.bool_and(t ->> 'rowfilter' IS NOT NULL)
               THEN pg_catalog.string_agg(DISTINCT '(' || (t ->> 'rowfilter') || ')', ' OR ') END \
               AS filter,
             pg_catalog.min((t -> 'attnames')::pg_catalog.text)::pg_catalog.jsonb AS columns
           FROM (SELECT pg_catalog.to_jsonb(p) AS t, p.* FROM pg_catalog.pg_publication_tables AS \
           p) AS p
           JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schemaname
           JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.tablename
           WHERE p.pubname IN ({names}) {one}
           GROUP BY c.oid),
         sent AS (
           SELECT a.*, p.oid FROM published AS p JOIN pg_catalog.pg_attribute AS a ON a.attrelid = \
           p.oid
           WHERE a.attnum > 0 AND NOT a.attisdropped
             AND CASE WHEN p.columns IS NULL OR p.columns = 'null' THEN a.attgenerated = ''
               ELSE p.columns ? a.attname::pg_catalog.text END)
         SELECT pg_catalog.jsonb_build_object(
           'oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'table', c.relname,
           'partitioned', c.relkind = 'p', 'identity', c.relreplident, 'filter', p.filter,
           'columns', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', a.attname, 'type', a.atttypid::pg_catalog.int8, 'modifier', a.atttypmod,
                'identity', c.relreplident = 'f' OR EXISTS (SELECT FROM pg_catalog.pg_index AS i
                  WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN \
                    i.indisreplident
                      ELSE false END))
                ORDER BY a.attnum) FROM sent AS a WHERE a.oid = c.oid), '[]'),
           'key', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', a.attname, 'sql', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'collation', CASE WHEN i.indcollation[k] NOT IN (0, a.attcollation) THEN (
                  SELECT pg_catalog.format('%I.%I', cn.nspname, co.collname) FROM \
                  pg_catalog.pg_collation AS co
                  JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
                  WHERE co.oid = i.indcollation[k]) END) ORDER BY k)
             FROM (SELECT * FROM pg_catalog.pg_index AS i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                 AND i.indexprs IS NULL AND (i.indimmediate OR i.indisprimary)
                 AND CASE c.relreplident WHEN 'i' THEN i.indisreplident
                   WHEN 'd' THEN i.indisprimary OR NOT EXISTS (SELECT FROM pg_catalog.pg_index AS o
                     WHERE o.indrelid = c.oid AND o.indisprimary)
                   ELSE true END
                 AND NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k
                   LEFT JOIN sent AS a ON a.oid = c.oid AND a.attnum = i.indkey[k]
                   WHERE a.attnotnull IS NOT true)
               ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) AS i
             CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k
             JOIN sent AS a ON a.oid = c.oid AND a.attnum = i.indkey[k]), '[]'),
           'fingerprint', {fingerprint},
           'rows', c.reltuples,
           'readable', pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND COALESCE((
              SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
              FROM sent AS a WHERE a.oid = c.oid), true),
           'hidden', pg_catalog.row_security_active(c.oid),
           'foreign', (WITH RECURSIVE tree (relid) AS (SELECT c.oid UNION ALL
              SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits AS i ON i.inhparent = relid)
              SELECT pg_catalog.min(relid::pg_catalog.regclass::pg_catalog.text)
              FROM tree JOIN pg_catalog.pg_class AS fc ON fc.oid = relid
              WHERE c.relkind = 'p' AND fc.relkind = 'f')
         )::pg_catalog.text
         FROM published AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         ORDER BY n.nspname, c.relname"
    )
}

/// What the columns, the key and the filter of a table depend on.
fn fingerprint(oid: &str, publications: &[String]) -> String {
    let names = literals(publications);
    format!(
        "(SELECT pg_catalog.concat_ws(' ', fc.relnamespace, fc.relname, fc.relreplident,
           (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attnum, a.attname, \
           a.atttypid, a.atttypmod,
              a.attcollation, a.attnotnull), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute \
              AS a
            WHERE a.attrelid = fc.oid AND a.attnum > 0 AND NOT a.attisdropped),
           (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', i.indexrelid, i.indisprimary, \
           i.indisreplident,
              i.indisvalid), ',' ORDER BY i.indexrelid) FROM pg_catalog.pg_index AS i WHERE \
              i.indrelid = fc.oid),
           (SELECT pg_catalog.string_agg(p.xmin::pg_catalog.text, ',' ORDER BY p.oid)
            FROM pg_catalog.pg_publication AS p WHERE p.pubname IN ({names})),
           (SELECT pg_catalog.string_agg(r.xmin::pg_catalog.text, ',' ORDER BY r.oid)
            FROM pg_catalog.pg_publication_rel AS r WHERE r.prrelid = fc.oid))
          FROM pg_catalog.pg_class AS fc WHERE fc.oid = {oid})"
    )
}

/// Names as a list of string literals.
fn literals(names: &[String]) -> String {
    let names = names
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")));
    names.collect::<Vec<_>>().join(", ")
}

impl Table {
    /// As messages name it.
    pub fn sql(&self) -> String {
        sql::table(&self.schema, &self.name)
    }

    /// Returns `true` if there is something to read it by.
    pub fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    /// Returns `true` if the other is read by the same key.
    pub fn has_key_of(&self, other: &Table) -> bool {
        self.key == other.key
    }

    /// The names of the key's columns.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|column| column.name.as_str())
    }

    /// Which of the columns are the key.
    pub fn key_columns(&self) -> Vec<usize> {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        self.key_names().filter_map(place).collect()
    }

    /// What renderers need to know of it; `index` is a number that no other table has.
    pub fn relation(&self, index: usize) -> Relation {
        let column = |column: &TableColumn| Column {
            name: column.name.clone(),
            type_oid: column.type_oid,
            type_name: String::new(),
            type_modifier: column.modifier,
            key: column.identity,
        };
        Relation {
            index,
            slot: Relation::SNAPSHOT_SLOT,
            oid: self.oid,
            schema: self.schema.clone(),
            table: self.name.clone(),
            replica_identity: Some(match self.identity {
                'n' => ReplicaIdentity::Nothing,
                'f' => ReplicaIdentity::Full,
                'i' => ReplicaIdentity::Index,
                _ => ReplicaIdentity::Default,
            }),
            columns: self.columns.iter().map(column).collect(),
        }
    }

    /// The statement that waits until the table can be read.
    pub fn lock(&self) -> String {
        let (only, name) = self.from();
        format!("LOCK TABLE {only}{name} IN ACCESS SHARE MODE")
    }

    /// Selects the numbers of the table and of all its partitions.
    pub fn storage(&self) -> String {
        let oid = self.oid;
        format!(
            "SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) \
             UNION SELECT {oid}::pg_catalog.oid"
        )
    }

    /// What tells of the table, when it is read, what all that is known of it depends on.
    pub fn fingerprint_question(&self, publications: &[String]) -> String {
        fingerprint(&self.oid.to_string(), publications)
    }

    /// Selects the rows behind this key, in the key's order, not more than `limit`.
    pub fn select_after(&self, key: Option<&[u8]>, limit: usize) -> Vec<u8> {
        let mut query = self.select();
        if let Some(key) = key {
            query.extend_from_slice(b" AND ");
            self.write_compare(" > ", &key_values(key), &mut query);
        }
        let order = self.key.iter().map(|column| column.sql());
        let order = order.collect::<Vec<_>>().join(", ");
        query.extend(format!(" ORDER BY {order} LIMIT {limit}").into_bytes());
        query
    }

    /// Selects all rows, in any order.
    pub fn select_all(&self) -> Vec<u8> {
        self.select()
    }

    /// Selects the rows that have moved past where the table is read.
    pub fn select_again(&self, requests: &[Request]) -> Vec<u8> {
        let mut query = self.select();
        query.extend_from_slice(b" AND (false");
        for request in requests {
            query.extend_from_slice(b" OR ");
            self.write_compare(" = ", &key_values(&request.key), &mut query);
            if let Some(moved) = &request.moved {
                let read_to = key_values(&moved.past);
                // Whether a key lies behind another only the server can say.
                let from = moved.from.iter().map(|from| (from, " > "));
                for (key, operator) in from.chain([(&request.key, " <= ")]) {
                    query.extend_from_slice(b" AND ");
                    self.write_values(&key_values(key), &mut query);
                    query.extend_from_slice(operator.as_bytes());
                    self.write_values(&read_to, &mut query);
                }
            }
        }
        query.push(b')');
        query
    }

    fn select(&self) -> Vec<u8> {
        let columns = self.columns.iter().map(|column| sql::quoted(&column.name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let (only, name) = self.from();
        let filter = self.filter.as_deref().unwrap_or("true");
        format!("SELECT {columns} FROM {only}{name} WHERE ({filter})").into_bytes()
    }

    fn from(&self) -> (&'static str, String) {
        let only = match self.partitioned {
            true => "",
            false => "ONLY ",
        };
        let name = format!("{}.{}", sql::quoted(&self.schema), sql::quoted(&self.name));
        (only, name)
    }

    /// `(a, b) > ('1'::integer, 'x'::text)`
    fn write_compare(&self, operator: &str, values: &[&[u8]], out: &mut Vec<u8>) {
        let columns = self.key.iter().map(|column| column.sql());
        let columns = columns.collect::<Vec<_>>().join(", ");
        out.extend(format!("({columns}){operator}").into_bytes());
        self.write_values(values, out);
    }

    fn write_values(&self, values: &[&[u8]], out: &mut Vec<u8>) {
        out.push(b'(');
        for (at, (column, value)) in self.key.iter().zip(values).enumerate() {
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            write_text(value, out);
            out.extend(format!("::{}", column.type_sql).into_bytes());
            if let Some(collation) = &column.collation {
                out.extend(format!(" COLLATE {collation}").into_bytes());
            }
        }
        out.push(b')');
    }
}

impl KeyColumn {
    /// The column as it is compared and ordered.
    fn sql(&self) -> String {
        let name = sql::quoted(&self.name);
        match &self.collation {
            Some(collation) => format!("{name} COLLATE {collation}"),
            None => name,
        }
    }
}

/// Appends a value as a string literal with its very bytes, for statements that are sent.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b" E'");
    for byte in text {
        if matches!(byte, b'\'' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'\'');
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::held::Key;
    use super::super::merge::Moved;
    use super::*;

    /// A table `public.t` with the columns `id integer` (its key) and `name text`.
    pub fn table() -> Table {
        serde_json::from_str(
            r#"{"oid": 5, "schema": "public", "table": "t", "partitioned": false, "identity": "d",
                "columns": [{"name": "id", "type": 23, "modifier": -1, "identity": true},
                            {"name": "name", "type": 25, "modifier": -1, "identity": false}],
                "key": [{"name": "id", "sql": "integer", "collation": null}],
                "filter": null, "fingerprint": "f", "rows": 3, "readable": true, "hidden": false,
                "foreign": null}"#,
        )
        .unwrap()
    }

    fn key(values: &[&str]) -> Key {
        let mut key = Key::new();
        for value in values {
            key.extend((value.len() as u32).to_le_bytes());
            key.extend_from_slice(value.as_bytes());
        }
        key
    }

    fn text(query: Vec<u8>) -> String {
        String::from_utf8(query).unwrap()
    }

    #[test]
    fn rows_are_selected_in_the_order_of_the_key() {
        let mut table = table();
        assert_eq!(
            text(table.select_after(None, 7)),
            "SELECT \"id\", \"name\" FROM ONLY \"public\".\"t\" WHERE (true) ORDER BY \"id\" LIMIT \
             7"
        );
        table.partitioned = true;
        table.filter = Some("(id > 3)".to_owned());
        table.key.push(KeyColumn {
            name: "n\"x".to_owned(),
            type_sql: "text".to_owned(),
            collation: Some("pg_catalog.\"C\"".to_owned()),
        });
        assert_eq!(
            text(table.select_after(Some(&key(&["12", "a'\\b"])), 7)),
            "SELECT \"id\", \"name\" FROM \"public\".\"t\" WHERE ((id > 3)) AND \
             (\"id\", \"n\"\"x\" COLLATE pg_catalog.\"C\") > ( E'12'::integer,  \
             E'a''\\\\b'::text COLLATE pg_catalog.\"C\") \
             ORDER BY \"id\", \"n\"\"x\" COLLATE pg_catalog.\"C\" LIMIT 7"
        );
    }

    #[test]
    fn what_moved_is_asked_for_where_it_is_now() {
        let requests = [
            Request {
                key: key(&["1"]),
                moved: None,
            },
            Request {
                key: key(&["2"]),
                moved: Some(Moved {
                    from: Some(key(&["9"])),
                    past: key(&["5"]),
                }),
            },
            Request {
                key: key(&["3"]),
                moved: Some(Moved {
                    from: None,
                    past: key(&["5"]),
                }),
            },
        ];
        assert_eq!(
            text(table().select_again(&requests)),
            "SELECT \"id\", \"name\" FROM ONLY \"public\".\"t\" WHERE (true) AND (false OR \
             (\"id\") = \
             ( E'1'::integer) OR (\"id\") = ( E'2'::integer) AND ( E'9'::integer) > ( \
             E'5'::integer) \
             AND ( E'2'::integer) <= ( E'5'::integer) OR (\"id\") = ( E'3'::integer) AND \
             ( E'3'::integer) <= ( E'5'::integer))"
        );
    }
}
