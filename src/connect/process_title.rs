//! Keeps a password on the command line out of the list of processes, where every user of the
//! machine could read it.

use super::conninfo;
use super::parameter::Parameters;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Carries the password of the conninfo string to the program that takes this one's place. Not
/// `PGPASSWORD`, because that ranks below the service file, and the conninfo string above.
pub(super) const CARRIER: &str = "PGWALCATPASSWORD";

/// The same for the URL of a log.
const URL_CARRIER: &str = "WALCAT_TO";

/// Starts the program again, in the same process, without the password that the value of `-d`
/// holds; returns if there is none.
///
/// To be called before anything else is done.
pub fn hide_password(dbname: &str) {
    if let Some((harmless, password)) = without_password(dbname) {
        start_again(dbname, &harmless, CARRIER, &password);
    }
}

/// Starts the program again, in the same process, without the login that the URL holds; returns if
/// there is none. [`revealed`] gives the URL back.
pub fn hide_login(url: &str) {
    if let Some(harmless) = without_login(url) {
        start_again(url, &harmless, URL_CARRIER, url);
    }
}

/// The URL as it was given.
pub fn revealed(url: &str) -> String {
    match std::env::var(URL_CARRIER) {
        Ok(given) if without_login(&given).is_some_and(|harmless| harmless == url) => given,
        _ => url.to_owned(),
    }
}

/// The URL without what stands before `@` in front of each host.
fn without_login(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (hosts, path) = rest.rsplit_once('/').unwrap_or((rest, ""));
    if !hosts.contains('@') {
        return None;
    }
    let bare = |host: &str| {
        host.rsplit_once('@')
            .map_or(host, |(_, host)| host)
            .to_owned()
    };
    let hosts: Vec<String> = hosts.split(',').map(bare).collect();
    Some(format!("{scheme}://{}/{path}", hosts.join(",")))
}

/// Starts the program again with the value of an option replaced; `carrier` holds the secret.
fn start_again(value: &str, harmless: &str, carrier: &str, secret: &str) {
    let mut arguments = std::env::args_os();
    let Some(name) = arguments.next() else { return };
    let given: Vec<_> = arguments.collect();
    let cleaned: Vec<_> = given
        .iter()
        .map(|argument| replace_end(argument, value, harmless))
        .collect();
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    if given != cleaned && std::env::var_os(carrier).is_none() {
        // `exec` returns only if it fails: then the program runs on, with the password visible.
        let _ = Command::new(program)
            .arg0(name)
            .args(cleaned)
            .env(carrier, secret)
            .exec();
    }
}

/// Returns `true` if the conninfo string has a password, which every user of the machine can read.
pub fn shows_password(dbname: &str) -> bool {
    without_password(dbname).is_some()
}

/// Gives the password back to the parameters of the conninfo string that it was taken from.
pub fn restore_password<'a>(
    parameters: &mut Parameters,
    variable: impl Fn(&str) -> Option<&'a str>,
) {
    if let (None, Some(password)) = (parameters.get("password"), variable(CARRIER)) {
        let _ = parameters.set("password", password.to_owned());
    }
}

/// The same conninfo string without its password, and the password.
fn without_password(dbname: &str) -> Option<(String, String)> {
    if !conninfo::is_conninfo(dbname) {
        return None;
    }
    let mut parameters = conninfo::parse(dbname).ok()?;
    let password = parameters
        .take("password")
        .filter(|password| !password.is_empty())?;
    Some((parameters.to_conninfo(), password))
}

/// `-dVALUE`, `--dbname=VALUE` and `VALUE` alone all end with the value.
fn replace_end(argument: &OsStr, value: &str, replacement: &str) -> OsString {
    match argument.as_bytes().strip_suffix(value.as_bytes()) {
        Some(start) => OsString::from_vec([start, replacement.as_bytes()].concat()),
        None => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_password_out_of_both_forms() {
        for text in [
            "postgresql://u:a%20b@h:1/d",
            "host=h password='a b' port=1 user=u dbname=d",
        ] {
            let (harmless, password) = without_password(text).unwrap();
            assert_eq!(harmless, "dbname='d' host='h' port='1' user='u'");
            assert_eq!(password, "a b");
        }
        for text in [
            "shop",
            "host=h",
            "postgresql://u@h",
            "password=''",
            "nonsense=1 password=x",
        ] {
            assert!(without_password(text).is_none(), "{text}");
        }
    }

    #[test]
    fn takes_the_login_out_of_a_url() {
        for (url, harmless) in [
            ("nats://u:p@h/S", "nats://h/S"),
            ("tls://t@a:1,u:p%2F@b/S", "tls://a:1,b/S"),
            ("nats://u:p@h", "nats://h/"),
            ("nats://u:p/q@h/S", "nats://h/S"),
        ] {
            assert_eq!(without_login(url).as_deref(), Some(harmless));
        }
        assert_eq!(without_login("nats://h/S"), None);
    }

    #[test]
    fn what_is_quoted_reads_the_same() {
        let (harmless, _) =
            without_password(r"password=x dbname='it\'s \\ here' options=''").unwrap();
        let parameters = conninfo::parse(&harmless).ok().unwrap();
        assert_eq!(parameters.get("dbname"), Some(r"it's \ here"));
        assert_eq!(parameters.get("options"), Some(""));
        // A string without any parameter would be the name of a database.
        assert!(conninfo::is_conninfo(
            &without_password("password=x").unwrap().0
        ));
    }

    #[test]
    fn finds_the_value_however_it_is_written() {
        for (argument, expected) in [
            ("-dx=1", "-dy"),
            ("--dbname=x=1", "--dbname=y"),
            ("x=1", "y"),
            ("-d", "-d"),
        ] {
            assert_eq!(replace_end(OsStr::new(argument), "x=1", "y"), expected);
        }
    }
}
