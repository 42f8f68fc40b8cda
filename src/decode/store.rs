//! The tables that a stream has told of, of which there may be many thousands.
//!
//! Only those in use are kept as they are. Of the others the bytes are kept that they can be made
//! of again: the server announces a table once in a session, and for wal2json a table that was
//! forgotten would be new again. Tables whose columns are the same, as those of tenants and
//! partitions, share them there.

use crate::event::{Column, Relation, ReplicaIdentity};
use std::collections::HashSet;
use std::rc::Rc;

/// So many tables are kept as they are, with no more columns than that unless one table has them;
/// renderers prepare as much for each.
const MOST_TABLES: usize = 2000;
const MOST_COLUMNS: usize = 10_000;

/// A table as its decoder knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub relation: Relation,
    /// For each column whether its values could be TOASTed. Empty for pgoutput, which does not ask.
    pub toastable: Vec<bool>,
}

/// Known tables, by [`Relation::index`].
#[derive(Debug)]
pub(super) struct Store {
    tables: Vec<Packed>,
    slots: Vec<Slot>,
    /// Which of them are empty.
    free: Vec<usize>,
    /// How many columns the tables in the slots have.
    columns: usize,
    /// Grows with every use of a table.
    clock: u64,
    shapes: HashSet<Rc<[u8]>>,
}

#[derive(Debug)]
struct Packed {
    name: Box<[u8]>,
    shape: Rc<[u8]>,
    slot: Option<u32>,
    announced: bool,
}

#[derive(Debug)]
struct Slot {
    known: Option<Known>,
    used: u64,
}

impl Default for Store {
    fn default() -> Store {
        // The slot of `Relation::SNAPSHOT_SLOT` is never used here.
        let reserved = Slot {
            known: None,
            used: 0,
        };
        Store {
            tables: Vec::new(),
            slots: vec![reserved],
            free: Vec::new(),
            columns: 0,
            clock: 0,
            shapes: HashSet::new(),
        }
    }
}

impl Store {
    /// How many tables are known: the index of the next.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Keeps what a table is now, in place of what was known at its index, or as a new one. Returns
    /// `true` if that is anything new.
    pub fn put(&mut self, known: Known) -> bool {
        let index = known.relation.index;
        let (name, shape) = (pack_name(&known.relation), pack_shape(&known));
        let changed = match self.tables.get(index) {
            Some(table) if *table.name == *name && *table.shape == *shape => false,
            Some(_) => {
                self.forget(index);
                let shape = self.share(shape);
                if let Some(table) = self.tables.get_mut(index) {
                    let old = std::mem::replace(&mut table.shape, shape);
                    table.name = name.into();
                    self.unshare(old);
                }
                true
            }
            None => {
                let shape = self.share(shape);
                self.tables.push(Packed {
                    name: name.into(),
                    shape,
                    slot: None,
                    announced: false,
                });
                true
            }
        };
        if self
            .tables
            .get(index)
            .is_some_and(|table| table.slot.is_none())
        {
            self.keep(known);
        }
        changed
    }

    /// The table at this index.
    pub fn get(&mut self, index: usize) -> Option<&Known> {
        let slot = match self.tables.get(index)?.slot {
            Some(slot) => slot as usize,
            None => {
                let table = self.tables.get(index)?;
                let known = unpack(index, &table.name, &table.shape)?;
                self.keep(known)
            }
        };
        self.clock += 1;
        let slot = self.slots.get_mut(slot)?;
        slot.used = self.clock;
        slot.known.as_ref()
    }

    /// Whether the table was announced in this session.
    pub fn is_announced(&self, index: usize) -> bool {
        self.tables.get(index).is_some_and(|table| table.announced)
    }

    /// It is now. Returns `true` if it was before.
    pub fn announce(&mut self, index: usize) -> bool {
        self.tables
            .get_mut(index)
            .is_some_and(|table| std::mem::replace(&mut table.announced, true))
    }

    /// A new session begins.
    pub fn reset(&mut self) {
        for table in &mut self.tables {
            table.announced = false;
        }
    }

