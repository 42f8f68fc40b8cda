//! The version of a PostgreSQL server.

use std::fmt;

/// A server's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `server_version_num`, as 150018 for 15.18.
    number: u32,
    /// `server_version` without what a packager adds: `15.18`, `19rc1`.
    name: String,
}

impl Version {
    /// From `server_version_num` and the first word of `server_version`.
    pub fn new(number: u32, name: String) -> Version {
        Version { number, name }
    }

    /// The major version, as 15.
    pub fn major(&self) -> u32 {
        self.number / 10_000
    }
}

/// `15.18`, `19rc1`
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
