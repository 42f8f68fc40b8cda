//! Compares JSON without losing anything to a parser: numbers as they are written, members in their
//! order, also twice.

/// A JSON text, cut into what it consists of. Two texts mean the same if these are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{ } [ ] , :`
    Mark(char),
    /// A string's UTF-16 code units, so that lone surrogates (which `json` may hold) can be told
    /// apart.
    String(Vec<u16>),
    /// A number as it is written, or `true`, `false`, `null`.
    Word(String),
}

impl Token {
    /// The token of a string with this value.
    pub fn string(value: &str) -> Token {
        Token::String(value.encode_utf16().collect())
    }
}

/// The tokens of a valid JSON text.
pub fn tokens(json: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, behind) = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => (Token::Mark(first), &rest[1..]),
            '"' => string(&rest[1..]),
            _ => {
                let length = rest
                    .find(|c: char| c.is_whitespace() || ",:]}".contains(c))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), &rest[length..])
            }
        };
        tokens.push(token);
        rest = behind.trim_start();
    }
    tokens
}

fn string(text: &str) -> (Token, &str) {
    let mut units = Vec::new();
    let mut rest = text;
    loop {
        let next = rest.chars().next().expect("a closing quote");
        rest = &rest[next.len_utf8()..];
        match next {
            '"' => return (Token::String(units), rest),
            '\\' => {
                let escape = rest.chars().next().expect("a byte behind the backslash");
                rest = &rest[escape.len_utf8()..];
                units.push(match escape {
                    'b' => 0x08,
                    'f' => 0x0c,
                    'n' => 0x0a,
                    'r' => 0x0d,
                    't' => 0x09,
                    'u' => {
                        let digits;
                        (digits, rest) = rest.split_at(4);
                        u16::from_str_radix(digits, 16).expect("four hexadecimal digits")
                    }
                    other => u16::try_from(other).unwrap(),
                });
            }
            other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
}

#[test]
fn only_what_json_does_not_tell_apart_is_equal() {
    let same = [
        (
            r#"{"a": [1, 2.50], "a":null}"#,
            r#" {"a":[1,2.50] ,"a" : null}"#,
        ),
        (r#""\u00e4\n\/\ud83d\ude00""#, "\"ä\\u000a/\u{1f600}\""),
    ];
    let different = [
        ("1.0", "1.00"),
        ("1", "\"1\""),
        ("-0", "0"),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
        (r#""\ud800""#, r#""\ud801""#),
        ("[[1],2]", "[[1,2]]"),
    ];
    for (a, b) in same {
        assert_eq!(tokens(a), tokens(b));
    }
    for (a, b) in different {
        assert_ne!(tokens(a), tokens(b));
    }
}

/// The members of a JSON object, in their order.
pub fn members(object: &str) -> Vec<(String, Vec<Token>)> {
    let mut tokens = tokens(object).into_iter().skip(1).peekable();
    let mut members = Vec::new();
    while let Some(Token::String(name)) = tokens.next() {
        assert_eq!(tokens.next(), Some(Token::Mark(':')));
        let (mut value, mut depth) = (Vec::new(), 0);
        while let Some(token) =
            tokens.next_if(|token| depth > 0 || !matches!(token, Token::Mark(',' | '}')))
        {
            match token {
                Token::Mark('{' | '[') => depth += 1,
                Token::Mark('}' | ']') => depth -= 1,
                _ => {}
            }
            value.push(token);
        }
        members.push((String::from_utf16(&name).unwrap(), value));
        tokens.next();
    }
    members
}
