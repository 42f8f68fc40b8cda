//! SQL over the `postgres` crate: slots, publications, types, settings.
//!
//! Every statement names `pg_catalog` and takes its values as parameters, so that no `search_path`
//! and no name can turn it into another. Columns that come and go with the server's version are
//! read through `to_jsonb`, which has what is there.

mod json;
pub mod names;
mod on_demand;
pub mod output_plugins;
pub mod privileges;
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

use crate::connect::SqlError;
use crate::error::{CouldNot, Error, Result};
use crate::text::readable;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

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

/// The value of a column.
fn column<T: Value>(row: &Row, index: usize) -> Result<T> {
    T::of(row, index)
        .map_err(SqlError::from)
        .could_not("read the catalog")
}

/// The row's only column, a JSON text, as what it stands for.
fn decoded<T: DeserializeOwned>(row: &Row) -> Result<T> {
    let Bytes(text) = row
        .try_get(0)
        .map_err(SqlError::from)
        .could_not("read the catalog")?;
    serde_json::from_str(&json::readable(text))
        .map_err(|reason| Error::new(format!("could not read the catalog: {reason}")))
}

/// What a column is read as.
trait Value: Sized {
    /// The value of this column of the row, whatever the server sent.
    fn of(row: &Row, index: usize) -> std::result::Result<Self, tokio_postgres::Error>;
}

/// The bytes of a text. In a SQL_ASCII database they may be anything.
struct Bytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Bytes<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Bytes(raw))
    }

    fn accepts(of: &Type) -> bool {
        <&str as FromSql>::accepts(of)
    }
}

impl Value for String {
    fn of(row: &Row, index: usize) -> std::result::Result<String, tokio_postgres::Error> {
        row.try_get(index).map(|Bytes(text)| readable(text))
    }
}

impl Value for Option<String> {
    fn of(row: &Row, index: usize) -> std::result::Result<Option<String>, tokio_postgres::Error> {
        let text: Option<Bytes<'_>> = row.try_get(index)?;
        Ok(text.map(|Bytes(text)| readable(text)))
    }
}

/// Null is a list of nothing.
impl Value for Vec<String> {
    fn of(row: &Row, index: usize) -> std::result::Result<Vec<String>, tokio_postgres::Error> {
        let texts: Option<Vec<Bytes<'_>>> = row.try_get(index)?;
        let texts = texts.unwrap_or_default().into_iter();
        Ok(texts.map(|Bytes(text)| readable(text)).collect())
    }
}

/// Null is a list of nothing.
impl Value for Vec<u32> {
    fn of(row: &Row, index: usize) -> std::result::Result<Vec<u32>, tokio_postgres::Error> {
        row.try_get::<_, Option<_>>(index)
            .map(Option::unwrap_or_default)
    }
}

/// Types whose values are never text.
macro_rules! values {
    ($($value:ty),*) => {$(
        impl Value for $value {
            fn of(row: &Row, index: usize) -> std::result::Result<$value, tokio_postgres::Error> {
                row.try_get(index)
            }
        }

        impl Value for Option<$value> {
            fn of(row: &Row, index: usize) -> std::result::Result<Self, tokio_postgres::Error> {
                row.try_get(index)
            }
        }
    )*};
}

values!(bool, i8, i32, i64, u32, f64, tokio_postgres::types::PgLsn);
