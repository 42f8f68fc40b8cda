//! What a line that is being typed wants from the server: the names of what, and over which
//! connection.

use super::{Cli, ConnectionOptions};
use clap::{Arg, CommandFactory};

/// The names that the word before the cursor may become.
#[derive(Debug)]
pub struct Wanted {
    /// Names of what.
    pub kind: Kind,
    /// What the word has before the name: the names before it in a list, or a mark.
    pub before: String,
    /// How the name begins.
    pub beginning: String,
    /// What the line says of the connection.
    pub connection: ConnectionOptions,
}

/// What there are names of on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Replication slots.
    Slots,
    /// Publications.
    Publications,
    /// Databases.
    Databases,
    /// Tables, as patterns choose them.
    Tables,
    /// Tables, as in SQL.
    SqlTables,
}

/// What a line wants of which these are the words behind the program's name; the last, perhaps
/// empty, is the one before the cursor. `None` if that is nothing of the server's.
pub fn wanted(words: &[String]) -> Option<Wanted> {
    let (last, before) = words.split_last()?;
    let mut root = Cli::command();
    root.build();
    let mut line = Line {
        command: &root,
        path: Vec::new(),
        connection: ConnectionOptions::default(),
        open: None,
    };
    before.iter().for_each(|word| line.take(word));
    let (kind, word) = match (line.open.take(), last.strip_prefix("--")) {
        (Some(option), _) => (line.kind(option.get_id().as_str())?, last.as_str()),
        (None, Some(long)) => {
            let (name, value) = long.split_once('=')?;
            (line.kind(line.long(name)?.get_id().as_str())?, value)
        }
        (None, None) if last.starts_with('-') => return None,
        (None, None) => (line.kind_of_operand()?, last.as_str()),
    };
    let (before, beginning) = split(kind, word);
    Some(Wanted {
        kind,
        before: before.to_owned(),
        beginning: beginning.to_owned(),
        connection: line.connection,
    })
}

/// A line, as far as it was read.
struct Line<'a> {
    command: &'a clap::Command,
    /// The subcommands.
    path: Vec<&'a str>,
    connection: ConnectionOptions,
    /// The option whose value is the next word.
    open: Option<&'a Arg>,
}

impl<'a> Line<'a> {
    fn take(&mut self, word: &str) {
        if let Some(option) = self.open.take() {
            self.value(option, word);
        } else if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => {
                    if let Some(option) = self.long(name) {
                        self.value(option, value);
                    }
                }
                None => self.open = self.long(long).filter(|option| takes_next(option)),
            }
        } else if let Some(letters) = word.strip_prefix('-') {
            self.letters(letters);
        } else if let Some(command) = self.command.find_subcommand(word) {
            self.command = command;
            self.path.push(command.get_name());
        }
    }

    /// Short options: the first that takes a value has the rest, or the next word.
    fn letters(&mut self, letters: &str) {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let mut options = self.command.get_arguments();
            let Some(option) = options.find(|option| option.get_short() == Some(letter)) else {
                return;
            };
            if !option.get_action().takes_values() {
                continue;
            }
            match rest.as_str() {
                "" => self.open = Some(option),
                value => self.value(option, value),
            }
            return;
        }
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        let mut options = self.command.get_arguments();
        options.find(|option| option.get_long() == Some(name))
    }

    fn value(&mut self, option: &Arg, value: &str) {
        let connection = &mut self.connection;
        let known = match option.get_id().as_str() {
            "dbname" => &mut connection.dbname,
            "host" => &mut connection.host,
            "port" => &mut connection.port,
            "username" => &mut connection.username,
            _ => return,
        };
        *known = Some(value.to_owned());
    }

    /// Names of what the value of an option is.
    fn kind(&self, option: &str) -> Option<Kind> {
        Some(match (option, self.path.as_slice()) {
            ("slot", _) => Kind::Slots,
            ("publication", _) => Kind::Publications,
            ("dbname", _) => Kind::Databases,
            ("table", ["pub", ..]) => Kind::SqlTables,
            ("table", ["stream"]) | ("snapshot", _) => Kind::Tables,
            _ => return None,
        })
    }

    /// Names of what the operands of a command are.
    fn kind_of_operand(&self) -> Option<Kind> {
        Some(match self.path.as_slice() {
            ["slot", "drop" | "list" | "advance"] => Kind::Slots,
            ["pub", "drop"] => Kind::Publications,
            _ => return None,
        })
    }
}

/// Returns `true` if the next word is the option's value.
fn takes_next(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

/// What stands before the name, and how the name begins.
fn split(kind: Kind, word: &str) -> (&str, &str) {
    let mark = match kind {
        Kind::Publications => word.rfind(',').map(|at| at + 1),
        Kind::Tables => word.rfind([',', '!']).map(|at| at + 1),
        _ => None,
    };
    word.split_at_checked(mark.unwrap_or(0))
        .unwrap_or(("", word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_of(line: &str) -> Option<(Kind, String, String, Option<String>)> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let wanted = wanted(&words)?;
        let dbname = wanted.connection.dbname;
        Some((wanted.kind, wanted.before, wanted.beginning, dbname))
    }

    #[test]
    fn the_option_before_the_cursor_says_what() {
        for (line, kind, before, beginning) in [
            ("stream -S ", Kind::Slots, "", ""),
            ("stream --peek -S sh", Kind::Slots, "", "sh"),
            ("stream --slot sh", Kind::Slots, "", "sh"),
            ("stream --slot=sh", Kind::Slots, "", "sh"),
            ("check -vS ", Kind::Slots, "", ""),
            ("stream --publication a,b", Kind::Publications, "a,", "b"),
            ("stream -b ", Kind::Publications, "", ""),
            ("stream --table public.u", Kind::Tables, "", "public.u"),
            ("stream --table !u", Kind::Tables, "!", "u"),
            ("stream --snapshot=a,b", Kind::Tables, "a,", "b"),
            ("pub create p --table a", Kind::SqlTables, "", "a"),
            ("-d ", Kind::Databases, "", ""),
            ("stream -d sh", Kind::Databases, "", "sh"),
            ("slot drop a ", Kind::Slots, "", ""),
            ("pub drop p", Kind::Publications, "", "p"),
        ] {
            let expected = (kind, before.to_owned(), beginning.to_owned(), None);
            assert_eq!(wanted_of(line), Some(expected), "{line}");
        }
        for line in [
            "",
            "str",
            "stream ",
            "stream -",
            "stream --sl",
            "stream --file ",
            "slot create ",
        ] {
            assert_eq!(wanted_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_connection_is_that_of_the_line() {
        for line in [
            "-d shop stream -S ",
            "-qdshop stream -S ",
            "stream --dbname=shop -S ",
            "stream --dbname shop --table x -S ",
        ] {
            let dbname = wanted_of(line).unwrap().3;
            assert_eq!(dbname.as_deref(), Some("shop"), "{line}");
        }
    }
}
