//! What somebody sees who looks at a real terminal, and that nobody else sees any of it.

use crate::support::*;
use serde_json::Value;

/// A table that is wider than a window, with a publication and a slot.
fn wide(name: &str) -> Database<'static> {
    let db = Database::create(name);
    let columns: Vec<String> = (1..20).map(|n| format!("column_{n} text")).collect();
    db.sql(&format!(
        "CREATE TABLE wide ({}, id int PRIMARY KEY, doc jsonb); CREATE PUBLICATION p FOR ALL \
         TABLES",
        columns.join(", ")
    ));
    db.create_slot("pgoutput");
    db
}

/// A row of a value for each column.
fn insert(db: &Database<'_>, id: u32) {
    let values: Vec<String> = (1..20).map(|n| format!("'value {n}'")).collect();
    db.sql(&format!(
        "INSERT INTO wide VALUES ({}, {id}, '{{\"end\": {id}}}')",
        values.join(", ")
    ));
}

#[test]
fn rows_fill_the_window_however_wide_it_is() {
    let db = wide("rows_fill_the_window_however_wide_it_is");
    let mut terminal = Terminal::spawn(&db.stream(&["--format", "text", "--limit", "3"]), 80);
    let record = |terminal: &mut Terminal, id: u32| -> Vec<String> {
        insert(&db, id);
        let lines = terminal.lines_to(&format!("{id}\x1b[0;1;39m}}\x1b[0m'"));
        lines.iter().map(|line| without_colors(line)).collect()
    };
    let first = record(&mut terminal, 1);
    assert!(first[0].ends_with(" (UTC)"), "{first:#?}");
    assert!(first[1].contains(" INSERT public.wide id=1 column_1='value 1' "));
    let narrow = &first[1..];
    assert!(
        narrow.iter().all(|line| line.chars().count() <= 80),
        "{narrow:#?}"
    );
    assert!(
        narrow[1..]
            .iter()
            .all(|line| line.starts_with("    column_") || line.starts_with("    doc="))
    );
    for (columns, id) in [(200, 2), (60, 3)] {
        terminal.resize(columns);
        let lines = record(&mut terminal, id);
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns && widest > columns - 25, "{lines:#?}");
    }
    terminal.running.wait().succeeded();
}

#[test]
fn large_and_hostile_values_leave_the_terminal_as_it_is() {
    let db = Database::create("large_and_hostile_values_leave_the_terminal_as_it_is");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v text, a int, b int, c int);
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    db.sql("INSERT INTO t VALUES (1, repeat('x', 1000000))");
    db.sql("INSERT INTO t VALUES (2, E'\\x1b[2J\\u009b2J\\u202e\\r\\n'), (3, NULL)");
    let shown = |options: &[&str]| {
        let options = [&["--peek", "--until-now", "--timezone", "UTC"], options].concat();
        let terminal = Terminal::spawn(&db.stream(&options), 80);
        terminal.running.wait().succeeded().text().to_owned()
    };
    let text = shown(&["--format", "text"]);
    let plain = without_colors(&text).replace("\r\n", "\n");
    assert!(
        !plain.contains(|c: char| c != '\n' && c.is_control()),
        "{plain:?}"
    );
    let lines: Vec<&str> = plain.lines().skip(2).collect();
    let one = lines[0].split_once(' ').unwrap().1;
    assert!(one.starts_with("INSERT public.t id=1 v='xxxx"), "{one}");
    assert!(one.ends_with("xx…' (977 kB)"), "{one}");
    assert_eq!(lines[1], "    (3 columns NULL)");
    assert!(lines[2].contains(" BEGIN "));
    assert_eq!(
        lines[3],
        "  INSERT public.t id=2 v=E'\\x1b[2J\\u009b2J\\u202e\\r\\n' (3 columns NULL)"
    );
    assert_eq!(lines[4], "  INSERT public.t id=3 (4 columns NULL)");
    assert!(lines[5].contains(" COMMIT ") && lines[5].contains("  2 rows, 15 bytes, "));
    assert_eq!(lines.len(), 6);

    let short = shown(&["--format", "text", "--max-width", "20", "--color", "never"]);
    assert!(short.contains(" id=1 v='xxxxxxxx…' (977 kB) "), "{short}");
    let expanded = shown(&["--format", "text", "-x", "--color", "never"]);
    assert!(
        expanded.contains(" INSERT public.t\r\n  id | 1\r\n  v  | 'xxx"),
        "{expanded}"
    );

    // As elsewhere: whole lines, in the order of the table.
    let full = shown(&["--format", "text", "--full", "--color", "never"]);
    let piped = run(&mut db.stream(&["--peek", "--until-now", "--format", "text", "-x"]));
    let full = full.replace("\r\n", "\n");
    assert_eq!(
        full[full.find("BEGIN").unwrap()..],
        *piped.succeeded().text()
    );
}

#[test]
fn json_is_coloured_only_there() {
    let db = Database::shop("json_is_coloured_only_there");
    db.sql("INSERT INTO t VALUES (1, E'\\u009b2J')");
    let options = ["--peek", "--until-now"];
    let terminal = Terminal::spawn(&db.stream(&options), 80);
    let finished = terminal.running.wait();
    let (_, shown) = finished.succeeded().text().split_once("\r\n").unwrap();
    assert!(
        shown.contains("\x1b[0;34;1m\"op\"\x1b[0;1;39m:\x1b[0;32m\"insert\""),
        "{shown}"
    );
    let plain = without_colors(shown);
    assert!(plain.contains("\\u009b2J"), "{plain}");
    let piped = run(db.stream(&options).args(["--color", "always"]));
    assert!(!piped.succeeded().text().contains('\x1b'));
    let (shown, piped): (Value, Value) = (
        serde_json::from_str(&plain).unwrap(),
        serde_json::from_str(piped.text()).unwrap(),
    );
    assert_eq!(shown, piped);
}

#[test]
fn the_first_change_is_there_though_its_transaction_goes_on() {
    let db = Database::shop("the_first_change_is_there_though_its_transaction_goes_on");
    db.sql("INSERT INTO t VALUES (1), (2)");
    let options = [
        "--peek", "--limit", "1", "--format", "text", "--color", "never",
    ];
    let terminal = Terminal::spawn(&db.stream(&options), 80);
    let finished = terminal.running.wait();
    let text = finished.succeeded().text();
    assert!(
        text.ends_with("\r\n  INSERT public.t id=1 v=NULL\r\n"),
        "{text}"
    );
}
