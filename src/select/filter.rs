//! Which events are shown: table patterns (`--table`) and operations (`--op`).
//!
//! A pattern is written `[!][schema.]table[:operation,...]`. `*` stands for any characters, `?` for
//! one. Letters are taken as they are: unlike psql's, patterns fold no case. A pattern without a
//! dot is the table's, in any schema. Between double quotes every character stands for itself (a
//! `"` is doubled), so `"My Schema"."a.b"` names one table.
//!
//! A table is shown if a pattern chooses it (or none is there that chooses) and none excludes it;
//! with operations behind the pattern this holds for those operations only. Logical messages are no
//! table's: only `--op` decides on them.

use crate::error::{Error, Result};
use crate::sql;

/// What can happen to a table, and messages: what `--op` chooses among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// INSERT
    Insert = 1,
    /// UPDATE
    Update = 2,
    /// DELETE
    Delete = 4,
    /// TRUNCATE
    Truncate = 8,
    /// A logical decoding message, which belongs to no table.
    Message = 16,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 5] = [
        Operation::Insert,
        Operation::Update,
        Operation::Delete,
        Operation::Truncate,
        Operation::Message,
    ];

    /// Those on tables, as publications name them, in their order.
    pub const ON_TABLES: [Operation; 4] = [
        Operation::Insert,
        Operation::Update,
        Operation::Delete,
        Operation::Truncate,
    ];

    /// As `--op` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Truncate => "truncate",
            Operation::Message => "message",
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations(u8);

impl Operations {
    /// All of them.
    pub const ALL: Operations = Operations(31);
    /// Not one.
    pub const NONE: Operations = Operations(0);

    /// Returns `true` if `operation` is in the set.
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & operation as u8 != 0
    }

    /// Returns `true` if the set holds no operation on tables.
    pub fn has_no_table_operation(self) -> bool {
        self.0 & !(Operation::Message as u8) == 0
    }

    fn union(self, other: Operations) -> Operations {
        Operations(self.0 | other.0)
    }

    fn intersection(self, other: Operations) -> Operations {
        Operations(self.0 & other.0)
    }

    fn without(self, other: Operations) -> Operations {
        Operations(self.0 & !other.0)
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<T: IntoIterator<Item = Operation>>(operations: T) -> Operations {
        operations
            .into_iter()
            .fold(Operations::NONE, |all, operation| {
                Operations(all.0 | operation as u8)
            })
    }
}

/// The pattern that names just this table.
pub fn pattern(schema: &str, table: &str) -> String {
    let name = |name: &str| match sql::is_plain(name) {
        true => name.to_owned(),
        false => sql::quoted(name),
    };
    format!("{}.{}", name(schema), name(table))
}

/// What `--table` and `--op` let through.
#[derive(Clone, Debug)]
pub struct Filter {
    patterns: Vec<TablePattern>,
    operations: Operations,
}

impl Filter {
    /// Reads the values of `--table`; `operations` are those of `--op`, or [`Operations::ALL`].
    /// A malformed pattern is a usage error.
    pub fn new(patterns: &[String], operations: Operations) -> Result<Filter> {
        let patterns = patterns
            .iter()
            .map(|pattern| TablePattern::parse(pattern))
            .collect::<Result<_>>()?;
        Ok(Filter {
            patterns,
            operations,
        })
    }

    /// The filter that lets everything through.
    pub fn everything() -> Filter {
        Filter {
            patterns: Vec::new(),
            operations: Operations::ALL,
        }
    }

    /// What is shown of this table. Renderers ask once for each announcement of a table, never for
    /// each row.
    pub fn operations_of(&self, schema: &str, table: &str) -> Operations {
        let matching = |exclude: bool| {
            let matches = move |pattern: &&TablePattern| {
                pattern.exclude == exclude && pattern.matches(schema, table)
            };
            self.patterns
                .iter()
                .filter(matches)
                .fold(Operations::NONE, |all, pattern| {
                    all.union(pattern.operations)
                })
        };
        let chosen = if self.patterns.iter().all(|pattern| pattern.exclude) {
            Operations::ALL
        } else {
            matching(false)
        };
        chosen.without(matching(true)).intersection(self.operations)
    }

    /// Which patterns, by their places in the list, are there to choose tables and choose none of
    /// these.
    pub fn unmatched(&self, tables: &[(String, String)]) -> Vec<usize> {
        let missing = |pattern: &TablePattern| {
            !pattern.exclude
                && !tables
                    .iter()
                    .any(|(schema, table)| pattern.matches(schema, table))
        };
        self.patterns
            .iter()
            .enumerate()
            .filter(|(_, pattern)| missing(pattern))
            .map(|(at, _)| at)
            .collect()
    }

