//! What a row costs from the server's message to the line: decoding, each kind of value, printing.
//!
//! `cargo bench`; with `-- values` only those whose names hold that. Items are rows or values,
//! bytes those of the message or the value, and nothing should allocate.

#[path = "../tests/messages/mod.rs"]
mod messages;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use messages::ORDERS;
use std::ops::ControlFlow;
use walcat::decode::Decoder;
use walcat::decode::capture::{Capture, Step};
use walcat::event::Event;
use walcat::lsn::Lsn;
use walcat::printer::{PrintSettings, Printer};
use walcat::render::{FORMATS, Format, Settings, Values};
use walcat::value::{Kind, NoCatalog, Types, Writer};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Rows of a run: enough to leave the caches of a core, few enough for many runs.
const ROWS: u64 = 4000;

fn main() {
    divan::main();
}

fn inserts() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|number| messages::insert(&messages::order(number)))
        .collect()
}

fn updates() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|number| messages::update(&messages::order(number), &messages::order(number + 1)))
        .collect()
}

fn transactions() -> Vec<Vec<u8>> {
    let transaction = |number: u64| {
        let insert = messages::insert(&messages::order(number));
        [messages::begin(number as u32), insert, messages::commit()]
    };
    (0..ROWS).flat_map(transaction).collect()
}

/// A decoder that knows the table.
fn decoder() -> Decoder {
    let mut decoder = Decoder::pgoutput();
    for message in [
        messages::begin(1),
        messages::relation("orders", b'f', &ORDERS),
    ] {
        let _ = decoder.decode(None, &message, |_| ControlFlow::Continue(()));
    }
    decoder
}

