//! What a file of JSON lines says of a snapshot: which tables are done, up to where another one is,
//! and what was printed of it behind that.
//!
//! The file is read once from its beginning, and its end once more: from the line before the last
//! that says how far a snapshot is.

use super::held::Key;
use super::line::{Effect, KeyTexts, Line, Told, join, server_key};
use super::merge::{Moved, Request};
use super::table::Table;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

/// How the lines of a snapshot begin, and those that say how far it is.
const SNAPSHOT: &[u8] = b"{\"op\":\"snapshot";
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
    /// The last line of a snapshot.
    line: Vec<u8>,
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
    /// The rows behind it that were printed, too.
    pub told: Told,
    /// Rows that are to be asked for once more, by their keys in the form of the file.
    requested: HashMap<KeyTexts, Request>,
}

impl History {
    /// Reads what a file says of its tables. A last line without its end counts for nothing.
    pub fn read(file: &File) -> io::Result<History> {
        let mut history = History::default();
        let mut marks = HashMap::new();
        each_line(file, 0, |line, end| {
            if line.starts_with(SNAPSHOT) {
                history.line.clear();
                history.line.extend_from_slice(line);
            }
            if !line.starts_with(MARK) {
                return;
            }
            (history.before_last, history.last) = (history.last, end);
            let bytes = line;
            let Some(line) = Line::parse(line) else {
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

    /// Which of these tables, which are not done, was being read last.
    pub fn last_of<'t>(
        &self,
        mut tables: impl Iterator<Item = &'t Table> + Clone,
    ) -> Option<usize> {
        let last = Line::parse(&self.line);
        let is_last = |table: &Table| last.as_ref().is_some_and(|line| line.is_of(table));
        let is_begun = |table: &Table| self.mark(table).is_some_and(|mark| mark.through.is_some());
        tables
            .clone()
            .position(is_last)
            .or(tables.position(is_begun))
    }

    /// The transactions that were printed and that no snapshot is known to have seen.
    pub fn transactions(&self, file: &File, mut add: impl FnMut(u32)) -> io::Result<()> {
        each_line(file, self.before_last, |line, _| {
            let xid = Line::parse(line).and_then(|line| line.xid);
            xid.into_iter().for_each(&mut add);
        })
    }

    /// How far a table is that is not done.
    pub fn progress(&self, file: &File, table: &Table) -> io::Result<Progress> {
        let names: Vec<String> = table.key_names().map(str::to_owned).collect();
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
            let Some(line) = Line::parse(line) else {
                return;
            };
            if line.is_of(table) {
                again |= line
                    .effect(&names)
                    .and_then(|effect| progress.take(effect))
                    .is_none();
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

    /// Takes what a line does to the table; `None` if it cannot be gone on from there.
    fn take(&mut self, effect: Effect) -> Option<()> {
        let whole = match &effect {
            Effect::Moved { from, whole, .. } => *whole || self.told.contains(from),
            _ => true,
        };
        self.told.follow(&effect);
        match effect {
            Effect::None => {}
            Effect::Told(key) | Effect::Gone(key) => {
                self.requested.remove(&key);
            }
            Effect::Emptied => self.requested.clear(),
            Effect::Moved { from, to, .. } => {
                let asked = self.requested.remove(&from).is_some();
                self.requested.remove(&to);
                let Some(past) = self.through.clone().filter(|_| !whole) else {
                    return Some(());
                };
                // If it was to be asked for there, it is to be asked for here.
                let from = match asked {
                    true => None,
                    false => Some(server_key(&from)?),
                };
                let moved = Some(Moved { from, past });
                let key = server_key(&to)?;
                self.requested.insert(to, Request { key, moved });
            }
        }
        Some(())
    }
}

fn key_of(row: &HashMap<String, Value>, names: &[String]) -> Option<Key> {
    let value = |name: &String| row.get(name)?.as_str().map(str::as_bytes);
    let values = names.iter().map(value).collect::<Option<Vec<_>>>()?;
    let is_whole = !names.is_empty() && values.len() == row.len();
    is_whole.then(|| join(values.into_iter()))
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
        // The row that was 6 is 2 now.
        let key_of = |text: &str| vec![text.to_owned()];
        assert!(progress.told.take(&key_of("2")) && progress.told.is_empty());
        let moved = Some(Moved {
            from: Some(key("7")),
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
        assert!(progress.through.is_none() && progress.told.is_empty());
    }

    #[test]
    fn the_table_that_was_being_read_is_known_without_a_mark() {
        let file = file(&format!(
            "{{\"op\":\"snapshot_done\",\"schema\":\"public\",\"table\":\"s\"}}\n\
             {{\"op\":\"snapshot\",{T},\"lsn\":\"0/9\",\"after\":{{\"id\":1}}}}\n"
        ));
        let history = History::read(&file).unwrap();
        let mut other = table();
        other.name = "a".to_owned();
        let tables = [other, table()];
        assert_eq!(history.last_of(tables.iter()), Some(1));
        assert_eq!(history.last_of(tables[..1].iter()), None);
        let mut progress = history.progress(&file, &tables[1]).unwrap();
        assert!(progress.told.take(&["1".to_owned()]));
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
}
