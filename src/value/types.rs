//! From a type's number to its [`Kind`]: from a fixed table for built-in types, else from the
//! catalog.

use super::kind::Kind;
use super::name::format_builtin;
use crate::error::{self, Error, Result};
use log::warn;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::Type;

/// Types nested deeper than this are text. Quoting doubles with every level of composites, so real
/// ones stay far below.
const MAX_DEPTH: usize = 64;

/// Knows the kind of every type that was asked for.
pub struct Types {
    catalog: Box<dyn TypeCatalog>,
    kinds: HashMap<u32, Kind>,
    /// Names of the types that the catalog knew.
    names: HashMap<u32, String>,
    /// What the stream said of types, for where the catalog does not know them.
    announced: HashMap<u32, Announced>,
    /// How many values have not fitted since the type was last found changed.
    mismatches: HashMap<u32, u64>,
    warned: HashSet<u32>,
}

/// A type as the stream announces it.
struct Announced {
    name: String,
    /// Only known of a domain over a built-in type, which is announced by that type's name.
    kind: Option<Kind>,
}

/// What types are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To write their values.
    Values,
    /// Only to name them.
    Names,
}

/// Where types are looked up.
pub trait TypeCatalog {
    /// What these types are, and all types that they consist of. A type that is not there has no
    /// entry.
    fn look_up(&mut self, oids: &[u32]) -> Result<Vec<TypeEntry>>;

    /// The columns of a table that the server computes. None where the catalog does not tell.
    fn computed_columns(&mut self, schema: &str, table: &str) -> Result<Vec<ComputedColumn>>;
}

/// A column whose values the server computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedColumn {
    /// Its name.
    pub name: String,
    /// `GENERATED ALWAYS AS IDENTITY`: an insert may override it. Else `GENERATED ALWAYS AS (...)`,
    /// which nothing may.
    pub identity: bool,
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
    /// A type that only its own cast to `json` turns into JSON, which is a function of the server.
    Cast,
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
        Err(Error::new("there is no server to ask"))
    }

    fn computed_columns(&mut self, _: &str, _: &str) -> Result<Vec<ComputedColumn>> {
        Ok(Vec::new())
    }
}

impl Types {
    /// Knows the built-in types; others are looked up in `catalog` when they are met.
    pub fn new(catalog: Box<dyn TypeCatalog>) -> Types {
        Types {
            catalog,
            kinds: HashMap::new(),
            names: HashMap::new(),
            announced: HashMap::new(),
            mismatches: HashMap::new(),
            warned: HashSet::new(),
        }
    }

    /// The columns of a table that the server computes.
    pub fn computed_columns(&mut self, schema: &str, table: &str) -> Result<Vec<ComputedColumn>> {
        self.catalog.computed_columns(schema, table)
    }

    /// The stream says what a type that is not built in is called; of a domain it says what that is
    /// over. `builtin` is the type's `pg_type.typname` if it is one of the system's.
    pub fn announce(&mut self, oid: u32, name: String, builtin: Option<&str>) {
        let builtin = builtin.and_then(builtin_type);
        let announced = match builtin {
            Some(builtin) => Announced {
                name: format_builtin(builtin.name(), -1),
                kind: Kind::of_builtin(builtin.oid()),
            },
            None => Announced { name, kind: None },
        };
        self.announced.insert(oid, announced);
    }

