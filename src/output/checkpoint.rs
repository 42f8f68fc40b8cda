//! The checkpoint that a JSON file is: its last whole line says where to go on.
//!
//! Only the end of the file is read, however long it is. Lines that name no position (`relation`
//! events, which every run repeats, and what could not be decoded of a transaction's bounds) are
//! passed over backwards.

use crate::event::{Place, Position};
use crate::lsn::Lsn;
use memchr::memrchr;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

/// Where a file of JSON events ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The length of the file.
    pub length: u64,
    /// Its length without an incomplete last line.
    pub whole: u64,
    /// The position of the last event that has one.
    pub position: Option<Position>,
}

/// Why a file is no checkpoint.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be read.
    Io(io::Error),
    /// It was not written by walcat, or is damaged.
    Foreign(String),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Unusable {
        Unusable::Io(error)
    }
}

/// How every line begins.
const LINE_START: &[u8] = b"{\"op\":\"";

/// How much is read at a time, looking backwards for a line's end.
const BLOCK: u64 = 64 << 10;

/// Finds the end of the whole lines and the position that the last of them names.
pub fn read(file: &File) -> Result<Checkpoint, Unusable> {
    let length = file.metadata()?.len();
    let whole = line_end_before(file, length)?;
    if whole < length && !is_blank(file, whole, length)? {
        check_line_start(file, whole, length)?;
    }
    let mut end = whole;
    let mut position = None;
    while end > 0 && position.is_none() {
        let start = line_end_before(file, end - 1)?;
        position = read_line(file, start, end)?;
        end = start;
    }
    Ok(Checkpoint {
        length,
        whole,
        position,
    })
}

/// The offset behind the last line end before `limit`; 0 if there is none.
fn line_end_before(file: &File, limit: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK as usize];
    let mut end = limit;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let bytes = block.get_mut(..(end - start) as usize).unwrap_or_default();
        file.read_exact_at(bytes, start)?;
        if let Some(at) = memrchr(b'\n', bytes) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Are there only NULs between these offsets? That is what a file system may leave of unsynced
