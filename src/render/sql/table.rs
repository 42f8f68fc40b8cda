//! The statements for the rows of a table.

use super::is_whole;
use crate::error::{Error, Result};
use crate::event::{Cell, Column, Relation, ReplicaIdentity, Tuple};
use crate::render::{type_name, unnamed_types};
use crate::sql;
use crate::sql::{write_constant, write_identifier};
use crate::value::{Purpose, Types};
use log::warn;

/// What is prepared for a table.
pub(super) struct Table {
    /// `public.users`
    pub(super) name: Vec<u8>,
    columns: Vec<TableColumn>,
    /// Whether the whole row is the identity.
    full: bool,
}

struct TableColumn {
    /// `id`
    name: Vec<u8>,
    form: Form,
    /// `::integer`
    cast: Vec<u8>,
    /// Whether `=` finds just the values that look the same, for an untyped literal.
    exact: bool,
    /// Whether it can be found by `=` with an untyped literal.
    plain: bool,
    key: bool,
    /// Whether an insert, or an update, may say what it is.
    insertable: bool,
    updatable: bool,
}

/// How values are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Integer,
    Bool,
    Literal,
}

/// What tells a row from the others.
#[derive(Clone, Copy)]
pub(super) enum Identity<'a> {
    /// The columns of the key.
    Key(Tuple<'a>),
    /// All columns; several rows may be equal.
    All(Tuple<'a>),
}

/// What joins the row that was found, for tables whose rows may be equal. Partitions share the
/// numbers of rows.
const THAT_ROW: &[u8] = b" WHERE target.tableoid = one.tableoid AND target.ctid = one.ctid;";

impl Table {
    /// Makes what the rows of this table have in common. What the catalog does not tell is warned
    /// of.
    pub(super) fn new(relation: &Relation, anew: bool, types: &mut Types) -> Table {
        let mut name = Vec::new();
        write_identifier(relation.schema.as_bytes(), &mut name);
        name.push(b'.');
        write_identifier(relation.table.as_bytes(), &mut name);
        types.resolve(unnamed_types(relation), Purpose::Names, anew);
        let computed = types
            .computed_columns(&relation.schema, &relation.table)
            .unwrap_or_else(|error| {
                warn!(
                    "{error}; no column of {} is taken for one",
                    String::from_utf8_lossy(&name)
                );
                Vec::new()
            });
        let column = |column: &Column| {
            let computed = computed
                .iter()
                .find(|computed| computed.name == column.name);
            TableColumn {
                insertable: computed.is_none_or(|computed| computed.identity),
                updatable: computed.is_none(),
                ..TableColumn::new(column, types)
            }
        };
        Table {
            columns: relation.columns.iter().map(column).collect(),
            full: relation.replica_identity == Some(ReplicaIdentity::Full),
            name,
        }
    }

    /// What tells the row that was updated or deleted from the others.
    pub(super) fn identity<'a>(&self, old: Option<Tuple<'a>>, new: Tuple<'a>) -> Identity<'a> {
        match old {
            Some(old) if self.full || self.exceeds_key(&old) => Identity::All(old),
            Some(old) => Identity::Key(old),
            None => Identity::Key(new),
        }
    }

    /// What tells a row, of which all columns are known, from the others.
    pub(super) fn identity_of<'a>(&self, row: Tuple<'a>) -> Identity<'a> {
        let keyed = !self.full && self.columns.iter().any(|column| column.key);
        match keyed {
            true => Identity::Key(row),
            false => Identity::All(row),
        }
    }

    /// Returns `true` if the row has columns that are no part of the key.
    fn exceeds_key(&self, row: &Tuple<'_>) -> bool {
        let mut cells = self.columns.iter().zip(row.cells());
        cells.any(|(column, cell)| !column.key && cell != Cell::Absent)
    }

    /// The old row, if all of it was sent.
    pub(super) fn require_whole<'a>(&self, old: Option<Tuple<'a>>) -> Result<Tuple<'a>> {
        old.filter(is_whole).ok_or_else(|| {
            let name = String::from_utf8_lossy(&self.name);
            self.refuse("an UPDATE or DELETE", "take back")
                .with_detail("The server did not send the whole old row.")
                .with_remedy(format!(
                    "ALTER TABLE {name} REPLICA IDENTITY FULL, for changes from then on"
                ))
        })
    }

    /// An error that names the table.
    pub(super) fn refuse(&self, what: &str, act: &str) -> Error {
        let name = String::from_utf8_lossy(&self.name);
        Error::new(format!("could not {act} {what} of table {name}"))
    }

    /// Appends an INSERT.
    pub(super) fn write_insert(&self, row: &Tuple<'_>, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"INSERT INTO ");
        out.extend_from_slice(&self.name);
        let cells = || {
            let cells = self.columns.iter().zip(row.cells());
            cells.filter(|(column, cell)| column.insertable && *cell != Cell::Absent)
        };
        let mut separator: &[u8] = b" (";
        for (column, cell) in cells() {
            if cell == Cell::Unchanged {
                return Err(self.refuse("an INSERT", "print").with_detail(
                    "A row filter made it of an update, and a value that this left alone was not \
                     sent.",
                ));
            }
            out.extend_from_slice(separator);
            out.extend_from_slice(&column.name);
            separator = b", ";
        }
        if separator == b" (" {
            out.extend_from_slice(b" DEFAULT VALUES;");
            return Ok(());
        }
        separator = b") OVERRIDING SYSTEM VALUE VALUES (";
        for (column, cell) in cells() {
            out.extend_from_slice(separator);
            column.write(cell, out);
            separator = b", ";
        }
        out.extend_from_slice(b");");
        Ok(())
    }

    /// Appends an UPDATE that makes the row that `identity` tells be as `to`. It was `from`, as far
    /// as that is known.
    pub(super) fn write_update(
        &self,
        identity: Identity<'_>,
        from: Option<&Tuple<'_>>,
        to: &Tuple<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(b"UPDATE ");
        out.extend_from_slice(&self.name);
        if let Identity::All(_) = identity {
            out.extend_from_slice(b" AS target");
        }
        let mut separator: &[u8] = b" SET ";
        for (index, column) in self.columns.iter().enumerate() {
            let before = from.map_or(Cell::Absent, |from| from.cell(index));
            let after = to.cell(index);
            let same = match before {
                // Of a row whose old key was not sent the key is still the same.
                Cell::Absent => from.is_none() && column.key,
                before => before == after,
            };
            let told = matches!(after, Cell::Null | Cell::Text(_));
            if column.updatable && told && !same {
                out.extend_from_slice(separator);
                out.extend_from_slice(&column.name);
                out.extend_from_slice(b" = ");
                column.write(after, out);
                separator = b", ";
            }
        }
        if separator == b" SET " {
            out.truncate(start);
            out.extend_from_slice(b"-- UPDATE ");
            out.extend_from_slice(&self.name);
            out.extend_from_slice(b" changes nothing");
            return Ok(());
        }
        self.write_identity(identity, b" FROM ", "UPDATE", out)
    }

    /// Appends a DELETE of the row that `identity` tells.
    pub(super) fn write_delete(&self, identity: Identity<'_>, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"DELETE FROM ");
        out.extend_from_slice(&self.name);
        if let Identity::All(_) = identity {
            out.extend_from_slice(b" AS target");
        }
        self.write_identity(identity, b" USING ", "DELETE", out)
    }

    fn write_identity(
        &self,
        identity: Identity<'_>,
        from: &[u8],
        statement: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match identity {
            Identity::Key(row) => {
                self.write_key(&row, statement, out)?;
                out.push(b';');
            }
            Identity::All(row) => {
                out.extend_from_slice(from);
                out.extend_from_slice(b"(SELECT tableoid, ctid FROM ");
                out.extend_from_slice(&self.name);
                self.write_all(&row, out);
                out.extend_from_slice(b" LIMIT 1) AS one");
                out.extend_from_slice(THAT_ROW);
            }
        }
        Ok(())
    }

    /// Appends the condition that the key is that of the row.
    fn write_key(&self, row: &Tuple<'_>, statement: &str, out: &mut Vec<u8>) -> Result<()> {
        let mut separator: &[u8] = b" WHERE ";
        let mut known = true;
        for (column, cell) in self.columns.iter().zip(row.cells()) {
            if column.key {
                known &= matches!(cell, Cell::Text(_));
                out.extend_from_slice(separator);
                out.extend_from_slice(&column.name);
                out.extend_from_slice(b" = ");
                column.write(cell, out);
                if !column.plain {
                    out.extend_from_slice(&column.cast);
                }
                separator = b" AND ";
            }
        }
        if separator == b" WHERE " || !known {
            let name = String::from_utf8_lossy(&self.name);
            return Err(self
                .refuse(&format!("an {statement}"), "print")
                .with_detail("Nothing tells the row from others: it has no replica identity.")
                .with_remedy(format!(
                    "ALTER TABLE {name} REPLICA IDENTITY FULL, or a primary key, for changes from \
                     then on"
                )));
        }
        Ok(())
    }

    /// Appends the condition that all columns are those of the row.
    fn write_all(&self, row: &Tuple<'_>, out: &mut Vec<u8>) {
        let cells = || self.columns.iter().zip(row.cells());
        let mut separator: &[u8] = b" WHERE ";
        for (column, cell) in cells() {
            let null = cell == Cell::Null;
            if null || column.exact && matches!(cell, Cell::Text(_)) {
                out.extend_from_slice(separator);
                out.extend_from_slice(&column.name);
                out.extend_from_slice(if null { b" IS NULL" } else { b" = " });
                if !null {
                    column.write(cell, out);
                }
                separator = b" AND ";
            }
        }
        let others = || {
            let others = cells();
            others.filter(|(column, cell)| !column.exact && matches!(cell, Cell::Text(_)))
        };
        if others().next().is_none() {
            return;
        }
        out.extend_from_slice(separator);
        // As rows they would be compared column by column, with the operator of each.
        separator = b"ROW(";
        for (column, _) in others() {
            out.extend_from_slice(separator);
            out.extend_from_slice(&column.name);
            out.extend_from_slice(&column.cast);
            separator = b", ";
        }
        separator = b")::record OPERATOR(pg_catalog.*=) ROW(";
        for (column, cell) in others() {
            out.extend_from_slice(separator);
            column.write(cell, out);
            out.extend_from_slice(&column.cast);
            separator = b", ";
        }
        out.extend_from_slice(b")::record");
    }
}

