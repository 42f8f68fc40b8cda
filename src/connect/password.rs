//! Which password to answer with, and asking the user for it.

use super::attempt::plain;
use super::{Host, Prompt, Secret, Settings};
use crate::error::{Error, Result};
use crate::text::printable;
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::sync::Arc;

/// Asks the user a question whose answer is typed unseen.
#[derive(Clone)]
pub struct AskPassword(Arc<Ask>);

type Ask = dyn Fn(&str) -> io::Result<String> + Send + Sync;

impl AskPassword {
    /// Asks with this function.
    pub fn new(ask: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static) -> AskPassword {
        AskPassword(Arc::new(ask))
    }
}

/// There is nobody to ask.
impl Default for AskPassword {
    fn default() -> AskPassword {
        AskPassword::new(|_| Err(io::ErrorKind::Unsupported.into()))
    }
}

impl fmt::Debug for AskPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskPassword")
    }
}

/// The password for this server, if one is known. With `-W` what the user typed wins over all
/// others.
pub fn known<'a>(settings: &'a Settings, host: &'a Host) -> Option<&'a Secret> {
    let typed = settings.typed.get();
    let stored = settings.password.as_ref().or(host.password.as_ref());
    if settings.prompt == Prompt::Always {
        typed.or(stored)
    } else {
        stored.or(typed)
    }
}

/// The password for a server that asks for one while none is known.
pub fn asked_for(settings: &Settings) -> Result<&Secret> {
    let can_ask = settings.prompt != Prompt::Never
        && OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .is_ok();
    if !can_ask {
        return Err(
            Error::because("the server asks for a password, and none is known")
                .with_remedy("PGPASSWORD, a password file (~/.pgpass), or -W on a terminal"),
        );
    }
    typed(settings)
}

/// The password that the user types, or typed before.
pub fn typed(settings: &Settings) -> Result<&Secret> {
    if let Some(typed) = settings.typed.get() {
        return Ok(typed);
    }
    let question = format!("Password for user {}: ", printable(&settings.user));
    let typed = (settings.ask_password.0)(&question).map_err(|error| {
        Error::new(format!(
            "could not read the password from the terminal: {}",
            plain(&error)
        ))
    })?;
    Ok(settings.typed.get_or_init(|| Secret(typed)))
}
