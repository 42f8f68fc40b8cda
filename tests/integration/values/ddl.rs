//! Tables and types that change at random between the write and the read: each event is what
//! `row_to_json` had said when the row was written.

use super::json::{Token, members};
use super::workload::{WATCH_ALL, until_now};
use crate::support::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The one table with long values, and without REPLICA IDENTITY FULL. What wal2json cannot tell of
/// it is not done to it: it keeps its name, and its long columns theirs.
const FIXED: &str = "fixed";

/// A text that is TOASTed.
const LONG: &str = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i)";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Numeric,
    Text,
    Json,
    Time,
    Array,
    Bool,
    /// Of the enum at this place.
    Enum(usize),
    /// Of the domain of this number.
    Domain(usize),
}

struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
}

struct Enum {
    name: String,
    labels: Vec<String>,
}

/// The tables and types that there are, and what is made of them next.
struct Model {
    random: Random,
    tables: Vec<Table>,
    enums: Vec<Enum>,
    domains: Vec<usize>,
    names: u64,
    next_id: u64,
    may_drop_domains: bool,
}

impl Model {
    fn new(seed: u64, plugin: &str) -> (Model, Vec<String>) {
        let mut model = Model {
            random: Random::new(seed),
            tables: Vec::new(),
            enums: Vec::new(),
            domains: Vec::new(),
            names: 0,
            next_id: 0,
            // wal2json does not say what a domain is over.
            may_drop_domains: plugin == "pgoutput",
        };
        let mut statements = vec![model.create_enum(), model.create_domain()];
        statements.push(format!(
            "CREATE TABLE {FIXED} (id int PRIMARY KEY, long1 text, long2 text)"
        ));
        statements.push(format!("ALTER TABLE {FIXED} REPLICA IDENTITY DEFAULT"));
        model.tables.push(Table {
            name: FIXED.to_owned(),
            columns: Vec::new(),
        });
        statements.extend((0..2).map(|_| model.create_table()));
        (model, statements)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.within(0..bound as u64) as usize
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn create_enum(&mut self) -> String {
        let name = self.name("mood");
        let labels = vec![self.name("label "), self.name("it''s ")];
        let sql = format!("CREATE TYPE {name} AS ENUM ('{}')", labels.join("', '"));
        self.enums.push(Enum { name, labels });
        sql
    }

    fn create_domain(&mut self) -> String {
        self.names += 1;
        let number = self.names as usize;
        self.domains.push(number);
        format!("CREATE DOMAIN amount{number} AS numeric")
    }

    fn kind(&mut self) -> Kind {
        match self.below(10) {
            0 => Kind::Int,
            1 => Kind::Numeric,
            2 | 3 => Kind::Text,
            4 => Kind::Json,
            5 => Kind::Time,
            6 => Kind::Array,
            7 => Kind::Bool,
            8 if !self.domains.is_empty() => {
                let at = self.below(self.domains.len());
                Kind::Domain(self.domains[at])
            }
            _ if !self.enums.is_empty() => Kind::Enum(self.below(self.enums.len())),
            _ => Kind::Int,
        }
    }

    fn type_name(&self, kind: Kind) -> String {
        match kind {
            Kind::Int => "int".to_owned(),
            Kind::Numeric => "numeric".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Json => "jsonb".to_owned(),
            Kind::Time => "timestamptz".to_owned(),
            Kind::Array => "int[]".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Enum(at) => self.enums[at].name.clone(),
            Kind::Domain(number) => format!("amount{number}"),
        }
    }

    fn value(&mut self, kind: Kind) -> String {
        let n = self.below(1000);
        if n.is_multiple_of(9) {
            return "NULL".to_owned();
        }
        match kind {
            Kind::Int => n.to_string(),
            Kind::Numeric | Kind::Domain(_) => format!("{n}.{:02}", n % 100),
            Kind::Text => format!("'say \"{n}\"'"),
            Kind::Json => format!("'{{\"n\": [{n}, null]}}'"),
            Kind::Time => format!("'2026-11-20 09:23:34.{n:03}+00'"),
            Kind::Array => format!("'{{{n},NULL}}'"),
            Kind::Bool => (n.is_multiple_of(2)).to_string(),
            Kind::Enum(at) => {
                let labels = &self.enums[at].labels;
                format!("'{}'", labels[n % labels.len()])
            }
        }
    }

    fn create_table(&mut self) -> String {
        let name = self.name("t");
        self.create_table_named(name)
    }

    fn create_table_named(&mut self, name: String) -> String {
        let columns: Vec<(String, Kind)> = (0..1 + self.below(4))
            .map(|_| (self.name("c"), self.kind()))
            .collect();
        let list: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!("{name} {}", self.type_name(*kind)))
            .collect();
        let sql = format!("CREATE TABLE {name} (id int, {})", list.join(", "));
        self.tables.push(Table { name, columns });
        sql
    }

