//! The text format on a terminal.
//!
//! ```text
//! 2026-11-20 (UTC)
//! 09:23:34.946 INSERT public.users id=1 name='Ada' (3 columns NULL)
//! 09:23:35.120 BEGIN 743
//!   UPDATE public.users id=1 name='Ada'→'Grace'
//!       bio='It was a dark and sto… (1.2 kB)'→NULL
//!   DELETE public.users id=2
//! 09:23:35.120 COMMIT 743  0/16B37A0  2 rows, 1.3 kB, 3 ms
//! ```
//!
//! A transaction of one change has a line of its own: so the first change waits, already laid out,
//! for what comes behind it. What is written otherwise is as without a terminal: see
//! [`crate::render::text`].

use super::layout::{BODY, Layout};
use super::screen::Screen;
use crate::error::Result;
use crate::event::{Body, Cell, End, Event, Relation, Tuple};
use crate::render::text::write_bound;
use crate::render::{Include, Render, Settings};
use crate::text::human_size;
use crate::time::PgTime;
use crate::value::{Purpose, Types};
use std::time::{Duration, Instant};

const MICROS_A_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Writes events for somebody who looks at them.
pub(in crate::render) struct Text {
    types: Types,
    /// Whether the types of columns matter. Only relations name them.
    names_types: bool,
    /// Its record is the change that waits, or the last.
    layout: Layout,
    /// The day that was told last, in days since 1970.
    day: Option<i64>,
    frame: Frame,
    /// The beginning of the transaction, as long as it waits.
    begin: Vec<u8>,
    /// When the transaction was committed, where that is known.
    time: Option<PgTime>,
    totals: Totals,
}

/// How far the current transaction is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// There is none, or none that is framed.
    Outside,
    /// Its begin waits for a change.
    Begun,
    /// Its first change waits too.
    Held,
    /// Its begin is written, so its end will be.
    Open,
}

/// What there was in a transaction.
struct Totals {
    since: Option<Instant>,
    rows: u64,
    bytes: u64,
}

impl Render for Text {
    fn types(&mut self) -> &mut Types {
        &mut self.types
    }