impl TableColumn {
    fn new(column: &Column, types: &Types) -> TableColumn {
        let mut name = Vec::new();
        write_identifier(column.name.as_bytes(), &mut name);
        // pg_type.dat: bool; int8, int2, int4.
        let form = match column.type_oid {
            16 => Form::Bool,
            20 | 21 | 23 => Form::Integer,
            _ => Form::Literal,
        };
        // Also bytea, "char", name, text, oid, xid; cidr, macaddr, inet; bpchar, varchar, date,
        // time; timestamp, timestamptz, timetz; bit, varbit; uuid.
        let exact = matches!(
            column.type_oid,
            16..=21
                | 23
                | 25
                | 26
                | 28
                | 650
                | 829
                | 869
                | 1042
                | 1043
                | 1082
                | 1083
                | 1114
                | 1184
                | 1266
                | 1560
                | 1562
                | 2950
        );
        // Values of float4, float8, interval and numeric may be equal without looking the same.
        let plain = exact || matches!(column.type_oid, 700 | 701 | 1186 | 1700);
        TableColumn {
            name,
            form,
            // A name that is none would make other statements of these.
            cast: Some(type_name(column, types))
                .filter(|name| sql::is_type_name(name))
                .map_or(Vec::new(), |name| format!("::{name}").into_bytes()),
            exact,
            plain,
            key: column.key,
            insertable: true,
            updatable: true,
        }
    }

    fn write(&self, cell: Cell<'_>, out: &mut Vec<u8>) {
        match cell {
            Cell::Null | Cell::Unchanged | Cell::Absent => out.extend_from_slice(b"NULL"),
            Cell::Text(text) => match (self.form, text) {
                (Form::Bool, b"t" | b"true") => out.extend_from_slice(b"true"),
                (Form::Bool, b"f" | b"false") => out.extend_from_slice(b"false"),
                (Form::Integer, text) if is_integer(text) => out.extend_from_slice(text),
                _ => write_constant(text, out),
            },
        }
    }
}

/// Returns `true` for a number that SQL takes for an integer.
fn is_integer(text: &[u8]) -> bool {
    const DIGITS: usize = 18;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    (1..=DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}
