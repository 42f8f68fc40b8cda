//! The checkpoint that a file is: its last whole line says where to go on.
//!
//! Of what is known to be on the disk only the end is read, however long the file is. What comes
//! after that was written by a process that was killed, or by a machine that lost its power, which
//! may leave zeros in the middle of a file: every line of it is looked at. What a line says its
//! format knows ([`ReadLines`]); those that say nothing are passed over backwards.

use crate::event::EventId;
use crate::record::{Line, Part, ReadLines, Said, Unreadable};
use memchr::{memchr, memrchr};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

/// Where a file of records ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The length of the file.
    pub length: u64,
    /// Its length without an incomplete last line, and without what is damaged.
    pub whole: u64,
    /// The last event that has an id.
    pub last: Option<EventId>,
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

/// How much is read at a time.
const BLOCK: u64 = 64 << 10;

/// A disk writes whole blocks, none larger than this: where a write failed, the block that it began
/// in may be damaged from its beginning.
const LARGEST_DISK_BLOCK: u64 = 64 << 10;

/// Where the part of a file begins that may not be on the disk, if `synced` bytes were.
pub fn doubtful_after(synced: u64) -> u64 {
    synced - synced % LARGEST_DISK_BLOCK
}

/// Finds the end of the whole `lines` and the event that the last of them is of. So much of the
/// file is known to be `synced`; `None` if nothing is known of it, not even that it is walcat's.
pub fn read(
    file: &File,
    synced: Option<u64>,
    lines: &dyn ReadLines,
) -> Result<Checkpoint, Unusable> {
    let length = file.metadata()?.len();
    let end = line_end_before(file, length)?;
    let mut whole = match synced.filter(|&synced| synced < length) {
        Some(synced) => sound_lines(file, end, synced, lines)?,
        None => end,
    };
    let mut part = Part::First;
    if whole == end && end < length {
        part = torn(file, end, length, synced.is_some() || end > 0, lines)?;
    }
    let mut end = whole;
    let mut last = None;
    while end > 0 && last.is_none() {
        let start = line_end_before(file, end - 1)?;
        let said = read_line(file, start, end, lines)?;
        match said {
            Said::Unfinished(new) => (whole, part) = (start, new),
            // What is cut off must be ours, which only its first part says for sure.
            _ if part == Part::Later => return Err(Unusable::Foreign(foreign(end))),
            Said::Event(id) => last = Some(id),
            Said::Nothing => {}
        }
        end = start;
    }
    if part == Part::Later && end == 0 {
        return Err(Unusable::Foreign(foreign(0)));
    }
    Ok(Checkpoint {
        length,
        whole,
        last,
    })
}

/// The offset after the last line end before `limit`; 0 if there is none.
pub fn line_end_before(file: &File, limit: u64) -> io::Result<u64> {
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

/// The offset up to which all lines are sound, of those before `end` that may not have come to the
/// disk. A line with zeros is what a power failure leaves; any other that is not ours is
/// somebody's.
fn sound_lines(file: &File, end: u64, synced: u64, lines: &dyn ReadLines) -> Result<u64, Unusable> {
    let mut start = line_end_before(file, doubtful_after(synced).min(end))?;
    let mut block = vec![0; 4 * BLOCK as usize];
    while start < end {
        let length = (end - start).min(block.len() as u64);
        let bytes = block.get_mut(..length as usize).unwrap_or_default();
        file.read_exact_at(bytes, start)?;
        let mut rest = &*bytes;
        while let Some(at) = memchr(b'\n', rest) {
            let (line, others) = rest.split_at_checked(at + 1).unwrap_or((rest, &[]));
            let checked = lines
                .read(Line::Bytes(line))
                .map_err(|reason| unusable(start, reason));
            if let Err(reason) = checked {
                return damaged(memchr(0, line).is_some(), start, synced, reason);
            }
            (start, rest) = (start + line.len() as u64, others);
        }
        if rest.len() == bytes.len() {
            // A line that is longer than the block.
            let next = line_end_after(file, start, end)?;
            match read_line(file, start, next, lines) {
                Err(reason @ Unusable::Foreign(_)) => {
                    let zeros = find(file, 0, start, next)?.is_some();
                    return damaged(zeros, start, synced, reason);
                }
                checked => checked?,
            };
            start = next;
        }
    }
    Ok(start)
}

fn damaged(zeros: bool, at: u64, synced: u64, reason: Unusable) -> Result<u64, Unusable> {
    match reason {
        Unusable::Foreign(_) if zeros && at >= synced => Ok(at),
        Unusable::Foreign(_) if zeros => Err(Unusable::Foreign(format!(
            "its line at offset {at}, which was on the disk already, is damaged"
        ))),
        reason => Err(reason),
    }
}

/// The offset after the next line end between these offsets; `end` if there is none.
fn line_end_after(file: &File, start: u64, end: u64) -> io::Result<u64> {
    Ok(find(file, b'\n', start, end)?.map_or(end, |at| at + 1))
}

/// The offset of the first such byte between these offsets.
fn find(file: &File, byte: u8, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK as usize];
    let mut section = Section {
        file,
        offset: start,
        end,
    };
    loop {
        let offset = section.offset;
        let count = section.read(&mut block)?;
        let bytes = block.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(None);
        }
        if let Some(at) = memchr(byte, bytes) {
            return Ok(Some(offset + at as u64));
        }
    }
}

