//! The values that options take, and their parsers.

use crate::plugin::{Origin, Streaming};
use crate::render::{FORMATS, Format, Include, Values};
use crate::select::Operation;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::time::Duration;

/// A parser for the values that an option chooses among, by their names and what the help says of
/// them.
fn one_of<T>(
    values: &'static [T],
    described: fn(T) -> Described,
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let possible = values.iter().map(|value| {
        let Described(name, about) = described(*value);
        let value = PossibleValue::new(name);
        if about.is_empty() {
            value
        } else {
            value.help(about)
        }
    });
    PossibleValuesParser::new(possible).try_map(move |chosen| {
        let mut values = values.iter().copied();
        values
            .find(|value| described(*value).0 == chosen)
            .ok_or_else(|| format!("no value {chosen}"))
    })
}

/// The name of a value, and what the help says of it.
struct Described(&'static str, &'static str);

/// What `--format` takes.
pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    one_of(&FORMATS, |format| Described(format.name(), format.about()))
}

/// What `--values` takes.
pub(super) fn values() -> impl TypedValueParser<Value = Values> {
    one_of(&Values::ALL, |values| {
        Described(values.name(), values.about())
    })
}

/// What `--include` takes.
pub(super) fn include() -> impl TypedValueParser<Value = Include> {
    one_of(&Include::ALL, |include| {
        Described(include.name(), include.about())
    })
}

/// What `--op` takes.
pub(super) fn operation() -> impl TypedValueParser<Value = Operation> {
    one_of(&Operation::ALL, |operation| Described(operation.name(), ""))
}

/// What `--publish` takes.
pub(super) fn published_operation() -> impl TypedValueParser<Value = Operation> {
    one_of(&Operation::ON_TABLES, |operation| {
        Described(operation.name(), "")
    })
}

/// What `--streaming` takes.
pub(super) fn streaming() -> impl TypedValueParser<Value = Streaming> {
    one_of(&Streaming::ALL, |streaming| {
        Described(streaming.name(), streaming.about())
    })
}

/// What `--origin` takes.
pub(super) fn origin() -> impl TypedValueParser<Value = Origin> {
    one_of(&Origin::ALL, |origin| {
        Described(origin.name(), origin.about())
    })
}

/// The names of values for a help text: `json, text or raw`.
pub(super) fn names<T: Copy>(values: &[T], name: fn(T) -> &'static str) -> String {
    let names: Vec<&str> = values.iter().map(|value| name(*value)).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

/// How lists are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Aligned columns
    Table,
    /// A JSON array
    Json,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// A line for each
    Text,
    /// A JSON array
    Json,
}

/// Names that were given together, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Names separated by commas. In double quotes a name is as in SQL, else it is taken as it is.
pub(super) fn parse_names(text: &str) -> Result<Names, String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted)?,
            None => {
                let (name, behind) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (name.trim().to_owned(), behind)
            }
        };
        if name.is_empty() {
            return Err("a name is missing".to_owned());
        }
        names.push(name);
        rest = match behind.trim_start() {
            "" => return Ok(Names(names)),
            more => more
                .strip_prefix(',')
                .ok_or("expected a comma behind the name in double quotes")?,
        };
    }
}

/// A name up to the double quote that ends it, and what stands behind that.
fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('"').ok_or("a double quote is not closed")?;
        name += part;
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None => return Ok((name, behind)),
        }
    }
}

/// How many events, at the least one.
pub(super) fn parse_limit(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|&limit| limit > 0)
        .ok_or_else(|| "not a number of events, 1 or more".to_owned())
}

/// How wide, at the least one column.
pub(super) fn parse_columns(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&columns| columns > 0)
        .ok_or_else(|| "not a number of columns, 1 or more".to_owned())
}

/// How often, perhaps not at all.
pub(super) fn parse_count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "not a number, 0 or more".to_owned())
}

/// A time as in postgresql.conf: a number, perhaps with a fraction, and `us`, `ms`, `s`, `min`, `h`
/// or `d`; without a unit it is seconds.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time, as 10, 30s or 5min".to_owned();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ if number.is_empty() => return Err(wrong()),
        _ => return Err("the unit must be us, ms, s, min, h or d".to_owned()),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit;
    match Duration::try_from_secs_f64(seconds) {
        // Beyond any life of a program, but within the clock's reach.
        Ok(duration) if seconds < 1e10 => Ok(duration),
        _ => Err(wrong()),
    }
}

/// How much a slot may lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagLimit {
    /// What is compared.
    pub measure: Measure,
    /// In bytes.
    pub bytes: u64,
}

/// What can be compared of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How much WAL it makes the server keep.
    Retained,
    /// How far its confirmed position is behind.
    Confirmed,
}

/// `10GB`, `retained:10GB` or `confirmed:10GB`.
pub(super) fn parse_lag_limit(text: &str) -> Result<LagLimit, String> {
    let (measure, size) = match text.split_once(':') {
        None => (Measure::Retained, text),
        Some(("retained", size)) => (Measure::Retained, size),
        Some(("confirmed", size)) => (Measure::Confirmed, size),
        Some(_) => return Err("only retained: or confirmed: can stand before the size".to_owned()),
    };
    let bytes = parse_size(size)?;
    Ok(LagLimit { measure, bytes })
}

/// A size as in postgresql.conf: a number, perhaps with a fraction, and `B`, `kB`, `MB`, `GB` or
/// `TB` (powers of 1024).
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number
        .parse()
        .map_err(|_| "not a size, as 512MB or 10GB".to_owned())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return Err("the unit must be B, kB, MB, GB or TB".to_owned()),
    };
    let bytes = number * (1u64 << shift) as f64;
    if bytes > i64::MAX as f64 {
        Err("the size is too large".to_owned())
    } else {
        Ok(bytes as u64)
    }
}
