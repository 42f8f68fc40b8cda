//! What the fuzz targets do with their input. None of it may panic, and each states what must be
//! true of the result.

mod session;
mod workload;

use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use walcat::catalog::table_spec::TableSpec;
use walcat::connect::{Arguments, Environment, Prompt, Settings};
use walcat::decode::capture::{Capture, Step};
use walcat::decode::{self, Decoder};
use walcat::event::{Event, EventId};
use walcat::plugin::decoder_of_capture;
use walcat::printer::{PrintSettings, Printer};
use walcat::record::Records;
use walcat::render::{Format, Include, Settings as RenderSettings};
use walcat::select::{Filter, Operations, Repeats};
use walcat::sink::checkpoint;
use walcat::value::{self, Kind, Types, Writer};

pub use session::{sql, walsender};

/// A capture of either plugin, as `walcat decode` reads it: every line is JSON.
pub fn capture(input: &[u8]) {
    let mut printer = printer(Format::JSON, &Include::ALL);
    let mut out = Vec::new();
    decode(input, |event| {
        let _ = printer.print(event, &mut out);
    });
    assert_lines(&out);
}

/// The same capture in pieces of any size: not a byte of the events and of the error differs.
pub fn chunks(input: &[u8]) {
    let Some((sizes, input)) = input.split_first_chunk::<4>() else {
        return;
    };
    let print = |reader: &mut dyn Read| {
        let mut printer = printer(Format::JSON, &Include::ALL);
        let mut out = Vec::new();
        let result = decode(reader, |event| {
            let _ = printer.print(event, &mut out);
        });
        (out, result)
    };
    let mut pieces = Pieces {
        rest: input,
        sizes: sizes.iter().cycle(),
    };
    assert_eq!(print(&mut &*input), print(&mut pieces));
}

/// A capture as text: each record is a line, and nothing moves the cursor.
pub fn text(input: &[u8]) {
    let mut printer = printer(Format::TEXT, &Include::ALL);
    let mut lines = Lines::default();
    decode(input, |event| {
        let _ = printer.print(event, &mut lines);
    });
}

/// Lines that are taken for messages of wal2json whatever they are: every line is JSON.
pub fn wal2json(input: &[u8]) {
    let mut decoder = Decoder::wal2json(Box::new(decode::NoCatalog));
    let mut printer = printer(Format::JSON, &Include::ALL);
    let mut out = Vec::new();
    for message in input.split(|byte| *byte == b'\n') {
        let _ = decoder.decode(None, message, |event| {
            let _ = printer.print(event, &mut out);
            ControlFlow::Continue(())
        });
    }
    assert_lines(&out);
}

/// A value of each kind that has a structure: JSON or nothing.
pub fn value(input: &[u8]) {
    let texts = || Kind::array(Kind::Text, b',');
    let row = || Kind::composite([("a", Kind::Number), ("b", texts()), ("c", Kind::Json)]);
    let kinds = [
        Kind::Json,
        Kind::Hstore,
        Kind::Vector { numbers: true },
        texts(),
        Kind::array(Kind::Number, b';'),
        row(),
        Kind::array(row(), b','),
    ];
    let (mut writer, mut out) = (Writer::default(), Vec::new());
    for kind in kinds {
        out.clear();
        match writer.write(&kind, input, &mut out) {
            Err(_) => assert!(out.is_empty()),
            Ok(()) => assert_json(&out),
        }
    }
}

/// A conninfo string, a URI or the name of a database.
pub fn conninfo(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        let _ = settings(text);
    }
}

/// A table of a publication: what is read is read the same again. And a pattern for `--table`.
pub fn table_spec(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(table) = TableSpec::parse(text) {
        assert_eq!(TableSpec::parse(table.sql()).as_ref(), Ok(&table));
        // No table ends another's list, and none begins a statement.
        let two = format!("{}, {}", table.sql(), table.sql());
        assert!(TableSpec::parse(&two).is_err());
        assert!(TableSpec::parse(&format!("{}; DROP", table.sql())).is_err());
    }
    let _ = Filter::new(&[text.to_owned()], Operations::ALL);
}

/// A file that may end with events of an earlier run, whatever is known to be on the disk of it.
pub fn checkpoint(input: &[u8]) {
    for synced in [None, Some(0), Some(input.len() as u64 / 2)] {
        if let Some((whole, _)) = ending(input, synced) {
            assert!(whole == 0 || input.get(whole - 1) == Some(&b'\n'));
        }
    }
}

