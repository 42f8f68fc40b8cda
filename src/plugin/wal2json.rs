//! wal2json, in its format version 2: the options are those of its README.

use super::{Options, Plugin, Request, Support, is_true, with_values};
use crate::decode::Decoder;
use crate::error::{Error, Result};

pub(super) const PLUGIN: Plugin = Plugin {
    name: "wal2json",
    is_built_in: false,
    has_publications: false,
    converts: false,
    two_phase: Support::Never(WHEN_THEY_COMMIT),
    streaming: Support::Never(WHEN_THEY_COMMIT),
    streaming_parallel: Support::Never(WHEN_THEY_COMMIT),
    origin: Support::Never("sends changes of every origin"),
    dispensable: &[SPECIAL_NUMBERS],
    decoder: Decoder::wal2json,
    captured: |first| first == b'{',
    options,
};

const WHEN_THEY_COMMIT: &str = "sends transactions when they commit";

/// With it wal2json 2.6 and later sends NaN and infinities as they are; earlier versions do not
/// know it, and refuse it.
const SPECIAL_NUMBERS: &str = "numeric-data-types-as-string";

/// The name of each value's type: its number is enough where none is shown.
const TYPE_NAMES: &str = "include-types";

/// What the decoder needs, or makes use of.
const OPTIONS: [(&str, &str); 8] = [
    ("format-version", "2"),
    ("include-xids", "true"),
    ("include-timestamp", "true"),
    ("include-lsn", "true"),
    (TYPE_NAMES, "true"),
    ("include-type-oids", "true"),
    ("include-pk", "true"),
    (SPECIAL_NUMBERS, "true"),
];

fn options(request: &Request<'_>) -> Result<Options> {
    if request.raw {
        // What decode needs, unless another format version is asked for.
        let other = |(name, value): &(String, Option<String>)| {
            name == "format-version" && value.as_deref() != Some("2")
        };
        return Ok(match request.own.iter().any(other) {
            true => Vec::new(),
            false => with_values(&OPTIONS),
        });
    }
    for (name, value) in request.own {
        refuse_what_reshapes(name, value.as_deref())?;
    }
    let mut options = with_values(&OPTIONS);
    if !request.shows_types {
        // A third of a row of short values, which costs the server more than the values do.
        options.retain(|(name, _)| name != TYPE_NAMES);
        options.extend(with_values(&[(TYPE_NAMES, "false")]));
    }
    if request.shows_origin {
        options.extend(with_values(&[("include-origin", "true")]));
    }
    Ok(options)
}

/// Fails if the decoder could not read what the plugin sends with this option.
fn refuse_what_reshapes(name: &str, value: Option<&str>) -> Result<()> {
    let is_version = name == "format-version";
    let value = value.unwrap_or(if is_version { "2" } else { "true" });
    let needed = OPTIONS
        .iter()
        .any(|(needed, _)| *needed == name && name != SPECIAL_NUMBERS);
    let reshapes = match name {
        _ if is_version => value != "2",
        "include-schemas" | "include-transaction" => !is_true(value),
        "pretty-print" | "write-in-chunks" => is_true(value),
        _ => needed && !is_true(value),
    };
    if reshapes {
        return Err(Error::usage(format!(
            "could not use --option {name}={value}: events could not be decoded"
        ))
        .with_remedy("--format raw, which prints what the plugin sends"));
    }
    Ok(())
}
