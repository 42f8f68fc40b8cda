//! The promise of every value: it is, as JSON, what the server's own `row_to_json` prints.
//!
//! The list of types comes from the server's catalog. Each gets a table; a trigger writes down what `row_to_json` makes of
//! every change, and the events must say the same.

mod json;
mod literals;
mod types;

use crate::support::*;
use json::tokens;
use postgres::Client;
use serde_json::value::RawValue;
use std::ops::ControlFlow;
use types::AllTypes;
use walcat::catalog::types::SqlTypes;
use walcat::decode::Decoder;
use walcat::filter::{Filter, Operations};
use walcat::render::{Format, Include, PrintSettings, Printer, Values};
use walcat::value::Types;

/// The settings under which values are printed.
const SETTINGS: &str = "SET datestyle = ISO; SET intervalstyle = postgres; SET extra_float_digits = 3;
    SET bytea_output = hex; SET quote_all_identifiers = off; SET timezone = 'UTC'; SET search_path = ''";

#[test]
fn every_type_is_as_row_to_json_has_it() {
    let db = Database::create("every_type");
    let mut client = db.client();
    client.batch_execute(include_str!("types.sql")).expect("the script");
    client.batch_execute(SETTINGS).unwrap();
    client.batch_execute("CREATE PUBLICATION p FOR ALL TABLES").unwrap();
    db.create_slot("pgoutput");
    let all = types::all_types(&mut client, db.server().version() / 10000);
    println!("{} types; without input: {}", all.usable.len(), all.without_input.join(", "));
    change(&mut client, &all);
    compare(&db, &events(&db));
}

/// The events of the slot, by the layers of the program that make them.
fn events(db: &Database<'static>) -> Vec<String> {
    let (server, name) = (db.server(), db.name().to_owned());
    let catalog = SqlTypes::new(move || Ok(Box::new(server.client(&name))));
    let filter = Filter::new(&["v.*".to_owned()], Operations::ALL).unwrap();
    let settings = PrintSettings { format: Format::Json, values: Values::Json, include: Include::default(), filter };
    let mut printer = Printer::new(settings, Types::new(Box::new(catalog)));
    let mut decoder = Decoder::pgoutput();
    let mut client = db.client();
    client.batch_execute(SETTINGS).unwrap();
    let changes = "SELECT data FROM pg_logical_slot_get_binary_changes(
        current_database(), NULL, NULL, 'proto_version', '1', 'publication_names', 'p')";
    let mut out = Vec::new();
    for row in client.query(changes, &[]).expect("the changes") {
        let print = |event: &walcat::event::Event<'_>| {
            printer.print(event, &mut out);
            ControlFlow::Continue(())
        };
        let _ = decoder.decode(None, row.get(0), print).unwrap();
    }
    assert_eq!(printer.take_warnings(), [""; 0]);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
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
}

/// Compares the events, one after the other, with what the trigger wrote down.
fn compare(db: &Database, lines: &[String]) {
    let expected = "SELECT relation, operation, coalesce(before::text, 'null'), coalesce(after::text, 'null'), format_type(substr(relation, 2)::oid, NULL)
        FROM public.expected ORDER BY id";
    let rows = db.client().query(expected, &[]).unwrap();
    assert_eq!(lines.len(), rows.len(), "events");
    let mut compared = 0;
    let mut mismatches = Vec::new();
    for (line, row) in lines.iter().zip(&rows) {
        let event: Event<'_> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!((event.table, event.op), (row.get(0), row.get(1)));
        for (actual, expected) in [(event.before, row.get(2)), (event.after, row.get(3))] {
            let (actual, expected): (&str, &str) = (actual.map_or("null", RawValue::get), expected);
            compared += 1;
            if tokens(actual) != tokens(expected) {
                mismatches.push(format!("{}: {}\n    is not {}", row.get::<_, &str>(4), cut(actual), cut(expected)));
            }
        }
    }
    println!("{} events, {compared} rows compared, {} mismatches", lines.len(), mismatches.len());
    mismatches.truncate(20);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

fn cut(text: &str) -> String {
    text.chars().take(500).collect()
}

/// Inserts, updates and deletes a row for each literal of each type.
fn change(client: &mut Client, all: &AllTypes) {
    for kind in &all.usable {
        let table = format!("v.t{}", kind.oid);
        let create = format!("CREATE TABLE {table} (id int, v {})", kind.name);
        if let Err(error) = client.batch_execute(&create) {
            // invalid_table_definition: a row type with a pseudo-type in it, as that of pg_statistic.
            assert_eq!(error.code().map(|code| code.code()), Some("42P16"), "{create}: {error}");
            continue;
        }
        client
            .batch_execute(&format!(
                "ALTER TABLE {table} REPLICA IDENTITY FULL;
                 CREATE TRIGGER expect AFTER INSERT OR UPDATE OR DELETE ON {table}
                 FOR EACH ROW EXECUTE FUNCTION public.expect()"
            ))
            .expect("a trigger");
        let literals = kind.literals.iter().map(|literal| format!("'{}'", literal.replace('\'', "''")));
        let rows: Vec<String> =
            literals.chain(["NULL".to_owned()]).enumerate().map(|(id, value)| format!("({id}, {value})")).collect();
        let insert = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
        client.batch_execute(&insert).unwrap_or_else(|error| panic!("{}: {error:?}", kind.name));
        client.batch_execute(&format!("UPDATE {table} SET id = -id; DELETE FROM {table}")).unwrap();
    }
}
