//! What was found, one line each: `ok`, `warn` or `fail`, and the command that mends it.

use crate::text::printable;
use serde::Serialize;
use std::fmt;

/// What was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

/// One of them, as `--format json` prints it.
#[derive(Debug, Serialize)]
pub struct Finding {
    #[serde(rename = "status")]
    verdict: Verdict,
    #[serde(rename = "message")]
    text: String,
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Findings {
    /// All is well.
    pub fn ok(&mut self, text: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Ok,
            text: text.into(),
            remedy: None,
        });
    }

    /// It works, but may cause trouble.
    pub fn warn(&mut self, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Warn,
            text: text.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// A stream would fail.
    pub fn fail(&mut self, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Fail,
            text: text.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// How many things were looked at.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many would make a stream fail.
    pub fn failures(&self) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.verdict == Verdict::Fail)
            .count()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "fail",
            };
            write!(f, "{verdict}  {}", printable(&finding.text))?;
            if let Some(remedy) = &finding.remedy {
                write!(f, "; try: {}", printable(remedy))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
