//! A table with writers, its WAL and its reader, in a few lines: whatever chance makes of them, the
//! lines in their order make the table.

use super::super::table::tests::table;
use super::*;
use crate::event::testing::{Sent, cells_of, committed, event, relation};
use crate::event::{Event, Transaction};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A small generator of random numbers (SplitMix64), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ bits >> 31) % bound
    }
}

/// The key of a row is a number that is written with two digits; its one other value is TOASTed.
#[derive(Clone, Copy, Debug)]
enum Change {
    Insert {
        key: u64,
        value: u64,
    },
    Update {
        key: u64,
        value: Option<u64>,
    },
    Move {
        from: u64,
        to: u64,
        value: Option<u64>,
    },
    Delete {
        key: u64,
    },
    Truncate,
}

/// The rows that a transaction has written, its changes, and whether it has emptied the table.
type Running = (BTreeMap<u64, Option<u64>>, Vec<Change>, bool);

#[derive(Default)]
struct Server {
    next_xid: u32,
    next_lsn: u64,
    next_value: u64,
    /// How many keys there are.
    keys: u64,
    /// What is committed and seen.
    table: BTreeMap<u64, u64>,
    running: HashMap<u32, Running>,
    /// Committed, but not seen yet.
    unseen: Vec<u32>,
    wal: VecDeque<(u32, u64, Vec<Change>)>,
}

impl Server {
    fn begin(&mut self) {
        if self.running.len() < 4 {
            self.next_xid += 1;
            let new = (BTreeMap::new(), Vec::new(), false);
            self.running.insert(self.next_xid, new);
        }
    }

    fn pick(&self, random: &mut Random, unseen: bool) -> Option<u32> {
        let mut xids: Vec<u32> = self.running.keys().copied().collect();
        xids.retain(|xid| self.unseen.contains(xid) == unseen);
        xids.sort_unstable();
        let at = random.below(xids.len().max(1) as u64) as usize;
        xids.get(at).copied()
    }

    /// Nobody else has changed it and is not yet seen to be done.
    fn may_touch(&self, xid: u32, key: u64) -> bool {
        let others = self.running.iter().filter(|(other, _)| **other != xid);
        others
            .into_iter()
            .all(|(_, (rows, _, all))| !all && !rows.contains_key(&key))
    }

    fn change(&mut self, random: &mut Random) {
        let Some(xid) = self.pick(random, false) else {
            return;
        };
        let keys = self.keys;
        let (key, to) = (random.below(keys), random.below(keys));
        if !self.may_touch(xid, key) || !self.may_touch(xid, to) {
            return;
        }
        if random.below(200) == 0 && self.running.len() == 1 {
            let (rows, changes, all) = self.running.get_mut(&xid).unwrap();
            rows.extend(self.table.keys().map(|key| (*key, None)));
            rows.values_mut().for_each(|row| *row = None);
            changes.push(Change::Truncate);
            *all = true;
            return;
        }
        self.next_value += 1;
        let new = self.next_value;
        let (rows, changes, _) = self.running.get_mut(&xid).unwrap();
        let now = |key: u64| match rows.get(&key) {
            Some(row) => *row,
            None => self.table.get(&key).copied(),
        };
        let keeps = random.below(2) == 0;
        match (now(key), now(to)) {
            (None, _) => {
                rows.insert(key, Some(new));
                changes.push(Change::Insert { key, value: new });
            }
            (Some(_), None) if key != to && random.below(3) > 0 => {
                let old = now(key);
                rows.insert(to, if keeps { old } else { Some(new) });
                rows.insert(key, None);
                let value = (!keeps).then_some(new);
                changes.push(Change::Move {
                    from: key,
                    to,
                    value,
                });
            }
            (Some(_), _) if random.below(3) == 0 => {
                rows.insert(key, None);
                changes.push(Change::Delete { key });
            }
            (Some(old), _) => {
                rows.insert(key, Some(if keeps { old } else { new }));
                let value = (!keeps).then_some(new);
                changes.push(Change::Update { key, value });
            }
        }
    }

    fn commit(&mut self, random: &mut Random) {
        let Some(xid) = self.pick(random, false) else {
            return;
        };
        if random.below(6) == 0 {
            self.running.remove(&xid);
            return;
        }
        self.next_lsn += 10;
        let changes = self.running[&xid].1.clone();
        self.wal.push_back((xid, self.next_lsn, changes));
        self.unseen.push(xid);
    }

