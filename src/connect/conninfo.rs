//! Connection strings: `key=value` and `postgresql://` URIs as libpq reads them (manual section
//! 34.1.1).
//!
//! No error of this module shows a value: what a stray quote or an `@` makes of a password must not
//! reach a terminal.

use super::parameter::{Parameters, unknown};
use crate::error::{Error, Result};

/// Returns `true` if this is a connection string, and not just the name of a database.
pub fn is_conninfo(text: &str) -> bool {
    text.contains('=') || uri_rest(text).is_some()
}

/// Reads a connection string of either form.
pub fn parse(text: &str) -> Result<Parameters> {
    match uri_rest(text) {
        Some(rest) => parse_uri(rest),
        None => parse_pairs(text),
    }
}

fn uri_rest(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
}

fn invalid(reason: &str) -> Error {
    Error::usage(format!("could not read the connection string: {reason}"))
}

/// Reads `key = value key='quoted \' value'`.
fn parse_pairs(text: &str) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    let mut password_seen = false;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || is_space(c))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start().strip_prefix('=') else {
            return Err(match password_seen {
                true => unknown(name, true),
                false => invalid(&format!("missing \"=\" after \"{name}\"")),
            });
        };
        let (value, after) = take_value(after.trim_start())?;
        if !parameters.set(name, value) {
            return Err(unknown(name, password_seen));
        }
        password_seen |= name.contains("password");
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// The white space of C's `isspace`.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// Takes a value, quoted or not, off the front.
fn take_value(text: &str) -> Result<(String, &str)> {
    let (quoted, mut chars) = match text.strip_prefix('\'') {
        Some(rest) => (true, rest.chars()),
        None => (false, text.chars()),
    };
    let mut value = String::new();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            // A backslash at the very end stands for nothing.
            Some('\\') => value.extend(chars.next()),
            Some('\'') if quoted => return Ok((value, chars.as_str())),
            Some(c) if !quoted && is_space(c) => return Ok((value, rest)),
            Some(c) => value.push(c),
            None if quoted => return Err(invalid("unterminated quoted string")),
            None => return Ok((value, "")),
        }
    }
}

/// Reads `[user[:password]@][host[:port],...][/dbname][?name=value&...]`.
fn parse_uri(text: &str) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    let (credentials, rest) = match text.split_once('@') {
        Some((credentials, rest)) if !credentials.contains('/') => (credentials, rest),
        _ => ("", text),
    };
    // Behind this a further "@" is most likely that of a password with a raw special character.
    let stray = rest.contains('@');
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    set_decoded(&mut parameters, "user", user)?;
    set_decoded(&mut parameters, "password", password)?;

    let (hosts, ports, rest) = take_hosts(rest)?;
    if stray && ports.contains(|c: char| !c.is_ascii_digit() && c != ',') {
        return Err(misplaced_at());
    }
    set_decoded(&mut parameters, "host", &hosts)?;
    set_decoded(&mut parameters, "port", &ports)?;

    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    set_decoded(
        &mut parameters,
        "dbname",
        path.strip_prefix('/').unwrap_or(path),
    )?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        set_from_query(&mut parameters, pair)
            .map_err(|error| if stray { misplaced_at() } else { error })?;
    }
    Ok(parameters)
}

/// Takes the comma-separated hosts and ports off the front; what is left begins with `/` or `?` or
/// is empty.
fn take_hosts(text: &str) -> Result<(String, String, &str)> {
    let (mut hosts, mut ports, mut rest) = (String::new(), String::new(), text);
    loop {
        let host;
        (host, rest) = take_host(rest)?;
        hosts += host;
        if let Some(after) = rest.strip_prefix(':') {
            let port;
            (port, rest) = after.split_at(after.find(['/', '?', ',']).unwrap_or(after.len()));
            ports += port;
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
        hosts.push(',');
        ports.push(',');
    }
    // `host1,host2` has no ports at all, not two empty ones.
    if ports.bytes().all(|b| b == b',') {
        ports.clear();
    }
    Ok((hosts, ports, rest))
}

fn take_host(text: &str) -> Result<(&str, &str)> {
    let Some(inner) = text.strip_prefix('[') else {
        return Ok(text.split_at(text.find([':', '/', '?', ',']).unwrap_or(text.len())));
    };
    match inner.split_once(']') {
        None => Err(invalid("\"[\" without \"]\" in the URI")),
        Some(("", _)) => Err(invalid("empty IPv6 address in the URI")),
        Some((_, rest)) if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) => Err(
            invalid("\"]\" in the URI is not followed by \":\", \"/\", \"?\" or \",\""),
        ),
        Some(split) => Ok(split),
    }
}

