//! What the characters of a JSON text are, so that they can be coloured as `jq -C` does.

/// The colours of jq 1.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Class {
    /// Braces, brackets, commas, colons.
    #[default]
    Structure,
    Key,
    String,
    /// Numbers, `true` and `false`.
    Scalar,
    Null,
}

impl Class {
    /// What switches the terminal to its colour, whatever that was before.
    pub(super) fn color(self) -> &'static [u8] {
        match self {
            Class::Structure => b"\x1b[0;1;39m",
            Class::Key => b"\x1b[0;34;1m",
            Class::String => b"\x1b[0;32m",
            Class::Scalar => b"\x1b[0;39m",
            Class::Null => b"\x1b[0;1;30m",
        }
    }
}

/// Follows a JSON text from its beginning. It may end anywhere, and need not be JSON.
#[derive(Debug, Default)]
pub(super) struct Classes {
    current: Class,
    /// Whether the next string is a key.
    before_key: bool,
    in_string: bool,
    /// Whether a backslash stands before the next character.
    escaped: bool,
    /// What is open: `true` for an object.
    open: Vec<bool>,
}

impl Classes {
    /// The class of the next character.
    pub(super) fn of(&mut self, c: char) -> Class {
        if self.in_string {
            self.inside_string(c);
            return self.current;
        }
        match c {
            '"' => {
                self.in_string = true;
                let key = std::mem::take(&mut self.before_key);
                self.current = if key { Class::Key } else { Class::String };
            }
            '{' | '[' => {
                self.before_key = c == '{';
                self.open.push(self.before_key);
                self.current = Class::Structure;
            }
            '}' | ']' => {
                self.open.pop();
                self.before_key = false;
                self.current = Class::Structure;
            }
            ',' | ':' => {
                self.before_key = c == ',' && self.open.last() == Some(&true);
                self.current = Class::Structure;
            }
            'n' => self.current = Class::Null,
            c if c.is_whitespace() => {}
            _ if self.current == Class::Null => {}
            _ => self.current = Class::Scalar,
        }
        self.current
    }

    /// Returns `true` if the next character is one of a string, or its end.
    pub(super) fn in_string(&self) -> bool {
        self.in_string
    }

    fn inside_string(&mut self, c: char) {
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => self.in_string = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_its_class() {
        for (text, classes) in [
            (r#"{"a": 1, "b\"": null}"#, "{kkk{ d{ kkkkk{ nnnn{"),
            (r#"["x",{"y":[true]}]"#, "{sss{{kkk{{dddd{{{"),
            (r#"[null,-1.5e3,""]"#, "{nnnn{dddddd{ss{"),
            (r#""{\\""#, "sssss"),
            ("}]nonsense", "{{nnnnnnnn"),
        ] {
            let mut of = Classes::default();
            let found: String = text
                .chars()
                .map(|c| match (of.of(c), c) {
                    (_, ' ') => ' ',
                    (Class::Structure, _) => '{',
                    (Class::Key, _) => 'k',
                    (Class::String, _) => 's',
                    (Class::Scalar, _) => 'd',
                    (Class::Null, _) => 'n',
                })
                .collect();
            assert_eq!(found, classes, "{text}");
        }
    }
}
