//! The output plugins that walcat decodes: what each can do, and the options that it is given.
//!
//! A plugin is one line in [`PLUGINS`], its file here, and its decoder in
//! [`decode`](crate::decode). Used by the commands; any other plugin's bytes can only be passed on.

mod pgoutput;
mod wal2json;

use crate::decode::{Decoder, NoCatalog, RelationCatalog};
use crate::error::{Error, Result};
use crate::version::Version;

/// All of them; the first is that of new slots.
pub const PLUGINS: [&Plugin; 2] = [&pgoutput::PLUGIN, &wal2json::PLUGIN];

/// The plugin of new slots.
pub const DEFAULT: &Plugin = PLUGINS[0];

/// An output plugin that walcat decodes.
pub struct Plugin {
    /// Its name, as `CREATE_REPLICATION_SLOT` takes it.
    pub name: &'static str,
    /// Whether it comes with every server.
    pub is_built_in: bool,
    /// Whether it sends the tables of publications; else it sends every table.
    pub has_publications: bool,
    /// Whether it converts from the encoding of the database to UTF-8.
    pub converts: bool,
    /// Decoding transactions when they are prepared.
    pub two_phase: Support,
    /// Sending large transactions before they commit.
    pub streaming: Support,
    /// The same, with the position and time of aborts.
    pub streaming_parallel: Support,
    /// Choosing changes by their origin.
    pub origin: Support,
    /// Options of ours that older versions of the plugin refuse, and that can be done without.
    pub dispensable: &'static [&'static str],
    decoder: fn(Box<dyn RelationCatalog>) -> Decoder,
    /// Whether a capture with this first byte can be one of it.
    captured: fn(u8) -> bool,
    options: fn(&Request<'_>) -> Result<Options>,
}

/// Whether a plugin can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// From this major version of the server on.
    Since(u32),
    /// Never, because it does this.
    Never(&'static str),
}

/// How large transactions are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streaming {
    /// When they commit.
    #[default]
    Off,
    /// Before they commit.
    On,
    /// Before they commit, with the position and time of aborts.
    Parallel,
}

/// Changes of which origin are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All of them.
    Any,
    /// Those that were made here.
    None,
}

/// What a stream asks of the plugin.
pub struct Request<'a> {
    /// The publications, where it has them.
    pub publications: &'a [String],
    /// How large transactions are sent.
    pub streaming: Streaming,
    /// Whether transactions are decoded when they are prepared.
    pub two_phase: bool,
    /// Changes of which origin; `None` leaves that to the plugin.
    pub origin: Option<Origin>,
    /// Whether logical messages are shown.
    pub messages: bool,
    /// Whether origins are shown.
    pub shows_origin: bool,
    /// Whether the names of types are shown.
    pub shows_types: bool,
    /// Whether the plugin's bytes are passed on as they are.
    pub raw: bool,
    /// The user's own options, which win.
    pub own: &'a Options,
}

/// Options of an output plugin, by name; `None` is an option without value.
pub type Options = Vec<(String, Option<String>)>;

/// The plugin of this name, if walcat decodes it.
pub fn find(name: &str) -> Option<&'static Plugin> {
    PLUGINS.into_iter().find(|plugin| plugin.name == name)
}

/// The decoder for a capture with this first byte.
pub fn decoder_of_capture(first: u8) -> Decoder {
    let wrote_it = |plugin: &&Plugin| (plugin.captured)(first);
    let plugin = PLUGINS.into_iter().find(wrote_it).unwrap_or(DEFAULT);
    plugin.decoder(Box::new(NoCatalog))
}

impl Plugin {
    /// A decoder for what it sends; `relations` tells about tables what it does not send.
    pub fn decoder(&self, relations: Box<dyn RelationCatalog>) -> Decoder {
        (self.decoder)(relations)
    }

    /// Returns `true` if what it sends from a database with this encoding can be decoded.
    pub fn reads(&self, encoding: &str) -> bool {
        self.converts || matches!(encoding, "UTF8" | "SQL_ASCII")
    }

