//! What the process was started with: `PG*` variables, home directory, user name. Only
//! [`Environment::of_process`] looks at the process itself, so that everything else can be tested
//! with made-up surroundings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The surroundings from which settings are completed.
pub struct Environment {
    /// Environment variables whose names begin with `PG`.
    pub variables: HashMap<String, String>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// Finds the user name of the operating system; called only when no role is given.
    pub user_name: fn() -> Option<String>,
    /// Where local servers put their sockets.
    pub socket_directory: PathBuf,
    /// Where `pg_service.conf` of the system may lie, unless `PGSYSCONFDIR` says it.
    pub system_directories: Vec<PathBuf>,
}

impl Environment {
    /// The surroundings of this process.
    pub fn of_process() -> Environment {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("PG"))
            .collect();
        let debian = Path::new("/var/run/postgresql");
        let socket_directory = if debian.is_dir() {
            debian
        } else {
            Path::new("/tmp")
        };
        Environment {
            variables,
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            user_name: || whoami::username().ok(),
            socket_directory: socket_directory.to_owned(),
            system_directories: ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"]
                .map(PathBuf::from)
                .into(),
        }
    }

    /// A variable, also if it is empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A file below the home directory.
    pub fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }
}

#[cfg(test)]
impl Environment {
    /// Made-up surroundings: these variables, nothing else.
    pub fn of(variables: &[(&str, &str)]) -> Environment {
        Environment {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            home: None,
            user_name: || Some("ada".to_owned()),
            socket_directory: PathBuf::from("/run/sockets"),
            system_directories: Vec::new(),
        }
    }
}
