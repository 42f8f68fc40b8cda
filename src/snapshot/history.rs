//! What a file of JSON lines says of a snapshot: which tables are done, up to where another one is,
//! and what was printed of it behind that.
//!
//! The file is read once from its beginning, and its end once more: from the line before the last
//! that says how far a snapshot is.

use super::held::Key;
use super::merge::{Moved, Request};
use super::table::Table;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

/// How the lines begin that say how far a snapshot is.
const MARK: &[u8] = b"{\"op\":\"snapshot_";

/// What is read at a time.
const BLOCK: usize = 256 << 10;

/// What a file says.
#[derive(Debug, Default)]
pub struct History {
    marks: HashMap<(String, String), Mark>,
    /// Where the last line is that says how far a snapshot is, and the one before it.
    last: u64,
    before_last: u64,
}

/// How far a table is.
#[derive(Debug)]
struct Mark {
    /// `None`: all of it is done.
    through: Option<HashMap<String, Value>>,
    /// Where the line ends that says so, and the line.
    offset: u64,
    line: Vec<u8>,
}

/// How far a table is, and what was printed of it behind that.
#[derive(Debug, Default)]
pub struct Progress {
    /// The rows up to this key were printed.
    pub through: Option<Key>,
    /// The keys, in the form of the file, of rows behind it that were printed, too.
    pub printed: HashSet<Vec<String>>,
    /// Rows that are to be asked for once more, by their keys in the form of the file.
    requested: HashMap<Vec<String>, Request>,
}

/// What matters of a line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    schema: Option<Cow<'a, str>>,
    #[serde(borrow)]
    table: Option<Cow<'a, str>>,
    xid: Option<u32>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    unchanged: Option<IgnoredAny>,
    through: Option<HashMap<String, Value>>,
}

impl History {
    /// Reads what a file says of its tables. A last line without its end counts for nothing.
    pub fn read(file: &File) -> io::Result<History> {
        let mut history = History::default();
        let mut marks = HashMap::new();
        each_line(file, 0, |line, end| {
            if !line.starts_with(MARK) {
                return;
            }
            (history.before_last, history.last) = (history.last, end);
            let bytes = line;
            let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
                return;
            };
            if let (Some(schema), Some(table)) = (line.schema, line.table) {
                let mark = Mark {
                    through: line.through,
                    offset: end,
                    line: bytes.to_vec(),
                };
                marks.insert((schema.into_owned(), table.into_owned()), mark);
            }
        })?;
        history.marks = marks;
        Ok(history)
    }

    /// The last line of each table that says how far it is, by schema and name.
    pub fn marks(&self) -> impl Iterator<Item = ((String, String), Vec<u8>)> {
        let marks = self.marks.iter();
        marks.map(|(table, mark)| (table.clone(), mark.line.clone()))
    }

    /// Returns `true` if all rows of the table were printed.
    pub fn is_done(&self, table: &Table) -> bool {
        self.mark(table).is_some_and(|mark| mark.through.is_none())
    }

    /// Returns `true` if some rows of the table were printed, but not all.
    pub fn is_begun(&self, table: &Table) -> bool {
        self.mark(table).is_some_and(|mark| mark.through.is_some())
    }

    /// The transactions that were printed and that no snapshot is known to have seen.
    pub fn transactions(&self, file: &File, mut add: impl FnMut(u32)) -> io::Result<()> {
        each_line(file, self.before_last, |line, _| {
            let xid = serde_json::from_slice::<Line<'_>>(line).map(|line| line.xid);
            xid.ok().flatten().into_iter().for_each(&mut add);
        })
    }

    /// How far a table is that is not done.
    pub fn progress(&self, file: &File, table: &Table) -> io::Result<Progress> {
        let names: Vec<&str> = table.key_names().collect();
        let mut progress = Progress::default();
        let mut from = self.last;
        if let Some(mark) = self.mark(table) {
            progress.through = mark.through.as_ref().and_then(|row| key_of(row, &names));
            from = mark.offset;
            if progress.through.is_none() {
                // Its key is another now: it is read from its beginning.
                return Ok(progress);
            }
        }
        let mut again = false;
        each_line(file, from, |line, _| {
            let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
                return;
            };
            let here = line.schema.as_deref() == Some(&table.schema)
                && line.table.as_deref() == Some(&table.name);
            if here {
                again |= progress.take(&line, &names).is_none();
            }
        })?;
        Ok(match again {
            true => Progress::default(),
            false => progress,
        })
    }

    fn mark(&self, table: &Table) -> Option<&Mark> {
        self.marks.get(&(table.schema.clone(), table.name.clone()))
    }
}