/// A stream whose file is cut anywhere: what another run puts behind the whole lines is what was
/// cut off.
pub fn resume(input: &[u8]) {
    let (cut, messages) = workload::stream(input);
    let print = |after: Option<EventId>| {
        // A table is announced by every run.
        let includes = Include::ALL
            .into_iter()
            .filter(|include| *include != Include::Relations);
        let mut printer = printer(Format::JSON, &includes.collect::<Vec<_>>());
        let mut repeats = Repeats::default();
        repeats.resume_after(after);
        let (mut decoder, mut out) = (Decoder::pgoutput(), Vec::new());
        for (lsn, message) in &messages {
            let decoded = decoder.decode(Some(*lsn), message, |event| {
                match repeats.take(event) {
                    Some(after) => printer.skip(event, after),
                    None => {
                        let _ = printer.print(event, &mut out);
                    }
                }
                ControlFlow::Continue(())
            });
            let _ = decoded.expect("a message of the workload");
        }
        out
    };
    let all = print(None);
    let kept = all.get(..cut % (all.len() + 1)).unwrap_or_default();
    let (whole, position) =
        ending(kept, Some(0)).unwrap_or_else(|| panic!("foreign: {}", kept.escape_ascii()));
    let mut resumed = kept.get(..whole).unwrap_or_default().to_vec();
    resumed.extend(print(position));
    assert_eq!(
        resumed.escape_ascii().to_string(),
        all.escape_ascii().to_string()
    );
}

/// The length of a file's whole lines and the event that they end with; `None` if it is not
/// walcat's. So much of it is known to be `synced`.
fn ending(content: &[u8], synced: Option<u64>) -> Option<(usize, Option<EventId>)> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("room for the file");
    let lines = Format::JSON.lines().expect("JSON can be resumed");
    let found = checkpoint::read(&file, synced, lines).ok()?;
    assert!(found.whole <= found.length && found.length == content.len() as u64);
    Some((found.whole as usize, found.last))
}

fn decode(input: impl Read, mut sink: impl FnMut(&Event<'_>)) -> String {
    let mut capture = Capture::new(input, decoder_of_capture);
    loop {
        match capture.decode(&mut sink) {
            Ok(Step::Message) => {}
            Ok(Step::MustRead) => {
                if let Err(error) = capture.read() {
                    return error.to_string();
                }
            }
            Ok(Step::End) => return String::new(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Gives pieces of these sizes, over and over; 0 stands for 256.
struct Pieces<'a, S> {
    rest: &'a [u8],
    sizes: S,
}

impl<'a, S: Iterator<Item = &'a u8>> Read for Pieces<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = usize::from(self.sizes.next().map_or(0, |size| size.wrapping_sub(1))) + 1;
        let size = size.min(buffer.len());
        self.rest.read(buffer.get_mut(..size).unwrap_or_default())
    }
}

fn settings(conninfo: &str) -> walcat::error::Result<Settings> {
    let environment = Environment {
        variables: HashMap::new(),
        home: None,
        user_name: || Some("fuzz".to_owned()),
        socket_directory: "/nowhere".into(),
        system_directories: Vec::new(),
    };
    let dbname = Some(conninfo.to_owned());
    let given = Arguments {
        dbname,
        prompt: Prompt::Never,
        ..Arguments::default()
    };
    Settings::resolve_in(&given, &environment)
}

fn printer(format: Format, includes: &[Include]) -> Printer {
    let settings = RenderSettings {
        includes: includes.iter().copied().collect(),
        ..RenderSettings::default()
    };
    let settings = PrintSettings {
        settings,
        ..PrintSettings::new(format)
    };
    Printer::new(settings, Types::new(Box::new(value::NoCatalog))).expect("no raw format")
}

/// Records of text.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Records for Lines {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn append(&mut self, _: Option<&Event<'_>>) {
        let line = str::from_utf8(&self.0).expect("text is UTF-8");
        let content = line.strip_suffix('\n').expect("a line has an end");
        let harmful = content.chars().find(|c| c.is_control() || turns_text(*c));
        assert_eq!(harmful, None, "{line:?}");
        self.0.clear();
    }
}

fn assert_lines(printed: &[u8]) {
    printed
        .split_inclusive(|byte| *byte == b'\n')
        .for_each(assert_json);
}

fn assert_json(text: &[u8]) {
    let parsed = serde_json::from_slice::<&RawValue>(text);
    assert!(parsed.is_ok(), "{parsed:?}: {}", text.escape_ascii());
}

/// Characters that turn the direction of writing, or end a line for some.
fn turns_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
    ) || matches!(c, '\u{2066}'..='\u{2069}')
}
