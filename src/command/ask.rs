//! Asking the user on the terminal.

use crate::stop::Stop;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io;
use std::thread;
use std::time::Duration;

/// Asks for what is typed unseen. A signal ends the process meanwhile, with the terminal as it was.
pub fn ask(stop: &Stop, question: &str) -> io::Result<String> {
    let tidy = terminal_as_it_is();
    stop.with_default_signals(tidy, || {
        let answer = rpassword::prompt_password(question);
        if matches!(&answer, Err(reason) if reason.kind() == io::ErrorKind::Interrupted) {
            // It was Ctrl-C, and the signal that was raised for it is about to end the process.
            thread::sleep(Duration::from_secs(5));
        }
        answer
    })
}

/// Makes the terminal again what it is now.
fn terminal_as_it_is() -> impl Fn() + Send {
    let terminal = File::options().read(true).write(true).open("/dev/tty").ok();
    let modes = terminal.and_then(|terminal| {
        let modes = tcgetattr(&terminal).ok()?;
        Some((terminal, modes))
    });
    move || {
        if let Some((terminal, modes)) = &modes {
            let _ = tcsetattr(terminal, OptionalActions::Now, modes);
        }
    }
}
