//! Subjects: one for each table and operation, made of a template. Names may hold anything, so
//! every byte of theirs that is not a letter, a digit, `_` or `-` is percent-encoded: then no name
//! can end a word of the subject, be a wildcard, or break the protocol. What has no table has a
//! subject behind the template's first words that no table can have, as it begins with `@`.

use crate::error::{Error, Result};

/// The placeholders of a template.
const PLACEHOLDERS: [&str; 4] = ["{database}", "{schema}", "{table}", "{op}"];

/// Longer prefixes of messages are no part of the subject: servers take no control line over 4096
/// bytes.
const LONGEST_PREFIX: usize = 255;

/// What stands for the prefix of a message where that is empty or too long.
const NO_PREFIX: &str = "%";

/// How subjects are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The words, with placeholders but for the database, which is filled in.
    words: Vec<String>,
    /// So many of the first words hold no placeholder.
    fixed: usize,
}

impl Template {
    /// Reads a template as `wal.{schema}.{table}`.
    pub fn parse(text: &str, database: &str) -> Result<Template> {
        let refused = |reason: &str| {
            Err(
                Error::usage(format!("could not use --subject \"{text}\": {reason}"))
                    .with_remedy("--subject 'wal.{schema}.{table}'"),
            )
        };
        let mut words = Vec::new();
        for word in text.split('.') {
            let rest = PLACEHOLDERS
                .iter()
                .fold(word.to_owned(), |rest, name| rest.replace(name, ""));
            if rest.contains(['{', '}']) {
                return refused("the placeholders are {database}, {schema}, {table} and {op}");
            }
            if word.is_empty() || !rest.chars().all(|c| c.is_ascii_graphic()) {
                return refused("a subject is words of printable ASCII characters between dots");
            }
            if rest.contains(['*', '>', '@', '%', '$']) {
                return refused("*, >, @, % and $ have a meaning of their own");
            }
            words.push(word.replace("{database}", &encoded(database)));
        }
        let fixed = words.iter().take_while(|word| !word.contains('{')).count();
        if fixed == 0 {
            return refused("its first word must be one that no other subject begins with");
        }
        Ok(Template { words, fixed })
    }

    /// The subject of an event that is about a table.
    pub fn of_table(&self, op: &str, schema: &str, table: &str) -> String {
        let (schema, table) = (encoded(schema), encoded(table));
        let fill = |word: &String| {
            word.replace("{op}", op)
                .replace("{schema}", &schema)
                .replace("{table}", &table)
        };
        self.words.iter().map(fill).collect::<Vec<_>>().join(".")
    }

    /// The subject of an event without a table: `wal.@commit`.
    pub fn of_other(&self, op: &str) -> String {
        format!("{}.@{op}", self.prefix())
    }

    /// The subject of a logical message: `wal.@message.PREFIX`.
    pub fn of_message(&self, prefix: &[u8]) -> String {
        let mut subject = self.of_other("message.");
        match prefix.is_empty() || prefix.len() > LONGEST_PREFIX {
            true => subject.push_str(NO_PREFIX),
            false => encode(prefix, &mut subject),
        }
        subject
    }

    /// The subjects that a stream must have to take all of these.
    pub fn covering(&self) -> Vec<String> {
        let below = format!("{}.>", self.prefix());
        match self.fixed == self.words.len() {
            true => vec![self.prefix(), below],
            false => vec![below],
        }
    }

    /// Returns `true` if a stream with these subjects takes all of ours.
    pub fn is_covered_by(&self, subjects: &[String]) -> bool {
        self.covering()
            .iter()
            .all(|ours| subjects.iter().any(|theirs| covers(theirs, ours)))
    }

    /// The first of these subjects of a stream that others may publish to: it does not begin as
    /// ours do.
    pub fn foreign<'a>(&self, subjects: &'a [String]) -> Option<&'a str> {
        let prefix = self.prefix();
        let below = format!("{prefix}.");
        let ours = |subject: &&String| **subject == prefix || subject.starts_with(&below);
        let foreign = subjects.iter().find(|subject| !ours(subject));
        foreign.map(String::as_str)
    }

    /// The words that all subjects begin with.
    fn prefix(&self) -> String {
        self.words.get(..self.fixed).unwrap_or_default().join(".")
    }
}

