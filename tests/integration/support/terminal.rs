//! The program on a real terminal.

use super::program::{Running, run, spawn};
use std::process::Command;

/// A program whose stdin, stdout and stderr are a terminal of its own.
pub struct Terminal {
    /// Its `stdout` is what the screen gets.
    pub running: Running,
    device: String,
}

impl Terminal {
    /// Starts the program in a window of so many columns.
    pub fn spawn(program: &Command, columns: usize) -> Terminal {
        let words = std::iter::once(program.get_program()).chain(program.get_args());
        let words = words.map(|word| word.to_str().expect("words in UTF-8"));
        let line = shlex::try_join(words).expect("words without NUL");
        let session = format!("stty cols {columns} rows 24 -echo; tty; exec {line}");
        // `script` is what makes terminals on every system.
        let mut script = Command::new("script");
        script
            .args(["-qefc", &session, "/dev/null"])
            .env_clear()
            .env("TERM", "xterm-256color");
        let variables = program.get_envs();
        script.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        let mut running = spawn(&mut script);
        let device = running.line().trim_end().to_owned();
        assert!(device.starts_with("/dev/"), "{device}");
        Terminal { running, device }
    }

    /// The next line that it prints, without its end.
    pub fn line(&mut self) -> String {
        let line = self.running.line();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The lines up to the first that has this in it.
    pub fn lines_to(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    /// Gives the window another width.
    pub fn resize(&self, columns: usize) {
        let columns = columns.to_string();
        run(Command::new("stty").args(["-F", &self.device, "cols", &columns])).succeeded();
    }
}

/// The text without its colours.
pub fn without_colors(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').expect("a colour").1);
    rest.fold(first, |text, part| text + part)
}