fn run(
    bencher: Bencher<'_, '_>,
    messages: &[Vec<u8>],
    mut sink: impl FnMut(&Event<'_>, &mut Vec<u8>),
) {
    let mut decoder = decoder();
    let mut out = Vec::with_capacity(4 << 20);
    let bytes: usize = messages.iter().map(Vec::len).sum();
    bencher
        .counter(ItemsCount::new(ROWS))
        .counter(BytesCount::new(bytes))
        .bench_local(|| {
            out.clear();
            for message in messages {
                let decoded = decoder.decode(Some(Lsn(0x16B_3748)), message, |event| {
                    sink(event, &mut out);
                    ControlFlow::Continue(())
                });
                assert!(decoded.is_ok());
            }
            out.len()
        });
}

fn run_printer(bencher: Bencher<'_, '_>, format: Format, values: Values, messages: &[Vec<u8>]) {
    let settings = PrintSettings {
        settings: Settings {
            values,
            ..Settings::default()
        },
        ..PrintSettings::new(format)
    };
    let mut printer = Printer::new(settings, Types::new(Box::new(NoCatalog))).unwrap();
    run(bencher, messages, |event, out| {
        _ = printer.print(event, out)
    });
}

/// What other formats cost beside JSON, for inserts.
#[divan::bench(args = ["json", "sql", "debezium", "wal2json"])]
fn inserts_as(bencher: Bencher<'_, '_>, name: &str) {
    let format = FORMATS.into_iter().find(|format| format.name() == name);
    let format = format.unwrap_or(Format::JSON);
    run_printer(bencher, format, Values::Json, &inserts());
}

#[divan::bench]
fn decode_inserts(bencher: Bencher<'_, '_>) {
    run(bencher, &inserts(), |event, _| _ = divan::black_box(event));
}

#[divan::bench]
fn decode_updates(bencher: Bencher<'_, '_>) {
    run(bencher, &updates(), |event, _| _ = divan::black_box(event));
}

#[divan::bench]
fn print_inserts_as_json(bencher: Bencher<'_, '_>) {
    run_printer(bencher, Format::JSON, Values::Json, &inserts());
}

#[divan::bench]
fn print_inserts_as_json_of_texts(bencher: Bencher<'_, '_>) {
    run_printer(bencher, Format::JSON, Values::Text, &inserts());
}

#[divan::bench]
fn print_inserts_as_text(bencher: Bencher<'_, '_>) {
    run_printer(bencher, Format::TEXT, Values::Json, &inserts());
}

#[divan::bench]
fn print_updates_as_json(bencher: Bencher<'_, '_>) {
    run_printer(bencher, Format::JSON, Values::Json, &updates());
}

#[divan::bench]
fn print_deletes_as_json(bencher: Bencher<'_, '_>) {
    let deletes: Vec<Vec<u8>> = (0..ROWS)
        .map(|number| messages::delete(&messages::order(number)))
        .collect();
    run_printer(bencher, Format::JSON, Values::Json, &deletes);
}

#[divan::bench]
fn print_transactions_as_json(bencher: Bencher<'_, '_>) {
    run_printer(bencher, Format::JSON, Values::Json, &transactions());
}

/// Recorded from real servers by `tests/captures/record.sh`: no two messages alike.
const CAPTURES: [(&str, &[u8]); 6] = [
    (
        "pgoutput-1",
        include_bytes!("../tests/captures/pgoutput-1.bin"),
    ),
    (
        "pgoutput-2",
        include_bytes!("../tests/captures/pgoutput-2.bin"),
    ),
    (
        "pgoutput-3",
        include_bytes!("../tests/captures/pgoutput-3.bin"),
    ),
    (
        "pgoutput-4",
        include_bytes!("../tests/captures/pgoutput-4.bin"),
    ),
    ("wal2json", include_bytes!("../tests/captures/wal2json.bin")),
    (
        "wal2json-plain",
        include_bytes!("../tests/captures/wal2json-plain.bin"),
    ),
];

/// What `walcat decode` does with a capture, which comes a hundred times; items are messages.
#[divan::bench(args = CAPTURES.map(|(name, _)| name))]
fn captures(bencher: Bencher<'_, '_>, name: &str) {
    let capture = CAPTURES
        .iter()
        .find(|(other, _)| *other == name)
        .map_or(&b""[..], |(_, capture)| capture);
    let input = capture.repeat(100);
    let mut out = Vec::with_capacity(8 << 20);
    let messages = print_capture(&input, &mut out);
    bencher
        .counter(ItemsCount::new(messages))
        .counter(BytesCount::new(input.len()))
        .bench_local(|| {
            out.clear();
            print_capture(&input, &mut out)
        });
}

fn print_capture(input: &[u8], out: &mut Vec<u8>) -> usize {
    let settings = PrintSettings::new(Format::JSON);
    let mut printer = Printer::new(settings, Types::new(Box::new(NoCatalog))).unwrap();
    let (mut capture, mut messages) = (Capture::new(input, walcat::plugin::decoder_of_capture), 0);
    loop {
        let step = capture.decode(|event| {
            _ = printer.print(event, out);
        });
        match step {
            Ok(Step::Message) => messages += 1,
            Ok(Step::MustRead) => assert!(capture.read().is_ok()),
            Ok(Step::End) => return messages,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A value of each kind: its name and its text.
const VALUES: [(&str, &str); 9] = [
    ("text", "customer 4711 of the city of Springfield"),
    ("escaped text", "a \"quoted\" word, a \\ and a line\nbreak"),
    ("number", "1234567.89"),
    ("bool", "t"),
    ("timestamptz", "2026-11-20 09:23:34.946212+00"),
    (
        "json",
        "{\"item\": 4711, \"tags\": [\"a\", \"b\"], \"note\": \"line\\nbreak\"}",
    ),
    ("array", "{1,2,NULL,4,5,6,7,8,9,10}"),
    ("composite", "(4711,\"a \"\"quoted\"\" word\",)"),
    ("hstore", "\"a\"=>\"1\", \"b\"=>NULL, \"c\"=>\"x y\""),
];

fn kind(name: &str) -> Kind {
    match name {
        "number" => Kind::Number,
        "bool" => Kind::Bool,
        "timestamptz" => Kind::TimestampTz,
        "json" => Kind::Json,
        "array" => Kind::array(Kind::Number, b','),
        "composite" => Kind::composite([("a", Kind::Number), ("b", Kind::Text), ("c", Kind::Bool)]),
        "hstore" => Kind::Hstore,
        _ => Kind::Text,
    }
}

#[divan::bench(args = VALUES.map(|(name, _)| name))]
fn values(bencher: Bencher<'_, '_>, name: &str) {
    let text = VALUES
        .iter()
        .find(|(other, _)| *other == name)
        .map_or("", |(_, text)| text);
    let (kind, mut writer, mut out) = (kind(name), Writer::default(), Vec::with_capacity(4 << 20));
    bencher
        .counter(ItemsCount::new(ROWS))
        .counter(BytesCount::new(ROWS as usize * text.len()))
        .bench_local(|| {
            out.clear();
            for _ in 0..ROWS {
                assert!(
                    writer
                        .write(&kind, divan::black_box(text.as_bytes()), &mut out)
                        .is_ok()
                );
            }
            out.len()
        });
}