    /// Makes sure that these types are known, asking the catalog once for all that are not; `again`
    /// asks anew for all that are not built in, as they may have changed. The values of a type that
    /// cannot be had are text, with one warning for each.
    pub fn resolve(&mut self, oids: impl Iterator<Item = u32>, purpose: Purpose, again: bool) {
        let mut wanted = Vec::new();
        for oid in oids.filter(|oid| *oid != 0) {
            match Kind::of_builtin(oid) {
                Some(kind) => drop(self.kinds.entry(oid).or_insert(kind)),
                None if again || !self.kinds.contains_key(&oid) => wanted.push(oid),
                None => {}
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            self.look_up(&wanted, purpose);
        }
    }

    /// The kind of a type that was resolved; else text.
    pub fn kind(&self, oid: u32) -> &Kind {
        let announced = || self.announced.get(&oid)?.kind.as_ref();
        self.kinds
            .get(&oid)
            .or_else(announced)
            .unwrap_or(&Kind::Text)
    }

    /// The type's name as `format_type` prints it, with its modifier (`atttypmod`) where it is
    /// built in; else as the stream announced it. `None` if nothing knows it.
    pub fn name(&self, oid: u32, modifier: i32) -> Option<String> {
        match Type::from_oid(oid) {
            Some(builtin) => Some(format_builtin(builtin.name(), modifier)),
            None => self.known_name(oid).map(str::to_owned),
        }
    }

    fn known_name(&self, oid: u32) -> Option<&str> {
        let announced = || Some(&self.announced.get(&oid)?.name);
        self.names.get(&oid).or_else(announced).map(String::as_str)
    }

    /// What to do about a value of the type that was a mismatch for `kind`: another kind to try,
    /// where the type has changed. `None`: write it as text, with one warning for each type.
    ///
    /// In a long row of mismatches the catalog is asked only at the 1st, 2nd, 4th, 8th and so on.
    pub fn kind_after_mismatch(&mut self, oid: u32, kind: &Kind) -> Option<Kind> {
        if self.kind(oid) == kind && oid != 0 && Kind::of_builtin(oid).is_none() {
            let mismatches = self.mismatches.entry(oid).or_insert(0);
            *mismatches += 1;
            if mismatches.is_power_of_two() {
                self.look_up(&[oid], Purpose::Values);
            }
        }
        if self.kind(oid) != kind {
            self.mismatches.remove(&oid);
            return Some(self.kind(oid).clone());
        }
        self.warn_once(
            &[oid],
            Purpose::Values,
            "a value does not have the form of its type",
        );
        None
    }

    fn look_up(&mut self, oids: &[u32], purpose: Purpose) {
        let entries: HashMap<u32, TypeEntry> = match self.catalog.look_up(oids) {
            Ok(entries) => entries
                .into_iter()
                .map(|entry| (entry.oid, entry))
                .collect(),
            // Whoever asks will ask again when the server is back.
            Err(error) if error.kind() == error::Kind::Transient => return,
            Err(error) => {
                let unknown = self.unknown(oids, purpose);
                return self.warn_once(&unknown, purpose, &error.to_string());
            }
        };
        for (oid, entry) in &entries {
            self.names.insert(*oid, entry.name.clone());
        }
        let mut kinds = Kinds {
            entries: &entries,
            built: HashMap::new(),
            open: HashSet::new(),
        };
        // A type may have been dropped meanwhile: its last values still have the kind that was
        // known.
        let missing: Vec<u32> = oids
            .iter()
            .copied()
            .filter(|oid| !entries.contains_key(oid))
            .collect();
        let gone = self.unknown(&missing, purpose);
        for oid in oids {
            if entries.contains_key(oid) {
                self.kinds.insert(*oid, kinds.build(*oid).0);
            } else {
                let kind = self.kind(*oid).clone();
                self.kinds.insert(*oid, kind);
            }
        }
        self.warn_once(&gone, purpose, "no longer in the catalog");
        if purpose == Purpose::Values {
            let mut cast: Vec<u32> = entries
                .values()
                .filter(|entry| entry.shape == Shape::Cast)
                .map(|entry| entry.oid)
                .collect();
            cast.sort_unstable();
            let reason = "only the server can run the cast to json";
            self.warn_once(&cast, purpose, reason);
        }
    }

    /// Those of whose values, or names, nothing is known yet.
    fn unknown(&self, oids: &[u32], purpose: Purpose) -> Vec<u32> {
        let announced = |oid: &u32| self.announced.get(oid).is_some_and(|of| of.kind.is_some());
        let known = |oid: &u32| match purpose {
            Purpose::Values => self.kinds.contains_key(oid) || announced(oid),
            Purpose::Names => self.known_name(*oid).is_some(),
        };
        oids.iter().copied().filter(|oid| !known(oid)).collect()
    }

    fn warn_once(&mut self, oids: &[u32], purpose: Purpose, reason: &str) {
        let mut names = Vec::new();
        for oid in oids {
            let name = self
                .known_name(*oid)
                .map_or_else(|| oid.to_string(), str::to_owned);
            if self.warned.insert(*oid) && !names.contains(&name) {
                names.push(name);
            }
        }
        let what = match (purpose, names.as_slice()) {
            (_, []) => return,
            (Purpose::Values, [one]) => format!("values of type {one} are shown as text"),
            (Purpose::Values, several) => {
                format!("values of types {} are shown as text", several.join(", "))
            }
            (Purpose::Names, [one]) => format!("the name of type {one} is not known"),
            (Purpose::Names, several) => {
                format!("the names of types {} are not known", several.join(", "))
            }
        };
        warn!("{what}: {reason}");
    }
}

/// The built-in type with this `pg_type.typname`.
fn builtin_type(name: &str) -> Option<Type> {
    const FIRST_UNPINNED: u32 = 12_000;
    (1..FIRST_UNPINNED)
        .filter_map(Type::from_oid)
        .find(|candidate| candidate.name() == name)
}

/// Makes kinds of the types that a look-up brought.
struct Kinds<'a> {
    entries: &'a HashMap<u32, TypeEntry>,
    /// The kinds made so far, and how deep they are.
    built: HashMap<u32, (Kind, usize)>,
    /// The types that are being made: only in a damaged catalog is a type part of itself.
    open: HashSet<u32>,
}

