//! `walcat complete`: what the scripts of the shells ask for at each TAB. Prints the names on the
//! server that the word before the cursor may become, one a line. It never asks for a password, and
//! says nothing where it cannot answer in a moment.

use crate::catalog::names;
use crate::cli::{Kind, Wanted, wanted};
use crate::connect::{self, Arguments, Prompt, Settings};
use crate::error::Result;
use crate::shell;
use crate::sql;
use crate::text::is_harmful;
use std::io::{self, Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the server may take, with all that is before it: who types does not wait for longer
/// than 300 ms.
const LIMIT: Duration = Duration::from_millis(280);

/// No line is longer.
const LONGEST_LINE: u64 = 1 << 16;

/// What is given on stdin: `line` is one as it is typed, `words` are its words, one a line.
pub fn run(form: &str) {
    let (sender, names) = channel();
    let form = form.to_owned();
    // Whatever takes longer, be it looking up a host's name, ends with the program.
    std::thread::spawn(move || sender.send(complete(&form)));
    let Ok(Some(names)) = names.recv_timeout(LIMIT) else {
        return;
    };
    // A shell that has gone away wants nothing.
    let _ = io::stdout().write_all(names.as_bytes());
}

fn complete(form: &str) -> Option<String> {
    let mut text = String::new();
    let mut stdin = io::stdin().lock().take(LONGEST_LINE);
    stdin.read_to_string(&mut text).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let words: Vec<String> = match form {
        "line" => shell::words(text)?.into_iter().skip(1).collect(),
        _ => text.split('\n').map(str::to_owned).collect(),
    };
    let wanted = wanted(&words)?;
    let names = ask(&wanted).ok()?;
    let fitting = names
        .iter()
        .filter(|name| name.starts_with(&wanted.beginning) && !name.contains(is_harmful));
    let lines = fitting.map(|name| format!("{}{name}\n", wanted.before));
    Some(lines.collect())
}

fn ask(wanted: &Wanted) -> Result<Vec<String>> {
    let options = &wanted.connection;
    let dbname = match wanted.kind {
        Kind::Databases => Some("postgres".to_owned()),
        _ => options.dbname.clone(),
    };
    let settings = Settings::resolve(&Arguments {
        dbname,
        host: options.host.clone(),
        port: options.port.clone(),
        user: options.username.clone(),
        prompt: Prompt::Never,
        ..Arguments::default()
    })?;
    let mut client = connect::sql(&settings.with_limit(LIMIT))?;
    let beginning = wanted.beginning.as_str();
    Ok(match wanted.kind {
        Kind::Slots => names::slots(&mut client, beginning)?,
        Kind::Databases => names::databases(&mut client, beginning)?,
        Kind::Publications => {
            let mut names = names::publications(&mut client, beginning)?;
            // Others have to be quoted, which what was typed of them is not.
            names.retain(|name| !name.contains([',', '"']) && name.trim() == name);
            names
        }
        Kind::Tables => {
            let mut tables = names::tables(&mut client, beginning)?;
            let plain = |name: &str| !name.contains(['.', '*', '?', '!', ':', ',']);
            tables.retain(|(schema, table)| plain(schema) && plain(table));
            qualified(&tables, beginning, str::to_owned)
        }
        Kind::SqlTables => {
            let tables = names::tables(&mut client, beginning)?;
            qualified(&tables, beginning, sql::identifier)
        }
    })
}

/// The tables with their schemas, or, if none begins so, without.
fn qualified(
    tables: &[(String, String)],
    beginning: &str,
    write: impl Fn(&str) -> String,
) -> Vec<String> {
    let with_schema = |(schema, table): &(String, String)| write(schema) + "." + &write(table);
    let mut names: Vec<String> = tables.iter().map(with_schema).collect();
    names.retain(|name| name.starts_with(beginning));
    if names.is_empty() {
        names = tables.iter().map(|(_, table)| write(table)).collect();
        names.sort();
        names.dedup();
    }
    names
}