    fn prepare(&mut self, relation: &Relation, _: bool) {
        if self.names_types {
            let oids = relation.columns.iter().map(|column| column.type_oid);
            self.types.resolve(oids, Purpose::Names, false);
        }
        self.layout.prepare(relation);
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match event.body {
            Body::Begin => {
                self.open_held(out);
                self.frame = Frame::Begun;
                self.begun();
                self.time = time_of(event);
                self.begin.clear();
                write_bound(event, false, &mut self.begin);
            }
            Body::Commit { .. } => match self.leave() {
                Frame::Held => self.write_record(0, true, out),
                Frame::Open => self.write_end(event, out),
                Frame::Begun | Frame::Outside => {}
            },
            Body::BeginPrepare { .. } | Body::StreamStart { .. } => {
                self.open_held(out);
                self.frame = Frame::Open;
                self.begun();
                self.write_mark(event, out);
            }
            Body::Prepare { .. } | Body::StreamStop => {
                self.open_held(out);
                self.leave();
                self.write_end(event, out);
            }
            _ if event.body.is_change() && !is_outside(event) => self.change(event, out),
            Body::Relation { .. } => {
                self.open_held(out);
                self.layout.lay_out(event, &self.types);
                let indent = self.indent();
                self.write_record(indent, false, out);
            }
            Body::Message { .. }
            | Body::Undecodable { .. }
            | Body::Snapshot { .. }
            | Body::SnapshotProgress { .. }
            | Body::SnapshotDone { .. } => {
                self.open_held(out);
                self.layout.lay_out(event, &self.types);
                self.write_record(0, false, out);
            }
            _ => {
                self.open_held(out);
                self.write_mark(event, out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.open_held(out);
    }
}

impl Text {
    /// Lays out for `screen`.
    pub(in crate::render) fn new(settings: Settings, screen: Screen, types: Types) -> Text {
        Text {
            types,
            names_types: settings.includes.contains(Include::Relations),
            layout: Layout::new(screen, settings.color),
            day: None,
            frame: Frame::Outside,
            begin: Vec::new(),
            time: None,
            totals: Totals::new(screen),
        }
    }

    fn begun(&mut self) {
        self.totals = Totals::new(self.layout.screen);
    }

    /// Ends the frame, and returns how far it was.
    fn leave(&mut self) -> Frame {
        std::mem::replace(&mut self.frame, Frame::Outside)
    }

    fn indent(&self) -> usize {
        match self.frame {
            Frame::Open => BODY,
            _ => 0,
        }
    }

    /// A change of a transaction.
    fn change(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.open_held(out);
        self.layout.lay_out(event, &self.types);
        self.totals.count(event);
        match self.frame {
            Frame::Begun => self.frame = Frame::Held,
            Frame::Open | Frame::Held => self.write_record(BODY, false, out),
            Frame::Outside => {
                self.time = time_of(event);
                self.write_record(0, true, out);
            }
        }
    }

    /// The change that waits is not the only one: it is written, below its begin.
    fn open_held(&mut self, out: &mut Vec<u8>) {
        if self.frame != Frame::Held {
            return;
        }
        self.frame = Frame::Open;
        self.write_time(out);
        let paint = &self.layout.paint;
        paint.write(&paint.faint, &self.begin, out);
        out.push(b'\n');
        self.write_record(BODY, false, out);
    }

    fn write_record(&mut self, indent: usize, timed: bool, out: &mut Vec<u8>) {
        out.extend(std::iter::repeat_n(b' ', indent));
        let time = if timed { self.write_time(out) } else { 0 };
        let columns = (self.layout.screen.columns)();
        self.layout
            .record
            .write(indent + time, indent, columns, out);
    }

    /// Appends a line on how a transaction goes.
    fn write_mark(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.time = time_of(event);
        self.write_time(out);
        out.extend_from_slice(&self.layout.paint.faint);
        write_bound(event, false, out);
        out.extend_from_slice(&self.layout.paint.end);
        out.push(b'\n');
    }

    /// Appends the end of a transaction, with what there was in it.
    fn write_end(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.write_mark(event, out);
        out.pop();
        let totals = self.totals.text(self.layout.screen);
        let paint = &self.layout.paint;
        paint.write(&paint.faint, totals.as_bytes(), out);
        out.push(b'\n');
    }

    /// Appends the time of day and a space, where the time is known, and before them the day if it
    /// is another than before. Returns how many columns they take.
    fn write_time(&mut self, out: &mut Vec<u8>) -> usize {
        let Some(time) = self.time else { return 0 };
        let mut text = Vec::new();
        time.append_sql(&mut text);
        // The calendar has an end.
        let (Some(day), Some(time_of_day)) = (text.get(..10), text.get(11..23)) else {
            return 0;
        };
        let paint = &self.layout.paint;
        let number = time.unix_micros().div_euclid(MICROS_A_DAY);
        if self.day.replace(number) != Some(number) {
            paint.write(&paint.faint, &[day, b" (UTC)"].concat(), out);
            out.push(b'\n');
        }
        paint.write(&paint.faint, time_of_day, out);
        out.push(b' ');
        time_of_day.len() + 1
    }
}

impl Totals {
    fn new(screen: Screen) -> Totals {
        Totals {
            since: screen.clock.map(|clock| clock()),
            rows: 0,
            bytes: 0,
        }
    }

    fn count(&mut self, event: &Event<'_>) {
        let (old, new) = match event.body {
            Body::Insert { new, .. } => (None, Some(new)),
            Body::Update { old, new, .. } => (old, Some(new)),
            Body::Delete { old, .. } => (Some(old), None),
            _ => return,
        };
        self.rows += 1;
        self.bytes += [old, new]
            .into_iter()
            .flatten()
            .map(|row| size(&row))
            .sum::<u64>();
    }

    /// `  2 rows, 1.3 kB, 3 ms`
    fn text(&self, screen: Screen) -> String {
        let rows = match self.rows {
            1 => "1 row".to_owned(),
            rows => format!("{rows} rows"),
        };
        let bytes = human_size(self.bytes.try_into().unwrap_or(i64::MAX));
        let now = screen.clock.map(|clock| clock());
        let duration = now
            .zip(self.since)
            .map(|(now, since)| human_duration(now.saturating_duration_since(since)));
        let duration = duration.map_or(String::new(), |duration| format!(", {duration}"));
        format!("  {rows}, {bytes}{duration}")
    }
}

/// How many bytes the values of a row have.
fn size(row: &Tuple<'_>) -> u64 {
    let size = |cell| match cell {
        Cell::Text(text) => text.len() as u64,
        _ => 0,
    };
    row.cells().map(size).sum()
}

/// `3 ms`, `1.5 s`, `2 min 5 s`
fn human_duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// When the transaction was committed or prepared, or this happened.
fn time_of(event: &Event<'_>) -> Option<PgTime> {
    match event.body {
        Body::CommitPrepared { commit_time, .. } => return Some(commit_time),
        Body::RollbackPrepared { rollback_time, .. } => return Some(rollback_time),
        Body::StreamAbort { abort_time, .. } => return abort_time,
        _ => {}
    }
    match event.transaction?.end {
        End::Open => None,
        End::Commit { time, .. } => time,
        End::Prepare { time, .. } => Some(time),
    }
}

/// Returns `true` for what belongs to no transaction.
fn is_outside(event: &Event<'_>) -> bool {
    event.transaction.is_none()
        || matches!(
            event.body,
            Body::Message {
                transactional: false,
                ..
            }
        )
}

#[cfg(test)]
mod tests {
    use super::super::literal::width;
    use super::*;
    use crate::render::Format;
    use crate::render::testing::*;
    use std::cell::Cell as Kept;

    thread_local! {
        static COLUMNS: Kept<usize> = const { Kept::new(80) };
    }

    const SCREEN: Screen = Screen {
        columns: || COLUMNS.get(),
        clock: None,
        max_width: None,
        expanded: false,
    };

    fn on(screen: Screen, color: bool) -> Test {
        let settings = Settings {
            screen: Some(screen),
            color,
            includes: [Include::Relations].into_iter().collect(),
            ..Settings::default()
        };
        Test::with(Format::TEXT, settings)
    }

    fn users() -> Relation {
        let mut users = relation(
            "users",
            &[
                ("name", TEXT, false),
                ("id", INT4, true),
                ("bio", TEXT, false),
                ("a", TEXT, false),
                ("b", TEXT, false),
            ],
        );
        users.columns[2].type_oid = 3802;
        users
    }

    fn row<'a>(name: &'a str, bio: Option<&'a str>) -> [Option<&'a str>; 5] {
        [Some(name), Some("1"), bio, None, None]
    }

    fn cells(name: &'static [u8]) -> Tuple<'static> {
        let id = Sent::Text(b"1");
        cells_of(&[Sent::Text(name), id, Sent::Null, Sent::Null, Sent::Null])
    }

    #[test]
    fn a_transaction_of_one_change_is_one_line() {
        let (users, transaction) = (users(), committed(742, 0x16B_37A0));
        let lines = on(SCREEN, false).feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Ada", None)),
            commit(&transaction),
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Grace", Some("{}"))),
            commit(&transaction),
        ]);
        assert_eq!(
            lines,
            "2026-11-20 (UTC)\n\
             09:23:34.946 INSERT public.users id=1 name='Ada' (3 columns NULL)\n\
             09:23:34.946 INSERT public.users id=1 name='Grace' bio='{}' a=NULL b=NULL\n"
        );
    }

    #[test]
    fn a_larger_one_has_a_begin_a_body_and_an_end() {
        let (users, transaction) = (users(), committed(742, 0x16B_37A0));
        let mut test = on(SCREEN, false);
        let relation = &users;
        let (id, absent) = (Sent::Text(b"1"), Sent::Absent);
        let old = cells_of(&[absent, id, absent, absent, absent]);
        let first = test.feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Ada", None)),
        ]);
        assert_eq!(first, "", "it may be the only one");
        let long = "x".repeat(100);
        let lines = test.feed(&[
            event(&transaction, 1, Body::Delete { relation, old }),
            insert(&transaction, 2, &users, &row(&long, Some("[1, 2]"))),
            commit(&transaction),
        ]);
        let expected = [
            "2026-11-20 (UTC)",
            "09:23:34.946 BEGIN 742",
            "  INSERT public.users id=1 name='Ada' (3 columns NULL)",
            "  DELETE public.users id=1",
            "  INSERT public.users id=1 name='xxxxxxxxxxxxxxxxxxxxxxxxx…' (100 bytes)",
            "      bio='[1, 2]' a=NULL b=NULL",
            "09:23:34.946 COMMIT 742  0/16B37A0  3 rows, 112 bytes",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_waits_is_written_in_the_end() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let mut test = on(SCREEN, false);
        test.feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Ada", None)),
        ]);
        let mut out = Vec::new();
        test.render.finish(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "2026-11-20 (UTC)\n09:23:34.946 BEGIN 742\n  \
             INSERT public.users id=1 name='Ada' (3 columns NULL)\n"
        );
    }

    #[test]
    fn a_window_of_another_width_is_filled_anew() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let mut test = on(SCREEN, false);
        let long = "x".repeat(300);
        let mut lines = |columns| {
            COLUMNS.set(columns);
            test.feed(&[
                begin(&transaction),
                insert(&transaction, 0, &users, &row(&long, Some("[null]"))),
                commit(&transaction),
            ])
        };
        for (columns, count) in [(80, 2), (200, 1), (40, 3), (20, 6), (0, 7)] {
            let lines = lines(columns);
            let lines: Vec<&str> = lines.lines().filter(|line| !line.contains("UTC")).collect();
            assert_eq!(lines.len(), count, "{lines:#?}");
            let wide = |line: &&&str| width(line.as_bytes()) > columns.max(34);
            assert_eq!(lines.iter().find(wide), None);
        }
    }

    #[test]
    fn each_column_has_a_line_of_its_own_if_asked() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let screen = Screen {
            expanded: true,
            ..SCREEN
        };
        let relation = &users;
        let long = b"a long name, with which the line gets longer than the window is wide";
        let update = |seq, new| {
            let old = Some(cells(b"Ada"));
            event(&transaction, seq, Body::Update { relation, old, new })
        };
        let lines = on(screen, false).feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Ada", Some("{}"))),
            update(1, cells(b"Grace")),
            update(2, cells(long)),
            commit(&transaction),
        ]);
        let expected = [
            "2026-11-20 (UTC)",
            "09:23:34.946 BEGIN 742",
            "  INSERT public.users",
            "    id   | 1",
            "    name | 'Ada'",
            "    bio  | '{}'",
            "    a    | NULL",
            "    b    | NULL",
            "  UPDATE public.users",
            "    id   | 1",
            "    name | 'Ada' → 'Grace'",
            "  UPDATE public.users",
            "    id   | 1",
            "    name | 'Ada'",
            "           → 'a long name, with which the line gets longer than th…' (68 bytes)",
            "09:23:34.946 COMMIT 742  0/100  3 rows, 89 bytes",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn keys_are_bold_and_json_is_colored() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let json = "{\"a\": \"b\"}";
        let lines = on(SCREEN, true).feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &row("Ada", Some(json))),
            commit(&transaction),
        ]);
        let line = lines.lines().nth(1).unwrap();
        for part in [
            "\x1b[1m\x1b[36mid=\x1b[0m\x1b[1m1\x1b[0m ",
            "\x1b[36mname=\x1b[0m'Ada' ",
            "'\x1b[0;1;39m{\x1b[0;34;1m\"a\"\x1b[0;1;39m: \x1b[0;32m\"b\"\x1b[0;1;39m}\x1b[0m'",
        ] {
            assert!(line.contains(part), "{part:?} in {line:?}");
        }
    }

    #[test]
    fn what_is_outside_transactions_is_not_indented() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let outside = |body| Event {
            transaction: None,
            ..event(&transaction, 0, body)
        };
        let message = Body::Message {
            transactional: false,
            prefix: &[b'p'; 70],
            content: b"a\x1bb",
        };
        let snapshot = Body::SnapshotDone { relation: &users };
        let lines = on(SCREEN, false).feed(&[outside(message), outside(snapshot)]);
        assert_eq!(
            lines,
            format!(
                "MESSAGE '{}…' (70 bytes) E'a\\x1bb' NON-TRANSACTIONAL\n\
                 SNAPSHOT DONE public.users\n",
                "p".repeat(26)
            )
        );
    }

    #[test]
    fn durations_are_human() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1500, "1.5 s"),
            (125_999, "2 min 5 s"),
        ] {
            assert_eq!(human_duration(Duration::from_millis(millis)), text);
        }
    }
}
