//! Every type that the server's catalog has, with values for each.

use super::literals::literals;
use postgres::{Client, Row};
use std::collections::{BTreeMap, HashMap};

/// Values that others are built from are no longer than this.
const NESTED_LENGTH: usize = 3_000;

/// A type of which a column can be made, and literals of it.
pub struct TypeUnderTest {
    pub oid: u32,
    /// As SQL has to write it.
    pub name: String,
    pub literals: Vec<String>,
}

/// What the catalog says of a type.
struct Entry {
    sql_name: String,
    name: String,
    kind: Shape,
}

enum Shape {
    Base,
    Enum(Vec<String>),
    Domain { base: u32 },
    Array { element: u32, delimiter: char },
    Composite(Vec<u32>),
}

/// All types that take values, and those that take none: the server refused each literal, saying
/// that there cannot be any.
pub struct AllTypes {
    pub usable: Vec<TypeUnderTest>,
    pub without_input: Vec<String>,
}

const QUERY: &str = "
    SELECT t.oid, format('%I.%I', n.nspname, t.typname), t.typname::text, t.typtype::text, \
    t.typbasetype, e.oid,
        e.typdelim::text,
        ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
        ARRAY(SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND t.typtype = 'c' \
        AND attnum > 0
              AND NOT attisdropped ORDER BY attnum)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typtype <> 'd' AND t.typsubscript = \
    'array_subscript_handler'::regproc
    WHERE t.typtype <> 'p' AND t.typisdefined AND n.nspname NOT IN ('pg_toast') AND n.nspname !~ \
    '^pg_temp'";

/// Reads the catalog. Fails for a type that nobody has thought of.
pub fn all_types(client: &mut Client, server_version: u32) -> AllTypes {
    let rows = client.query(QUERY, &[]).expect("the catalog");
    let entries: BTreeMap<u32, Entry> = rows.iter().map(|row| (row.get(0), entry(row))).collect();
    let mut types = Types {
        client,
        server_version,
        entries: &entries,
        known: HashMap::new(),
    };
    let mut all = AllTypes {
        usable: Vec::new(),
        without_input: Vec::new(),
    };
    for (oid, entry) in &entries {
        let literals = types.literals(*oid);
        if literals.is_empty() {
            all.without_input.push(entry.sql_name.clone());
        } else {
            all.usable.push(TypeUnderTest {
                oid: *oid,
                name: entry.sql_name.clone(),
                literals,
            });
        }
    }
    all
}

fn entry(row: &Row) -> Entry {
    let element: Option<u32> = row.get(5);
    let kind = match (row.get(3), element) {
        ("d", _) => Shape::Domain { base: row.get(4) },
        ("e", _) => Shape::Enum(row.get(7)),
        ("c", _) => Shape::Composite(row.get(8)),
        (_, Some(element)) if !matches!(row.get(2), "int2vector" | "oidvector") => Shape::Array {
            element,
            delimiter: row.get::<_, String>(6).chars().next().unwrap(),
        },
        _ => Shape::Base,
    };
    Entry {
        sql_name: row.get(1),
        name: row.get(2),
        kind,
    }
}

struct Types<'a> {
    client: &'a mut Client,
    server_version: u32,
    entries: &'a BTreeMap<u32, Entry>,
    known: HashMap<u32, Vec<String>>,
}

