//! A table of a publication, written as in SQL: `[ONLY] [schema.]table [*] [(columns)] [WHERE
//! (filter)]`.
//!
//! The text goes to the server as it is. Here it is only made sure that it is one table and ends
//! where it seems to: names, balanced parentheses, and within them whatever SQL has of quotes and
//! comments.

use crate::sql::quoted;
use std::fmt;

/// A table to publish, as SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    sql: String,
    name: String,
    has_columns: bool,
    has_filter: bool,
}

/// Why a text is not a [`TableSpec`]. It completes the sentence `could not read table "...": `.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseTableError(&'static str);

impl fmt::Display for ParseTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl TableSpec {
    /// Reads what the user wrote.
    pub fn parse(text: &str) -> Result<TableSpec, ParseTableError> {
        let mut scanner = Scanner { rest: text };
        scanner.keyword("ONLY");
        scanner.peek();
        let from = scanner.rest;
        scanner.name()?;
        while scanner.symbol(".") {
            scanner.name()?;
        }
        let name = from.strip_suffix(scanner.rest).unwrap_or(from).trim();
        scanner.symbol("*");
        let has_columns = scanner.peek() == Some('(');
        if has_columns {
            scanner.parentheses()?;
        }
        let has_filter = scanner.keyword("WHERE");
        if has_filter {
            if scanner.peek() != Some('(') {
                return Err(ParseTableError(
                    "the filter after WHERE must stand in parentheses",
                ));
            }
            scanner.parentheses()?;
        }
        match scanner.peek() {
            None => Ok(TableSpec {
                sql: text.trim().to_owned(),
                name: name.to_owned(),
                has_columns,
                has_filter,
            }),
            Some(',') => Err(ParseTableError(
                "it must be one table; repeat --table for more",
            )),
            Some(_) => Err(ParseTableError(
                "expected [schema.]table [(columns)] [WHERE (filter)]",
            )),
        }
    }

    /// All of a table whose names are known.
    pub fn named(schema: &str, table: &str) -> TableSpec {
        let sql = format!("{}.{}", quoted(schema), quoted(table));
        TableSpec {
            name: sql.clone(),
            sql,
            has_columns: false,
            has_filter: false,
        }
    }

    /// The text for CREATE PUBLICATION.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The name alone, perhaps with its schema, as SQL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if it has a column list or a row filter, which 14 does not know.
    pub fn is_partial(&self) -> bool {
        self.has_columns || self.has_filter
    }
}

