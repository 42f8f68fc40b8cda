//! The promise of every value: it is, as JSON, what the server's own `row_to_json` prints.
//!
//! The list of types comes from the server's catalog. Each gets a table; a trigger writes down what
//! `row_to_json` makes of every change, and the events must say the same.

mod changes;
mod ddl;
mod encodings;
mod json;
mod literals;
mod shapes;
mod types;
mod workload;

use crate::support::*;
use crate::wal2json::sends_special_numbers;
use json::{Token, tokens};
use postgres::Client;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use types::AllTypes;

/// The settings under which values are printed.
const SETTINGS: &str = "SET datestyle = ISO; SET intervalstyle = postgres; SET extra_float_digits \
    = 3;
    SET bytea_output = hex; SET quote_all_identifiers = off; SET timezone = 'UTC'; SET search_path \
    = ''";

#[test]
fn every_type_is_as_row_to_json_has_it() {
    let db = Database::create("every_type");
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    change_every_type(&db);
    let texts = events(&db, &["--publication", "p", "--peek", "--values", "text"]);
    compare(&db, "pgoutput", &texts, "_text");
    let values = events(&db, &["--publication", "p", "--include", "types"]);
    compare(&db, "pgoutput", &values, "");
}

#[test]
fn every_type_is_as_row_to_json_has_it_from_wal2json() {
    let db = Database::create("every_type_wal2json");
    db.create_slot("wal2json");
    change_every_type(&db);
    let texts = events(&db, &["--peek", "--values", "text"]);
    compare(&db, "wal2json", &texts, "_text");
    let values = events(&db, &["--include", "types"]);
    compare(&db, "wal2json", &values, "");
}

/// Inserts, updates and deletes a row for each literal of each type, while a trigger writes down
/// what the server makes of it.
fn change_every_type(db: &Database<'_>) {
    db.sql(include_str!("types.sql"));
    let mut client = db.client();
    client.batch_execute(SETTINGS).unwrap();
    let all = types::all_types(&mut client, db.server().version() / 10_000);
    println!(
        "{} types; without input: {}",
        all.usable.len(),
        all.without_input.join(", ")
    );
    change(&mut client, &all);
}

/// The events of the tables under test.
fn events(db: &Database<'_>, arguments: &[&str]) -> Vec<String> {
    let stream = ["stream", "-S", db.name(), "--until-now", "--table", "v.*"];
    let run = db.run(&[&stream, arguments].concat());
    run.succeeded();
    assert_eq!(run.stderr, "");
    String::from_utf8(run.stdout)
        .expect("UTF-8")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// What is compared of an event.
#[derive(serde::Deserialize)]
struct Event<'a> {
    op: String,
    table: String,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    types: Option<BTreeMap<String, String>>,
}

