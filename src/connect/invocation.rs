//! How the program is called again: `walcat` with the connection options that the user typed, for
//! the commands that messages propose. They can be pasted as they stand, but for a password.

use super::conninfo;
use crate::shell;
use std::fmt::Display;
use std::sync::OnceLock;

/// Parameters of a connection string that no message shows.
const SECRETS: [&str; 5] = [
    "oauth_client_secret",
    "password",
    "scram_client_key",
    "scram_server_key",
    "sslpassword",
];

/// What the command line says of the connection, as it says it.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// `-d`
    pub dbname: Option<String>,
    /// The other options, each with its value: `-h`, `localhost`.
    pub others: Vec<String>,
}

static TYPED: OnceLock<Typed> = OnceLock::new();

/// Keeps what was typed for all that is proposed from now on. Only the first call counts.
pub fn remember(typed: Typed) {
    let _ = TYPED.set(typed);
}

/// `walcat -d shop <command>`. What comes from elsewhere in `command` must be a
/// [word](shell::word) of a shell.
pub fn walcat(command: impl Display) -> String {
    match TYPED.get() {
        Some(typed) => typed.call(None, &command),
        None => Typed::default().call(None, &command),
    }
}

/// The same, connected to another database by the same way.
pub fn walcat_in(database: &str, command: impl Display) -> String {
    match TYPED.get() {
        Some(typed) => typed.call(Some(database), &command),
        None => Typed::default().call(Some(database), &command),
    }
}

impl Typed {
    fn call(&self, database: Option<&str>, command: &dyn Display) -> String {
        let dbname = match (self.dbname.as_deref(), database) {
            (Some(typed), database) if conninfo::is_conninfo(typed) => harmless(typed, database),
            (typed, database) => database.or(typed).map(str::to_owned),
        };
        let dbname = dbname.map(|dbname| ["-d".to_owned(), dbname]);
        let words = dbname.iter().flatten().chain(&self.others);
        let options: String = words
            .map(|word| format!(" {}", shell::word(word)))
            .collect();
        format!("walcat{options} {command}")
    }
}

/// The connection string without its secrets; `None` if it cannot be read, as nobody knows where
/// they are.
fn harmless(text: &str, database: Option<&str>) -> Option<String> {
    let mut parameters = conninfo::parse(text).ok()?;
    let secrets = SECRETS.map(|name| parameters.take(name)).into_iter();
    let secret = secrets.flatten().count() > 0;
    if let Some(database) = database {
        parameters.take("dbname");
        let _ = parameters.set("dbname", database.to_owned());
    }
    // As it was typed where that can be shown.
    Some(if secret || database.is_some() {
        parameters.to_conninfo()
    } else {
        text.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(dbname: &str, others: &[&str], database: Option<&str>) -> String {
        let typed = Typed {
            dbname: (!dbname.is_empty()).then(|| dbname.to_owned()),
            others: others.iter().map(|&word| word.to_owned()).collect(),
        };
        typed.call(database, &"slot list")
    }

    #[test]
    fn repeats_what_was_typed() {
        for (dbname, others, expected) in [
            ("", &[][..], "walcat slot list"),
            ("shop", &["-h", "db1"], "walcat -d shop -h db1 slot list"),
            ("it's", &["-w"], "walcat -d \"it's\" -w slot list"),
            ("host=a port=1", &[], "walcat -d 'host=a port=1' slot list"),
            (
                "postgresql://u@h/d",
                &[],
                "walcat -d postgresql://u@h/d slot list",
            ),
        ] {
            assert_eq!(call(dbname, others, None), expected);
        }
    }

    #[test]
    fn another_database_takes_the_place_of_the_one_that_was_typed() {
        for (dbname, expected) in [
            ("", "walcat -d 'a b' -p 1 slot list"),
            ("shop", "walcat -d 'a b' -p 1 slot list"),
            (
                "postgresql://u@h/d",
                "walcat -d \"dbname='a b' host='h' user='u'\" -p 1 slot list",
            ),
        ] {
            assert_eq!(call(dbname, &["-p", "1"], Some("a b")), expected);
        }
    }

    #[test]
    fn shows_no_secret() {
        for text in [
            "postgresql://u:s3cret@h/d",
            "host=h password=s3cret",
            "host=h password='s3cret",
            "host=h passwort=1 password=s3cret",
            "host=h sslpassword=s3cret",
            "postgresql://h/d?oauth_client_secret=s3cret",
            "scram_client_key=s3cret",
            "postgresql://u:s3cret@@h:x/d",
        ] {
            for database in [None, Some("other")] {
                let call = call(text, &[], database);
                assert!(!call.contains("s3cret"), "{call}");
            }
        }
    }
}
