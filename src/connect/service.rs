//! The connection service file (manual section 34.17).

use super::environment::Environment;
use super::parameter::Parameters;
use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The parameters of the service that `named` asks for by `service`; none if it asks for none.
///
/// The user's file is looked at first, then that of the system.
pub fn look_up(named: &Parameters, environment: &Environment) -> Result<Parameters> {
    let Some(service) = named.filled("service") else {
        return Ok(Parameters::default());
    };
    let user_file = match named.filled("servicefile") {
        Some(path) => Some(PathBuf::from(path)),
        None => environment
            .in_home(".pg_service.conf")
            .filter(|path| path.exists()),
    };
    let system_file = match environment.variable("PGSYSCONFDIR") {
        Some(directory) => vec![Path::new(directory).join("pg_service.conf")],
        None => environment
            .system_directories
            .iter()
            .map(|directory| directory.join("pg_service.conf"))
            .collect(),
    };
    for path in user_file
        .into_iter()
        .chain(system_file.into_iter().filter(|path| path.exists()))
    {
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| {
            Error::usage(format!("could not read service file \"{shown}\": {error}"))
        })?;
        let found = section(&text, service).map_err(|reason| {
            Error::usage(format!("could not read service file \"{shown}\": {reason}"))
        })?;
        if let Some(parameters) = found {
            return Ok(parameters);
        }
    }
    Err(Error::usage(format!(
        "could not find service \"{service}\" in any service file"
    )))
}

/// The parameters below `[service]`, if the file has it. Like libpq it keeps the first of two
/// values.
fn section(text: &str, service: &str) -> std::result::Result<Option<Parameters>, String> {
    let mut found: Option<Parameters> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (name.strip_suffix(']') == Some(service)).then(Parameters::default);
            continue;
        }
        let Some(parameters) = &mut found else {
            continue;
        };
        if line.starts_with("ldap") {
            return Err(format!(
                "line {number} asks an LDAP server, which walcat does not support"
            ));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("line {number} has no \"=\""));
        };
        if name.starts_with("service") {
            return Err(format!("line {number} names a service within a service"));
        }
        if parameters.get(name).is_none() && !parameters.set(name, value.to_owned()) {
            return Err(format!(
                "line {number} has no parameter that PostgreSQL knows"
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n[other]\nhost=other\nrubbish\n\n[shop]\n  host=h1 \
                        \nport=5\nhost=h2\n#x\npassword= a = b\n[shop]\nuser=u\n";

    #[test]
    fn reads_the_section_of_the_service() {
        let shop = section(FILE, "shop").unwrap().unwrap();
        assert_eq!(shop.get("host"), Some("h1"));
        assert_eq!(shop.get("port"), Some("5"));
        assert_eq!(shop.get("password"), Some(" a = b"));
        assert_eq!(shop.get("user"), None);
        assert!(section(FILE, "sho").unwrap().is_none());
    }

    #[test]
    fn says_which_line_is_wrong() {
        for (line, reason) in [
            ("rubbish", "line 2"),
            ("service=x", "within"),
            ("hots=x", "line 2"),
            ("ldap://x", "LDAP"),
        ] {
            let error = section(&format!("[a]\n{line}\n"), "a").err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn looks_at_the_users_file_first() {
        let directory = tempfile::tempdir().unwrap();
        let system = directory.path().join("system");
        fs::create_dir(&system).unwrap();
        fs::write(
            system.join("pg_service.conf"),
            "[a]\nhost=system\n[b]\nhost=system\n",
        )
        .unwrap();
        fs::write(
            directory.path().join(".pg_service.conf"),
            "[a]\nhost=user\n",
        )
        .unwrap();
        let mut environment = Environment::of(&[("PGSYSCONFDIR", system.to_str().unwrap())]);
        environment.home = Some(directory.path().to_owned());
        let find = |service: &str| {
            let mut named = Parameters::default();
            assert!(named.set("service", service.to_owned()));
            look_up(&named, &environment).map(|found| found.get("host").map(str::to_owned))
        };
        assert_eq!(find("a").unwrap().as_deref(), Some("user"));
        assert_eq!(find("b").unwrap().as_deref(), Some("system"));
        assert!(find("c").unwrap_err().to_string().contains("\"c\""));
        assert_eq!(find("").unwrap(), None);
    }

    #[test]
    fn a_service_file_that_was_named_must_be_there() {
        let mut named = Parameters::default();
        assert!(
            named.set("service", "a".into())
                && named.set("servicefile", "/nonexistent/file".into())
        );
        let error = look_up(&named, &Environment::of(&[]))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("/nonexistent/file"), "{error}");
    }
}