    fn show(&mut self, random: &mut Random) {
        if let Some(xid) = self.pick(random, true) {
            let (rows, _, _) = self.running.remove(&xid).unwrap();
            for (key, value) in rows {
                match value {
                    Some(value) => self.table.insert(key, value),
                    None => self.table.remove(&key),
                };
            }
            self.unseen.retain(|other| *other != xid);
        }
    }

    fn read(&self, merge: &mut Merge, limit: usize) {
        let Some(want) = merge.want() else {
            return;
        };
        let key = |key: &Key| text_of(key);
        let mut rows: Vec<(u64, u64)> = self.table.iter().map(|(k, v)| (*k, *v)).collect();
        let mut place = Place::Again;
        match &want {
            Want::After(after) => {
                rows.retain(|row| after.as_ref().is_none_or(|after| row.0 > key(after)));
                place = match rows.len() < limit {
                    true => Place::Last,
                    false => Place::Next,
                };
                rows.truncate(limit);
            }
            Want::Again(requests) => rows.retain(|row| {
                requests.iter().any(|request| {
                    key(&request.key) == row.0
                        && request.moved.as_ref().is_none_or(|moved| {
                            let past = key(&moved.past);
                            moved.from.as_ref().is_none_or(|from| key(from) > past) && row.0 <= past
                        })
                })
            }),
        }
        let mut held = Held::default();
        held.reset(2, vec![0]);
        for (key, value) in rows {
            let (key, value) = (format!("{key:02}"), value.to_string());
            held.push([key, value].iter().map(|text| Some(text.as_bytes())));
        }
        let mut running: Vec<String> = self.running.keys().map(u32::to_string).collect();
        running.sort();
        let next = self.next_xid + 1;
        let xmin = self.running.keys().min().copied().unwrap_or(next);
        let visibility = format!("{xmin}:{next}:{}", running.join(","));
        merge.take(Chunk {
            held,
            visibility: visibility.parse().unwrap(),
            end: Lsn(self.next_lsn + 5),
            place,
        });
    }
}

fn text_of(key: &[u8]) -> u64 {
    str::from_utf8(key_values(key)[0]).unwrap().parse().unwrap()
}

/// What the lines make of the table.
#[derive(Default)]
struct Consumer {
    rows: BTreeMap<u64, u64>,
    lines: Vec<String>,
    done: bool,
}

impl Consumer {
    fn take(&mut self, event: &Event<'_>) {
        self.lines
            .push(format!("{event:?}").chars().take(60).collect());
        let number = |cell: Cell<'_>| match cell {
            Cell::Text(text) => Some(str::from_utf8(text).unwrap().parse::<u64>().unwrap()),
            _ => None,
        };
        match event.body {
            Body::Insert { new: row, .. } | Body::Snapshot { row, .. } => {
                self.put(number(row.cell(0)).unwrap(), number(row.cell(1)));
            }
            Body::Update { old, new, .. } => {
                let to = number(new.cell(0)).unwrap();
                let from = old.and_then(|old| number(old.cell(0))).unwrap_or(to);
                let old = self.rows.remove(&from);
                let value = number(new.cell(1));
                // Without it the value is lost; only an older row may be unknown.
                self.put(to, value.or(old));
            }
            Body::Delete { old, .. } => {
                self.rows.remove(&number(old.cell(0)).unwrap());
            }
            Body::Truncate { .. } => self.rows.clear(),
            Body::SnapshotDone { .. } => self.done = true,
            _ => (),
        }
    }

    fn put(&mut self, key: u64, value: Option<u64>) {
        if let Some(value) = value {
            self.rows.insert(key, value);
        } else {
            self.rows.remove(&key);
        }
    }
}

fn feed(merge: &mut Merge, event: &Event<'_>, consumer: &mut Consumer) {
    merge.before(event, &mut |event| consumer.take(event));
    consumer.take(event);
}

