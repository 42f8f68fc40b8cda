//! What a line of JSON does to the rows of its table, told by their keys.

use super::held::Key;
use super::table::Table;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The values of a key's columns, each as the line has it.
pub type KeyTexts = Vec<String>;

/// What matters of a line.
#[derive(Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    pub schema: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub table: Option<Cow<'a, str>>,
    pub xid: Option<u32>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    unchanged: Option<IgnoredAny>,
    pub through: Option<HashMap<String, Value>>,
}

/// What a line does to the rows of its table.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that matters here.
    None,
    /// It says that this row was there already.
    Told(KeyTexts),
    /// A row has another key; `whole`: the line has all of it.
    Moved {
        from: KeyTexts,
        to: KeyTexts,
        whole: bool,
    },
    /// This row is gone.
    Gone(KeyTexts),
    /// All rows are gone.
    Emptied,
}

impl<'a> Line<'a> {
    /// The line; `None` if it is none.
    pub fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        serde_json::from_slice(line).ok()
    }

    /// Returns `true` if it is about this table.
    pub fn is_of(&self, table: &Table) -> bool {
        self.schema.as_deref() == Some(&table.schema) && self.table.as_deref() == Some(&table.name)
    }

    /// What it does, in a table whose key has columns with these names; `None` if a key cannot be
    /// told.
    pub fn effect(&self, names: &[String]) -> Option<Effect> {
        let key = |row: &RawValue| key_in(row, names);
        Some(match (&*self.op, self.before, self.after) {
            ("snapshot", _, Some(after)) => Effect::Told(key(after)?),
            ("update", Some(before), Some(after)) => {
                let (from, to) = (key(before)?, key(after)?);
                match from == to {
                    true => Effect::None,
                    false => Effect::Moved {
                        from,
                        to,
                        whole: self.unchanged.is_none(),
                    },
                }
            }
            ("delete", Some(before), _) => Effect::Gone(key(before)?),
            ("truncate", ..) => Effect::Emptied,
            _ => Effect::None,
        })
    }
}

fn key_in(row: &RawValue, names: &[String]) -> Option<KeyTexts> {
    let row: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(row.get()).ok()?;
    let value = |name: &String| row.get(name.as_str()).map(|value| value.get().to_owned());
    names.iter().map(value).collect()
}

/// The key as the server reads it; `None` where JSON has another form than the server.
pub fn server_key(key: &[String]) -> Option<Key> {
    let text = |value: &String| match serde_json::from_str(value).ok()? {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    };
    let texts = key.iter().map(text).collect::<Option<Vec<_>>>()?;
    Some(join(texts.iter().map(String::as_bytes)))
}

/// These values as a key.
pub fn join<'v>(values: impl Iterator<Item = &'v [u8]>) -> Key {
    let mut key = Key::new();
    for value in values {
        key.extend((value.len() as u32).to_le_bytes());
        key.extend_from_slice(value);
    }
    key
}

/// The keys of rows that are there, and that whoever has read the lines has as a whole because a
/// line has told of them.
#[derive(Debug, Default)]
pub struct Told {
    keys: HashSet<KeyTexts>,
}

impl Told {
    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// The row with this key is not to be told again: returns `true` if it was, and forgets it.
    pub fn take(&mut self, key: &[String]) -> bool {
        self.keys.remove(key)
    }

    /// A line has come.
    pub fn follow(&mut self, effect: &Effect) {
        match effect {
            Effect::None => {}
            Effect::Told(key) => {
                self.keys.insert(key.clone());
            }
            // It is another row than the one that was there, if one was.
            Effect::Moved { from, to, .. } => {
                match self.keys.remove(from) {
                    true => self.keys.insert(to.clone()),
                    false => self.keys.remove(to),
                };
            }
            Effect::Gone(key) => {
                self.keys.remove(key);
            }
            Effect::Emptied => self.keys.clear(),
        }
    }

    /// Returns `true` if the row with this key was told.
    pub fn contains(&self, key: &[String]) -> bool {
        self.keys.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(texts: &[&str]) -> KeyTexts {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[track_caller]
    fn effect(line: &str) -> Option<Effect> {
        let line = Line::parse(line.as_bytes()).unwrap();
        line.effect(&key(&["name", "id"]))
    }

    #[test]
    fn keys_are_what_the_line_says() {
        let told = effect(r#"{"op":"snapshot","after":{"id":1.50,"name":"a\"b"}}"#);
        assert_eq!(told, Some(Effect::Told(key(&[r#""a\"b""#, "1.50"]))));
        assert_eq!(effect(r#"{"op":"snapshot","after":{"id":1}}"#), None);
        let gone = effect(r#"{"op":"delete","before":{"id":1,"name":null}}"#);
        assert_eq!(gone, Some(Effect::Gone(key(&["null", "1"]))));
        for (more, whole) in [("", true), (r#","unchanged":["x"]"#, false)] {
            let row = r#"{"id":1,"name":"a"}"#;
            let line = |before: &str| format!(r#"{{"op":"update"{before},"after":{row}{more}}}"#);
            let moved = effect(&line(r#","before":{"id":2,"name":"a"}"#));
            let (from, to) = (key(&[r#""a""#, "2"]), key(&[r#""a""#, "1"]));
            assert_eq!(moved, Some(Effect::Moved { from, to, whole }));
            let stays = effect(&line(&format!(r#","before":{row}"#)));
            assert_eq!(
                (stays, effect(&line(""))),
                (Some(Effect::None), Some(Effect::None))
            );
        }
        let insert = effect(r#"{"op":"insert","after":{"id":1,"name":"a"}}"#);
        assert_eq!(insert, Some(Effect::None));
        assert_eq!(effect(r#"{"op":"truncate"}"#), Some(Effect::Emptied));
    }

    #[test]
    fn what_was_told_goes_where_its_row_goes() {
        let mut told = Told::default();
        let moved = |from: &str, to: &str| Effect::Moved {
            from: key(&[from]),
            to: key(&[to]),
            whole: false,
        };
        for effect in [
            Effect::Told(key(&["1"])),
            Effect::Told(key(&["2"])),
            Effect::Told(key(&["3"])),
            moved("1", "4"),
            // Nobody has told of this row.
            moved("9", "2"),
            Effect::Gone(key(&["3"])),
        ] {
            told.follow(&effect);
        }
        assert!(!told.take(&key(&["1"])) && !told.take(&key(&["2"])));
        assert!(told.take(&key(&["4"])) && told.is_empty());
        told.follow(&Effect::Told(key(&["1"])));
        told.follow(&Effect::Emptied);
        assert!(told.is_empty());
    }
}
