//! The password file (manual section 34.16).

use super::Secret;
use log::warn;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The lines of a password file.
#[derive(Default)]
pub struct PasswordFile(String);

impl PasswordFile {
    /// Reads the file; one that is not there or cannot be read has no passwords. Warns where a file
    /// that is there is ignored.
    pub fn read(path: &Path) -> PasswordFile {
        let Ok(metadata) = fs::metadata(path) else {
            return PasswordFile::default();
        };
        let shown = path.display();
        if !metadata.is_file() {
            warn!("password file \"{shown}\" is ignored: it is not a plain file");
        } else if metadata.mode() & 0o077 != 0 {
            warn!(
                "password file \"{shown}\" is ignored: it has group or world access; permissions \
                 should be u=rw (0600) or less"
            );
        } else if let Ok(bytes) = fs::read(path) {
            return PasswordFile(String::from_utf8_lossy(&bytes).into_owned());
        }
        PasswordFile::default()
    }

    /// The password of the first line that fits. `host` is `localhost` for the default socket
    /// directory.
    pub fn password(&self, host: &str, port: u16, dbname: &str, user: &str) -> Option<Secret> {
        let port = port.to_string();
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| {
                let mut rest = line;
                for wanted in [host, &port, dbname, user] {
                    rest = match_field(rest, wanted)?;
                }
                let password = unescape(rest);
                (!password.is_empty()).then_some(Secret(password))
            })
    }
}

/// What follows the field and its colon, if the field is `*` or `wanted`.
fn match_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = wanted.chars();
    let mut chars = line.chars();
    loop {
        match chars.next()? {
            ':' => return wanted.next().is_none().then_some(chars.as_str()),
            '\\' => (chars.next() == wanted.next()).then_some(())?,
            c => (Some(c) == wanted.next()).then_some(())?,
        }
    }
}

fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;
    use std::os::unix::fs::PermissionsExt;

    fn find(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
        PasswordFile(text.to_owned())
            .password(host, port, dbname, user)
            .map(|secret| secret.0)
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# h:1:d:u:comment\nrubbish\n\nh:1:d:u:first\r\nh:1:*:u:second\n*:*:*:*:last";
        assert_eq!(find(text, "h", 1, "d", "u").as_deref(), Some("first"));
        assert_eq!(find(text, "h", 1, "e", "u").as_deref(), Some("second"));
        assert_eq!(find(text, "i", 1, "e", "u").as_deref(), Some("last"));
        assert_eq!(find("h:1:d:u:p", "h", 12, "d", "u"), None);
        assert_eq!(find("h:1:d:u:p", "hh", 1, "d", "u"), None);
        assert_eq!(find("hh:1:d:u:p", "h", 1, "d", "u"), None);
    }

    #[test]
    fn backslashes_escape() {
        assert_eq!(
            find(r"\:\:1:1:a\\b:u:p\:w\\d", "::1", 1, r"a\b", "u").as_deref(),
            Some(r"p:w\d")
        );
        assert_eq!(
            find(r"h:1:d:u:a:b", "h", 1, "d", "u").as_deref(),
            Some("a:b")
        );
        assert_eq!(
            find(r"h:1:d:u:ends\", "h", 1, "d", "u").as_deref(),
            Some("ends")
        );
        assert_eq!(find(r"\*:1:d:u:p", "h", 1, "d", "u"), None);
    }

    #[test]
    fn an_empty_password_is_none() {
        assert_eq!(find("h:1:d:u:", "h", 1, "d", "u"), None);
        assert_eq!(find("h:1:d:u", "h", 1, "d", "u"), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored_with_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgpass");
        fs::write(&path, "*:*:*:*:p").unwrap();
        for (mode, trusted) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            logged::messages();
            let file = PasswordFile::read(&path);
            let warning = logged::warnings().concat();
            assert_eq!(
                file.password("h", 1, "d", "u").is_some(),
                trusted,
                "{mode:o}"
            );
            assert_eq!(
                warning.contains("group or world access"),
                !trusted,
                "{mode:o}: {warning}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_no_matter_and_a_directory_a_warning() {
        logged::messages();
        PasswordFile::read(Path::new("/nonexistent/pgpass"));
        assert!(logged::messages().is_empty());
        PasswordFile::read(Path::new("/"));
        assert_eq!(
            logged::warnings(),
            ["password file \"/\" is ignored: it is not a plain file"]
        );
    }
}
