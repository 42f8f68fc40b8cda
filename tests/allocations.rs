//! No row may cost an allocation: decoding and printing reuse what the first rows have allocated.

mod messages;

use messages::{Column, ORDERS};
use std::ops::ControlFlow;
use walcat::decode::Decoder;
use walcat::event::Event;
use walcat::lsn::Lsn;
use walcat::printer::{PrintSettings, Printer};
use walcat::render::{Format, Include, Settings};
use walcat::value::{NoCatalog, Types};

/// Decoder, printer and the buffer between it and the output, which the stream loop empties as this
/// does.
struct Pipeline {
    decoder: Decoder,
    printer: Printer,
    out: Vec<u8>,
    changes: usize,
}

impl Pipeline {
    fn new(format: Format, includes: &[Include], color: bool) -> Pipeline {
        let includes = includes.iter().copied().collect();
        let settings = PrintSettings {
            settings: Settings {
                includes,
                color,
                ..Settings::default()
            },
            ..PrintSettings::new(format)
        };
        let printer = Printer::new(settings, Types::new(Box::new(NoCatalog))).unwrap();
        Pipeline {
            decoder: Decoder::pgoutput(),
            printer,
            out: Vec::with_capacity(1 << 20),
            changes: 0,
        }
    }

    fn feed(&mut self, message: &[u8]) {
        let Pipeline {
            decoder,
            printer,
            out,
            changes,
        } = self;
        let sink = |event: &Event<'_>| {
            *changes += usize::from(printer.print(event, out).unwrap());
            ControlFlow::Continue(())
        };
        assert!(decoder.decode(Some(Lsn(0x16B_3748)), message, sink).is_ok());
        if self.out.len() > 1 << 19 {
            self.out.clear();
        }
    }

    /// How many allocations `messages` cost once the same have passed before.
    fn allocations(&mut self, messages: &[Vec<u8>]) -> u64 {
        messages.iter().for_each(|message| self.feed(message));
        allocation_counter::measure(|| messages.iter().for_each(|message| self.feed(message)))
            .count_total
    }
}

fn orders(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let change = |number| match number % 3 {
        0 => messages::insert(&messages::order(number)),
        1 => messages::update(&messages::order(number), &messages::order(number + 1)),
        _ => messages::delete(&messages::order(number)),
    };
    numbers.map(change).collect()
}

#[test]
fn rows_cost_no_allocation() {
    for (format, include, color) in [
        (Format::JSON, &[][..], false),
        (Format::JSON, &Include::ALL, false),
        (Format::TEXT, &[], false),
        (Format::TEXT, &[], true),
        (Format::SQL, &[], false),
        (Format::WAL2JSON, &[], false),
        (Format::DEBEZIUM, &[], false),
    ] {
        let mut pipeline = Pipeline::new(format, include, color);
        pipeline.feed(&messages::begin(742));
        pipeline.feed(&messages::relation("orders", b'f', &ORDERS));
        assert_eq!(
            pipeline.allocations(&orders(1..1001)),
            0,
            "{format:?} {include:?}"
        );
        assert_eq!(pipeline.changes, 2000);
    }
}

#[test]
fn no_kind_of_value_costs_an_allocation() {
    // Number of a type, and a value of it: bool, "char", name, bytea, oid, float8, uuid, json,
    // date, time, timetz, timestamp, interval, inet, int4range, int4[], text[], int2vector, and a
    // text to be escaped.
    let values: [(u32, &str); 19] = [
        (16, "t"),
        (18, "x"),
        (19, "name"),
        (17, "\\x00ff"),
        (26, "16385"),
        (701, "-1.5e-300"),
        (2950, "12345678-1234-1234-1234-123456789abc"),
        (114, "{\"a\":\n[1, 2.50, {\"b\": null}]}"),
        (1082, "infinity"),
        (1083, "09:23:34.5"),
        (1266, "09:23:34.5+05:30"),
        (1114, "0044-03-15 00:00:00 BC"),
        (1186, "1 mon -02:00:00"),
        (869, "10.0.0.1/8"),
        (3904, "[1,5)"),
        (1007, "[0:1]={{1,NULL},{3,4}}"),
        (1009, "{a,\"b \\\"c\\\"\",NULL}"),
        (22, "1 2 3"),
        (25, "quote \" back \\ slash \u{1} end\nü"),
    ];
    let columns: Vec<Column> = values
        .iter()
        .map(|(type_oid, _)| ("value", *type_oid, false))
        .collect();
    let row: Vec<String> = values
        .iter()
        .map(|(_, value)| (*value).to_owned())
        .collect();
    let mut pipeline = Pipeline::new(Format::JSON, &[], false);
    pipeline.feed(&messages::begin(742));
    pipeline.feed(&messages::relation("values", b'd', &columns));
    assert_eq!(pipeline.allocations(&vec![messages::insert(&row); 100]), 0);
}

#[test]
fn no_transaction_costs_an_allocation() {
    let mut pipeline = Pipeline::new(Format::JSON, &[], false);
    pipeline.feed(&messages::begin(742));
    pipeline.feed(&messages::relation("orders", b'f', &ORDERS));
    pipeline.feed(&messages::commit());
    let transaction = |(xid, change)| [messages::begin(xid), change, messages::commit()];
    let transactions: Vec<Vec<u8>> = (743..).zip(orders(1..101)).flat_map(transaction).collect();
    assert_eq!(pipeline.allocations(&transactions), 0);
}

#[test]
fn rows_of_wal2json_cost_no_allocation() {
    let column = |name: &str, type_name: &str, type_oid: u32, value: &str| {
        format!(r#"{{"name":"{name}","type":"{type_name}","typeoid":{type_oid},"value":{value}}}"#)
    };
    let row = |number: u64| {
        let id = column("id", "integer", 23, &number.to_string());
        let note = column("note", "text", 25, r#""quote \" back \\ line \n""#);
        let raw = column("raw", "bytea", 17, r#""00ff""#);
        [id, note, raw, column("ok", "boolean", 16, "true")].join(",")
    };
    let change = |table: &str, number: u64| {
        let head = format!(r#""xid":742,"lsn":"0/16B3748","schema":"public","table":"{table}""#);
        let key = r#""pk":[{"name":"id","type":"integer","typeoid":23}]"#;
        let (old, new) = (row(number), row(number + 1));
        let change = match number % 3 {
            0 => format!(r#"{{"action":"I",{head},"columns":[{new}],{key}}}"#),
            1 => format!(r#"{{"action":"U",{head},"columns":[{new}],"identity":[{old}],{key}}}"#),
            _ => format!(r#"{{"action":"D",{head},"identity":[{old}],{key}}}"#),
        };
        change.into_bytes()
    };
    let mut pipeline = Pipeline::new(Format::JSON, &[], false);
    pipeline.decoder = Decoder::wal2json(Box::new(walcat::decode::NoCatalog));
    pipeline.feed(br#"{"action":"B","xid":742,"lsn":"0/16B3748","nextlsn":"0/16B3798"}"#);
    pipeline.feed(&change("a", 0));
    pipeline.feed(&change("b", 0));
    let changes: Vec<Vec<u8>> = (0..1000)
        .map(|number| change(if number % 2 == 0 { "a" } else { "b" }, number))
        .collect();
    assert_eq!(pipeline.allocations(&changes), 0);
}
