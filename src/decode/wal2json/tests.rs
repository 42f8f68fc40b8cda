//! Messages as wal2json writes them, and as it should not.

use super::object::Object;
use super::{CatalogColumn, CatalogTable, NoCatalog, RelationCatalog, Written, row};
use crate::decode::Decoder;
use crate::decode::testing::events;
use crate::event::Column;
use crate::lsn::Lsn;

const BEGIN: &str = r#"{"action":"B","xid":742,"timestamp":"2000-01-01 00:00:01+00","lsn":"0/300","nextlsn":"0/330"}"#;
const COMMIT: &str = r#"{"action":"C","xid":742,"timestamp":"2000-01-01 00:00:01+00","lsn":"0/300","nextlsn":"0/330"}"#;

/// How events within the transaction begin.
const WITHIN: &str = "742 commit 0/300 at 1000000";

const ID: &str = r#"{"name":"id","type":"integer","typeoid":23}"#;

/// A change of `public.t`. Each list is left out if it is empty.
fn change(action: char, columns: &str, identity: &str, primary_key: &str) -> String {
    let list = |name, list: &str| {
        if list.is_empty() {
            String::new()
        } else {
            format!(r#","{name}":[{list}]"#)
        }
    };
    format!(
        r#"{{"action":"{action}","xid":742,"timestamp":"2000-01-01 00:00:01+00","lsn":"0/210","schema":"public","table":"t"{}{}{}}}"#,
        list("columns", columns),
        list("identity", identity),
        list("pk", primary_key)
    )
}

fn id(value: &str) -> String {
    format!(r#"{{"name":"id","type":"integer","typeoid":23,"value":{value}}}"#)
}

fn text(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","type":"text","typeoid":25,"value":{value}}}"#)
}

fn typed(type_name: &str, type_oid: i64, value: &str) -> String {
    format!(r#"{{"name":"v","type":"{type_name}","typeoid":{type_oid},"value":{value}}}"#)
}

fn columns(columns: &[String]) -> String {
    columns.join(",")
}

fn decoder() -> Decoder {
    Decoder::wal2json(Box::new(NoCatalog))
}

fn decode(decoder: &mut Decoder, message: &str) -> Vec<String> {
    events(decoder, None, message.as_bytes()).unwrap()
}

/// Decodes messages in a transaction and returns what the last one tells, without what all events
/// of it have in common.
fn last(messages: &[String]) -> Vec<String> {
    last_of(&mut decoder(), messages)
}

fn last_of(decoder: &mut Decoder, messages: &[String]) -> Vec<String> {
    decode(decoder, BEGIN);
    let mut events = Vec::new();
    for message in messages {
        events = decode(decoder, message);
    }
    let head = format!("0/210 {WITHIN} ");
    events
        .into_iter()
        .map(|event| {
            event
                .strip_prefix(&head)
                .map_or(event.clone(), str::to_owned)
        })
        .collect()
}

/// The one value of an inserted row.
fn value(type_name: &str, type_oid: i64, value: &str) -> String {
    let events = last(&[change('I', &typed(type_name, type_oid, value), "", "")]);
    events
        .last()
        .unwrap()
        .rsplit_once("public.t ")
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn transactions_are_told_as_by_pgoutput() {
    let mut decoder = decoder();
    let begin = events(&mut decoder, Some(Lsn(0x200)), BEGIN.as_bytes()).unwrap();
    assert_eq!(begin, [format!("0/200 {WITHIN} - Begin")]);
    let insert = change('I', &id("1"), "", ID);
    assert_eq!(
        decode(&mut decoder, &insert),
        [
            format!("0/210 {WITHIN} - relation changed #0 public.t 0 (id* 23:integer:-1)"),
            format!("0/210 {WITHIN} 0 insert public.t ('1')")
        ]
    );
    assert_eq!(
        decode(&mut decoder, &insert),
        [format!("0/210 {WITHIN} 1 insert public.t ('1')")]
    );
    let truncate = r#"{"action":"T","xid":742,"lsn":"0/220","schema":"public","table":"t"}"#;
    assert_eq!(
        decode(&mut decoder, truncate),
        [format!("0/220 {WITHIN} 2 truncate public.t None None")]
    );
    let commit = events(&mut decoder, Some(Lsn(0x330)), COMMIT.as_bytes()).unwrap();
    assert_eq!(
        commit,
        [format!(
            "0/300 {WITHIN} - Commit {{ end_lsn: Some(Lsn(816)) }}"
        )]
    );
    decode(&mut decoder, BEGIN);
    assert_eq!(
        decode(&mut decoder, &insert),
        [format!("0/210 {WITHIN} 0 insert public.t ('1')")]
    );
}

#[test]
fn origins_are_numbers_and_0_is_none() {
    let mut decoder = decoder();
    let begin = |origin| format!(r#"{{"action":"B","xid":742,"origin":{origin}}}"#);
    assert_eq!(decode(&mut decoder, &begin(0)), ["- 742 open - Begin"]);
    assert_eq!(decode(&mut decoder, &begin(7)), ["- 742@7 open - Begin"]);
}

#[test]
fn what_the_plugin_was_told_not_to_send_is_absent() {
    let mut decoder = decoder();
    assert_eq!(
        decode(&mut decoder, r#"{"action":"B"}"#),
        ["- - open - Begin"]
    );
    let insert = r#"{"action":"I","table":"t","columns":[{"name":"id","type":"integer","value":1},{"name":"v","value":"x"}]}"#;
    assert_eq!(
        decode(&mut decoder, insert),
        [
            "- - open - relation changed #0 .t 0 (id 23:integer:-1, v 0::-1)",
            "- - open 0 insert .t ('1', 'x')"
        ]
    );
    assert_eq!(
        decode(&mut decoder, insert),
        ["- - open 1 insert .t ('1', 'x')"]
    );
    assert_eq!(
        decode(&mut decoder, r#"{"action":"C"}"#),
        ["- - open - Commit { end_lsn: None }"]
    );
    // The position that the connection knows stands in.
    let row = events(&mut decoder, Some(Lsn(0x210)), insert.as_bytes()).unwrap();
    assert_eq!(row, ["0/210 - - insert .t ('1', 'x')"]);
}

#[test]
fn changes_without_begin_and_commit_have_no_number() {
    let mut decoder = decoder();
    let events = decode(&mut decoder, &change('I', &id("1"), "", ""));
    assert_eq!(
        events.last().unwrap(),
        "0/210 742 commit - at 1000000 - insert public.t ('1')"
    );
    assert_eq!(
        decode(&mut decoder, COMMIT),
        [format!(
            "0/300 {WITHIN} - Commit {{ end_lsn: Some(Lsn(816)) }}"
        )]
    );
}

#[test]
fn messages_stand_in_their_transaction_or_in_none() {
    let mut decoder = decoder();
    decode(&mut decoder, BEGIN);
    let within = r#"{"action":"M","xid":742,"lsn":"0/210","transactional":true,"prefix":"a\"b","content":"x\ny"}"#;
    assert_eq!(
        decode(&mut decoder, within),
        [format!("0/210 {WITHIN} 0 message true a\\\"b x\\ny")]
    );
    let alone = r#"{"action":"M","xid":null,"timestamp":null,"origin":null,"lsn":"0/220","transactional":false,"prefix":"","content":""}"#;
    assert_eq!(decode(&mut decoder, alone), ["0/220 - - message false  "]);
    assert_eq!(
        decode(&mut decoder, within),
        [format!("0/210 {WITHIN} 1 message true a\\\"b x\\ny")]
    );
}

#[test]
fn values_become_the_servers_text_again() {
    assert_eq!(value("integer", 23, "-2147483648"), "('-2147483648')");
    assert_eq!(
        value("numeric", 1700, "100000000000000000000.500"),
        "('100000000000000000000.500')"
    );
    assert_eq!(value("double precision", 701, "1e-307"), "('1e-307')");
    assert_eq!(value("numeric", 1700, "null"), "(null)");
    assert_eq!(value("numeric", 1700, r#""NaN""#), "('NaN')");
    assert_eq!(value("boolean", 16, "true"), "('t')");
    assert_eq!(value("boolean", 16, "false"), "('f')");
    assert_eq!(
        value("text", 25, r#""a\"b\\c\n\u0001\u00e9""#),
        r#"('a\"b\\c\n\x01\xc3\xa9')"#
    );
    assert_eq!(value("text", 25, r#""""#), "('')");
    assert_eq!(value("text", 25, r#""\u006eull""#), "('null')");
    assert_eq!(
        value("jsonb", 3802, r#""{\"a\": [1, 2.50]}""#),
        r#"('{\"a\": [1, 2.50]}')"#
    );
}

#[test]
fn bytea_gets_its_prefix_back() {
    assert_eq!(value("bytea", 17, r#""00ff""#), r"('\\x00ff')");
    assert_eq!(value("bytea", 17, r#""""#), r"('\\x')");
    assert_eq!(value("bytea", 17, "null"), "(null)");
    // A domain over it is written whole.
    assert_eq!(value("bytea", 16_400, r#""\\x00ff""#), r"('\\x00ff')");
    let without_oid = r#"{"name":"v","type":"bytea","value":"00ff"}"#;
    assert!(last(&[change('I', without_oid, "", "")])[1].ends_with(r"('\\x00ff')"));
    let domain = r#"{"name":"v","type":"bytea","value":"\\x00ff"}"#;
    assert!(last(&[change('I', domain, "", "")])[1].ends_with(r"('\\x00ff')"));
}

#[test]
fn large_type_numbers_are_written_negative() {
    let events = last(&[change(
        'I',
        &typed("public.mood", -1_294_967_296, r#""ok""#),
        "",
        "",
    )]);
    assert_eq!(
        events[0],
        "- relation changed #0 public.t 0 (v 3000000000:public.mood:-1)"
    );
    assert!(last(&[change('I', &typed("x", 1 << 40, "1"), "", "")])[0].contains("undecodable"));
}

#[test]
fn an_identity_that_only_repeats_the_new_row_is_no_old_row() {
    let insert = change('I', &columns(&[id("1"), text("name", r#""Ada""#)]), "", ID);
    let update = |new: &str, identity: &[String]| {
        let update = change(
            'U',
            &columns(&[id(new), text("name", r#""Grace""#)]),
            &columns(identity),
            ID,
        );
        last(&[insert.clone(), update])
    };
    assert_eq!(
        update("1", &[id("1")]),
        ["1 update public.t ('1', 'Grace')"]
    );
    assert_eq!(
        update("2", &[id("1")]),
        ["1 update public.t ('1', absent) -> ('2', 'Grace')"]
    );
    // Under REPLICA IDENTITY FULL all columns are there, also if nothing changed.
    let full = [id("1"), text("name", r#""Grace""#)];
    assert_eq!(
        update("1", &full),
        ["1 update public.t ('1', 'Grace') -> ('1', 'Grace')"]
    );
    assert_eq!(update("1", &[]), ["1 update public.t ('1', 'Grace')"]);
}

#[test]
fn unchanged_toast_is_what_an_update_lacks() {
    let whole = columns(&[id("1"), text("name", r#""Ada""#), text("bio", r#""long""#)]);
    let insert = change('I', &whole, "", ID);
    let lacking = |identity: &[String]| {
        let update = change(
            'U',
            &columns(&[id("1"), text("name", r#""Grace""#)]),
            &columns(identity),
            ID,
        );
        last(&[insert.clone(), update])
    };
    assert_eq!(
        lacking(&[id("1")]),
        ["1 update public.t ('1', 'Grace', unchanged)"]
    );
    assert_eq!(
        lacking(&[id("1"), text("name", r#""Ada""#), text("bio", r#""long""#)]),
        ["1 update public.t ('1', 'Ada', 'long') -> ('1', 'Grace', 'long')"]
    );
    // The key itself may be TOASTed: the old row has it.
    let key = r#"{"name":"bio","type":"text","typeoid":25}"#;
    let insert = change('I', &whole, "", key);
    let update = change(
        'U',
        &columns(&[id("2"), text("name", r#""Ada""#)]),
        &text("bio", r#""long""#),
        "",
    );
    let events = last(&[insert, update]);
    assert_eq!(
        events,
        ["1 update public.t (absent, absent, 'long') -> ('2', 'Ada', 'long')"]
    );
}

#[test]
fn a_column_of_fixed_length_that_is_missing_was_dropped() {
    let insert = change('I', &columns(&[id("1"), text("name", r#""Ada""#)]), "", "");
    let update = change('U', &text("name", r#""Grace""#), "", "");
    assert_eq!(
        last(&[insert, update]),
        [
            "- relation changed #0 public.t 0 (name 25:text:-1)",
            "1 update public.t ('Grace')"
        ]
    );
}

#[test]
fn other_columns_make_another_shape() {
    let insert = change('I', &columns(&[id("1"), text("name", r#""Ada""#)]), "", ID);
    let of = |message: String| last(&[insert.clone(), message]);
    let added = columns(&[id("1"), text("name", r#""Ada""#), typed("integer", 23, "7")]);
    assert_eq!(
        of(change('I', &added, "", ID)),
        [
            "- relation changed #0 public.t 0 (id* 23:integer:-1, name 25:text:-1, v \
             23:integer:-1)",
            "1 insert public.t ('1', 'Ada', '7')"
        ]
    );
    // A new column behind those that are known, while a TOASTed value is missing.
    assert_eq!(
        of(change(
            'U',
            &columns(&[id("1"), typed("integer", 23, "7")]),
            &id("1"),
            ID
        )),
        [
            "- relation changed #0 public.t 0 (id* 23:integer:-1, name 25:text:-1, v \
             23:integer:-1)",
            "1 update public.t ('1', unchanged, '7')"
        ]
    );
    // Renamed, retyped, no longer the key.
    assert_eq!(
        of(change(
            'I',
            &columns(&[id("1"), text("title", r#""Ada""#)]),
            "",
            ID
        ))[0],
        "- relation changed #0 public.t 0 (id* 23:integer:-1, title 25:text:-1)"
    );
    let name = r#"{"name":"name","type":"character varying(5)","typeoid":1043,"value":"x"}"#;
    assert_eq!(
        of(change(
            'U',
            &columns(&[id("1"), name.to_owned()]),
            &id("1"),
            ID
        ))[0],
        "- relation changed #0 public.t 0 (id* 23:integer:-1, name 1043:character varying(5):-1)"
    );
    let no_key = change('I', &columns(&[id("1"), text("name", "null")]), "", ID).replace(ID, "");
    assert_eq!(
        of(no_key)[0],
        "- relation changed #0 public.t 0 (id 23:integer:-1, name 25:text:-1)"
    );
}

#[test]
fn a_renamed_column_is_no_unchanged_one() {
    let n = |name: &str| format!(r#"{{"name":"{name}","type":"integer","typeoid":23,"value":5}}"#);
    let whole = [
        id("1"),
        text("name", r#""Ada""#),
        text("bio", r#""long""#),
        n("n"),
    ];
    let insert = change('I', &columns(&whole), "", ID);
    // name is called title now, and bio did not change.
    let update = change(
        'U',
        &columns(&[id("1"), text("title", r#""Dr""#), n("n")]),
        &id("1"),
        ID,
    );
    assert_eq!(
        last(&[insert.clone(), update])[1],
        "1 update public.t ('1', 'Dr', unchanged, '5')"
    );
    let update = change(
        'U',
        &columns(&[id("1"), text("title", r#""Dr""#), n("m")]),
        &id("1"),
        ID,
    );
    assert_eq!(
        last(&[insert, update])[0].split_once('(').unwrap().1,
        "id* 23:integer:-1, name 25:text:-1, \
         bio 25:text:-1, title 25:text:-1, m 23:integer:-1)"
    );
    // In the catalog there is bio, but no more name: title is name, not another.
    let whole = [id("1"), text("old", "null"), n("n"), text("bio", "null")];
    let insert = change('I', &columns(&whole), "", ID);
    let update = change(
        'U',
        &columns(&[id("1"), text("new", r#""x""#)]),
        &id("1"),
        ID,
    );
    let mut decoder = Decoder::wal2json(Box::new(OneTable(std::rc::Rc::default())));
    assert_eq!(
        last_of(&mut decoder, &[insert, update])[1],
        "1 update public.t ('1', 'x', unchanged)"
    );
}

#[test]
fn a_delete_has_but_the_identity() {
    let insert = change('I', &columns(&[id("1"), text("name", r#""Ada""#)]), "", ID);
    let delete = change('D', "", &id("1"), ID);
    assert_eq!(
        last(&[insert, delete.clone()]),
        ["1 delete public.t ('1', absent)"]
    );
    // What the table has besides shows later.
    assert_eq!(
        last(&[delete]),
        [
            "- relation changed #0 public.t 0 (id* 23:integer:-1)",
            "0 delete public.t ('1')"
        ]
    );
}

#[test]
fn tables_are_told_apart_and_keep_their_index() {
    let mut decoder = decoder();
    let insert = change('I', &id("1"), "", ID);
    let other = insert.replace("\"t\"", r#""o\"t""#);
    let elsewhere = insert.replace("public", "other");
    decode(&mut decoder, BEGIN);
    for (message, index) in [
        (&insert, "#0 public.t"),
        (&other, "#1 public.o\"t"),
        (&elsewhere, "#2 other.t"),
    ] {
        assert!(decode(&mut decoder, message)[0].contains(&format!("relation changed {index} ")));
    }
    assert_eq!(decode(&mut decoder, &other).len(), 1);
    assert_eq!(decode(&mut decoder, &insert).len(), 1);
    decoder.reset();
    decode(&mut decoder, BEGIN);
    assert!(decode(&mut decoder, &other)[0].contains("relation same #1 public.o\"t "));
    assert_eq!(decode(&mut decoder, &other).len(), 1);
}

/// Knows `public.t (id integer, name text, n integer, bio text)` and counts the questions.
struct OneTable(std::rc::Rc<std::cell::Cell<usize>>);

impl RelationCatalog for OneTable {
    fn table(&mut self, schema: &str, table: &str) -> Option<CatalogTable> {
        self.0.set(self.0.get() + 1);
        let column = |name: &str, type_oid, type_name: &str, toastable| CatalogColumn {
            column: Column {
                name: name.into(),
                type_oid,
                type_name: type_name.into(),
                type_modifier: -1,
                key: name == "id",
            },
            toastable,
            written: None,
        };
        let columns = vec![
            column("id", 23, "integer", false),
            column("name", 25, "text", true),
            column("n", 23, "integer", false),
            column("bio", 25, "text", true),
        ];
        ((schema, table) == ("public", "t")).then_some(CatalogTable {
            columns,
            identity_full: true,
        })
    }
}

/// `public.t (id integer, bio text)` and a column whose entry in the catalog was written like this.
struct WrittenBy(&'static str, u32, Written);

impl RelationCatalog for WrittenBy {
    fn table(&mut self, _: &str, _: &str) -> Option<CatalogTable> {
        let WrittenBy(name, first, last) = *self;
        let column = |name: &str, type_oid, type_name: &str, by, as_added| CatalogColumn {
            column: Column {
                name: name.into(),
                type_oid,
                type_name: type_name.into(),
                type_modifier: -1,
                key: name == "id",
            },
            toastable: type_oid == 25,
            written: Some(Written {
                by,
                as_added,
                ..last
            }),
        };
        let columns = vec![
            column("id", 23, "integer", first, false),
            column("bio", 25, "text", first, true),
            column(name, 25, "text", last.by, last.as_added),
        ];
        Some(CatalogTable {
            columns,
            identity_full: false,
        })
    }
}

#[test]
fn columns_added_after_an_update_are_not_unchanged() {
    let shape = |first, by, next, as_added| {
        let last = Written { by, next, as_added };
        let catalog = Box::new(WrittenBy("new", first, last));
        let update = change('U', &columns(&[id("1")]), &id("1"), ID);
        last_of(&mut Decoder::wal2json(catalog), &[update])[1].clone()
    };
    const OLD: &str = "0 update public.t ('1', unchanged)";
    const NEW: &str = "0 update public.t ('1', unchanged, unchanged)";
    // The update is in transaction 742.
    for (first, by, next, as_added, expected) in [
        (700, 743, 745, true, OLD),
        (742, 743, 745, true, OLD),
        (700, 742, 745, true, NEW),
        (700, 741, 745, true, NEW),
        // Perhaps altered.
        (700, 743, 745, false, NEW),
        // Another table.
        (743, 743, 745, true, NEW),
        // From before the numbers went round.
        (700, 745, 745, true, NEW),
        (700, 742_000, 745, true, NEW),
        (700, 742 - (1 << 9), 745, true, NEW),
    ] {
        assert_eq!(
            shape(first, by, next, as_added),
            expected,
            "{first} {by} {next} {as_added}"
        );
    }
}

#[test]
fn what_was_there_is_told_of_a_table_that_was_altered_since() {
    let shape = |by| {
        let last = Written {
            by,
            next: 745,
            as_added: true,
        };
        let catalog = Box::new(WrittenBy("renamed", 700, last));
        let update = change(
            'U',
            &columns(&[id("1"), text("called", "null")]),
            &id("1"),
            ID,
        );
        last_of(&mut Decoder::wal2json(catalog), &[update])[1].clone()
    };
    // The last column was called so when the row was written, and the one before is unchanged.
    assert_eq!(shape(743), "0 update public.t ('1', unchanged, null)");
    // An entry that old was there too.
    assert_eq!(
        shape(700),
        "0 update public.t ('1', unchanged, unchanged, null)"
    );
}

#[test]
fn the_old_row_is_known_although_a_column_was_dropped() {
    let whole = [id("1"), text("gone", "null"), text("name", r#""x""#)];
    let insert = change('I', &columns(&whole), "", "").replace("}]}", r#"}],"pk":[]}"#);
    let rest = columns(&[id("1"), text("name", r#""x""#)]);
    let update = change('U', &rest, &rest, "").replace("}]}", r#"}],"pk":[]}"#);
    assert_eq!(
        last(&[insert, update]),
        ["1 update public.t ('1', absent, 'x') -> ('1', unchanged, 'x')"]
    );
}

#[test]
fn numbers_of_transactions_go_round() {
    let written = |by, next| Written {
        by,
        next,
        as_added: true,
    };
    assert!(written(5, 7).is_after(u32::MAX - 3));
    assert!(!written(u32::MAX - 3, 7).is_after(5));
    assert!(!written(u32::MAX - 4, 7).is_after(u32::MAX - 3));
    assert_eq!(super::last_of(Some(3), Some(u32::MAX)), Some(3));
    assert_eq!(super::last_of(Some(u32::MAX), Some(3)), Some(3));
    assert_eq!(super::last_of(None, Some(3)), Some(3));
    assert_eq!(super::last_of(Some(3), None), Some(3));
}

#[test]
fn the_catalog_tells_what_a_first_row_lacks() {
    let shape = "- relation changed #0 public.t 0 (id* 23:integer:-1, name 25:text:-1, n \
                 23:integer:-1, bio 25:text:-1)";
    let n = r#"{"name":"n","type":"integer","typeoid":23,"value":5}"#.to_owned();
    let asked = std::rc::Rc::default();
    let ask = |messages: &[String]| {
        last_of(
            &mut Decoder::wal2json(Box::new(OneTable(std::rc::Rc::clone(&asked)))),
            messages,
        )
    };
    let update = change('U', &columns(&[id("1"), n.clone()]), &id("1"), ID);
    assert_eq!(
        ask(std::slice::from_ref(&update)),
        [shape, "0 update public.t ('1', unchanged, '5', unchanged)"]
    );
    assert_eq!(
        ask(&[change('D', "", &id("1"), ID)]),
        [shape, "0 delete public.t ('1', absent, absent, absent)"]
    );
    assert_eq!(
        ask(&[change('T', "", "", "")]),
        [shape, "0 truncate public.t None None"]
    );
    // The row is older than the column n, which it would have to bring, and what came after that.
    let older = change(
        'U',
        &columns(&[id("1"), text("name", "null")]),
        &id("1"),
        ID,
    );
    assert_eq!(
        ask(&[older]),
        [
            "- relation changed #0 public.t 0 (id* 23:integer:-1, name 25:text:-1)",
            "0 update public.t ('1', null)"
        ]
    );
    // The old row holds all columns there were.
    let whole = columns(&[id("1"), n.clone()]);
    let full = change('U', &whole, &whole, "").replace("}]}", r#"}],"pk":[]}"#);
    assert_eq!(
        ask(&[full]),
        [
            "- relation changed #0 public.t 0 (id 23:integer:-1, n 23:integer:-1)",
            "0 update public.t ('1', '5') -> ('1', '5')"
        ]
    );
    // A column that the catalog does not know.
    let other = change(
        'U',
        &columns(&[id("1"), text("gone", "null")]),
        &id("1"),
        ID,
    );
    assert_eq!(
        ask(&[other])[0],
        "- relation changed #0 public.t 0 (id* 23:integer:-1, gone 25:text:-1)"
    );
    assert_eq!(asked.replace(0), 6);
    // Whole rows need no catalog, and it is asked only once.
    let ask = |messages: &[String]| {
        last_of(
            &mut Decoder::wal2json(Box::new(OneTable(std::rc::Rc::clone(&asked)))),
            messages,
        )
    };
    ask(&[change('I', &id("1"), "", ID)]);
    assert_eq!(asked.get(), 0);
    ask(&[update.clone(), update]);
    assert_eq!(asked.get(), 1);
}

#[test]
fn what_cannot_be_read_is_passed_on_and_counted() {
    let mut decoder = decoder();
    decode(&mut decoder, BEGIN);
    decode(&mut decoder, &change('I', &id("1"), "", ID));
    // The plugin does not escape a type's name in quotes.
    let raw = change(
        'I',
        &typed(r#""Odd Schema".mood"#, 16_400, r#""ok""#),
        "",
        "",
    )
    .replace(r#"""Odd"#, r#""Odd"#);
    let event = decode(&mut decoder, &raw).remove(0);
    assert!(
        event.starts_with(&format!("- {WITHIN} 1 undecodable ")),
        "{event}"
    );
    let message = |flag: &str| {
        format!(r#"{{"action":"M","xid":1,"transactional":{flag},"prefix":"p","content":"x"#)
    };
    for (message, seq) in [
        (message("true") + "\u{1}\"}", "2"),
        (message("false") + "\",\"transactional\":true\u{1}", "-"),
        ("{}".to_owned(), "-"),
        (String::new(), "-"),
        ("null".to_owned(), "-"),
        ("[]".to_owned(), "-"),
        (r#"{"change":[]}"#.to_owned(), "-"),
        (r#"{"action":"X"}"#.to_owned(), "-"),
        (r#"{"action":"II"}"#.to_owned(), "-"),
        (r#"{"action":7}"#.to_owned(), "-"),
        (r#"{"action":"M","transactional":true}"#.to_owned(), "3"),
        (r#"{"action":"I"}"#.to_owned(), "4"),
        (change('I', &id(r#"{"a":1}"#), "", ""), "5"),
        (change('I', &id("[1]"), "", ""), "6"),
        (change('I', r#"{"type":"integer","value":1}"#, "", ""), "7"),
        (change('I', &text("a", r#""\u0000""#), "", ""), "8"),
        (change('I', &text("a", r#""\ud800""#), "", ""), "9"),
        (change('I', &text("a", "\"\u{1}\""), "", ""), "10"),
        (change('I', &id("1"), "", "") + "{}", "11"),
        (
            change('I', &id("1"), "", "").replace("0/210", "0-210"),
            "12",
        ),
        (change('I', &id("1"), "", "").replace("742", "-1"), "13"),
    ] {
        let events = decode(&mut decoder, &message);
        assert_eq!(events.len(), 1, "{message}");
        assert!(
            events[0].starts_with(&format!("- {WITHIN} {seq} undecodable ")),
            "{message}: {}",
            events[0]
        );
        assert!(
            events[0].ends_with(&message.as_bytes().escape_ascii().to_string()),
            "{}",
            events[0]
        );
    }
    assert_eq!(
        decode(&mut decoder, &change('I', &id("1"), "", ID)).len(),
        1
    );
}

/// Latin-1 in names, values, the prefix and content of a message, as in a SQL_ASCII database.
#[test]
fn bytes_that_are_no_utf8_spoil_nothing_else() {
    let latin = |message: String| -> Vec<u8> {
        let latin = message.chars().map(|c| u8::try_from(u32::from(c)).unwrap());
        latin.collect()
    };
    let mut decoder = decoder();
    decode(&mut decoder, BEGIN);
    let row = columns(&[
        id("7"),
        text("n\u{e4}me", "\"\u{e9}\\\"\\n\u{de}\u{80}\\\\\""),
        text("plain", "\"x\""),
    ]);
    let insert = change('I', &row, "", ID).replace("\"t\"", "\"t\u{fc}\"");
    let read = |decoder: &mut Decoder, message: String| {
        events(decoder, Some(Lsn(0x250)), &latin(message)).unwrap()
    };
    let row = r"('7', '\xe9\x22\n\xde\x80\\', 'x')".replace(r"\x22", "\\\"");
    assert_eq!(
        read(&mut decoder, insert.clone()),
        [
            format!(
                r"0/210 {WITHIN} - relation changed #0 public.t\xFC 0 (id* 23:integer:-1, n\xE4me 25:text:-1, plain 25:text:-1)"
            ),
            format!(r"0/210 {WITHIN} 0 insert public.t\xFC {row}")
        ]
    );
    // The table stays the same one.
    assert_eq!(
        read(&mut decoder, insert),
        [format!(r"0/210 {WITHIN} 1 insert public.t\xFC {row}")]
    );
    let message =
        r#"{"action":"M","xid":742,"lsn":"0/220","transactional":true,"prefix":"é","content":"ü"}"#;
    assert_eq!(
        read(&mut decoder, message.to_owned()),
        [format!(r"0/220 {WITHIN} 2 message true \xe9 \xfc")]
    );
    let spoilt = read(&mut decoder, r#"{"action":"I","xid":742,"é}"#.to_owned());
    assert!(spoilt[0].contains(" 3 undecodable "), "{spoilt:?}");
    assert!(
        spoilt[0].ends_with(r#"{"action":"I","xid":742,"\xe9}"#.replace('"', "\\\"").as_str()),
        "{spoilt:?}"
    );
}

#[test]
fn cut_anywhere_it_is_undecodable() {
    let message = change(
        'U',
        &columns(&[id("1"), text("name", r#""A\u0064a""#)]),
        &id("1"),
        ID,
    );
    for length in 0..message.len() {
        let events = decode(&mut decoder(), &message[..length]);
        assert!(
            events.len() == 1 && events[0].contains("undecodable"),
            "{events:?}"
        );
    }
}

#[test]
fn columns_that_contradict_each_other_are_undecodable() {
    let twice = change(
        'U',
        &columns(&[id("1"), id("2")]),
        &columns(&[id("1"), id("2"), id("3")]),
        "",
    );
    let events = last(&[twice]);
    assert!(
        events.len() == 2 || events[0].contains("undecodable"),
        "{events:?}"
    );
    let types_differ = change(
        'U',
        &id("1"),
        r#"{"name":"id","type":"text","typeoid":25,"value":"x"}"#,
        "",
    );
    assert!(last(&[types_differ])[0].contains("undecodable its columns contradict each other"));
}

#[test]
fn rows_mean_the_same_in_whatever_shape_they_come() {
    let captures = [
        &include_bytes!("../../../tests/captures/wal2json.bin")[..],
        include_bytes!("../../../tests/captures/wal2json-plain.bin"),
        b"{\"action\":\"I\",\"xid\":4294967295,\"lsn\":\"0/210\",\"schema\":\"a\",\"table\":\"b\",\
          \"columns\":[{\"name\":\"n\",\"typeoid\":1700,\"value\":-0.50},{\"name\":\"t\",\"typeoid\":25,\
          \"value\":\"\xe4 \\u0001\\\"\"},{\"name\":\"b\",\"typeoid\":17,\"value\":\"00\"}]}\n",
    ];
    let mut rows = 0;
    for capture in captures {
        let (mut one, mut other) = (decoder(), decoder());
        for message in capture.split(|byte| *byte == b'\n') {
            // A blank makes it another shape.
            let blank = [b"{ ", message.strip_prefix(b"{").unwrap_or_default()].concat();
            assert!(row::read(&mut Object::default(), &blank).is_none());
            let read = events(&mut one, None, message).unwrap();
            if !read.iter().any(|event| event.contains("undecodable")) {
                assert_eq!(events(&mut other, None, &blank).unwrap(), read);
            }
            rows += usize::from(row::read(&mut Object::default(), message).is_some());
        }
    }
    assert!(rows > 30, "{rows}");
}

#[test]
fn rows_like_the_one_before_mean_what_they_mean_alone() {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut one, mut other) = (decoder(), decoder());
    let mut lacking = 0;
    for round in 0..5000 {
        let number = match random.u8(..8) {
            0 => "null".to_owned(),
            1 => "1e5".to_owned(),
            2 => "-0.25".to_owned(),
            _ => random.i32(..).to_string(),
        };
        let bytes = ["\"\"", "\"00ff\"", "\"\\\\x01\"", "null"][random.usize(..4)];
        let words = match random.u8(..6) {
            0 => "null".to_owned(),
            1 => r#""\"}],{\\""#.to_owned(),
            _ => format!("{:?}", "x".repeat(random.usize(..40))),
        };
        let mut values = vec![id(&number), typed("bytea", 17, bytes)];
        let action = ['I', 'U', 'D'][random.usize(..3)];
        if action == 'I' || random.u8(..4) > 0 {
            values.push(text("words", &words));
        }
        // The table becomes another now and then.
        if round / 500 % 2 == 1 {
            values.push(text("more", "true"));
        }
        lacking += usize::from(action == 'U' && !columns(&values).contains("words"));
        let identity = id(&number);
        let message = match action {
            'I' => change('I', &columns(&values), "", ID),
            'U' => change('U', &columns(&values), &identity, ID),
            _ => change('D', "", &identity, ID),
        };
        let message = message.replace(r#""t""#, ["\"a\"", "\"b\""][random.usize(..2)]);
        // A blank makes it another shape.
        let blank = message.replacen('{', "{ ", 1);
        assert_eq!(
            decode(&mut one, &message),
            decode(&mut other, &blank),
            "round {round}: {message}"
        );
    }
    assert!(lacking > 200, "{lacking}");
}