impl Types<'_> {
    /// Literals that the server takes; none if it says that the type cannot have any.
    fn literals(&mut self, oid: u32) -> Vec<String> {
        if let Some(known) = self.known.get(&oid) {
            return known.clone();
        }
        let Some(entry) = self.entries.get(&oid) else {
            return Vec::new();
        };
        let literals = match &entry.kind {
            Shape::Base => self.base(entry),
            Shape::Enum(labels) => labels.clone(),
            Shape::Domain { base } => self.domain(entry, *base),
            Shape::Array { element, delimiter } => self.array(*element, *delimiter),
            Shape::Composite(attributes) => self.composite(attributes),
        };
        self.known.insert(oid, literals.clone());
        literals
    }

    fn base(&mut self, entry: &Entry) -> Vec<String> {
        let literals = literals(&entry.name, self.server_version);
        let probe = literals.first().map_or("", String::as_str).to_owned();
        let refusal = self.refusal(entry, &probe).to_lowercase();
        // The words of the input functions of internal types.
        if refusal.starts_with("0a000: cannot accept a value of type")
            || refusal.ends_with(" not implemented")
        {
            return Vec::new();
        }
        assert!(
            !literals.is_empty(),
            "no literals for the type {} ({refusal})",
            entry.sql_name
        );
        for literal in &literals {
            let refusal = self.refusal(entry, literal);
            assert!(
                refusal.is_empty(),
                "{} does not take {literal:?}: {refusal}",
                entry.sql_name
            );
        }
        literals
    }

    /// Those of its base type that its constraints let through.
    fn domain(&mut self, entry: &Entry, base: u32) -> Vec<String> {
        let own = literals(&entry.name, self.server_version);
        let candidates = if own.is_empty() {
            self.literals(base)
        } else {
            own
        };
        let taken: Vec<String> = candidates
            .into_iter()
            .filter(|literal| self.refusal(entry, literal).is_empty())
            .collect();
        assert!(
            !taken.is_empty(),
            "no literals for the domain {}",
            entry.sql_name
        );
        taken
    }

    /// One dimension, several, bounds, NULLs, none.
    fn array(&mut self, element: u32, delimiter: char) -> Vec<String> {
        let elements: Vec<String> = self
            .nested(element)
            .iter()
            .map(|literal| quote_element(literal))
            .collect();
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else {
            return vec!["{}".to_owned()];
        };
        let d = delimiter;
        vec![
            "{}".to_owned(),
            "{NULL}".to_owned(),
            format!("{{{}}}", elements.join(&d.to_string())),
            format!("{{{first}{d}NULL{d}{last}}}"),
            format!("{{{{{first}{d}{last}}}{d}{{NULL{d}{first}}}}}"),
            format!("{{{{{{{first}}}{d}{{{last}}}}}}}"),
            format!("[0:1]={{{first}{d}{last}}}"),
            format!("[-1:-1][5:6]={{{{{last}{d}NULL}}}}"),
        ]
    }

    /// Rows whose attributes go through their values, and one of NULLs.
    fn composite(&mut self, attributes: &[u32]) -> Vec<String> {
        let values: Vec<Vec<String>> = attributes.iter().map(|oid| self.nested(*oid)).collect();
        let longest = values.iter().map(Vec::len).max().unwrap_or(0);
        let row = |number: usize| {
            let fields: Vec<String> = values
                .iter()
                .map(|values| {
                    if values.is_empty() {
                        String::new()
                    } else {
                        quote_field(&values[number % values.len()])
                    }
                })
                .collect();
            format!("({})", fields.join(","))
        };
        let mut rows: Vec<String> = (0..longest.min(12)).map(row).collect();
        rows.push(format!(
            "({})",
            ",".repeat(attributes.len().saturating_sub(1))
        ));
        rows
    }

    fn nested(&mut self, oid: u32) -> Vec<String> {
        let mut literals = self.literals(oid);
        literals.retain(|literal| literal.len() <= NESTED_LENGTH);
        literals
    }

    fn refusal(&mut self, entry: &Entry, literal: &str) -> String {
        let row = self.client.query_one(
            "SELECT public.refusal($1, $2)",
            &[&entry.sql_name, &literal],
        );
        row.expect("an answer").get(0)
    }
}

fn quote_element(literal: &str) -> String {
    format!("\"{}\"", literal.replace('\\', r"\\").replace('"', "\\\""))
}

fn quote_field(literal: &str) -> String {
    format!("\"{}\"", literal.replace('\\', r"\\").replace('"', "\"\""))
}