fn set_from_query(parameters: &mut Parameters, pair: &str) -> Result<()> {
    let (name, value) = match pair.split_once('=') {
        None => {
            return Err(invalid(&format!(
                "missing \"=\" after \"{pair}\" in the URI"
            )));
        }
        Some((_, value)) if value.contains('=') => {
            return Err(invalid(
                "a second \"=\" in a parameter of the URI; write it as %3D",
            ));
        }
        Some((name, value)) => (decode(name)?, decode(value)?),
    };
    // JDBC's spelling, which libpq takes too.
    let (name, value) = match (name.as_str(), value.as_str()) {
        ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
        _ => (name, value),
    };
    if parameters.set(&name, value) {
        Ok(())
    } else {
        Err(unknown(&name, false))
    }
}

fn misplaced_at() -> Error {
    invalid("misplaced \"@\" in the URI").with_detail(
        "Special characters of user name and password must be percent-encoded: %40 for @, %2F for \
         /, %3F for ?.",
    )
}

fn set_decoded(parameters: &mut Parameters, name: &str, text: &str) -> Result<()> {
    let value = decode(text)?;
    if !value.is_empty() && !parameters.set(name, value) {
        return Err(unknown(name, false));
    }
    Ok(())
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = after.split_first_chunk::<2>();
        let value =
            digits.and_then(|([high, low], _)| Some(hex_digit(*high)? * 16 + hex_digit(*low)?));
        match (value, digits) {
            (Some(0), _) => return Err(invalid("forbidden value %00 in the URI")),
            (Some(value), Some((_, after))) => {
                bytes.push(value);
                rest = after;
            }
            _ => {
                return Err(invalid(
                    "\"%\" in the URI is not followed by two hexadecimal digits; write it as %25",
                ));
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid("a percent-encoded value of the URI is not UTF-8"))
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(&'static str, String)> {
        let parameters = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        [
            "user",
            "password",
            "host",
            "port",
            "dbname",
            "sslmode",
            "options",
            "application_name",
        ]
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?.to_owned())))
        .collect()
    }

    #[track_caller]
    fn reads(text: &str, expected: &[(&'static str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        assert_eq!(shown(text), expected, "{text}");
    }

    #[test]
    fn tells_connection_strings_from_names() {
        for (text, conninfo) in [
            ("shop", false),
            ("host=x", true),
            ("postgres://", true),
            ("postgresql://x", true),
            ("postgresql:x", false),
        ] {
            assert_eq!(is_conninfo(text), conninfo, "{text}");
        }
    }

    #[test]
    fn reads_pairs() {
        reads("host=h port=1", &[("host", "h"), ("port", "1")]);
        reads("  host = h\n\tport= 1 ", &[("host", "h"), ("port", "1")]);
        reads(
            "dbname='my db' user=o\\'hara",
            &[("user", "o'hara"), ("dbname", "my db")],
        );
        reads(
            r"password='it\'s a \\ slash'",
            &[("password", r"it's a \ slash")],
        );
        reads(
            r"password=back\\slash\ space",
            &[("password", r"back\slash space")],
        );
        reads("password=''", &[("password", "")]);
        reads("password= host=h", &[("password", "host=h")]);
        reads("dbname=a dbname=b", &[("dbname", "b")]);
        reads("dbname=postgres://x", &[("dbname", "postgres://x")]);
        reads("options='-c geqo=off'", &[("options", "-c geqo=off")]);
        reads("dbname=ends\\", &[("dbname", "ends")]);
        reads("dbname=''user=u", &[("user", "u"), ("dbname", "")]);
        reads(
            "dbname=größe user='名'",
            &[("user", "名"), ("dbname", "größe")],
        );
        reads("", &[]);
    }

    #[test]
    fn refuses_bad_pairs() {
        for text in [
            "host",
            "host=a b",
            "host='a",
            "=x",
            "host=a =x",
            "host='a' 'b'",
            "nonsense=1",
            "HOST=x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_uris() {
        reads("postgresql://", &[]);
        reads("postgres://h", &[("host", "h")]);
        reads(
            "postgresql://u:p@h:1/d?application_name=a",
            &[
                ("user", "u"),
                ("password", "p"),
                ("host", "h"),
                ("port", "1"),
                ("dbname", "d"),
                ("application_name", "a"),
            ],
        );
        reads("postgresql://u@/d", &[("user", "u"), ("dbname", "d")]);
        reads("postgresql:///d", &[("dbname", "d")]);
        reads("postgresql://?dbname=d", &[("dbname", "d")]);
        reads("postgresql://h?user=u", &[("user", "u"), ("host", "h")]);
        reads(
            "postgresql://[::1]:5/d",
            &[("host", "::1"), ("port", "5"), ("dbname", "d")],
        );
        reads("postgresql://[::1]", &[("host", "::1")]);
        reads(
            "postgresql://a:1,b:2/d",
            &[("host", "a,b"), ("port", "1,2"), ("dbname", "d")],
        );
        reads("postgresql://a,b:2", &[("host", "a,b"), ("port", ",2")]);
        reads("postgresql://a,[::2],c/", &[("host", "a,::2,c")]);
        reads(
            "postgresql://%2Fvar%2frun/d",
            &[("host", "/var/run"), ("dbname", "d")],
        );
        reads(
            "postgresql:///d?host=/tmp&port=5",
            &[("host", "/tmp"), ("port", "5"), ("dbname", "d")],
        );
        reads(
            "postgresql://u%40x:p%3a%2f@h",
            &[("user", "u@x"), ("password", "p:/"), ("host", "h")],
        );
        reads(
            "postgresql://u:a:b@h",
            &[("user", "u"), ("password", "a:b"), ("host", "h")],
        );
        reads(
            "postgresql://h/d?ssl=true",
            &[("host", "h"), ("dbname", "d"), ("sslmode", "require")],
        );
        reads(
            "postgresql://h/a%20b?options=-c%20geqo%3Doff",
            &[("host", "h"), ("dbname", "a b"), ("options", "-c geqo=off")],
        );
        reads("postgresql://h/d@e", &[("host", "h"), ("dbname", "d@e")]);
        reads(
            "postgresql://u:5?p@h",
            &[("user", "u"), ("password", "5?p"), ("host", "h")],
        );
        reads("postgresql://:p@h", &[("password", "p"), ("host", "h")]);
    }

    #[test]
    fn refuses_bad_uris() {
        for text in [
            "postgresql://[",
            "postgresql://[]",
            "postgresql://[::1",
            "postgresql://[::1]x",
            "postgresql://h/d?nonsense=1",
            "postgresql://h/d?host",
            "postgresql://h/d?host=a=b",
            "postgresql://h/d?ssl=maybe",
            "postgresql://%",
            "postgresql://%2",
            "postgresql://%zz",
            "postgresql://%00",
            "postgresql://%ff",
            "postgresql://h/%C3",
            "postgresql://%é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_show_no_password() {
        for text in [
            "password=top secret",
            "password=top s3cret=1",
            "password='top' s3cret",
            "host=h password='top s3cret",
            "postgresql://u:top/s3cret@h/d",
            "postgresql://u:s3cret/x@h/d",
            "postgresql://u:5/?s3cret=x@h",
            "postgresql://u:5/?s3cret@h",
            "postgresql://u:s3cret%@h",
            "postgresql://u:s3cret%00@h",
        ] {
            let report = parse(text)
                .err()
                .unwrap_or_else(|| panic!("{text}"))
                .report();
            assert!(
                !report.contains("s3cret") && !report.contains("secret") && !report.contains("top"),
                "{text}: {report}"
            );
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            "postgresql://",
            "[",
            "]",
            ":",
            "/",
            "?",
            "@",
            "%",
            "%4",
            "%41",
            "=",
            "&",
            ",",
            "'",
            "\\",
            " ",
            "é",
            "host",
            "a",
        ];
        let mut state = 1u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text += pieces[(state >> 16) as usize % pieces.len()];
            }
            let _ = parse(&text);
        }
    }
}
