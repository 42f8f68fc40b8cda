//! `output_plugin_libraries`, with which newer minor releases say which libraries they take as
//! output plugins (15.19, 16.15, 17.11, 18.6 and later).

use super::server::{self, Server};
use super::slots::{self, NewSlot};
use crate::connect::Client;
use crate::error::{Error, Result};
use crate::sql;

/// The setting's name.
const SETTING: &str = "output_plugin_libraries";

/// What the setting says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The server does not know it, and takes every library.
    All,
    /// The role may not see it.
    Hidden,
    /// Just these.
    Only(Vec<String>),
}

/// Asks which libraries the server takes.
pub fn allowed(client: &mut Client) -> Result<Allowed> {
    match server::setting(client, SETTING) {
        Ok(Some(list)) => Ok(Allowed::Only(names(&list))),
        Ok(None) => Ok(Allowed::All),
        // insufficient_privilege
        Err(error) if error.sqlstate() == "42501" => Ok(Allowed::Hidden),
        Err(error) => Err(error),
    }
}

/// Returns `true` if a slot with this plugin can be created now. It is tried, as nothing else
/// tells: with a temporary slot, and without waiting for anybody.
pub fn is_usable(client: &mut Client, server: &Server, plugin: &str) -> bool {
    // A standby would wait for its primary.
    if server.in_recovery {
        return false;
    }
    let name = format!("walcat_try_{}", std::process::id());
    let new = NewSlot {
        name: &name,
        plugin,
        two_phase: false,
        failover: false,
    };
    // The library is loaded before anything is waited for (lock_not_available).
    let _ = client.batch_execute("SET lock_timeout TO '100ms'");
    let usable = match slots::create_temporary(client, &new) {
        Ok(_) => true,
        Err(error) => error.sqlstate() == "55P03",
    };
    let _ = slots::drop(client, &name);
    let _ = client.batch_execute("RESET lock_timeout");
    usable
}

impl Allowed {
    /// The statements that make the server take this plugin as well.
    pub fn remedy(&self, plugin: &str) -> String {
        // Each name in quotes of its own: a list in one pair would be one name.
        let literal = |name: &str| sql::literal(name);
        let reload = "SELECT pg_reload_conf()";
        match self {
            Allowed::Only(names) => {
                let mut names: Vec<String> = names.iter().map(|name| literal(name)).collect();
                names.push(literal(plugin));
                format!(
                    "ALTER SYSTEM SET {SETTING} = {}; {reload}",
                    names.join(", ")
                )
            }
            Allowed::All | Allowed::Hidden => format!(
                "as a superuser: SHOW {SETTING}, then ALTER SYSTEM SET {SETTING} = what it shows, \
                 {}; {reload}",
                literal(plugin)
            ),
        }
    }
}

/// Adds the remedy to the server's refusal to use a plugin; other errors stay what they are.
pub fn explain(client: &mut Client, plugin: &str, error: Error) -> Error {
    let hint = error.server().and_then(|server| server.hint.as_deref());
    if !hint.is_some_and(|hint| hint.contains(SETTING)) {
        return error;
    }
    let allowed = allowed(client).unwrap_or(Allowed::Hidden);
    let remedy = format!("{}; or use pgoutput", allowed.remedy(plugin));
    error.with_remedy(remedy)
}

/// Takes the list apart as `SplitIdentifierString` does: names in double quotes may hold anything.
fn names(list: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut quoted = false;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(name) = names.last_mut() else { break };
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(String::new()),
            blank if blank.is_ascii_whitespace() && !quoted => {}
            character => name.push(character),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_quoted() {
        assert_eq!(
            names("pgoutput, test_decoding"),
            ["pgoutput", "test_decoding"]
        );
        assert_eq!(
            names(r#""odd, ""name""",$libdir/x"#),
            ["odd, \"name\"", "$libdir/x"]
        );
        assert!(names("").is_empty());
    }

    #[test]
    fn what_is_listed_stays_listed() {
        let allowed = Allowed::Only(vec!["pgoutput".to_owned(), "it's, odd".to_owned()]);
        assert_eq!(
            allowed.remedy("wal2json"),
            "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'it''s, odd', 'wal2json'; \
             SELECT pg_reload_conf()"
        );
    }
}