impl Progress {
    /// Rows that are to be asked for once more.
    pub fn take_requests(&mut self) -> Vec<Request> {
        self.requested.drain().map(|(_, request)| request).collect()
    }

    /// Takes a line that is the table's; `None` if it cannot be gone on from what it says.
    fn take(&mut self, line: &Line<'_>, names: &[&str]) -> Option<()> {
        let Some(after) = line.after else {
            return Some(());
        };
        let key = key_in(&members(after)?, names)?;
        if line.op == "snapshot" {
            self.requested.remove(&key);
            self.printed.insert(key);
            return Some(());
        }
        let (Some(before), Some(_)) = (line.before, &line.unchanged) else {
            return Some(());
        };
        let from = key_in(&members(before)?, names)?;
        if from == key {
            return Some(());
        }
        let held = self.printed.contains(&from);
        // It is another row than the one that was printed there, if one was.
        self.printed.remove(&key);
        let moved = match (self.requested.remove(&from), &self.through) {
            // It was to be asked for where it is no more.
            (Some(_), _) => None,
            (None, Some(past)) if !held => Some(Moved {
                from: texts(&from)?,
                past: past.clone(),
            }),
            _ => return Some(()),
        };
        let request = Request {
            key: texts(&key)?,
            moved,
        };
        self.requested.insert(key, request);
        Some(())
    }
}

/// The values of these columns in the `after` of a line, as it has them.
pub fn key_texts<'n>(line: &[u8], names: impl Iterator<Item = &'n str>) -> Option<Vec<String>> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    key_in(&members(line.after?)?, &names.collect::<Vec<_>>())
}

fn members<'a>(row: &'a RawValue) -> Option<HashMap<Cow<'a, str>, &'a RawValue>> {
    serde_json::from_str(row.get()).ok()
}

fn key_in(row: &HashMap<Cow<'_, str>, &RawValue>, names: &[&str]) -> Option<Vec<String>> {
    let value = |name: &&str| row.get(*name).map(|value| value.get().to_owned());
    names.iter().map(value).collect()
}

/// The key as the server reads it; `None` where JSON has another form than the server.
fn texts(key: &[String]) -> Option<Key> {
    let text = |value: &String| match serde_json::from_str(value).ok()? {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    };
    let texts = key.iter().map(text).collect::<Option<Vec<_>>>()?;
    Some(join(texts.iter().map(String::as_bytes)))
}

fn key_of(row: &HashMap<String, Value>, names: &[&str]) -> Option<Key> {
    let value = |name: &&str| row.get(*name)?.as_str().map(str::as_bytes);
    let values = names.iter().map(value).collect::<Option<Vec<_>>>()?;
    let is_whole = !names.is_empty() && values.len() == row.len();
    is_whole.then(|| join(values.into_iter()))
}

fn join<'v>(values: impl Iterator<Item = &'v [u8]>) -> Key {
    let mut key = Key::new();
    for value in values {
        key.extend((value.len() as u32).to_le_bytes());
        key.extend_from_slice(value);
    }
    key
}