    /// Puts a table into a slot, after those that were not used for the longest time have made
    /// room.
    fn keep(&mut self, mut known: Known) -> usize {
        let columns = known.relation.columns.len();
        while self.slots.len() - self.free.len() > MOST_TABLES
            || self.columns > 0 && self.columns + columns > MOST_COLUMNS
        {
            let used = |slot: &&Slot| slot.known.is_some();
            let oldest = self.slots.iter().filter(used).min_by_key(|slot| slot.used);
            let Some(oldest) = oldest.and_then(|slot| slot.known.as_ref()) else {
                break;
            };
            self.forget(oldest.relation.index);
        }
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let index = known.relation.index;
        known.relation.slot = slot;
        let kept = Slot {
            known: Some(known),
            used: self.clock,
        };
        match self.slots.get_mut(slot) {
            Some(place) => *place = kept,
            None => self.slots.push(kept),
        }
        self.columns += columns;
        if let Some(table) = self.tables.get_mut(index) {
            table.slot = u32::try_from(slot).ok();
        }
        slot
    }

    /// Empties the slot of a table, if it has one.
    fn forget(&mut self, index: usize) {
        let table = self.tables.get_mut(index);
        let Some(slot) = table.and_then(|table| table.slot.take()) else {
            return;
        };
        let slot = slot as usize;
        let known = self.slots.get_mut(slot).and_then(|slot| slot.known.take());
        self.columns -= known.map_or(0, |known| known.relation.columns.len());
        self.free.push(slot);
    }

    fn share(&mut self, shape: Vec<u8>) -> Rc<[u8]> {
        if let Some(shared) = self.shapes.get(shape.as_slice()) {
            return Rc::clone(shared);
        }
        let shape: Rc<[u8]> = shape.into();
        self.shapes.insert(Rc::clone(&shape));
        shape
    }

    fn unshare(&mut self, shape: Rc<[u8]>) {
        // One is the set's own.
        if Rc::strong_count(&shape) == 2 {
            self.shapes.remove(&shape);
        }
    }
}

const IDENTITIES: [Option<ReplicaIdentity>; 5] = [
    None,
    Some(ReplicaIdentity::Default),
    Some(ReplicaIdentity::Nothing),
    Some(ReplicaIdentity::Full),
    Some(ReplicaIdentity::Index),
];

const KEY: u32 = 1;
const TOASTABLE: u32 = 2;

// oid replica_identity schema:text table:text
fn pack_name(relation: &Relation) -> Vec<u8> {
    let identity = |identity: &Option<_>| *identity == relation.replica_identity;
    let identity = IDENTITIES.iter().position(identity).unwrap_or(0);
    let mut bytes = Vec::new();
    put_number(relation.oid, &mut bytes);
    put_number(identity as u32, &mut bytes);
    put_text(&relation.schema, &mut bytes);
    put_text(&relation.table, &mut bytes);
    bytes
}

// (flags type modifier name:text type_name:text)*
fn pack_shape(known: &Known) -> Vec<u8> {
    let toastable = known.toastable.iter().chain(std::iter::repeat(&false));
    let mut bytes = Vec::new();
    for (column, toastable) in known.relation.columns.iter().zip(toastable) {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        put_number(
            flag(column.key, KEY) | flag(*toastable, TOASTABLE),
            &mut bytes,
        );
        put_number(column.type_oid, &mut bytes);
        // Most have none, which is -1.
        put_number(
            column.type_modifier.wrapping_add(1).cast_unsigned(),
            &mut bytes,
        );
        put_text(&column.name, &mut bytes);
        put_text(&column.type_name, &mut bytes);
    }
    bytes
}

