//! The stream as a log: how it is made, whether it can hold each event once and in order, and where
//! it ends.

use super::destination::LogDestination;
use super::link::{Link, Trouble};
use super::queue::End;
use super::shared::Opened;
use super::subject::encoded;
use crate::error::Error;
use crate::event::EventId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The header with the event's id.
pub const EVENT: &str = "Walcat-Event";
/// The header that says where the event comes from: system identifier, timeline, database.
pub const SOURCE: &str = "Walcat-Source";

/// What the server calls them: `err_code`.
const NO_STREAM: u64 = 10059;
const NO_MESSAGE: u64 = 10037;
const SUBJECTS_OVERLAP: u64 = 10065;
const NAME_IN_USE: u64 = 10058;
/// These tell of a request that makes no sense, or of rights that are missing; anything else may
/// pass.
const BAD_REQUEST: u64 = 400;
const TOO_MANY_REQUESTS: u64 = 429;

/// What becomes of a stream that has no leader for now, of one that is full, and so on is told by
/// `err_code` and a text.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// As an HTTP status.
    #[serde(default)]
    pub code: u64,
    /// What it is exactly.
    #[serde(default)]
    pub err_code: u64,
    /// What it is in words.
    #[serde(default)]
    pub description: String,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
    config: Option<Config>,
    state: Option<State>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    retention: String,
    #[serde(default)]
    discard: String,
    #[serde(default = "unlimited")]
    max_msgs: i64,
    #[serde(default = "unlimited")]
    max_bytes: i64,
    #[serde(default = "unlimited")]
    max_msgs_per_subject: i64,
    #[serde(default = "unlimited")]
    max_msg_size: i64,
    #[serde(default)]
    max_age: i64,
    #[serde(default)]
    no_ack: bool,
    #[serde(default)]
    sealed: bool,
    #[serde(default)]
    allow_atomic: bool,
    mirror: Option<Value>,
    sources: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct State {
    last_seq: u64,
}

#[derive(Deserialize)]
struct Message {
    subject: String,
    seq: u64,
    hdrs: Option<String>,
}

fn unlimited() -> i64 {
    -1
}

/// Looks whether the stream is as it must be, and where it ends. Creates it if it is not there
/// and that is wanted.
pub async fn look(link: &mut Link, to: &LogDestination) -> Result<Opened, Trouble> {
    let stream = &to.url.stream;
    let info = format!("STREAM.INFO.{stream}");
    let mut answer: Answer = ask(link, &info, Vec::new()).await?;
    if is(&answer, NO_STREAM) {
        create(link, to).await?;
        answer = ask(link, &info, Vec::new()).await?;
    }
    if let Some(refusal) = answer.error {
        return Err(refused(&link.name, refusal));
    }
    let (Some(config), Some(state)) = (answer.config, answer.state) else {
        return Err(not_understood());
    };
    require(&config, to, &link.name)?;
    let body = json!({ "last_by_subj": ">" }).to_string().into_bytes();
    // Answered by the leader, unlike DIRECT.GET.
    let answer: Answer = ask(link, &format!("STREAM.MSG.GET.{stream}"), body).await?;
    let (mut end, mut timeline) = (
        End {
            sequence: state.last_seq,
            last: None,
        },
        None,
    );
    if let Some(message) = &answer.message {
        let (last, its) = read(message, to, &link.name)?;
        end.last = Some(last);
        timeline = its;
        // What lay behind it may have been deleted.
        end.sequence = end.sequence.max(message.seq);
    } else if !is(&answer, NO_MESSAGE) {
        return Err(match answer.error {
            Some(refusal) => refused(&link.name, refusal),
            None => not_understood(),
        });
    }
    let largest = usize::try_from(config.max_msg_size)
        .ok()
        .filter(|size| *size > 0);
    let limit = link.client.max_payload();
    Ok(Opened {
        end,
        timeline,
        limit: largest.map_or(limit, |largest| largest.min(limit)),
        warnings: warnings(&config, stream),
    })
}

async fn ask<T: DeserializeOwned>(
    link: &mut Link,
    what: &str,
    body: Vec<u8>,
) -> Result<T, Trouble> {
    let answer = link.ask(what, body).await?;
    serde_json::from_slice(&answer).map_err(|_| not_understood())
}

fn not_understood() -> Trouble {
    Trouble::Passing("JetStream's answer could not be understood".to_owned())
}

fn is(answer: &Answer, err_code: u64) -> bool {
    let refusal = answer.error.as_ref();
    refusal.is_some_and(|refusal| refusal.err_code == err_code)
}

/// Whether trying again can help.
fn refused(name: &str, refusal: Refusal) -> Trouble {
    let Refusal {
        code, description, ..
    } = refusal;
    match code {
        BAD_REQUEST..500 if code != TOO_MANY_REQUESTS => Trouble::Lasting(Error::new(format!(
            "could not publish to {name}: {description}"
        ))),
        _ => Trouble::Passing(description),
    }
}