    /// The schema, if it says one, and the table that the pattern at this place chooses by their
    /// very names; `None` for one with wildcards, and one that excludes.
    pub fn name(&self, at: usize) -> Option<(Option<String>, String)> {
        let pattern = self.patterns.get(at).filter(|pattern| !pattern.exclude)?;
        let schema = pattern.schema.as_ref().map(|name| text(name));
        match schema {
            Some(None) => None,
            schema => Some((schema.flatten(), text(&pattern.table)?)),
        }
    }

    /// Returns `true` if the pattern at this place chooses this table.
    pub fn chooses(&self, at: usize, schema: &str, table: &str) -> bool {
        let pattern = self.patterns.get(at).filter(|pattern| !pattern.exclude);
        pattern.is_some_and(|pattern| pattern.matches(schema, table))
    }

    /// Returns `true` if logical messages are shown.
    pub fn shows_messages(&self) -> bool {
        self.operations.contains(Operation::Message)
    }
}

/// One value of `--table`.
#[derive(Clone, Debug)]
struct TablePattern {
    exclude: bool,
    schema: Option<Vec<Token>>,
    table: Vec<Token>,
    operations: Operations,
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Just this character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any characters, or none.
    Many,
}

impl TablePattern {
    fn parse(text: &str) -> Result<TablePattern> {
        let wrong =
            |reason: &str| Error::usage(format!("invalid table pattern {text:?}: {reason}"));
        let (exclude, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mut names, operations) = split(rest).map_err(wrong)?;
        let operations = match operations {
            Some(list) => parse_operations(list).map_err(|reason| wrong(&reason))?,
            None => Operations::ALL,
        };
        if names.iter().any(Vec::is_empty) {
            return Err(wrong("a name is missing, as in public.users"));
        }
        let (Some(table), schema) = (names.pop(), names.pop()) else {
            return Err(wrong("it is empty"));
        };
        if !names.is_empty() {
            return Err(wrong(
                "it has more than two names; dots inside a name need double quotes",
            ));
        }
        Ok(TablePattern {
            exclude,
            schema,
            table,
            operations,
        })
    }

    fn matches(&self, schema: &str, table: &str) -> bool {
        self.schema
            .as_ref()
            .is_none_or(|pattern| glob(pattern, schema))
            && glob(&self.table, table)
    }
}

/// The one name that the tokens match; `None` if they have wildcards.
fn text(tokens: &[Token]) -> Option<String> {
    let character = |token: &Token| match token {
        Token::Char(c) => Some(*c),
        Token::One | Token::Many => None,
    };
    tokens.iter().map(character).collect()
}

/// Splits at the dots into names, and cuts off what stands behind a colon; quotes protect both.
fn split(text: &str) -> std::result::Result<(Vec<Vec<Token>>, Option<&str>), &'static str> {
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.next_if(|&(_, next)| next == '"').is_some() => {
                name.push(Token::Char('"'))
            }
            '"' => quoted = !quoted,
            c if quoted => name.push(Token::Char(c)),
            '.' => names.push(std::mem::take(&mut name)),
            ':' => {
                names.push(name);
                return Ok((names, text.get(at + 1..)));
            }
            '*' => name.push(Token::Many),
            '?' => name.push(Token::One),
            c => name.push(Token::Char(c)),
        }
    }
    if quoted {
        return Err("a double quote is not closed");
    }
    names.push(name);
    Ok((names, None))
}

fn parse_operations(list: &str) -> std::result::Result<Operations, String> {
    let operation = |name: &str| {
        let name = name.trim();
        let of_tables = |operation: &Operation| *operation != Operation::Message;
        let mut operations = Operation::ALL.into_iter().filter(of_tables);
        operations
            .find(|operation| operation.name() == name)
            .ok_or_else(|| format!("{name:?} is not one of insert, update, delete, truncate"))
    };
    list.split(',').map(operation).collect()
}

