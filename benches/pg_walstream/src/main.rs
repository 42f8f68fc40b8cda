//! Streams from a slot with pg_walstream and writes its events as JSON, one a line, into a file:
//! `pg_walstream-to-json URL SLOT PUBLICATION END FILE`.
//!
//! As its manual shows it: `next_event` in a loop. Nothing is confirmed.

use pg_walstream::{
    CancellationToken, LogicalReplicationStream, Lsn, ReplicationError, ReplicationStreamConfig,
    StreamingMode,
};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, slot, publication, end, file] = arguments.as_slice() else {
        return Err("usage: pg_walstream-to-json URL SLOT PUBLICATION END FILE".into());
    };
    let config = ReplicationStreamConfig::builder(slot, publication)
        .with_protocol_version(1)
        .with_streaming_mode(StreamingMode::Off)
        .with_stop_at_lsn(position(end)?);
    let mut stream = LogicalReplicationStream::new(url, config).await?;
    stream.start(None).await?;
    let mut out = BufWriter::with_capacity(256 << 10, File::create(file)?);
    let token = CancellationToken::new();
    loop {
        match stream.next_event(&token).await {
            Ok(event) => {
                serde_json::to_writer(&mut out, &event)?;
                out.write_all(b"\n")?;
            }
            Err(ReplicationError::StreamStopped(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

/// `16/B374D848` as a number.
fn position(text: &str) -> Result<Lsn, Box<dyn Error>> {
    let (high, low) = text.split_once('/').ok_or("a position has a slash")?;
    let half = |digits| u64::from_str_radix(digits, 16);
    Ok(Lsn::new(half(high)? << 32 | half(low)?))
}