async fn create(link: &mut Link, to: &LogDestination) -> Result<(), Trouble> {
    let stream = &to.url.stream;
    let Some(replicas) = to.create else {
        return Err(Error::new(format!(
            "could not publish to {}: there is no stream \"{stream}\"",
            link.name
        ))
        .with_remedy("walcat stream ... --create-stream")
        .into());
    };
    let config = json!({
        "name": stream,
        "subjects": to.subjects.covering(),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "allow_atomic": to.atomic,
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
        // What it is for is done by the expected sequence.
        "duplicate_window": 100_000_000,
    });
    let what = format!("STREAM.CREATE.{stream}");
    let answer: Answer = ask(link, &what, config.to_string().into_bytes()).await?;
    match answer.error {
        None => Ok(()),
        // Another was faster.
        Some(refusal) if refusal.err_code == NAME_IN_USE => Ok(()),
        Some(refusal) => {
            let error = Error::new(format!(
                "could not create stream \"{stream}\" at {}: {}",
                link.name, refusal.description
            ));
            Err(Trouble::Lasting(match refusal.err_code {
                SUBJECTS_OVERLAP => {
                    error.with_remedy(format!("--subject '{stream}.{{schema}}.{{table}}'"))
                }
                _ => error,
            }))
        }
    }
}

/// Fails if the stream cannot hold each event once and in order.
fn require(config: &Config, to: &LogDestination, name: &str) -> Result<(), Error> {
    let fail = |reason: &str| Err(Error::new(format!("could not publish to {name}: {reason}")));
    let another = "another stream, as nats://HOST/NAME --create-stream --subject \
                   'NAME.{schema}.{table}'";
    let refuse = |reason: &str| fail(reason).map_err(|error| error.with_remedy(another));
    if config.sealed {
        return refuse("the stream is sealed");
    }
    if config.mirror.is_some() {
        return refuse("the stream is a mirror of another");
    }
    if config
        .sources
        .as_ref()
        .is_some_and(|sources| !sources.is_empty())
    {
        return refuse("the stream takes messages from other streams, too");
    }
    if config.no_ack {
        return refuse("the stream acknowledges nothing (no_ack)");
    }
    if !matches!(config.retention.as_str(), "" | "limits") {
        return refuse(&format!(
            "the stream does not keep what was consumed (retention {})",
            config.retention
        ));
    }
    if let Some(foreign) = to.subjects.foreign(&config.subjects) {
        return refuse(&format!(
            "the stream also takes what others publish to \"{foreign}\""
        ));
    }
    if !to.subjects.is_covered_by(&config.subjects) {
        let needed = to.subjects.covering().join("\", \"");
        return fail(&format!("the stream does not take all of \"{needed}\"")).map_err(|error| {
            error.with_remedy(format!(
                "nats stream edit {} --subjects '{}'",
                to.url.stream,
                to.subjects.covering().join(",")
            ))
        });
    }
    if to.atomic && !config.allow_atomic {
        return fail("the stream takes no atomic batches").map_err(|error| {
            error.with_remedy(format!(
                "nats stream edit {} --allow-batch (servers from version 2.12 on)",
                to.url.stream
            ))
        });
    }
    Ok(())
}

/// What the stream may lose by itself.
fn warnings(config: &Config, stream: &str) -> Vec<(String, String)> {
    let mut warnings = Vec::new();
    let limited = config.max_msgs > 0 || config.max_bytes > 0;
    if limited && config.discard != "new" {
        warnings.push((
            format!(
                "stream \"{stream}\" drops its oldest messages when it is full, read or not \
                 (discard: old)"
            ),
            format!("nats stream edit {stream} --discard new"),
        ));
    }
    if config.max_msgs_per_subject > 0 {
        warnings.push((
            format!(
                "stream \"{stream}\" keeps only {} messages of each subject",
                config.max_msgs_per_subject
            ),
            format!("nats stream edit {stream} --max-msgs-per-subject=-1"),
        ));
    }
    if config.max_age > 0 {
        warnings.push((
            format!("stream \"{stream}\" drops messages by their age, read or not"),
            format!("nats stream edit {stream} --max-age=0"),
        ));
    }
    warnings
}

/// The event of a message, and its timeline.
fn read(
    message: &Message,
    to: &LogDestination,
    name: &str,
) -> Result<(EventId, Option<u32>), Error> {
    let headers = message.hdrs.as_deref().unwrap_or_default();
    let headers = STANDARD.decode(headers).unwrap_or_default();
    let headers = String::from_utf8_lossy(&headers);
    let value = |wanted: &str| {
        let mut lines = headers
            .split("\r\n")
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.trim())
    };
    let Some(id) = value(EVENT).and_then(|id| id.parse().ok()) else {
        return Err(Error::new(format!(
            "could not go on in {name}: its last message, {} to \"{}\", is no event of walcat's",
            message.seq, message.subject
        ))
        .with_detail("Somebody else publishes into this stream."));
    };
    let mut parts = value(SOURCE).unwrap_or_default().split('/');
    let (system, timeline, database) = (parts.next(), parts.next(), parts.next());
    if system != Some(&to.source.system) || database != Some(&encoded(&to.source.database)) {
        return Err(Error::new(format!(
            "could not go on in {name}: it comes from database \"{}\" of the server with system \
             identifier {}, not from \"{}\" of {}",
            database.unwrap_or_default(),
            system.unwrap_or_default(),
            to.source.database,
            to.source.system
        ))
        .with_detail(
            "What is older than the end of the stream would be dropped as if it were in there, \
             and confirmed.",
        ));
    }
    Ok((id, timeline.and_then(|timeline| timeline.parse().ok())))
}
