//! A workload as varied as SQL allows: whatever statement made a change, the event is what
//! `row_to_json` had said at that moment.

use super::cut;
use super::json::tokens;
use crate::support::*;
use crate::wal2json::sends_special_numbers;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Lets every permanent table that is created from now on write down what `row_to_json` makes of
/// its changes. Rows that a query brings along are there before the trigger is.
pub const WATCH_ALL: &str = "
    CREATE SCHEMA oracle;
    CREATE TABLE oracle.expected (
        id bigint GENERATED ALWAYS AS IDENTITY, relation text, operation text, before json, after \
        json
    );
    CREATE FUNCTION oracle.expect() RETURNS trigger LANGUAGE plpgsql
        SET search_path = '' SET datestyle = ISO SET intervalstyle = postgres SET timezone = 'UTC' \
        SET bytea_output = hex
        SET extra_float_digits = 3 AS $$
    BEGIN
        INSERT INTO oracle.expected (relation, operation, before, after)
        VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), row_to_json(OLD), \
        row_to_json(NEW));
        RETURN NULL;
    END
    $$;
    CREATE FUNCTION oracle.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE
        created record;
    BEGIN
        FOR created IN
            SELECT DISTINCT c.oid::regclass AS name, n.nspname || '.' || c.relname AS qualified
            FROM pg_event_trigger_ddl_commands() AS d JOIN pg_class AS c ON c.oid = d.objid AND \
            d.classid = 'pg_class'::regclass
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND NOT EXISTS (SELECT FROM \
            pg_trigger WHERE tgrelid = c.oid AND tgname = 'expect')
        LOOP
            EXECUTE format(
                'INSERT INTO oracle.expected (relation, operation, after) SELECT %L, ''insert'', \
                row_to_json(t) FROM ONLY %s AS t',
                created.qualified, created.name);
            EXECUTE format('CREATE TRIGGER expect AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH \
            ROW EXECUTE FUNCTION oracle.expect()',
                created.name);
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', created.name);
        END LOOP;
    END
    $$;
    CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', \
    'SELECT INTO')
        EXECUTE FUNCTION oracle.watch()";

/// What is compared of an event.
#[derive(serde::Deserialize)]
struct Event<'a> {
    op: &'a str,
    schema: String,
    table: String,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

/// A change: its operation, the old and the new row as JSON.
type Change = (String, Option<String>, Option<String>);

/// The changes of each table in their order. Between tables the order may be another: a trigger
/// writes down what a foreign key did before what made it do so.
fn expected(db: &Database<'_>) -> BTreeMap<String, Vec<Change>> {
    let query =
        "SELECT relation, operation, before::text, after::text FROM oracle.expected ORDER BY id";
    let mut tables: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for row in db.client().query(query, &[]).unwrap() {
        let change = (row.get(1), row.get(2), row.get(3));
        tables.entry(row.get(0)).or_default().push(change);
    }
    tables
}

fn printed(text: &str) -> BTreeMap<String, Vec<Change>> {
    let mut tables: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for line in text.lines() {
        let event: Event<'_> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let row = |row: Option<&RawValue>| row.map(|row| row.get().to_owned());
        let change = (event.op.to_owned(), row(event.before), row(event.after));
        let table = format!("{}.{}", event.schema, event.table);
        tables.entry(table).or_default().push(change);
    }
    tables
}

/// Compares what was written down with what is printed, table by table.
pub fn compare(db: &Database<'_>, text: &str) -> usize {
    let (expected, printed) = (expected(db), printed(text));
    assert!(
        expected.keys().eq(printed.keys()),
        "tables {:?} are not {:?}",
        printed.keys(),
        expected.keys()
    );
    for (table, expected) in &expected {
        let printed = &printed[table];
        for ((op, before, after), (wanted, old, new)) in printed.iter().zip(expected) {
            assert_eq!(op, wanted, "{table}");
            for (row, wanted) in [(before, old), (after, new)] {
                assert!(
                    row.as_deref().map(tokens) == wanted.as_deref().map(tokens),
                    "{table}: {op}: {}\n    is not {}",
                    cut(row.as_deref()),
                    cut(wanted.as_deref())
                );
            }
        }
        assert_eq!(printed.len(), expected.len(), "{table}");
    }
    expected.values().map(Vec::len).sum()
}

/// Streams the changes of all tables but those of the oracle.
pub fn until_now(db: &Database<'_>, plugin: &str, more: &[&str]) -> Finished {
    let publication: &[&str] = match plugin {
        "pgoutput" => &["--publication", "p"],
        _ => &[],
    };
    let arguments = [
        "stream",
        "-S",
        db.name(),
        "--until-now",
        "--table",
        "!oracle.*",
        "--op",
        "insert,update,delete",
    ];
    let run = db.run(&[&arguments, publication, more].concat());
    run.succeeded();
    run
}

/// Runs the blocks that this version can, and of which the plugin sends all.
fn run_workload(db: &Database<'_>, special_numbers: bool) {
    let version = db.server().version() / 10_000;
    for block in include_str!("workload.sql").split("\n\n") {
        let condition = block
            .strip_prefix("-- ")
            .and_then(|rest| rest.lines().next());
        let runs = match condition.map(str::parse::<u32>) {
            Some(Ok(since)) => version >= since,
            _ => condition != Some("NaN") || special_numbers,
        };
        if runs {
            db.sql(block);
        }
    }
}

fn all_statements(plugin: &str) {
    let db = Database::create(&format!("workload_{plugin}"));
    db.sql(WATCH_ALL);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot(plugin);
    let special_numbers = plugin == "pgoutput" || sends_special_numbers(&db);
    run_workload(&db, special_numbers);
    let run = until_now(&db, plugin, &[]);
    assert_eq!(run.stderr, "");
    let compared = compare(&db, run.text());
    assert!(compared > 900, "{compared} rows prove little");
}

#[test]
fn whatever_statement_made_it_a_row_is_as_row_to_json_had_it() {
    all_statements("pgoutput");
}

#[test]
fn whatever_statement_made_it_a_row_is_as_row_to_json_had_it_from_wal2json() {
    all_statements("wal2json");
}
