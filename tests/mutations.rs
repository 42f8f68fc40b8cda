//! Damaged captures: whatever happens to the bytes, nothing panics, every line that is printed is
//! JSON, and no claim in the input makes the program take memory that the input does not deserve.
//!
//! The mutants come from seeded random numbers, so that a failure comes again; `fuzz/` looks for
//! new ones.

use fastrand::Rng;
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::ops::ControlFlow;
use walcat::decode::capture::{Capture, Step};
use walcat::decode::{Decoder, NoCatalog};
use walcat::printer::{PrintSettings, Printer};
use walcat::render::{Format, Settings};
use walcat::value::{self, Types};

/// Mutants of each capture.
const MUTANTS: u64 = 20_000;

/// What decoding and printing may hold at a time, for captures of up to 30 kB.
const MEMORY: u64 = 2 << 20;

#[test]
fn mutants_of_pgoutput_1() {
    survive(include_bytes!("captures/pgoutput-1.bin"));
}

#[test]
fn mutants_of_pgoutput_2() {
    survive(include_bytes!("captures/pgoutput-2.bin"));
}

#[test]
fn mutants_of_pgoutput_3() {
    survive(include_bytes!("captures/pgoutput-3.bin"));
}

#[test]
fn mutants_of_pgoutput_4() {
    survive(include_bytes!("captures/pgoutput-4.bin"));
}

#[test]
fn mutants_of_wal2json() {
    survive(include_bytes!("captures/wal2json.bin"));
}

#[test]
fn mutants_of_wal2json_with_its_defaults() {
    survive(include_bytes!("captures/wal2json-plain.bin"));
}

fn survive(capture: &[u8]) {
    assert!(capture.len() < 30_000);
    let messages = messages(capture);
    let mut lines = Lines::default();
    lines.check(&print_capture(capture, Format::JSON), "the capture itself");
    for seed in 0..MUTANTS {
        let mut random = Rng::with_seed(seed);
        let format = match seed % 16 {
            1 | 2 => Format::TEXT,
            3 | 4 => Format::SQL,
            5 | 6 => Format::DEBEZIUM,
            7 | 8 => Format::WAL2JSON,
            _ => Format::JSON,
        };
        let mut printed = Vec::new();
        let memory = allocation_counter::measure(|| {
            printed = if seed % 2 == 0 {
                let mut mutant = capture.to_vec();
                mutate(&mut mutant, &mut random);
                print_capture(&mutant, format)
            } else {
                print_messages(&shuffled(&messages, &mut random), format)
            }
        });
        assert!(
            memory.bytes_max < MEMORY,
            "seed {seed}: {} bytes",
            memory.bytes_max
        );
        if format == Format::JSON {
            lines.check(&printed, &format!("seed {seed}"));
        } else if format == Format::TEXT || format == Format::SQL {
            check_text(&printed, seed);
        } else {
            check_json(&printed, seed);
        }
    }
}

/// Lines that are known to be JSON.
#[derive(Default)]
struct Lines(HashSet<Vec<u8>>);

impl Lines {
    fn check(&mut self, printed: &[u8], what: &str) {
        assert!(printed.is_empty() || printed.ends_with(b"\n"), "{what}");
        for line in printed
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if self.0.contains(line) {
                continue;
            }
            let parsed = serde_json::from_slice::<IgnoredAny>(line);
            assert!(
                parsed.is_ok() && line.starts_with(b"{\"op\":"),
                "{what}: {parsed:?}: {}",
                line.escape_ascii()
            );
            if self.0.len() < 10_000 {
                self.0.insert(line.to_vec());
            }
        }
    }
}