/// bytes when the power fails.
fn is_blank(file: &File, start: u64, end: u64) -> io::Result<bool> {
    for byte in BufReader::with_capacity(
        BLOCK as usize,
        Section {
            file,
            offset: start,
            end,
        },
    )
    .bytes()
    {
        if byte? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Is the incomplete line between these offsets the beginning of one of ours?
fn check_line_start(file: &File, start: u64, end: u64) -> Result<(), Unusable> {
    let mut bytes = [0; LINE_START.len()];
    let length = (end - start).min(LINE_START.len() as u64) as usize;
    let bytes = bytes.get_mut(..length).unwrap_or_default();
    file.read_exact_at(bytes, start)?;
    if LINE_START.starts_with(bytes) {
        return Ok(());
    }
    Err(Unusable::Foreign(format!(
        "its last line, at offset {start}, is no event of walcat's"
    )))
}

/// The fields that name a position; serde_json skips all others without recursion and without
/// keeping them.
#[derive(Deserialize)]
struct Line {
    op: String,
    lsn: Option<String>,
    commit_lsn: Option<String>,
    prepare_lsn: Option<String>,
    seq: Option<u64>,
}

/// Reads the line between these offsets; `None` if it names no position.
fn read_line(file: &File, start: u64, end: u64) -> Result<Option<Position>, Unusable> {
    let foreign = |reason: String| {
        Unusable::Foreign(format!(
            "its last line, at offset {start}, is no event of walcat's: {reason}"
        ))
    };
    check_line_start(file, start, end)?;
    let reader = BufReader::with_capacity(
        BLOCK as usize,
        Section {
            file,
            offset: start,
            end,
        },
    );
    let line: Line = serde_json::from_reader(reader).map_err(|error| match error.is_io() {
        true => Unusable::Io(error.into()),
        false => foreign(error.to_string()),
    })?;
    let lsn = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => text
            .parse::<Lsn>()
            .map(Some)
            .map_err(|error| foreign(error.to_string())),
    };
    let end = lsn(&line.commit_lsn)?.or(lsn(&line.prepare_lsn)?);
    let position = |lsn, place| Some(Position { lsn, place });
    Ok(match (line.op.as_str(), end, line.seq) {
        ("relation", ..) | ("undecodable", Some(_), None) => None,
        ("begin" | "begin_prepare", Some(end), _) => position(end, Place::Begin),
        ("commit" | "prepare" | "commit_prepared", Some(end), _) => position(end, Place::End),
        (_, Some(end), Some(seq)) => position(end, Place::Change(seq)),
        ("message" | "undecodable" | "rollback_prepared", None, _) => {
            lsn(&line.lsn)?.map(Position::outside)
        }
        _ => return Err(foreign("it names no position".to_owned())),
    })
}

/// A part of a file, read without moving the file's own position.
struct Section<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let n = self
            .file
            .read_at(buffer.get_mut(..length).unwrap_or_default(), self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};
    use std::time::{Duration, Instant};

    fn checkpoint(content: &[u8]) -> Result<Checkpoint, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        read(&file).map_err(|error| match error {
            Unusable::Io(error) => panic!("{error}"),
            Unusable::Foreign(reason) => reason,
        })
    }

    const INSERT: &str = r#"{"op":"insert","schema":"public","table":"t","xid":7,"lsn":"0/10","commit_lsn":"0/20","commit_time":"2026-11-20T09:23:34.946212+00:00","seq":3,"after":{"seq":9,"commit_lsn":"0/99"}}"#;

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(
            checkpoint(b""),
            Ok(Checkpoint {
                length: 0,
                whole: 0,
                position: None
            })
        );
    }

    #[test]
    fn the_last_whole_line_counts_at_every_cut() {
        let second = INSERT.replace("\"seq\":3", "\"seq\":4");
        let text = format!("{INSERT}\n{second}\n");
        let at = |seq| {
            Some(Position {
                lsn: Lsn(0x20),
                place: Place::Change(seq),
            })
        };
        for cut in 0..=text.len() {
            let expected = match cut {
                cut if cut == text.len() => (cut, at(4)),
                cut if cut > INSERT.len() => (INSERT.len() + 1, at(3)),
                _ => (0, None),
            };
            let found = checkpoint(&text.as_bytes()[..cut]).unwrap();
            assert_eq!(
                (found.whole as usize, found.position),
                expected,
                "cut at {cut}"
            );
            assert_eq!(found.length as usize, cut);
        }
    }

    #[test]
    fn what_a_power_failure_left_blank_is_incomplete() {
        for (tail, whole) in [
            ("\0\0\0", true),
            ("{\"op\":\"ins\0\0", true),
            ("\0x", false),
        ] {
            let found = checkpoint(format!("{INSERT}\n{tail}").as_bytes());
            assert_eq!(
                found.is_ok_and(|found| found.whole as usize == INSERT.len() + 1),
                whole,
                "{tail:?}"
            );
        }
    }

    #[test]
    fn only_the_end_of_a_huge_file_is_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(10 << 30).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(format!("\n{INSERT}\n").as_bytes()).unwrap();
        let start = Instant::now();
        assert!(read(&file).unwrap().position.is_some());
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }

    #[test]
    fn what_names_no_position_is_passed_over() {
        let passed_over = "{\"op\":\"relation\",\"schema\":\"public\"}\n{\"op\":\"undecodable\",\"commit_lsn\":\"0/30\"}\n";
        let text = format!("{INSERT}\n{}", passed_over.repeat(2500));
        let found = checkpoint(text.as_bytes()).unwrap();
        assert_eq!(
            found.position,
            Some(Position {
                lsn: Lsn(0x20),
                place: Place::Change(3)
            })
        );
        assert_eq!(found.whole, text.len() as u64);
    }

    #[test]
    fn each_kind_of_event_has_its_place() {
        let cases = [
            (
                r#"{"op":"begin","xid":1,"commit_lsn":"1/A"}"#,
                0x1_0000_000A,
                Place::Begin,
            ),
            (
                r#"{"op":"commit","xid":1,"commit_lsn":"0/A"}"#,
                0xA,
                Place::End,
            ),
            (
                r#"{"op":"delete","xid":1,"prepare_lsn":"0/B","seq":0}"#,
                0xB,
                Place::Change(0),
            ),
            (
                r#"{"op":"message","lsn":"0/C","transactional":false}"#,
                0xB,
                Place::End,
            ),
            (
                r#"{"op":"undecodable","lsn":"0/C","reason":"","content":""}"#,
                0xB,
                Place::End,
            ),
            (
                r#"{"op":"undecodable","lsn":"0/C","commit_lsn":"0/D","seq":7}"#,
                0xD,
                Place::Change(7),
            ),
            (
                r#"{"op":"rollback_prepared","xid":1,"lsn":"0/C","end_lsn":"0/C"}"#,
                0xB,
                Place::End,
            ),
            (
                r#"{"op":"message","lsn":"0/C","commit_lsn":"0/D","seq":7,"transactional":true}"#,
                0xD,
                Place::Change(7),
            ),
        ];
        for (line, lsn, place) in cases {
            let found = checkpoint(format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(
                found.position,
                Some(Position {
                    lsn: Lsn(lsn),
                    place
                }),
                "{line}"
            );
        }
    }

    #[test]
    fn deep_values_are_skipped() {
        let deep = INSERT.replace(
            "\"seq\":9",
            &format!("\"v\":{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        );
        let found = checkpoint(format!("{deep}\n").as_bytes()).unwrap();
        assert_eq!(
            found.position,
            Some(Position {
                lsn: Lsn(0x20),
                place: Place::Change(3)
            })
        );
    }

    #[test]
    fn long_lines_are_found_across_blocks() {
        let long = INSERT.replace(
            "\"seq\":9",
            &format!("\"v\":\"{}\"", "x".repeat(3 * BLOCK as usize)),
        );
        let text = format!("{INSERT}\n{long}\n{}", &long[..long.len() - 1]);
        let found = checkpoint(text.as_bytes()).unwrap();
        assert_eq!(found.whole as usize, INSERT.len() + long.len() + 2);
        assert!(found.position.is_some());
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for content in [
            "hello\n",
            "hello",
            "\n",
            "{\"a\":1}\n",
            "{\"op\":\"insert\"}\n",
            "{\"op\":\"insert\",\"commit_lsn\":\"x\",\"seq\":1}\n",
            "{\"op\":\"insert\",\"commit_lsn\":\"0/1\",\"seq\":-1}\n",
            "{\"op\":\"insert\",\"commit_lsn\":\"0/1\",\"seq\":1} x\n",
            "{\"op\":\"insert\",\"commit_lsn\":\"0/1\",\"seq\":1\n",
            "\0\0\0\0\n",
        ] {
            assert!(checkpoint(content.as_bytes()).is_err(), "{content:?}");
        }
    }
}