    fn long(&mut self) -> String {
        match self.below(3) {
            0 => "'short'".to_owned(),
            _ => LONG.to_owned(),
        }
    }

    /// The next statement; `None` if it would make no sense.
    fn statement(&mut self) -> Option<String> {
        let at = self.below(self.tables.len());
        match self.below(100) {
            0..40 => self.insert(at),
            40..70 => self.update(at),
            70..76 => {
                let table = &self.tables[at].name;
                Some(format!(
                    "DELETE FROM {table} WHERE id % 7 = {}",
                    self.next_id % 7
                ))
            }
            76..94 => self.alter_table(at),
            _ => self.alter_type(),
        }
    }

    fn insert(&mut self, at: usize) -> Option<String> {
        self.next_id += 1;
        let columns = self.tables[at].columns.clone();
        let mut names = vec!["id".to_owned()];
        let mut values = vec![self.next_id.to_string()];
        for (name, kind) in columns {
            names.push(name);
            values.push(self.value(kind));
        }
        if self.tables[at].name == FIXED {
            names.extend(["long1".to_owned(), "long2".to_owned()]);
            values.extend([self.long(), self.long()]);
        }
        Some(format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.tables[at].name,
            names.join(", "),
            values.join(", ")
        ))
    }

    fn update(&mut self, at: usize) -> Option<String> {
        let columns = self.tables[at].columns.clone();
        let rest = format!("WHERE id % 3 = {}", self.next_id % 3);
        let set = if self.tables[at].name == FIXED && self.below(4) == 0 {
            format!("long1 = {}", self.long())
        } else {
            let (name, kind) = columns.get(self.below(columns.len().max(1)))?;
            format!("{name} = {}", self.value(*kind))
        };
        Some(format!("UPDATE {} SET {set} {rest}", self.tables[at].name))
    }

    fn alter_table(&mut self, at: usize) -> Option<String> {
        let (name, columns) = (self.tables[at].name.clone(), self.tables[at].columns.len());
        let column = (columns > 0).then(|| self.below(columns));
        Some(match self.below(8) {
            0..3 => {
                let (column, kind) = (self.name("c"), self.kind());
                let default = match self.below(3) {
                    0 => format!(" DEFAULT {}", self.value(kind)),
                    _ => String::new(),
                };
                let sql = format!(
                    "ALTER TABLE {name} ADD {column} {}{default}",
                    self.type_name(kind)
                );
                self.tables[at].columns.push((column, kind));
                sql
            }
            3 => {
                let (column, _) = self.tables[at].columns.remove(column?);
                format!("ALTER TABLE {name} DROP {column}")
            }
            4 | 5 => {
                let new = self.name("c");
                let old = std::mem::replace(&mut self.tables[at].columns[column?].0, new.clone());
                format!("ALTER TABLE {name} RENAME {old} TO {new}")
            }
            6 if name != FIXED => {
                let (column, kind) = &mut self.tables[at].columns[column?];
                *kind = Kind::Text;
                format!(
                    "ALTER TABLE {name} ALTER {column} DROP DEFAULT, ALTER {column} TYPE text \
                     USING {column}::text"
                )
            }
            7 if name != FIXED && self.below(2) == 0 => {
                let new = self.name("t");
                self.tables[at].name.clone_from(&new);
                format!("ALTER TABLE {name} RENAME TO {new}")
            }
            7 if name != FIXED => {
                self.tables.remove(at);
                let create = self.create_table_named(name.clone());
                format!("DROP TABLE {name}; {create}")
            }
            _ => return None,
        })
    }

    fn alter_type(&mut self) -> Option<String> {
        let at = self.below(self.enums.len());
        let new = self.name("mood");
        Some(match self.below(6) {
            0 => self.create_enum(),
            1 => self.create_domain(),
            2 => {
                let old = std::mem::replace(&mut self.enums[at].name, new.clone());
                format!("ALTER TYPE {old} RENAME TO {new}")
            }
            3 => {
                let old = std::mem::replace(&mut self.enums[at].labels[0], new.clone());
                format!(
                    "ALTER TYPE {} RENAME VALUE '{old}' TO '{new}'",
                    self.enums[at].name
                )
            }
            4 if self.may_drop_domains && self.domains.len() > 1 => {
                let number = self.domains.remove(0);
                self.drop_columns(Kind::Domain(number));
                format!("DROP DOMAIN amount{number} CASCADE")
            }
            _ => {
                // Its place is taken by a new one.
                self.drop_columns(Kind::Enum(at));
                let create = self.create_enum();
                let created = self.enums.pop().expect("it was just created");
                let dropped = std::mem::replace(&mut self.enums[at], created);
                format!("DROP TYPE {} CASCADE; {create}", dropped.name)
            }
        })
    }

    fn drop_columns(&mut self, kind: Kind) {
        for table in &mut self.tables {
            table.columns.retain(|(_, of)| *of != kind);
        }
    }
}