/// No value may move the cursor or forge a line.
fn check_text(printed: &[u8], seed: u64) {
    let text = std::str::from_utf8(printed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    for line in text.lines() {
        assert!(
            !line.contains(|c: char| c.is_control()),
            "seed {seed}: {line:?}"
        );
    }
}

/// Every line is JSON.
fn check_json(printed: &[u8], seed: u64) {
    for line in printed.split_inclusive(|byte| *byte == b'\n') {
        let parsed = serde_json::from_slice::<IgnoredAny>(line);
        assert!(
            parsed.is_ok(),
            "seed {seed}: {parsed:?}: {}",
            line.escape_ascii()
        );
    }
}

/// What `walcat decode` prints.
fn print_capture(capture: &[u8], format: Format) -> Vec<u8> {
    let (mut capture, mut printer, mut out) = (
        Capture::new(capture, walcat::plugin::decoder_of_capture),
        printer(format),
        Vec::new(),
    );
    loop {
        let step = capture.decode(|event| {
            let _ = printer.print(event, &mut out);
        });
        match step {
            Ok(Step::Message) => {}
            Ok(Step::MustRead) => capture.read().unwrap(),
            Ok(Step::End) | Err(_) => return out,
        }
    }
}

/// What becomes of messages of which wrong ones are passed over.
fn print_messages(messages: &[Vec<u8>], format: Format) -> Vec<u8> {
    let (mut decoder, mut printer, mut out) = (decoder(messages), printer(format), Vec::new());
    for message in messages {
        let _: Result<_, _> = decoder.decode(None, message, |event| {
            let _ = printer.print(event, &mut out);
            ControlFlow::Continue(())
        });
    }
    out
}

fn decoder(messages: &[Vec<u8>]) -> Decoder {
    match messages.iter().any(|message| message.starts_with(b"{")) {
        true => Decoder::wal2json(Box::new(NoCatalog)),
        false => Decoder::pgoutput(),
    }
}

fn printer(format: Format) -> Printer {
    let settings = PrintSettings {
        settings: Settings {
            includes: format.includes().iter().copied().collect(),
            ..Settings::default()
        },
        ..PrintSettings::new(format)
    };
    Printer::new(settings, Types::new(Box::new(value::NoCatalog))).unwrap()
}

fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut capture = Capture::new(bytes, walcat::plugin::decoder_of_capture);
    let (mut messages, mut begin) = (Vec::new(), 0);
    loop {
        match capture.decode(|_| ()).unwrap() {
            Step::Message => {
                let end = capture.offset() as usize;
                messages.push(bytes[begin..end].strip_suffix(b"\n").unwrap().to_vec());
                begin = end;
            }
            Step::MustRead => capture.read().unwrap(),
            Step::End => return messages,
        }
    }
}

/// The messages with some of them damaged, lost, repeated or in another place.
fn shuffled(messages: &[Vec<u8>], random: &mut Rng) -> Vec<Vec<u8>> {
    let mut messages = messages.to_vec();
    for _ in 0..random.usize(1..6) {
        let (at, other) = (
            random.usize(..messages.len()),
            random.usize(..messages.len()),
        );
        match random.u8(..4) {
            0 => drop(messages.remove(at)),
            1 => messages.insert(other, messages[at].clone()),
            2 => messages.swap(at, other),
            _ => mutate(&mut messages[at], random),
        }
        if messages.is_empty() {
            break;
        }
    }
    messages
}

/// Damages the bytes in one to three ways.
fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    const EXTREMES: [u32; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF];
    const TELLING: &[u8] = b"\0\n\"\\{}[],:'u0tnbKONBCRYTMSEcApbPKr\x7f\x80\xc3\xed\xff";
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(1..20)).min(bytes.len());
        match random.u8(..8) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes[at] = TELLING[random.usize(..TELLING.len())],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => {
                let number = EXTREMES[random.usize(..EXTREMES.len())].to_be_bytes();
                let width = if random.bool() { 2 } else { 4 };
                for (byte, extreme) in bytes[at..].iter_mut().zip(&number[4 - width..]) {
                    *byte = *extreme;
                }
            }
            _ => bytes.insert(at, TELLING[random.usize(..TELLING.len())]),
        }
    }
}