/// The text that is not read yet.
struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.peek();
        let Some(rest) = self.rest.strip_prefix(symbol) else {
            return false;
        };
        self.rest = rest;
        true
    }

    /// A keyword in any case, as a word of its own; and before a name there must be one more.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.peek();
        let word = self
            .rest
            .find(|c| !is_name_part(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(word);
        if !word.eq_ignore_ascii_case(keyword) {
            return false;
        }
        self.rest = rest;
        true
    }

    /// A name, quoted or not.
    fn name(&mut self) -> Result<(), ParseTableError> {
        match self.peek() {
            Some('"') => self.quoted('"'),
            Some(c) if is_name_part(c) && !c.is_ascii_digit() && c != '$' => {
                let end = self
                    .rest
                    .find(|c| !is_name_part(c))
                    .unwrap_or(self.rest.len());
                self.skip(end);
                Ok(())
            }
            _ => Err(ParseTableError(
                "expected [schema.]table [(columns)] [WHERE (filter)]",
            )),
        }
    }

    /// What stands between a parenthesis and the one that closes it.
    fn parentheses(&mut self) -> Result<(), ParseTableError> {
        let mut depth = 0_usize;
        // A name just before a quote says how the quote is to be read: E'...' has backslashes.
        let mut word = String::new();
        while let Some(c) = self.rest.chars().next() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            match c {
                '\'' if word.eq_ignore_ascii_case("e") => self.quoted_with_backslashes()?,
                '\'' | '"' => self.quoted(c)?,
                '$' if word.is_empty() => self.dollar_quoted()?,
                '-' if self.rest.starts_with("--") => {
                    self.skip(self.rest.find('\n').unwrap_or(self.rest.len()))
                }
                '/' if self.rest.starts_with("/*") => self.comment()?,
                ';' => return Err(ParseTableError("a semicolon cannot stand there")),
                _ => self.skip(c.len_utf8()),
            }
            if is_name_part(c) {
                word.push(c)
            } else {
                word.clear()
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(ParseTableError("a parenthesis is not closed"))
    }

    /// A quoted text; the quote itself stands in it twice.
    fn quoted(&mut self, quote: char) -> Result<(), ParseTableError> {
        self.skip(1);
        loop {
            let end = self
                .rest
                .find(quote)
                .ok_or(ParseTableError("a quote is not closed"))?;
            self.skip(end + 1);
            if !self.rest.starts_with(quote) {
                return Ok(());
            }
            self.skip(1);
        }
    }

    /// `'...'` of `E'...'`.
    fn quoted_with_backslashes(&mut self) -> Result<(), ParseTableError> {
        self.skip(1);
        loop {
            let end = self
                .rest
                .find(['\'', '\\'])
                .ok_or(ParseTableError("a quote is not closed"))?;
            let backslash = self.rest[end..].starts_with('\\');
            self.skip(end + 1);
            if backslash {
                self.skip(self.rest.chars().next().map_or(0, char::len_utf8));
            } else if self.rest.starts_with('\'') {
                self.skip(1);
            } else {
                return Ok(());
            }
        }
    }

    /// `$tag$...$tag$`, or just a dollar sign.
    fn dollar_quoted(&mut self) -> Result<(), ParseTableError> {
        let rest = &self.rest[1..];
        let tag = rest
            .find(|c| !is_name_part(c) || c == '$')
            .unwrap_or(rest.len());
        if !rest[tag..].starts_with('$') || rest.starts_with(|c: char| c.is_ascii_digit()) {
            self.skip(1);
            return Ok(());
        }
        let delimiter = self.rest[..tag + 2].to_owned();
        self.skip(delimiter.len());
        let end = self
            .rest
            .find(&delimiter)
            .ok_or(ParseTableError("a quote is not closed"))?;
        self.skip(end + delimiter.len());
        Ok(())
    }

    /// `/* ... */`, which may hold others.
    fn comment(&mut self) -> Result<(), ParseTableError> {
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else {
                let next = self
                    .rest
                    .chars()
                    .next()
                    .ok_or(ParseTableError("a comment is not closed"))?;
                self.skip(next.len_utf8());
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or("");
    }
}

/// What a name without quotes may have (manual section 4.1.1).
fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_create_publication_takes() {
        for (text, partial) in [
            ("users", false),
            (" public.users ", false),
            ("ONLY public.users", false),
            ("users *", false),
            ("\"Odd, \"\"name;\".\"t(\"", false),
            ("größe.straße", false),
            ("users (id, \"Name\")", true),
            ("users WHERE (id > 1)", true),
            ("public . users(id)where(name <> ')')", true),
            (
                "t WHERE (a = E'\\')' AND b = '\\' AND c = $$)$$ AND d = $x$ $y$ ) $x$)",
                true,
            ),
            (
                "t WHERE (a > 0 /* ) /* nested */ ( */ AND b -- )\n > 1)",
                true,
            ),
            ("t WHERE (f$1$ > 0 OR \"a)\" = U&'x')", true),
        ] {
            let spec = TableSpec::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            assert_eq!(
                (spec.sql(), spec.is_partial()),
                (text.trim(), partial),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_one_table() {
        for text in [
            "",
            " ",
            ".",
            "a.",
            "1a",
            "$a",
            "a b",
            "a, b",
            "a; DROP TABLE b",
            "a (b); DROP TABLE c",
            "a (b",
            "a (b))",
            "a (b) c",
            "a WHERE b > 1",
            "a WHERE (b) OR (c)",
            "a WHERE (b > 1; DROP TABLE c)",
            "a WHERE (b = ')",
            "a WHERE (b = E'\\')",
            "a WHERE (b = $x$)",
            "a WHERE (b /* )",
            "a) WITH (publish = ''",
            "a (b) WITH (publish = '')",
            "\"a",
            "a -- b",
            "a WHERE (true -- )",
            "ONLY",
            "a (b) (c)",
        ] {
            assert!(TableSpec::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn never_panics() {
        let text = "ONLY \"ü\".t$1 * (é, \"ö\") WHERE (a = E'\\ü\\'' AND $ü$ ) $ü$ /* /* ü \
                    */ */ <> $1 -- ü\n)";
        for (start, _) in text.char_indices() {
            for (end, _) in text.char_indices().filter(|&(end, _)| end >= start) {
                let _ = TableSpec::parse(&text[start..end]);
                let _ = TableSpec::parse(&format!("t WHERE ({}", &text[start..end]));
            }
        }
    }

    #[test]
    fn the_name_stands_alone() {
        for (text, name) in [
            ("users", "users"),
            (" ONLY public.users ", "public.users"),
            ("users *", "users"),
            ("a . \"B c\"(id) WHERE (id > 1)", "a . \"B c\""),
        ] {
            assert_eq!(
                TableSpec::parse(text).map(|spec| spec.name),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn quotes_known_names() {
        assert_eq!(
            TableSpec::named("public", "a\"b").sql(),
            "\"public\".\"a\"\"b\""
        );
    }
}
