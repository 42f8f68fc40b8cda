//! The picture of the text format in README.md is what a terminal shows: it is taken anew and must
//! be as committed. `make picture` (`WALCAT_REGENERATE=1`) writes it.
//!
//! Only what differs from run to run is replaced: times, transaction numbers, positions.

use crate::support::*;
use std::fmt::Write;
use std::path::Path;

const COLUMNS: usize = 84;

/// Each is a transaction.
const CHANGES: [&str; 5] = [
    "INSERT INTO customers (id, name, profile) \
     VALUES (1, 'Ada', '{\"vip\": true, \"tags\": [\"math\", 1815]}')",
    "INSERT INTO customers (id, name) VALUES (2, 'Edgar')",
    "INSERT INTO orders VALUES (10, 1, 19.90, '{book,\"gift wrap\"}', '2026-11-20 09:23:34+00', \
     'Please leave it with the neighbours, they are at home in the evening.');
     UPDATE customers SET orders = 1 WHERE id = 1",
    "UPDATE customers SET name = 'Ada Lovelace' WHERE id = 1",
    "DELETE FROM customers WHERE id = 2",
];

#[test]
fn the_picture_is_what_a_terminal_shows() {
    let db = Database::create("the_picture_is_what_a_terminal_shows");
    db.sql(
        "CREATE TABLE customers (id int PRIMARY KEY, name text, profile jsonb, email text, phone \
         text, orders int DEFAULT 0);
         CREATE TABLE orders (id int PRIMARY KEY, customer int, total numeric(10,2), items text[], \
         placed timestamptz, note text);
         ALTER TABLE customers REPLICA IDENTITY FULL;
         CREATE PUBLICATION p FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    CHANGES.iter().for_each(|change| db.sql(change));
    let stream = db.stream(&["--format", "text", "--until-now"]);
    let mut terminal = Terminal::spawn(&stream, COLUMNS);
    let lines = terminal.lines_to("DELETE");
    terminal.running.wait().succeeded();
    let lines: Vec<String> = lines.iter().map(|line| settled(line)).collect();
    let picture = picture(&lines);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/terminal.svg");
    if std::env::var_os("WALCAT_REGENERATE").is_some() {
        std::fs::write(&path, &picture).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == picture,
        "dist/terminal.svg is not what a terminal shows: run `make picture` and commit it"
    );
}

/// The line with what differs from run to run replaced.
fn settled(line: &str) -> String {
    // Pieces end where a word or a colour does.
    let pieces = line.split_inclusive([' ', 'm', '\x1b']);
    let mut words: Vec<String> = pieces.map(str::to_owned).collect();
    for at in 0..words.len() {
        let (before, rest) = words.split_at_mut(at);
        let Some((word, behind)) = rest.split_first_mut() else {
            break;
        };
        let bare = word.trim_end_matches([' ', '\x1b']);
        let end = word[bare.len()..].to_owned();
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let begins =
            |text: Option<&String>, with: &str| text.is_some_and(|text| text.starts_with(with));
        let fixed = match bare {
            "" => continue,
            _ if is_like(bare, "00:00:00.000") => "12:28:30.491",
            _ if is_like(bare, "0000-00-00") && begins(behind.first(), "(UTC)") => "2026-11-20",
            _ if number(bare) && begins(before.last(), "BEGIN ") => "742",
            _ if number(bare) && begins(before.last(), "COMMIT ") => "742",
            _ if bare.starts_with("0/") => "0/16B37A0",
            _ => continue,
        };
        *word = fixed.to_owned() + &end;
    }
    let line = words.concat();
    match line.split_once(" bytes, ") {
        Some((before, _)) => format!("{before} bytes, 2 ms\x1b[0m"),
        None => line,
    }
}

/// Returns `true` if the text is this with other digits.
fn is_like(text: &str, shape: &str) -> bool {
    let digits = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c });
    digits.eq(shape.chars())
}

/// How large a character is, and the margin.
const WIDTH: f64 = 8.4;
const HEIGHT: usize = 18;
const MARGIN: usize = 12;

/// The screen as SVG.
fn picture(lines: &[String]) -> String {
    let width = (COLUMNS as f64 * WIDTH) as usize + 2 * MARGIN;
    let height = lines.len() * HEIGHT + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1d1f21\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let y = MARGIN + (index + 1) * HEIGHT - 5;
        write!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\">"
        )
        .unwrap();
        let (mut color, mut bold) = (FOREGROUND, false);
        let mut parts = line.split("\x1b[");
        span(parts.next().unwrap_or_default(), color, bold, &mut svg);
        for part in parts {
            let (codes, text) = part.split_once('m').expect("a colour");
            for code in codes.split(';') {
                match code {
                    "0" => (color, bold) = (FOREGROUND, false),
                    "1" => bold = true,
                    code => color = color_of(code),
                }
            }
            span(text, color, bold, &mut svg);
        }
        svg += "</text>\n";
    }
    svg + "</svg>\n"
}

const FOREGROUND: &str = "#d8d8d8";

/// What terminals with a dark ground show.
fn color_of(code: &str) -> &'static str {
    match code {
        "30" | "90" => "#8a8a8a",
        "31" => "#ff6e67",
        "32" => "#8ccf7e",
        "33" => "#e5c76b",
        "34" => "#7aa6ff",
        "35" => "#d896ff",
        "36" => "#6cd0ca",
        "39" => FOREGROUND,
        _ => panic!("colour {code}"),
    }
}

fn span(text: &str, color: &str, bold: bool, svg: &mut String) {
    if text.is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    write!(svg, "<tspan fill=\"{color}\"{weight}>{text}</tspan>").unwrap();
}