fn stream_one(server: &mut Server, merge: &mut Merge, consumer: &mut Consumer) {
    let Some((xid, lsn, changes)) = server.wal.pop_front() else {
        return;
    };
    let transaction: Transaction = committed(xid, lsn);
    let relation = Relation {
        oid: 5,
        index: 3,
        slot: 1,
        ..relation("t", &[("id", 23, true), ("name", 25, false)])
    };
    feed(merge, &event(&transaction, 0, Body::Begin), consumer);
    for (seq, change) in changes.into_iter().enumerate() {
        let row = |key: u64, value: Option<u64>| {
            let (key, text) = (format!("{key:02}"), value.map(|value| value.to_string()));
            let value = text.as_deref().map(str::as_bytes);
            cells_of(&[
                Sent::Text(key.as_bytes()),
                value.map_or(Sent::Unchanged, Sent::Text),
            ])
        };
        let old = |key: u64| cells_of(&[Sent::Text(format!("{key:02}").as_bytes()), Sent::Absent]);
        let relation = &relation;
        let body = match change {
            Change::Insert { key, value } => Body::Insert {
                relation,
                new: row(key, Some(value)),
            },
            Change::Update { key, value } => Body::Update {
                relation,
                old: None,
                new: row(key, value),
            },
            Change::Move { from, to, value } => Body::Update {
                relation,
                old: Some(old(from)),
                new: row(to, value),
            },
            Change::Delete { key } => Body::Delete {
                relation,
                old: old(key),
            },
            Change::Truncate => Body::Truncate {
                relation,
                cascade: None,
                restart_identity: None,
            },
        };
        feed(merge, &event(&transaction, seq as u64, body), consumer);
    }
}

#[test]
fn the_lines_in_their_order_make_the_table() {
    let (mut read, mut again, mut chunks) = (0, 0, 0);
    for seed in 0..2000 {
        let mut random = Random(seed);
        let random = &mut random;
        let (mut server, mut consumer) = (Server::default(), Consumer::default());
        server.keys = [8, 20, 60][random.below(3) as usize];
        for key in 0..random.below(server.keys) {
            server.next_value += 1;
            server.table.insert(key, server.next_value);
        }
        let mut merge = Merge::default();
        merge.begin(table(), 9, None);
        let mut steps = 0;
        while !consumer.done || steps < 200 {
            steps += 1;
            match random.below(24) {
                0..2 => server.begin(),
                2..12 => server.change(random),
                12..15 => server.commit(random),
                15..18 => server.show(random),
                18..21 => stream_one(&mut server, &mut merge, &mut consumer),
                21 | 22 => {
                    again += u32::from(matches!(merge.want(), Some(Want::Again(_))));
                    let limit = 1 + random.below(1 + server.keys / 3) as usize;
                    server.read(&mut merge, limit);
                    chunks += u32::from(merge.end().is_some());
                }
                _ if random.below(8) == 0 => merge.drop_chunk(),
                _ if server.wal.is_empty() => {
                    let end = Lsn(server.next_lsn + 10);
                    merge.reach(end, &mut |event| consumer.take(event));
                }
                _ => (),
            }
            assert!(steps < 100_000, "seed {seed}: it never ends");
        }
        while server.running.len() > server.unseen.len() {
            server.commit(random);
        }
        while !server.unseen.is_empty() {
            server.show(random);
        }
        while !server.wal.is_empty() {
            stream_one(&mut server, &mut merge, &mut consumer);
        }
        let lines = consumer.lines.join("\n");
        assert_eq!(consumer.rows, server.table, "seed {seed}\n{lines}");
        read += merge.rows;
    }
    assert!(read > 5000, "{read} rows prove little");
    assert!(
        again > 100 && chunks > 2000,
        "{again} of {chunks} chunks again"
    );
}

#[test]
fn an_older_row_never_comes_after_a_newer_one() {
    // What was printed is not seen by the snapshot yet.
    let mut server = Server::default();
    let (mut merge, mut consumer) = (Merge::default(), Consumer::default());
    server.table.insert(1, 1);
    merge.begin(table(), 9, None);
    server.next_value = 1;
    server.begin();
    let (rows, changes, _) = server.running.get_mut(&1).unwrap();
    rows.insert(1, Some(2));
    changes.push(Change::Update {
        key: 1,
        value: Some(2),
    });
    server.commit(&mut Random(1));
    stream_one(&mut server, &mut merge, &mut consumer);
    server.read(&mut merge, 10);
    assert_eq!(merge.end(), None, "the chunk is read anew");
    server.show(&mut Random(1));
    server.read(&mut merge, 10);
    merge.reach(Lsn(100), &mut |event| consumer.take(event));
    assert_eq!((consumer.rows[&1], consumer.done), (2, true));
    assert_eq!(merge.take_finished().unwrap().oid, 5);
}
