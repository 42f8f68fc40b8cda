//! The rows of one chunk, held until it is their turn, and found by their keys.

use crate::event::{Cell, Span, Tuple};
use std::hash::{BuildHasher, RandomState};

/// Ends a value that is NULL.
const NULL: u32 = u32::MAX;

/// Rows one behind the other. What it costs is told by [`Held::size`].
#[derive(Debug, Default)]
pub struct Held {
    data: Vec<u8>,
    /// Where each value ends in `data`, `width` of them for each row.
    ends: Vec<u32>,
    /// For each row: where it begins, and whether it is still to be printed.
    rows: Vec<(u32, bool)>,
    width: usize,
    /// Which of the columns are the key.
    key: Vec<usize>,
    /// Hashes of the keys with the numbers of their rows, in order; made when it is asked first.
    index: Option<Vec<(u64, u32)>>,
    hasher: RandomState,
}

/// The values of a key as one: their lengths, and they.
pub type Key = Vec<u8>;

/// Appends the key of a row to `out`; returns `false` if the row does not have all of it.
pub fn write_key(row: &Tuple<'_>, columns: &[usize], out: &mut Key) -> bool {
    columns.iter().all(|column| match row.cell(*column) {
        Cell::Text(text) => {
            out.extend((text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
            true
        }
        _ => false,
    })
}

/// The values of a key.
pub fn key_values(key: &[u8]) -> Vec<&[u8]> {
    let (mut values, mut rest) = (Vec::new(), key);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((value, behind)) = behind.split_at_checked(length) else {
            break;
        };
        values.push(value);
        rest = behind;
    }
    values
}

impl Held {
    /// Empties it for rows of so many columns.
    pub fn reset(&mut self, width: usize, key: Vec<usize>) {
        self.data.clear();
        self.ends.clear();
        self.rows.clear();
        (self.width, self.key, self.index) = (width, key, None);
        // What one huge row took is given back.
        self.data.shrink_to(8 << 20);
    }

    /// Takes a row. Returns `false` if it does not have as many values as there are columns.
    pub fn push<'v>(&mut self, values: impl Iterator<Item = Option<&'v [u8]>>) -> bool {
        let (start, first) = (self.data.len(), self.ends.len());
        for value in values {
            match value {
                None => self.ends.push(NULL),
                Some(value) => {
                    self.data.extend_from_slice(value);
                    self.ends.push(self.data.len() as u32);
                }
            }
        }
        let fits = self.ends.len() - first == self.width && self.data.len() < NULL as usize;
        match fits {
            true => self.rows.push((start as u32, true)),
            false => {
                self.data.truncate(start);
                self.ends.truncate(first);
            }
        }
        fits
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many bytes it holds.
    pub fn size(&self) -> usize {
        self.data.len() + 4 * self.ends.len() + 24 * self.rows.len()
    }

    /// The row of this number; `spans` is what its tuple is made of.
    pub fn row<'a>(&'a self, number: usize, spans: &'a mut Vec<Span>) -> Tuple<'a> {
        spans.clear();
        let mut start = self.rows.get(number).map_or(0, |row| row.0 as usize);
        let first = number * self.width;
        let ends = self.ends.get(first..first + self.width);
        for end in ends.unwrap_or_default() {
            match *end {
                NULL => spans.push(Span::Null),
                end => {
                    let end = end as usize;
                    spans.push(Span::Text { start, end });
                    start = end;
                }
            }
        }
        Tuple::new(&self.data, spans)
    }

    /// The key of a row.
    pub fn key_of(&self, number: usize) -> Key {
        let (mut key, mut spans) = (Key::new(), Vec::new());
        write_key(&self.row(number, &mut spans), &self.key, &mut key);
        key
    }

    /// The number of the row with this key, whether it was printed or not.
    pub fn find(&mut self, key: &[u8]) -> Option<usize> {
        if self.index.is_none() {
            self.index = Some(self.make_index());
        }
        let hash = self.hasher.hash_one(key);
        let index = self.index.as_deref().unwrap_or_default();
        let first = index.partition_point(|(other, _)| *other < hash);
        let same = index.get(first..).unwrap_or_default().iter();
        same.take_while(|(other, _)| *other == hash)
            .map(|(_, number)| *number as usize)
            .find(|number| self.key_of(*number) == key)
    }

    /// The row is printed now. Returns `false` if it was before.
    pub fn take(&mut self, number: usize) -> bool {
        let row = self.rows.get_mut(number);
        row.is_some_and(|row| std::mem::replace(&mut row.1, false))
    }

    /// The keys of those that were printed, or of those that were not.
    pub fn keys(&self, printed: bool) -> impl Iterator<Item = Key> {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| row.1 != printed)
            .map(|(number, _)| self.key_of(number))
    }

    fn make_index(&self) -> Vec<(u64, u32)> {
        let (mut key, mut spans) = (Key::new(), Vec::new());
        let hashes = (0..self.rows.len()).map(|number| {
            key.clear();
            write_key(&self.row(number, &mut spans), &self.key, &mut key);
            (self.hasher.hash_one(key.as_slice()), number as u32)
        });
        let mut index: Vec<(u64, u32)> = hashes.collect();
        index.sort_unstable();
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'v>(texts: &'v [Option<&str>]) -> impl Iterator<Item = Option<&'v [u8]>> {
        texts.iter().map(|text| text.map(str::as_bytes))
    }

    #[test]
    fn rows_are_found_by_their_keys() {
        let mut held = Held::default();
        held.reset(3, vec![2, 0]);
        for n in 0..1000 {
            let (a, b) = ((n % 10).to_string(), (n / 10).to_string());
            assert!(held.push(values(&[Some(&a), None, Some(&b)])));
        }
        assert!(!held.push(values(&[Some("1")])));
        assert_eq!(held.len(), 1000);
        for n in [0, 7, 512, 999] {
            let key = held.key_of(n);
            assert_eq!(
                key_values(&key),
                [
                    (n / 10).to_string().as_bytes(),
                    (n % 10).to_string().as_bytes()
                ]
            );
            assert_eq!(held.find(&key), Some(n));
        }
        let mut spans = Vec::new();
        let row: Vec<_> = held.row(42, &mut spans).cells().collect();
        assert_eq!(row, [Cell::Text(b"2"), Cell::Null, Cell::Text(b"4")]);
        let mut absent = Key::new();
        let row = crate::event::testing::row(&[Some("11"), None, Some("4")]);
        assert!(write_key(&row, &[2, 0], &mut absent));
        assert_eq!(held.find(&absent), None);
        assert!(!write_key(&row, &[1], &mut absent));
    }

    #[test]
    fn values_with_the_same_bytes_in_other_columns_are_other_keys() {
        let mut held = Held::default();
        held.reset(2, vec![0, 1]);
        held.push(values(&[Some("a"), Some("bc")]));
        let mut other = Key::new();
        let row = crate::event::testing::row(&[Some("ab"), Some("c")]);
        assert!(write_key(&row, &[0, 1], &mut other));
        assert_eq!(held.find(&other), None);
    }

    #[test]
    fn a_row_is_printed_once() {
        let mut held = Held::default();
        held.reset(1, vec![0]);
        held.push(values(&[Some("1")]));
        held.push(values(&[Some("2")]));
        assert_eq!(
            (held.take(1), held.take(1), held.take(2)),
            (true, false, false)
        );
        assert_eq!(held.keys(true).collect::<Vec<_>>(), [held.key_of(1)]);
        held.reset(1, vec![0]);
        assert!(held.is_empty() && held.find(b"").is_none());
    }
}