/// A name as it stands in a subject and in a header.
pub fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    encode(name.as_bytes(), &mut text);
    text
}

fn encode(name: &[u8], out: &mut String) {
    for &byte in name {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Returns `true` if every subject that fits `ours` fits `theirs`.
fn covers(theirs: &str, ours: &str) -> bool {
    let mut ours = ours.split('.');
    for word in theirs.split('.') {
        match (word, ours.next()) {
            (">", Some(_)) => return true,
            ("*", Some(one)) if one != ">" => {}
            (word, Some(one)) if word == one => {}
            _ => return false,
        }
    }
    ours.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, "my shop").unwrap()
    }

    #[test]
    fn no_name_leaves_its_word() {
        let template = template("wal.{schema}.{table}");
        for (table, expected) in [
            ("users", "wal.public.users"),
            ("a b", "wal.public.a%20b"),
            ("x>", "wal.public.x%3E"),
            ("*", "wal.public.%2A"),
            ("a.b", "wal.public.a%2Eb"),
            ("a\r\nPUB x 0", "wal.public.a%0D%0APUB%20x%200"),
            ("größe", "wal.public.gr%C3%B6%C3%9Fe"),
            ("100%", "wal.public.100%25"),
            ("{table}", "wal.public.%7Btable%7D"),
            ("@commit", "wal.public.%40commit"),
        ] {
            assert_eq!(template.of_table("insert", "public", table), expected);
        }
        assert_eq!(template.of_other("commit"), "wal.@commit");
        assert_eq!(template.of_message(b"app.x"), "wal.@message.app%2Ex");
        assert_eq!(template.of_message(b""), "wal.@message.%");
        assert_eq!(template.of_message(&[b'x'; 256]), "wal.@message.%");
    }

    #[test]
    fn words_are_filled_in() {
        let template = template("cdc.{database}.{op}-{schema}.{table}");
        assert_eq!(
            template.of_table("insert", "public", "t"),
            "cdc.my%20shop.insert-public.t"
        );
        assert_eq!(template.covering(), ["cdc.my%20shop.>"]);
        assert_eq!(template.of_other("begin"), "cdc.my%20shop.@begin");
    }

    #[test]
    fn a_stream_must_take_all_of_ours_and_nothing_else() {
        let template = template("wal.{schema}.{table}");
        let subjects = |list: &[&str]| -> Vec<String> {
            list.iter().map(|subject| (*subject).to_owned()).collect()
        };
        assert!(template.is_covered_by(&subjects(&["x", "wal.>"])));
        assert!(template.is_covered_by(&subjects(&[">"])));
        assert!(!template.is_covered_by(&subjects(&["wal.*.*"])));
        assert!(!template.is_covered_by(&subjects(&["wal.public.>"])));
        assert_eq!(template.foreign(&subjects(&["wal.>"])), None);
        assert_eq!(
            template.foreign(&subjects(&["wal.>", "orders.>"])),
            Some("orders.>")
        );
        assert_eq!(template.foreign(&subjects(&[">"])), Some(">"));
        assert_eq!(template.foreign(&subjects(&["walrus.>"])), Some("walrus.>"));
        let constant = Template::parse("wal", "d").unwrap();
        assert_eq!(constant.covering(), ["wal", "wal.>"]);
        assert!(!constant.is_covered_by(&subjects(&["wal.>"])));
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for text in [
            "",
            "wal.",
            ".wal",
            "wal..x",
            "wal.{tabel}",
            "wal.{",
            "{schema}.{table}",
            "wal.*",
            "wal.>",
            "wal.a b",
            "wal.\r\n",
            "$JS.{table}",
            "wal.@x",
        ] {
            assert!(Template::parse(text, "d").is_err(), "{text:?}");
        }
    }
}
