//! What the fuzz targets do with their input. None of it may panic, and what is printed must be
//! JSON.

use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use walcat::connect::{Environment, Given, Prompt, Settings};
use walcat::decode::capture::{Capture, Step};
use walcat::decode::{self, Decoder};
use walcat::sink::checkpoint;
use walcat::printer::{PrintSettings, Printer};
use walcat::render::{self, Format, Include};
use walcat::value::{self, Kind, Types, Writer};

/// A capture of either plugin, as `walcat decode` reads it.
pub fn capture(input: &[u8]) {
    let mut capture = Capture::new(input, walcat::plugin::decoder_of_capture);
    let (mut printer, mut out) = (printer(), Vec::new());
    loop {
        let step = capture.decode(|event| {
            printer.print(event, &mut out);
        });
        match step {
            Ok(Step::Message) => {}
            Ok(Step::MustRead) if capture.read().is_ok() => {}
            _ => break,
        }
    }
    assert_lines(&out);
}

/// Lines that are taken for messages of wal2json whatever they are.
pub fn wal2json(input: &[u8]) {
    let (mut decoder, mut printer, mut out) = (Decoder::wal2json(Box::new(decode::NoCatalog)), printer(), Vec::new());
    for message in input.split(|byte| *byte == b'\n') {
        let _ = decoder.decode(None, message, |event| {
            printer.print(event, &mut out);
            ControlFlow::Continue(())
        });
    }
    assert_lines(&out);
}

/// A value of each kind that has a structure.
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
    let Ok(text) = str::from_utf8(input) else { return };
    let environment = Environment {
        variables: HashMap::new(),
        home: None,
        user_name: || Some("fuzz".to_owned()),
        socket_directory: "/nowhere".into(),
        system_directories: Vec::new(),
    };
    let given = Given { dbname: Some(text.to_owned()), prompt: Prompt::Never, ..Given::default() };
    let _ = Settings::resolve_in(&given, &environment);
}

/// A file that may end with events of an earlier run.
pub fn checkpoint(input: &[u8]) {
    let Ok(mut file) = tempfile::tempfile() else { return };
    if file.write_all(input).is_err() { return }
    let lines = Format::JSON.lines().unwrap();
    for synced in [None, Some(0), Some(input.len() as u64 / 2)] {
        if let Ok(found) = checkpoint::read(&file, synced, lines) {
            assert!(found.whole <= found.length && found.length == input.len() as u64);
        }
    }
}

fn printer() -> Printer {
    let settings = PrintSettings {
        settings: render::Settings { includes: Include::ALL.into_iter().collect(), ..render::Settings::default() },
        ..PrintSettings::new(Format::JSON)
    };
    Printer::new(settings, Types::new(Box::new(value::NoCatalog))).unwrap()
}

fn assert_lines(printed: &[u8]) {
    printed.split_inclusive(|byte| *byte == b'\n').for_each(assert_json);
}

fn assert_json(text: &[u8]) {
    let parsed = serde_json::from_slice::<&RawValue>(text);
    assert!(parsed.is_ok(), "{parsed:?}: {}", text.escape_ascii());
}
