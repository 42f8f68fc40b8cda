//! pgoutput, the server's own: manual sections 55.5.1 (options) and 55.9 (messages).

use super::{Options, Plugin, Request, Streaming, Support};
use crate::decode::Decoder;
use crate::error::Result;
use crate::sql;

pub(super) const PLUGIN: Plugin = Plugin {
    name: "pgoutput",
    is_built_in: true,
    has_publications: true,
    converts: true,
    two_phase: Support::Since(15),
    streaming: Support::Since(14),
    streaming_parallel: Support::Since(16),
    origin: Support::Since(16),
    dispensable: &[],
    decoder: |_| Decoder::pgoutput(),
    captured: |first| first != b'{',
    options,
};

fn options(request: &Request<'_>) -> Result<Options> {
    let mut options = Vec::new();
    let mut protocol = match request.streaming {
        Streaming::Off => 1,
        Streaming::On => 2,
        Streaming::Parallel => 4,
    };
    if request.streaming != Streaming::Off {
        options.push(("streaming", request.streaming.name().to_owned()));
    }
    if request.two_phase {
        protocol = protocol.max(3);
        options.push(("two_phase", "on".to_owned()));
    }
    if let Some(origin) = request.origin {
        options.push(("origin", origin.name().to_owned()));
    }
    // Messages count in `seq`, shown or not: an event bears the same name in every run. Raw output
    // is what was asked for.
    if request.messages || !request.raw {
        options.push(("messages", "on".to_owned()));
    }
    options.push(("proto_version", protocol.to_string()));
    // As SplitIdentifierString takes it apart.
    let names: Vec<String> = request
        .publications
        .iter()
        .map(|name| sql::quoted(name))
        .collect();
    options.push(("publication_names", names.join(",")));
    Ok(options
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .collect())
}