fn unpack(index: usize, mut name: &[u8], mut shape: &[u8]) -> Option<Known> {
    let mut relation = Relation {
        index,
        slot: 0,
        oid: take_number(&mut name)?,
        replica_identity: *IDENTITIES.get(take_number(&mut name)? as usize)?,
        schema: take_text(&mut name)?,
        table: take_text(&mut name)?,
        columns: Vec::new(),
    };
    let mut toastable = Vec::new();
    while !shape.is_empty() {
        let flags = take_number(&mut shape)?;
        toastable.push(flags & TOASTABLE != 0);
        relation.columns.push(Column {
            key: flags & KEY != 0,
            type_oid: take_number(&mut shape)?,
            type_modifier: take_number(&mut shape)?.cast_signed().wrapping_sub(1),
            name: take_text(&mut shape)?,
            type_name: take_text(&mut shape)?,
        });
    }
    Some(Known {
        relation,
        toastable,
    })
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_number(mut number: u32, bytes: &mut Vec<u8>) {
    while number > 0x7F {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

// length bytes
fn put_text(text: &str, bytes: &mut Vec<u8>) {
    put_number(u32::try_from(text.len()).unwrap_or(u32::MAX), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = take_number(bytes)? as usize;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::{INT4, TEXT, relation};

    fn known(index: usize, columns: usize) -> Known {
        let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
        let columns: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), INT4, name == "c0"))
            .collect();
        Known {
            relation: Relation {
                index,
                ..relation(&format!("t{index}"), &columns)
            },
            toastable: vec![false; columns.len()],
        }
    }

    /// Without its slot, which is the store's own business.
    fn plain(known: &Known) -> Known {
        let mut known = known.clone();
        known.relation.slot = 0;
        known
    }

    #[test]
    fn a_table_is_made_again_as_it_was() {
        let mut odd = known(3, 2);
        odd.relation.schema = String::new();
        odd.relation.table = "\u{e4}".repeat(200);
        odd.relation.oid = u32::MAX;
        for identity in IDENTITIES {
            odd.relation.replica_identity = identity;
            for (oid, modifier) in [(0, -1), (TEXT, 0), (u32::MAX, i32::MAX), (127, i32::MIN)] {
                odd.relation.columns[1].type_oid = oid;
                odd.relation.columns[1].type_modifier = modifier;
                odd.relation.columns[1].type_name = "numeric(10,2)".to_owned();
                odd.toastable[1] = oid == TEXT;
                let packed = (pack_name(&odd.relation), pack_shape(&odd));
                assert_eq!(unpack(3, &packed.0, &packed.1), Some(odd.clone()));
                for cut in 0..packed.0.len() {
                    assert_eq!(unpack(3, &packed.0[..cut], &packed.1), None);
                }
            }
        }
    }

    #[test]
    fn any_number_of_tables_is_known_and_few_are_kept() {
        let mut store = Store::default();
        let count = MOST_TABLES * 3;
        for index in 0..count {
            assert_eq!(store.len(), index);
            assert!(store.put(known(index, 5)));
            assert!(!store.announce(index));
        }
        for index in (0..count).rev().chain(0..count) {
            assert_eq!(store.get(index).map(plain), Some(known(index, 5)));
            assert!(store.is_announced(index));
            assert!(store.slots.len() - 1 <= MOST_TABLES);
        }
        assert_eq!(store.shapes.len(), 1);
        assert_eq!(store.columns, 5 * (store.slots.len() - 1));
        assert!(!store.put(known(7, 5)));
        store.reset();
        assert!(!store.is_announced(7));
    }

    #[test]
    fn wide_tables_leave_room_for_fewer() {
        let mut store = Store::default();
        for index in 0..100 {
            store.put(known(index, 1600));
            assert!(store.columns <= MOST_COLUMNS);
        }
        assert_eq!(
            store.slots.len() - 1 - store.free.len(),
            MOST_COLUMNS / 1600
        );
        store.put(known(100, MOST_COLUMNS * 2));
        assert_eq!(store.slots.len() - 1 - store.free.len(), 1);
        assert_eq!(
            store.get(100).map(plain),
            Some(known(100, MOST_COLUMNS * 2))
        );
        assert_eq!(store.get(5).map(plain), Some(known(5, 1600)));
    }

    #[test]
    fn those_in_use_stay() {
        let mut store = Store::default();
        store.put(known(0, 1));
        let slot = store.get(0).unwrap().relation.slot;
        for index in 1..MOST_TABLES * 2 {
            store.put(known(index, 1));
            assert_eq!(store.get(0).unwrap().relation.slot, slot);
        }
        assert_eq!(
            store
                .tables
                .iter()
                .filter(|table| table.slot.is_some())
                .count(),
            MOST_TABLES
        );
    }

    #[test]
    fn a_changed_shape_takes_the_place_of_the_old_one() {
        let mut store = Store::default();
        assert!(store.put(known(0, 2)));
        assert!(!store.put(known(0, 2)));
        assert!(store.put(known(0, 3)));
        assert_eq!(store.get(0).map(plain), Some(known(0, 3)));
        assert_eq!((store.len(), store.shapes.len(), store.columns), (1, 1, 3));
        // The one that shares its shape keeps it.
        assert!(store.put(known(1, 3)));
        assert!(store.put(known(0, 4)));
        assert_eq!(store.shapes.len(), 2);
        assert_eq!(store.get(1).map(plain), Some(known(1, 3)));
    }
}