/// What is compared of an event.
#[derive(serde::Deserialize)]
struct Event<'a> {
    op: &'a str,
    table: String,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(default)]
    unchanged: Vec<String>,
}

type Row = Vec<(String, Vec<Token>)>;

/// Operation, old row, new row.
type Change = (String, Option<Row>, Option<Row>);

/// Compares the events of each table with what the trigger wrote down, and returns how many there
/// were, how many values were named as unchanged, and how many columns that were no more.
fn compare(db: &Database<'_>, plugin: &str, text: &str) -> (usize, usize, usize) {
    let mut expected: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    let query = "SELECT split_part(relation, '.', 2), operation, before::text, after::text
                 FROM oracle.expected ORDER BY id";
    for row in db.client().query(query, &[]).unwrap() {
        let object = |at: usize| row.get::<_, Option<String>>(at).as_deref().map(members);
        let change = (row.get(1), object(2), object(3));
        expected.entry(row.get(0)).or_default().push(change);
    }
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut named, mut gone) = (0, 0);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines {
        let event: Event<'_> = serde_json::from_str(line).unwrap();
        let at = next.entry(event.table.clone()).or_default();
        let (op, old, new) = &expected[&event.table][*at];
        *at += 1;
        assert_eq!(event.op, op, "{line}");
        let row = |row: Option<&RawValue>| row.map(|row| members(row.get()));
        let (before, after) = (row(event.before), row(event.after));
        let known = columns.entry(event.table.clone()).or_default();
        known.extend(
            old.iter()
                .chain(new)
                .flatten()
                .map(|(name, _)| name.clone()),
        );
        // What is named is there, and was left alone; wal2json goes on naming what was dropped.
        let mut unchanged = event.unchanged.clone();
        unchanged.retain(|name| {
            let is_there = |row: &Option<Row>| {
                row.iter()
                    .flatten()
                    .find(|(column, _)| column == name)
                    .cloned()
            };
            let value = is_there(new);
            if value.is_none() {
                assert!(
                    plugin == "wal2json" && known.contains(name),
                    "{name}: {line}"
                );
                gone += 1;
                return false;
            }
            assert!(is_there(old) == value, "{name}: {line}");
            true
        });
        named += unchanged.len();
        let wanted = new.as_ref().map(|row| {
            let sent = row.iter().filter(|(name, _)| !unchanged.contains(name));
            sent.cloned().collect::<Row>()
        });
        assert!(after == wanted, "{line}\nis not {wanted:?} of {new:?}");
        let wanted = match event.table.as_str() {
            FIXED if event.op == "delete" => old.as_ref().map(|row| vec![row[0].clone()]),
            FIXED => None,
            _ => old.clone(),
        };
        assert!(before == wanted, "{line}\nis not {wanted:?}");
    }
    for (table, changes) in &expected {
        assert_eq!(next.get(table), Some(&changes.len()), "{table}");
    }
    (lines.len(), named, gone)
}

/// Reads all at the end, or now and then, so that each process begins somewhere else.
fn random_changes(plugin: &str, seed: u64, reads: usize) {
    const STATEMENTS: usize = 300;
    let db = Database::create(&format!("ddl_{plugin}_{seed}_{reads}"));
    db.sql(WATCH_ALL);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    let (mut model, statements) = Model::new(seed, plugin);
    statements.iter().for_each(|statement| db.sql(statement));
    db.create_slot(plugin);
    let mut text = String::new();
    for number in 1..=STATEMENTS {
        if let Some(statement) = model.statement() {
            db.sql(&statement);
        }
        if number % (STATEMENTS / reads) == 0 {
            text += until_now(&db, plugin, &[]).text();
        }
    }
    let (events, named, gone) = compare(&db, plugin, &text);
    println!(
        "{plugin} {seed}, {reads} reads: {events} events, {named} values unchanged, {gone} columns \
         gone"
    );
    assert!(
        events > 200 && named > 20,
        "{events} events, {named} values unchanged"
    );
}

#[test]
fn rows_are_what_they_were_whatever_became_of_their_tables() {
    for (seed, reads) in [(1, 1), (2, 4), (3, 20)] {
        random_changes("pgoutput", seed, reads);
    }
}

#[test]
fn rows_are_what_they_were_whatever_became_of_their_tables_with_wal2json() {
    for (seed, reads) in [(4, 1), (5, 4), (6, 20)] {
        random_changes("wal2json", seed, reads);
    }
}
