//! Remedies for refusals of the server: the setting, the privilege, the command.

use crate::connect::invocation::walcat;
use crate::error::Error;
use crate::sql::identifier;

/// Adds a remedy to a refusal where the SQLSTATE and the message tell enough. `user` is the role it
/// was refused to.
pub fn explain(error: Error, user: &str) -> Error {
    let said = error
        .server()
        .map(|server| server.message.clone())
        .unwrap_or_default();
    match remedy(error.sqlstate(), &said, user) {
        Some(remedy) => error.with_remedy(remedy),
        None => error,
    }
}

fn remedy(sqlstate: &str, said: &str, user: &str) -> Option<String> {
    let says = |words: &str| said.contains(words);
    Some(match sqlstate {
        // insufficient_privilege
        "42501" => return privilege(said, &identifier(user)),
        // undefined_file: the plugin's library
        "58P01" if says("could not access file") => "install the plugin on the server, or use \
                                                     pgoutput"
            .to_owned(),
        // configuration_limit_exceeded
        "53400" if says("replication slots") => format!(
            "drop a slot that nobody needs ({}), or raise max_replication_slots and restart the \
             server",
            walcat("slot list")
        ),
        // too_many_connections
        "53300" if says("max_wal_senders") || says("standby connections") => {
            "end a WAL sender (SELECT * FROM pg_stat_replication), or raise max_wal_senders and \
             restart the server"
                .to_owned()
        }
        "53300" => "end other sessions, or raise max_connections and restart the server".to_owned(),
        // object_not_in_prerequisite_state
        "55000" if says("wal_level") => "ALTER SYSTEM SET wal_level = logical, then restart the \
                                         server"
            .to_owned(),
        // read_only_sql_transaction; a standby says "during recovery", which nothing mends.
        "25006" if says("read-only transaction") => {
            "PGOPTIONS='-c default_transaction_read_only=off', if the role is to write".to_owned()
        }
        // undefined_table
        "42P01" => "its name with the schema, as app.users; upper case and odd names in double \
                    quotes, as '\"Users\"'"
            .to_owned(),
        // duplicate_object
        "42710" if says("already exists") => "the option --if-not-exists".to_owned(),
        _ => return None,
    })
}

/// The statement that gives the role the privilege that it lacks.
fn privilege(said: &str, role: &str) -> Option<String> {
    let says = |words: &str| said.contains(words);
    // Some versions put quotes around names.
    let name = |before: &str| {
        said.strip_prefix(before)
            .map(|name| identifier(name.trim_matches('"')))
    };
    if says("replication role")
        || says("replication slots")
        || says("WAL sender")
        || says("REPLICATION")
    {
        return Some(format!("as a superuser: ALTER ROLE {role} REPLICATION"));
    }
    if says("terminat") {
        return Some(format!("as a superuser: GRANT pg_signal_backend TO {role}"));
    }
    if let Some(database) = name("permission denied for database ") {
        return Some(format!(
            "as the owner of the database: GRANT CREATE ON DATABASE {database} TO {role}"
        ));
    }
    let publication = name("must be owner of publication ")?;
    Some(format!(
        "as its owner or a superuser: DROP PUBLICATION {publication}"
    ))
}
