//! Reads the lines of files of JSON, whole ones and those that were not written to their end.

use crate::record::{Line, Unreadable};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::io::{self, Read};

/// More than what tells the lines of a format from others.
const LONGEST_START: u64 = 32;

/// What is left of a line that was not written to its end.
pub(super) enum Torn<T> {
    /// All but the line end.
    Whole(T),
    /// The beginning, of which this is the beginning.
    Cut(Vec<u8>),
}

/// Reads a whole line. `may_begin` says of its first bytes whether it may be one of the format.
pub(super) fn read_fields<T: DeserializeOwned>(
    line: Line<'_>,
    may_begin: fn(&[u8]) -> bool,
) -> Result<T, Unreadable> {
    let fields: serde_json::Result<T> = match line {
        Line::Bytes(line) if !may_begin(line) => return Err(Unreadable::Foreign(None)),
        Line::Bytes(line) => serde_json::from_slice(line),
        Line::Reader(reader) => {
            let start = read_start(reader).map_err(Unreadable::Io)?;
            if !may_begin(&start) {
                return Err(Unreadable::Foreign(None));
            }
            serde_json::from_reader(start.chain(reader))
        }
    };
    fields.map_err(|error| match error.is_io() {
        true => Unreadable::Io(error.into()),
        false => Unreadable::Foreign(Some(error.to_string())),
    })
}

/// Reads the beginning of a line, or one that lacks no more than its end; `None` if it is not one
/// of the format. `T` has to know all keys.
pub(super) fn read_torn<T: DeserializeOwned>(
    line: &mut dyn Read,
    may_begin: fn(&[u8]) -> bool,
) -> io::Result<Option<Torn<T>>> {
    let start = read_start(line)?;
    if !may_begin(&start) {
        return Ok(None);
    }
    let mut watched = Watched {
        inner: start.chain(line),
        count: 0,
        last: None,
    };
    let keys: serde_json::Result<T> = serde_json::from_reader(&mut watched);
    let cut = match keys {
        Ok(keys) => return Ok(Some(Torn::Whole(keys))),
        Err(error) => match error.classify() {
            Category::Eof => true,
            Category::Io => return Err(error.into()),
            // serde_json calls a number that has more digits to come wrong, not incomplete.
            _ => watched.ends_in_number() && error.column() as u64 >= watched.count,
        },
    };
    Ok(cut.then_some(Torn::Cut(start)))
}

/// The first bytes of a line.
fn read_start(line: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    line.take(LONGEST_START).read_to_end(&mut start)?;
    Ok(start)
}

/// A reader that knows what it has read.
struct Watched<R> {
    inner: R,
    count: u64,
    last: Option<u8>,
}

impl<R> Watched<R> {
    fn ends_in_number(&self) -> bool {
        self.last.is_some_and(|last| b".eE+-".contains(&last))
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        self.last = buffer
            .get(..count)
            .and_then(<[u8]>::last)
            .copied()
            .or(self.last);
        Ok(count)
    }
}