    /// The options for what is asked of it on a server of this version. The user's own win, except
    /// those with which the decoder could not work: these are usage errors.
    pub fn options(&self, request: &Request<'_>, version: &Version) -> Result<Options> {
        let (streaming, support) = match request.streaming {
            Streaming::Off | Streaming::On => ("--streaming", self.streaming),
            Streaming::Parallel => ("--streaming parallel", self.streaming_parallel),
        };
        let asked = [
            (request.streaming != Streaming::Off, streaming, support),
            (request.two_phase, "--two-phase", self.two_phase),
            (request.origin.is_some(), "--origin", self.origin),
        ];
        for (_, option, support) in asked.iter().filter(|(asked, ..)| *asked) {
            self.require(option, *support, version)?;
        }
        let mut options = (self.options)(request)?;
        options.retain(|(name, _)| !request.own.iter().any(|(own, _)| own == name));
        options.extend(request.own.iter().cloned());
        Ok(options)
    }

    /// Takes the options back of which the plugin has refused one that can be done without, unless
    /// they are the user's. Returns `false` if there is none.
    pub fn withdraw(&self, refusal: &Error, own: &Options, options: &mut Options) -> bool {
        let Some(server) = refusal.server() else {
            return false;
        };
        let before = options.len();
        options.retain(|(name, _)| {
            // invalid_parameter_value
            let refused = server.sqlstate == "22023" && server.message.contains(name.as_str());
            let dispensable = self.dispensable.contains(&name.as_str());
            !(refused && dispensable) || own.iter().any(|(own, _)| own == name)
        });
        options.len() < before
    }

    fn require(&self, option: &str, support: Support, version: &Version) -> Result<()> {
        match support {
            Support::Since(major) if version.major() >= major => Ok(()),
            Support::Since(major) => Err(Error::new(format!(
                "could not stream: {option} needs PostgreSQL {major}, and the server is {version}"
            ))),
            Support::Never(instead) => {
                // `--streaming parallel` is a value of `--streaming`.
                let option = option.split(' ').next().unwrap_or(option);
                Err(Error::usage(format!(
                    "could not use {option}: {} {instead}",
                    self.name
                )))
            }
        }
    }
}

impl Streaming {
    /// All of them.
    pub const ALL: [Streaming; 3] = [Streaming::Off, Streaming::On, Streaming::Parallel];

    /// As `--streaming` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Streaming::Off => "off",
            Streaming::On => "on",
            Streaming::Parallel => "parallel",
        }
    }

    /// What the help says of it.
    pub fn about(self) -> &'static str {
        match self {
            Streaming::Off => "Transactions arrive when they commit",
            Streaming::On => "Large ones arrive before",
            Streaming::Parallel => "As `on`, with the position of aborts (PostgreSQL 16)",
        }
    }
}

impl Origin {
    /// All of them.
    pub const ALL: [Origin; 2] = [Origin::Any, Origin::None];

    /// As `--origin` and pgoutput take it.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Any => "any",
            Origin::None => "none",
        }
    }

    /// What the help says of it.
    pub fn about(self) -> &'static str {
        match self {
            Origin::Any => "All changes",
            Origin::None => "Changes made here",
        }
    }
}

/// Options that have values.
fn with_values(options: &[(&str, &str)]) -> Options {
    options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

/// Returns what `parse_bool` in the server's bool.c returns.
pub fn is_true(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_str(), "1" | "on")
        || (!value.is_empty() && ("true".starts_with(&value) || "yes".starts_with(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_booleans_as_the_server() {
        for yes in ["1", "on", "t", "TRUE", "y", "yes"] {
            assert!(is_true(yes), "{yes}");
        }
        for no in ["", "0", "off", "f", "no", "tx"] {
            assert!(!is_true(no), "{no}");
        }
    }

    #[test]
    fn only_what_can_be_done_without_is_withdrawn() {
        let refusal = |name: &str| {
            let server = crate::error::ServerError {
                sqlstate: "22023".to_owned(),
                message: format!("option \"{name}\" = \"true\" is unknown"),
                ..Default::default()
            };
            Error::from_server(server)
        };
        let plugin = find("wal2json").unwrap();
        let name = plugin.dispensable[0];
        let all = with_values(&[(name, "true"), ("include-pk", "true")]);
        let own = with_values(&[(name, "true")]);
        let none = Options::new();
        for (refused, own, left) in [(name, &none, 1), (name, &own, 2), ("include-pk", &none, 2)] {
            let mut options = all.clone();
            let withdrawn = plugin.withdraw(&refusal(refused), own, &mut options);
            assert_eq!((withdrawn, options.len()), (left == 1, left), "{refused}");
        }
    }
}