/// Hands on each whole line from there on, with the offset behind it.
fn each_line(mut file: &File, from: u64, mut take: impl FnMut(&[u8], u64)) -> io::Result<()> {
    let before = file.stream_position()?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(BLOCK, file);
    let (mut line, mut offset) = (Vec::new(), from);
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        offset += line.len() as u64;
        take(&line, offset);
        line.clear();
    }
    file.seek(SeekFrom::Start(before)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;
    use std::io::Write;

    fn file(lines: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        file
    }

    fn key(text: &str) -> Key {
        join([text.as_bytes()].into_iter())
    }

    const T: &str = r#""schema":"public","table":"t""#;

    #[test]
    fn a_table_goes_on_behind_its_last_mark() {
        let lines = format!(
            r#"{{"op":"insert",{T},"xid":7,"lsn":"0/1","commit_lsn":"0/2","seq":0,"after":{{"id":9}}}}
{{"op":"snapshot",{T},"lsn":"0/9","after":{{"id":1,"name":"x"}}}}
{{"op":"snapshot_progress",{T},"lsn":"0/9","through":{{"id":"1"}}}}
{{"op":"insert",{T},"xid":8,"lsn":"0/A","commit_lsn":"0/B","seq":0,"after":{{"id":10}}}}
{{"op":"snapshot_progress",{T},"lsn":"0/C","through":{{"id":"5"}}}}
{{"op":"snapshot",{T},"lsn":"0/D","after":{{"id":6,"name":"x"}}}}
{{"op":"update",{T},"xid":9,"lsn":"0/D","commit_lsn":"0/E","seq":0,"before":{{"id":6}},"after":{{"id":2}},"unchanged":["name"]}}
{{"op":"update",{T},"xid":9,"lsn":"0/D","commit_lsn":"0/E","seq":1,"before":{{"id":7}},"after":{{"id":3}},"unchanged":["name"]}}
{{"op":"delete",{T},"xid":9,"lsn":"0/D","commit_lsn":"0/E","seq":2,"before":{{"id":12}}}}
{{"op":"update",{T},"xid":9,"lsn":"0/D","commit_lsn":"0/E","seq":3,"before":{{"id":8}},"after":{{"id":4,"name":"y"}}}}
{{"op":"snapshot_done",{T},"#
        );
        let file = file(&lines);
        let history = History::read(&file).unwrap();
        let table = table();
        assert!(!history.is_done(&table));
        let mut xids = Vec::new();
        history.transactions(&file, |xid| xids.push(xid)).unwrap();
        assert_eq!(xids, [8, 9, 9, 9, 9]);
        let mut progress = history.progress(&file, &table).unwrap();
        assert_eq!(progress.through, Some(key("5")));
        assert_eq!(progress.printed, [vec!["6".to_owned()]].into());
        let moved = Some(Moved {
            from: key("7"),
            past: key("5"),
        });
        let request = Request {
            key: key("3"),
            moved,
        };
        assert_eq!(progress.take_requests(), [request]);
    }

    #[test]
    fn what_is_done_is_done() {
        let file = file(&format!(
            "{{\"op\":\"snapshot_done\",{T},\"lsn\":\"0/9\"}}\n"
        ));
        let history = History::read(&file).unwrap();
        assert!(history.is_done(&table()));
        let mut other = table();
        other.name = "u".to_owned();
        assert!(!history.is_done(&other));
        let progress = history.progress(&file, &other).unwrap();
        assert!(progress.through.is_none() && progress.printed.is_empty());
    }

    #[test]
    fn another_key_means_another_start() {
        let lines = format!(
            "{{\"op\":\"snapshot_progress\",{T},\"lsn\":\"0/9\",\"through\":{{\"name\":\"x\"}}}}\n"
        );
        let file = file(&lines);
        let history = History::read(&file).unwrap();
        assert_eq!(history.progress(&file, &table()).unwrap().through, None);
    }

    #[test]
    fn the_key_of_a_line_is_what_it_says() {
        let line = r#"{"op":"snapshot","after":{"id":1.50,"name":"a\"b"}}"#;
        let key = key_texts(line.as_bytes(), ["name", "id"].into_iter());
        assert_eq!(key.unwrap(), ["\"a\\\"b\"", "1.50"]);
        assert_eq!(key_texts(line.as_bytes(), ["x"].into_iter()), None);
    }
}