/// Compares the events, one after the other, with what the trigger wrote down: as JSON, or as
/// `_text`.
fn compare(db: &Database<'_>, plugin: &str, lines: &[String], form: &str) {
    let expected = format!(
        "SELECT relation, operation, before{form}::text, after{form}::text, \
         format_type(substr(relation, 2)::oid, -1)
         FROM public.expected ORDER BY id"
    );
    let mut client = db.client();
    client.batch_execute(SETTINGS).unwrap();
    let rows = client.query(&expected, &[]).unwrap();
    assert_eq!(lines.len(), rows.len(), "events");
    let sends_all = plugin == "pgoutput" || sends_special_numbers(db);
    let (mut compared, mut unknown) = (0, 0);
    let mut types = BTreeSet::new();
    let mut mismatches = Vec::new();
    for (line, row) in lines.iter().zip(&rows) {
        let event: Event<'_> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!((event.table, event.op), (row.get(0), row.get(1)));
        let type_name: &str = row.get(4);
        types.insert(type_name);
        if let Some(names) = &event.types {
            assert_eq!(names["v"], type_name_of(plugin, type_name));
        }
        for (actual, expected) in [(event.before, row.get(2)), (event.after, row.get(3))] {
            let (actual, expected): (Option<&str>, Option<&str>) =
                (actual.map(RawValue::get), expected);
            let mut wanted = expected.map(tokens);
            for token in wanted
                .iter_mut()
                .flatten()
                .filter(|token| !sends_all && is_special_number(type_name, token))
            {
                *token = Token::Word("null".to_owned());
                unknown += 1;
            }
            compared += usize::from(wanted.is_some());
            if actual.map(tokens) != wanted {
                mismatches.push(format!(
                    "{type_name}: {}\n    is not {}",
                    cut(actual),
                    cut(expected)
                ));
            }
        }
    }
    println!(
        "{plugin}{form}: {} types, {} events, {compared} rows, {} mismatches, {unknown} values \
         unknown to the plugin",
        types.len(),
        lines.len(),
        mismatches.len()
    );
    mismatches.truncate(20);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

/// Older versions of wal2json have null for numbers that JSON does not have.
fn is_special_number(type_name: &str, token: &Token) -> bool {
    matches!(type_name, "real" | "double precision" | "numeric")
        && ["NaN", "Infinity", "-Infinity"]
            .map(Token::string)
            .contains(token)
}

/// wal2json takes the quotes off two names of built-in types.
fn type_name_of<'a>(plugin: &str, type_name: &'a str) -> &'a str {
    match (plugin, type_name) {
        ("wal2json", "\"char\"" | "\"bit\"") => type_name.trim_matches('"'),
        _ => type_name,
    }
}

/// Compares the events of tables of any shape with the columns `before` and `after` that a trigger
/// filled.
fn compare_rows(db: &Database<'_>, lines: &[String]) {
    let expected =
        "SELECT relation, operation, before::text, after::text FROM public.expected ORDER BY id";
    let rows = db.client().query(expected, &[]).unwrap();
    assert_eq!(lines.len(), rows.len(), "events");
    for (line, row) in lines.iter().zip(&rows) {
        let event: Event<'_> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!((event.table, event.op), (row.get(0), row.get(1)));
        for (actual, expected) in [(event.before, row.get(2)), (event.after, row.get(3))] {
            let (actual, expected): (Option<&str>, Option<&str>) =
                (actual.map(RawValue::get), expected);
            assert!(
                actual.map(tokens) == expected.map(tokens),
                "{} is not {}",
                cut(actual),
                cut(expected)
            );
        }
    }
}

fn cut(text: Option<&str>) -> String {
    text.unwrap_or("(nothing)").chars().take(500).collect()
}

fn change(client: &mut Client, all: &AllTypes) {
    for kind in &all.usable {
        let table = format!("v.t{}", kind.oid);
        let create = format!("CREATE TABLE {table} (id int, v {})", kind.name);
        if let Err(error) = client.batch_execute(&create) {
            // invalid_table_definition: a row type with a pseudo-type in it, as that of
            // pg_statistic.
            assert_eq!(
                error.code().map(|code| code.code()),
                Some("42P16"),
                "{create}: {error}"
            );
            continue;
        }
        client
            .batch_execute(&format!(
                "ALTER TABLE {table} REPLICA IDENTITY FULL;
                 CREATE TRIGGER expect AFTER INSERT OR UPDATE OR DELETE ON {table}
                 FOR EACH ROW EXECUTE FUNCTION public.expect()"
            ))
            .expect("a trigger");
        let literals = kind
            .literals
            .iter()
            .map(|literal| format!("'{}'", literal.replace('\'', "''")));
        let rows: Vec<String> = literals
            .chain(["NULL".to_owned()])
            .enumerate()
            .map(|(id, value)| format!("({id}, {value})"))
            .collect();
        let insert = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
        client
            .batch_execute(&insert)
            .unwrap_or_else(|error| panic!("{}: {error:?}", kind.name));
        client
            .batch_execute(&format!("UPDATE {table} SET id = -id; DELETE FROM {table}"))
            .unwrap();
    }
}