impl Kinds<'_> {
    fn build(&mut self, oid: u32) -> (Kind, usize) {
        if let Some(kind) = Kind::of_builtin(oid) {
            return (kind, 1);
        }
        if let Some(known) = self.built.get(&oid) {
            return known.clone();
        }
        if self.open.len() >= MAX_DEPTH || !self.open.insert(oid) {
            return (Kind::Text, 0);
        }
        let (kind, depth) = match self.entries.get(&oid).map(|entry| &entry.shape) {
            None | Some(Shape::Scalar | Shape::Cast) => (Kind::Text, 0),
            Some(Shape::Hstore) => (Kind::Hstore, 0),
            Some(Shape::Domain { base }) => self.build(*base),
            Some(Shape::Array { element, delimiter }) => {
                let (element, depth) = self.build(*element);
                (Kind::array(element, *delimiter), depth + 1)
            }
            Some(Shape::Composite { attributes }) => {
                let mut deepest = 0;
                let kind = Kind::composite(attributes.iter().map(|(name, oid)| {
                    let (kind, depth) = self.build(*oid);
                    deepest = deepest.max(depth);
                    (name.as_str(), kind)
                }));
                (kind, deepest + 1)
            }
        };
        self.open.remove(&oid);
        let built = if depth > MAX_DEPTH {
            (Kind::Text, 0)
        } else {
            (kind, depth)
        };
        self.built.insert(oid, built.clone());
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// A catalog whose contents and availability a test changes, and which notes what it was asked.
    #[derive(Clone, Default)]
    struct Fake(Rc<RefCell<FakeState>>);

    #[derive(Default)]
    struct FakeState {
        entries: Vec<TypeEntry>,
        broken: bool,
        asked: Vec<Vec<u32>>,
    }

    impl TypeCatalog for Fake {
        fn look_up(&mut self, oids: &[u32]) -> Result<Vec<TypeEntry>> {
            let mut state = self.0.borrow_mut();
            state.asked.push(oids.to_vec());
            if state.broken {
                Err(Error::new("could not connect: no"))
            } else {
                Ok(state.entries.clone())
            }
        }

        fn computed_columns(&mut self, _: &str, _: &str) -> Result<Vec<ComputedColumn>> {
            Ok(Vec::new())
        }
    }

    impl Fake {
        fn define(&self, oid: u32, shape: Shape) {
            let mut state = self.0.borrow_mut();
            state.entries.retain(|entry| entry.oid != oid);
            state.entries.push(TypeEntry {
                oid,
                name: format!("public.t{oid}"),
                shape,
            });
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            std::mem::take(&mut self.0.borrow_mut().asked)
        }
    }

    fn composite(attributes: &[(&str, u32)]) -> Shape {
        Shape::Composite {
            attributes: attributes
                .iter()
                .map(|(name, oid)| ((*name).to_owned(), *oid))
                .collect(),
        }
    }

    fn setup() -> (Fake, Types) {
        let fake = Fake::default();
        (fake.clone(), Types::new(Box::new(fake)))
    }

    fn resolve(types: &mut Types, oids: &[u32], again: bool) -> Vec<String> {
        logged::messages();
        types.resolve(oids.iter().copied(), Purpose::Values, again);
        logged::warnings()
    }

    #[test]
    fn built_in_types_need_no_catalog() {
        let (fake, mut types) = setup();
        assert!(resolve(&mut types, &[16, 23, 25, 1007, 0], true).is_empty());
        assert!(fake.asked().is_empty());
        assert_eq!(
            (types.kind(16), types.kind(23), types.kind(0)),
            (&Kind::Bool, &Kind::Number, &Kind::Text)
        );
    }

    #[test]
    fn a_relation_is_one_question() {
        let (fake, mut types) = setup();
        fake.define(20001, Shape::Scalar);
        fake.define(
            20002,
            Shape::Array {
                element: 20001,
                delimiter: b',',
            },
        );
        fake.define(20003, Shape::Domain { base: 20004 });
        fake.define(20004, Shape::Domain { base: 1700 });
        fake.define(
            20005,
            composite(&[("a", 20003), ("b", 20002), ("c", 20006)]),
        );
        fake.define(20006, Shape::Hstore);
        assert!(resolve(&mut types, &[20005, 23, 20002, 20005], false).is_empty());
        assert_eq!(fake.asked(), [[20002, 20005]]);
        let texts = Kind::array(Kind::Text, b',');
        assert_eq!(types.kind(20002), &texts);
        assert_eq!(
            types.kind(20005),
            &Kind::composite([("a", Kind::Number), ("b", texts), ("c", Kind::Hstore)])
        );
        resolve(&mut types, &[20005, 20002], false);
        assert!(fake.asked().is_empty());
        resolve(&mut types, &[20005, 23], true);
        assert_eq!(fake.asked(), [[20005]]);
    }

    #[test]
    fn what_cannot_be_had_is_text_and_said_once() {
        let (fake, mut types) = setup();
        fake.0.borrow_mut().broken = true;
        assert_eq!(
            resolve(&mut types, &[20001, 20002], false),
            ["values of types 20001, 20002 are shown as text: could not connect: no"]
        );
        assert_eq!(types.kind(20001), &Kind::Text);
        assert!(resolve(&mut types, &[20001, 20002], true).is_empty());
        fake.0.borrow_mut().broken = false;
        fake.define(20001, Shape::Domain { base: 23 });
        fake.define(20002, Shape::Domain { base: 16 });
        assert_eq!(
            resolve(&mut types, &[20001, 20002, 20003], false),
            ["values of type 20003 are shown as text: no longer in the catalog"]
        );
        assert_eq!(
            (types.kind(20001), types.kind(20002)),
            (&Kind::Number, &Kind::Bool)
        );
        fake.0.borrow_mut().broken = true;
        assert!(resolve(&mut types, &[20001], true).is_empty());
        assert_eq!(types.kind(20001), &Kind::Number);
    }

    #[test]
    fn what_the_stream_announces_stands_in_for_the_catalog() {
        let (fake, mut types) = setup();
        for (oid, name) in [(20001, "public.pair"), (20004, "public.\"Pair\"")] {
            types.announce(oid, name.to_owned(), None);
        }
        for (oid, builtin) in [(20002, "int4"), (20003, "_jsonb"), (20005, "nosuch")] {
            types.announce(oid, format!("pg_catalog.{builtin}"), Some(builtin));
        }
        assert_eq!(
            resolve(&mut types, &[20001, 20002, 20003, 20004, 20005], false),
            [
                "values of types public.pair, public.\"Pair\", pg_catalog.nosuch are shown as \
                 text: no \
                 longer in the catalog"
            ]
        );
        assert_eq!(types.kind(20001), &Kind::Text);
        assert_eq!(types.kind(20002), &Kind::Number);
        assert_eq!(types.kind(20003), &Kind::array(Kind::Json, b','));
        let names: Vec<Option<String>> = (20001..20007).map(|oid| types.name(oid, -1)).collect();
        let names: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
        assert_eq!(
            names,
            [
                Some("public.pair"),
                Some("integer"),
                Some("jsonb[]"),
                Some("public.\"Pair\""),
                Some("pg_catalog.nosuch"),
                None
            ]
        );
        // What the catalog knows, it knows better.
        fake.define(20002, Shape::Domain { base: 16 });
        assert!(resolve(&mut types, &[20002], true).is_empty());
        assert_eq!(types.kind(20002), &Kind::Bool);
        assert_eq!(types.name(20002, -1).as_deref(), Some("public.t20002"));
    }

    #[test]
    fn names_are_missed_only_where_nothing_tells_them() {
        let (fake, mut types) = setup();
        fake.0.borrow_mut().broken = true;
        types.announce(20001, "public.pair".to_owned(), None);
        logged::messages();
        let oids = [20001, 20002, 20003, 23].into_iter();
        types.resolve(oids, Purpose::Names, false);
        assert_eq!(
            logged::warnings(),
            ["the names of types 20002, 20003 are not known: could not connect: no"]
        );
    }

    #[test]
    fn a_cast_to_json_is_told_where_values_are_wanted() {
        let (fake, mut types) = setup();
        fake.define(20001, Shape::Cast);
        fake.define(20002, composite(&[("a", 20001)]));
        logged::messages();
        types.resolve([20002].into_iter(), Purpose::Names, false);
        assert!(logged::messages().is_empty());
        assert_eq!(
            resolve(&mut types, &[20002], true),
            [
                "values of type public.t20001 are shown as text: only the server can run the cast \
                 to \
                 json"
            ]
        );
        assert!(resolve(&mut types, &[20002], true).is_empty());
        assert_eq!(types.kind(20002), &Kind::composite([("a", Kind::Text)]));
    }

    #[test]
    fn a_changed_type_is_mended() {
        let (fake, mut types) = setup();
        fake.define(20001, composite(&[("a", 23)]));
        resolve(&mut types, &[20001], false);
        let old = types.kind(20001).clone();
        fake.define(20001, composite(&[("a", 23), ("b", 25)]));
        fake.asked();
        logged::messages();
        let new = types.kind_after_mismatch(20001, &old).unwrap();
        assert_eq!(
            new,
            Kind::composite([("a", Kind::Number), ("b", Kind::Text)])
        );
        // Another column of that type need not ask again.
        assert_eq!(types.kind_after_mismatch(20001, &old), Some(new.clone()));
        assert_eq!(fake.asked().len(), 1);
        assert!(logged::messages().is_empty());
        for _ in 0..1000 {
            assert_eq!(types.kind_after_mismatch(20001, &new), None);
        }
        assert_eq!(fake.asked().len(), 10);
        assert_eq!(
            logged::warnings(),
            [
                "values of type public.t20001 are shown as text: a value does not have the form of \
                 its type"
            ]
        );
        resolve(&mut types, &[16], false);
        assert_eq!(types.kind_after_mismatch(16, &Kind::Bool), None);
        assert!(fake.asked().is_empty());
        assert_eq!(logged::warnings().len(), 1);
    }

    #[test]
    fn a_catalog_without_sense_does_no_harm() {
        let (fake, mut types) = setup();
        fake.define(
            20001,
            composite(&[("a", 20001), ("b", 20002), ("c", 20003)]),
        );
        fake.define(
            20002,
            Shape::Array {
                element: 20001,
                delimiter: b',',
            },
        );
        fake.define(20003, Shape::Domain { base: 20003 });
        for oid in 30000..40000 {
            fake.define(oid, composite(&[("a", oid + 1), ("b", oid + 1)]));
        }
        resolve(&mut types, &[20001, 20002, 20003], false);
        resolve(&mut types, &(30000..40000).rev().collect::<Vec<_>>(), false);
        assert_eq!(
            (30000..40000).map(|oid| depth(types.kind(oid))).max(),
            Some(MAX_DEPTH)
        );
    }

    /// Follows the first attribute only.
    fn depth(kind: &Kind) -> usize {
        match kind {
            Kind::Array(array) => 1 + depth(&array.element),
            Kind::Composite(attributes) => {
                1 + attributes
                    .first()
                    .map_or(0, |attribute| depth(&attribute.kind))
            }
            _ => 0,
        }
    }
}
