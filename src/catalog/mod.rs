//! SQL over the `postgres` crate: slots, publications, types, settings.
//!
//! Every statement names `pg_catalog` and takes its values as parameters, so that no `search_path`
//! and no name can turn it into another. Columns that come and go with the server's version are
//! read through `to_jsonb`, which has what is there.

mod on_demand;
pub mod publications;
pub mod refusal;
pub mod relations;
pub mod replica_identity;
pub mod server;
pub mod sessions;
pub mod slots;
pub mod table_spec;
pub mod tables;
pub mod types;

pub use on_demand::LookUps;

use crate::error::{Error, Result};
use postgres::Row;
use postgres::types::FromSql;
use postgres_protocol::escape::escape_identifier;
use serde::de::DeserializeOwned;

/// How many names a message lists before it only counts the rest.
const NAMES_SHOWN: usize = 20;

/// The names with commas between them: all, or the first few and how many more there are.
pub fn enumerate<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(AsRef::as_ref).collect();
    let more = names.len() - shown.len();
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}

/// A word as one has to type it in a shell.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A name as SQL has it, in quotes.
pub fn quoted(name: &str) -> String {
    escape_identifier(name).trim().to_owned()
}

/// A name as people write it in SQL: in quotes only if it reads as another without. What is a
/// keyword is left alone.
pub fn quoted_if_needed(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    if name.starts_with(plain)
        && name
            .chars()
            .all(|c| plain(c) || c.is_ascii_digit() || c == '$')
    {
        return name.to_owned();
    }
    quoted(name)
}

/// What to make of a statement that failed: `could not <act>: ...`.
fn failed(act: impl Into<String>) -> impl FnOnce(postgres::Error) -> Error {
    let act = act.into();
    move |error| crate::connect::server_error(&act, &error)
}

/// The value of a column.
fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(failed("read the catalog"))
}

/// The row's only column, a JSON text, as what it stands for.
fn decoded<T: DeserializeOwned>(row: &Row) -> Result<T> {
    let text: &str = column(row, 0)?;
    serde_json::from_str(text)
        .map_err(|reason| Error::new(format!("could not read the catalog: {reason}")))
}