/// Which part of something lies between these offsets. Fails unless it may be left of a line of
/// ours that was not written to its end: its beginning, perhaps with zeros in place of what did not
/// come to the disk. Where nothing else says that the file is `ours`, there is no reason for zeros.
fn torn(
    file: &File,
    start: u64,
    end: u64,
    ours: bool,
    lines: &dyn ReadLines,
) -> Result<Part, Unusable> {
    let text_end = find(file, 0, start, end)?.unwrap_or(end);
    if !ours && text_end < end {
        return Err(Unusable::Foreign(foreign(start)));
    }
    let torn = if text_end == start {
        let mut zeros = section(file, start, end).bytes();
        match zeros.find(|byte| !matches!(byte, Ok(0))) {
            Some(Err(error)) => return Err(error.into()),
            other => other.is_none().then_some(Part::First),
        }
    } else {
        lines.torn(&mut section(file, start, text_end))?
    };
    torn.ok_or_else(|| Unusable::Foreign(foreign(start)))
}

/// What the line between these offsets says.
fn read_line(file: &File, start: u64, end: u64, lines: &dyn ReadLines) -> Result<Said, Unusable> {
    let mut section = section(file, start, end);
    lines
        .read(Line::Reader(&mut section))
        .map_err(|reason| unusable(start, reason))
}

fn unusable(start: u64, reason: Unreadable) -> Unusable {
    let foreign = foreign(start);
    match reason {
        Unreadable::Io(error) => Unusable::Io(error),
        Unreadable::Foreign(None) => Unusable::Foreign(foreign),
        Unreadable::Foreign(Some(reason)) => Unusable::Foreign(format!("{foreign}: {reason}")),
    }
}

fn foreign(start: u64) -> String {
    format!("its line at offset {start} is no event of walcat's")
}

