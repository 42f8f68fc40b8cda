//! Words of a command line as one types them, for the commands that messages propose.

use crate::text::is_harmful;

/// The word, quoted where a shell needs it. Control characters become escapes of `$'...'`, which
/// bash, zsh, ksh and POSIX of 2024 know: raw ones could not be pasted, and would forge lines.
pub fn word(word: &str) -> String {
    if !word.contains(is_harmful) {
        // It fails for NUL only, which is harmful.
        return shlex::try_quote(word).map_or_else(|_| String::new(), Into::into);
    }
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            '\r' => quoted += "\\r",
            // By its bytes: what \u means depends on the shell's locale.
            c if is_harmful(c) => quoted.extend(
                c.encode_utf8(&mut [0; 4])
                    .bytes()
                    .map(|byte| format!("\\{byte:03o}")),
            ),
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

/// The words of a line that is being typed, up to the cursor: the last is empty behind a blank.
/// `None` where a quote is open.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(line)?;
    if words.is_empty() || line.ends_with(char::is_whitespace) {
        words.push(String::new());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const WORDS: [&str; 16] = [
        "",
        "plain_1-2.3",
        "Users",
        "public.users:insert,update",
        "it's",
        "a b",
        "s'; drop table t; --",
        "$(reboot)",
        "`reboot`",
        "\"q\"",
        "a\\b",
        "~root",
        "*?[x]",
        "!history",
        "a\nb\t'c'\\\r",
        "\u{1b}[2J\u{202e}\u{e4}",
    ];

    #[test]
    fn a_shell_reads_the_word_again() {
        let line: Vec<String> = WORDS.iter().map(|text| word(text)).collect();
        let script = format!("printf '%s\\001' {}", line.join(" "));
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        let read: Vec<&str> = read.split_terminator('\u{1}').collect();
        assert_eq!(read, WORDS);
    }

    #[test]
    fn it_stays_on_its_line() {
        for text in WORDS {
            assert!(!word(text).contains(is_harmful), "{text:?}");
        }
        assert_eq!(word("users"), "users");
        assert_eq!(word("public.users"), "public.users");
        assert_eq!(word("a\nb\u{1b}'"), "$'a\\nb\\033\\''");
    }
}