/// Returns `true` if the whole of `text` matches. Linear but for stars, where it takes up again
/// behind the last one.
fn glob(pattern: &[Token], text: &str) -> bool {
    let (mut tokens, mut rest) = (pattern.iter(), text.chars());
    let mut star = None;
    loop {
        let token = tokens.next();
        if token == Some(&Token::Many) {
            star = Some((tokens.clone(), rest.clone()));
            continue;
        }
        let c = rest.next();
        let fits = match (token, c) {
            (None, None) => return true,
            (Some(Token::Char(wanted)), Some(c)) => *wanted == c,
            (Some(Token::One), Some(_)) => true,
            _ => false,
        };
        if fits {
            continue;
        }
        // Let the last star take one character more.
        let Some((behind, taken)) = &mut star else {
            return false;
        };
        if taken.next().is_none() {
            return false;
        }
        tokens = behind.clone();
        rest = taken.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn filter(patterns: &[&str]) -> Filter {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        Filter::new(&patterns, Operations::ALL).unwrap()
    }

    fn shows(pattern: &str, schema: &str, table: &str) -> bool {
        !filter(&[pattern])
            .operations_of(schema, table)
            .has_no_table_operation()
    }

    #[test]
    fn a_table_can_be_named() {
        for (schema, table) in [
            ("public", "users"),
            ("My Schema", "a.b"),
            ("order", "a\"b:c"),
            ("x*", "!y?"),
            ("a\nb", "c"),
        ] {
            assert!(shows(&pattern(schema, table), schema, table), "{table}");
        }
        assert!(!shows(&pattern("x*", "y?"), "xx", "yy"));
    }

    #[test]
    fn names_and_wildcards() {
        for (pattern, schema, table) in [
            ("public.users", "public", "users"),
            ("users", "any", "users"),
            ("*", "any", "thing"),
            ("*.*", "any", "thing"),
            ("public.*", "public", "users"),
            ("public.user?", "public", "users"),
            ("p*c.*s*s", "public", "sessions"),
            ("public.*a*b", "public", "aabxab"),
            ("\"My Schema\".\"a.b\"", "My Schema", "a.b"),
            ("\"a\"\"b\".\"c:d\":insert", "a\"b", "c:d"),
            ("public.\"a*\"*", "public", "a*b"),
            ("public.Größe?", "public", "Größen"),
            ("My Schema.t", "My Schema", "t"),
        ] {
            assert!(shows(pattern, schema, table), "{pattern} {schema} {table}");
        }
        for (pattern, schema, table) in [
            ("public.users", "Public", "users"),
            ("public.users", "public", "users2"),
            ("public.users", "public", "user"),
            ("public.user?", "public", "user"),
            ("public.*", "private", "users"),
            ("public.*a*b", "public", "aabxac"),
            ("public.\"a*\"", "public", "ab"),
            ("public.a??", "public", "ab"),
        ] {
            assert!(!shows(pattern, schema, table), "{pattern} {schema} {table}");
        }
    }

    #[test]
    fn operations_add_up_and_exclusions_take_away() {
        let users = filter(&[
            "public.users:insert,update",
            "*.users:truncate",
            "!public.users:update",
            "!audit.*",
        ]);
        let of_users = users.operations_of("public", "users");
        assert_eq!(
            of_users,
            [Operation::Insert, Operation::Truncate]
                .into_iter()
                .collect()
        );
        assert!(
            users
                .operations_of("audit", "users")
                .has_no_table_operation()
        );
        assert!(
            users
                .operations_of("public", "other")
                .has_no_table_operation()
        );

        let only_excluding = filter(&["!public.secret", "!log:delete"]);
        assert_eq!(
            only_excluding.operations_of("public", "secret"),
            Operations::NONE
        );
        assert!(
            only_excluding
                .operations_of("public", "users")
                .contains(Operation::Delete)
        );
        assert!(
            !only_excluding
                .operations_of("public", "log")
                .contains(Operation::Delete)
        );
        assert!(
            only_excluding
                .operations_of("public", "log")
                .contains(Operation::Insert)
        );
    }

    #[test]
    fn patterns_that_choose_nothing_are_found() {
        let patterns = filter(&[
            "public.users",
            "orders:insert",
            "gone",
            "other.*",
            "!absent",
            "\"a*\"",
        ]);
        let tables = [("public", "users"), ("app", "orders")]
            .map(|(schema, table)| (schema.into(), table.into()));
        assert_eq!(patterns.unmatched(&tables), [2, 3, 5]);
        let names: Vec<_> = (0..7).map(|at| patterns.name(at)).collect();
        let named =
            |schema: Option<&str>, table: &str| Some((schema.map(str::to_owned), table.to_owned()));
        assert_eq!(
            names,
            [
                named(Some("public"), "users"),
                named(None, "orders"),
                named(None, "gone"),
                None,
                None,
                named(None, "a*"),
                None,
            ]
        );
        assert!(patterns.chooses(0, "public", "users") && !patterns.chooses(4, "a", "absent"));
    }

    #[test]
    fn the_list_of_operations_holds_for_all_tables() {
        let inserts = [Operation::Insert].into_iter().collect();
        let filter = Filter::new(&["public.*:insert,delete".to_owned()], inserts).unwrap();
        assert_eq!(filter.operations_of("public", "users"), inserts);
        assert!(!filter.shows_messages());
        assert!(Filter::everything().shows_messages());
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for (pattern, reason) in [
            ("", "a name is missing"),
            ("!", "a name is missing"),
            (".users", "a name is missing"),
            ("public.", "a name is missing"),
            ("\"\".users", "a name is missing"),
            ("db.public.users", "more than two names"),
            ("public.\"users", "not closed"),
            ("public.users:", "\"\" is not one of"),
            ("public.users:insert,merge", "\"merge\" is not one of"),
            ("public.users:message", "\"message\" is not one of"),
        ] {
            let error = Filter::new(&[pattern.to_owned()], Operations::ALL).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{pattern}");
            assert!(error.to_string().contains(reason), "{pattern}: {error}");
        }
    }
}
