//! The connection parameters that libpq knows, and a set of their values.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Each parameter with the environment variable that stands in for it (manual sections 34.1.2 and
/// 34.15).
const KNOWN: &[(&str, Option<&str>)] = &[
    ("application_name", Some("PGAPPNAME")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("client_encoding", None),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("dbname", Some("PGDATABASE")),
    ("fallback_application_name", None),
    ("gssdelegation", None),
    ("gssencmode", Some("PGGSSENCMODE")),
    ("gsslib", None),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("krbsrvname", None),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    ("max_protocol_version", None),
    ("min_protocol_version", Some("PGMINPROTOCOLVERSION")),
    ("oauth_client_id", None),
    ("oauth_client_secret", None),
    ("oauth_issuer", None),
    ("oauth_scope", None),
    ("options", Some("PGOPTIONS")),
    ("passfile", Some("PGPASSFILE")),
    ("password", Some("PGPASSWORD")),
    ("port", Some("PGPORT")),
    ("replication", None),
    ("require_auth", Some("PGREQUIREAUTH")),
    ("requirepeer", Some("PGREQUIREPEER")),
    ("scram_client_key", None),
    ("scram_server_key", None),
    ("service", Some("PGSERVICE")),
    ("servicefile", Some("PGSERVICEFILE")),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslcertmode", Some("PGSSLCERTMODE")),
    ("sslcompression", None),
    ("sslcrl", Some("PGSSLCRL")),
    ("sslcrldir", Some("PGSSLCRLDIR")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslkeylogfile", None),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslpassword", None),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslsni", Some("PGSSLSNI")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("tcp_user_timeout", None),
    ("user", Some("PGUSER")),
];

/// Values of connection parameters. It has no `Debug`, because one of them is the password.
#[derive(Default)]
pub struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// The value, also if it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value, unless it is empty: libpq takes an empty value for none almost everywhere.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Sets a parameter, whatever it was; `false` if there is no such parameter.
    #[must_use]
    pub fn set(&mut self, name: &str, value: String) -> bool {
        let known = known(name);
        if let Some(known) = known {
            self.0.insert(known, value);
        }
        known.is_some()
    }

    /// Takes a value out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A conninfo string of them all.
    pub fn to_conninfo(&self) -> String {
        let quoted = self.0.iter().map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            format!("{name}='{value}'")
        });
        let pairs: Vec<_> = quoted.collect();
        // Without any it must still not be taken for the name of a database; this one has no
        // meaning here.
        if pairs.is_empty() {
            "client_encoding=''".to_owned()
        } else {
            pairs.join(" ")
        }
    }

    /// Sets what is not set yet from parameters of lower rank.
    pub fn complete(&mut self, lower: Parameters) {
        for (name, value) in lower.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// Sets what is not set yet from the environment.
    pub fn complete_from_variables<'a>(&mut self, variable: impl Fn(&str) -> Option<&'a str>) {
        for (name, value) in KNOWN
            .iter()
            .filter_map(|(name, var)| Some((*name, variable((*var)?)?)))
        {
            self.0.entry(name).or_insert_with(|| value.to_owned());
        }
    }
}

/// The name as libpq has it, if it has it.
fn known(name: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .map(|(known, _)| *known)
        .find(|known| *known == name)
}

/// The error for a name that libpq does not have, with the one that was probably meant. With `hide`
/// the name is not shown: it may be a piece of a password that was not quoted.
pub fn unknown(name: &str, hide: bool) -> Error {
    let near = KNOWN
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known))
        .min()
        .filter(|(distance, known)| *distance <= 2.min(known.len() / 3 + 1))
        .map(|(_, known)| known);
    let error = match hide {
        false => Error::usage(format!(
            "could not read the connection string: there is no parameter \
                                       \"{name}\""
        )),
        true => Error::usage(
            "could not read the connection string: what follows the password is \
                              no parameter",
        )
        .with_detail(
            "A password with spaces, quotes or backslashes must be quoted, one in a \
                          URI percent-encoded.",
        ),
    };
    match near {
        Some(near) => error.with_remedy(format!("{near}=...")),
        None => error,
    }
}

/// Reads a parameter that has a fixed set of values.
pub fn choose<T: Copy>(
    parameters: &Parameters,
    name: &str,
    default: T,
    choices: &[(&str, T)],
) -> Result<T> {
    let Some(value) = parameters.filled(name) else {
        return Ok(default);
    };
    choices
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            Error::usage(format!(
                "could not use {name}: invalid value \"{value}\"; it may be {}",
                words.join(", ")
            ))
        })
}

/// Reads a parameter that is a whole number.
pub fn number(parameters: &Parameters, name: &str) -> Result<Option<i32>> {
    let Some(value) = parameters.filled(name) else {
        return Ok(None);
    };
    match value.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Error::usage(format!(
            "could not use {name}: invalid integer value \"{value}\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_sorted_and_unique() {
        assert!(KNOWN.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn an_unknown_name_is_named_with_its_neighbour() {
        let error = unknown("hots", false);
        assert!(error.to_string().contains("\"hots\""), "{error}");
        assert!(error.report().contains("host=..."), "{}", error.report());
        assert!(!unknown("zzzzzz", false).report().contains("try:"));
    }

    #[test]
    fn what_may_be_a_piece_of_a_password_is_not_shown() {
        assert!(!unknown("s3cret", true).report().contains("s3cret"));
    }

    #[test]
    fn reads_choices_and_numbers() {
        let mut parameters = Parameters::default();
        assert!(
            parameters.set("sslmode", "require".into()) && parameters.set("keepalives", "x".into())
        );
        assert!(!parameters.set("nonsense", String::new()));
        assert_eq!(
            choose(&parameters, "sslmode", 0, &[("disable", 1), ("require", 2)]).unwrap(),
            2
        );
        assert_eq!(choose(&parameters, "sslnegotiation", 7, &[]).unwrap(), 7);
        let error = choose(&parameters, "sslmode", 0, &[("disable", 1), ("allow", 2)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"require\"") && error.contains("disable, allow"),
            "{error}"
        );
        assert!(number(&parameters, "keepalives").is_err());
    }
}