fn section(file: &File, offset: u64, end: u64) -> BufReader<Section<'_>> {
    BufReader::with_capacity(BLOCK as usize, Section { file, offset, end })
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
    use crate::event::Place;
    use crate::lsn::Lsn;
    use std::collections::HashSet;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn lines() -> &'static dyn ReadLines {
        crate::render::Format::JSON.lines().unwrap()
    }

    fn checkpoint(content: &[u8]) -> Result<Checkpoint, String> {
        read_synced(content, None)
    }

    fn read_synced(content: &[u8], synced: Option<u64>) -> Result<Checkpoint, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        read(&file, synced, lines()).map_err(|error| match error {
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
                last: None
            })
        );
    }

    #[test]
    fn the_last_whole_line_counts_at_every_cut() {
        let second = INSERT.replace("\"seq\":3", "\"seq\":4");
        let text = format!("{INSERT}\n{second}\n");
        let at = |seq| {
            Some(EventId {
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
            assert_eq!((found.whole as usize, found.last), expected, "cut at {cut}");
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
        assert!(read(&file, None, lines()).unwrap().last.is_some());
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
            found.last,
            Some(EventId {
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
                found.last,
                Some(EventId {
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
            found.last,
            Some(EventId {
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
        assert!(found.last.is_some());
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
            "\0\0\0\0",
            "{\"op\":\"login\",\"user\":\"ann\"}",
            "{\"op\":\"login\",\"us",
            "{\"op\":\"log",
            "{\"op\":\"insert\",\"user\":\"a",
            "{\"op\":\"insert\",\"table\":\"t\"}",
            "{\"op\":\"insert\",\"table\":\"t\"} ",
            "{\"op\":\"ins\0\0",
        ] {
            assert!(checkpoint(content.as_bytes()).is_err(), "{content:?}");
            let after_ours = format!("{INSERT}\n{content}");
            let zeros = content.ends_with('\0');
            assert_eq!(
                checkpoint(after_ours.as_bytes()).is_err(),
                !zeros,
                "{content:?}"
            );
        }
    }

    #[test]
    fn what_may_not_be_on_the_disk_is_read_line_by_line() {
        let second = INSERT.replace("\"seq\":3", "\"seq\":4");
        let long = INSERT.replace("\"v\":", "").replace(
            "\"seq\":9",
            &format!("\"v\":\"{}\"", "x".repeat(5 * BLOCK as usize)),
        );
        for first in [INSERT, &long] {
            let sound = first.len() as u64 + 1;
            let text = format!("{first}\n{second}\n{INSERT}\n");
            for synced in [0, sound / 2, sound] {
                let whole = read_synced(text.as_bytes(), Some(synced)).unwrap().whole;
                assert_eq!(whole as usize, text.len());
                for hole in sound..sound + second.len() as u64 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[hole as usize] = 0;
                    let found = read_synced(&bytes, Some(synced)).unwrap();
                    assert_eq!(found.whole, sound, "synced {synced}, hole at {hole}");
                }
            }
            // What was on the disk once was confirmed, too.
            let mut bytes = text.clone().into_bytes();
            bytes[10] = 0;
            let reason = read_synced(&bytes, Some(sound)).unwrap_err();
            assert!(reason.contains("is damaged"), "{reason}");
            let foreign = format!("{first}\nhello\n{INSERT}\n");
            let reason = read_synced(foreign.as_bytes(), Some(sound)).unwrap_err();
            assert!(reason.contains("is no event"), "{reason}");
        }
        let mut bytes = long.clone().into_bytes();
        bytes[200_000] = 0;
        bytes.push(b'\n');
        assert_eq!(read_synced(&bytes, Some(0)).unwrap().whole, 0);
    }

    #[test]
    fn a_file_of_ours_may_hold_nothing_whole() {
        for content in [
            "\0\0\0",
            "{\"op\":\"ins\0\0",
            "{\"op\":\"insert\",\"sch",
            "",
        ] {
            assert_eq!(read_synced(content.as_bytes(), Some(0)).unwrap().whole, 0);
        }
    }

    /// Whatever events there are, a line of them may be cut off anywhere.
    #[test]
    fn every_event_is_known_by_its_beginning() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut ops = HashSet::new();
        for entry in std::fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "ndjson")
            {
                continue;
            }
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let op = line["{\"op\":\"".len()..].split('"').next().unwrap();
                // Streamed transactions are in no file that is to be resumed.
                if op.starts_with("stream_") || !ops.insert((path.clone(), op.to_owned())) {
                    continue;
                }
                let step = 1 + line.len() / 500;
                for cut in (1..line.len()).step_by(step) {
                    let found = checkpoint(&line.as_bytes()[..cut]);
                    assert_eq!(found.map(|found| found.whole), Ok(0), "{}", &line[..cut]);
                }
            }
        }
        assert!(ops.len() > 20, "{ops:?}");
    }
}
