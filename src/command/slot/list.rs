//! `walcat slot list`: all slots of the server, and an alarm for those that retain too much.

use crate::catalog::enumerate;
use crate::catalog::server::Server;
use crate::catalog::slots::{self, Slot, SlotType};
use crate::cli::{LagLimit, ListFormat, Measure, SlotListArgs};
use crate::command::answer;
use crate::connect::invocation::walcat;
use crate::connect::{self, Settings};
use crate::error::{Error, Kind};
use crate::text::human_size;
use anyhow::Result;
use serde::Serialize;

/// Prints the list; fails after that if a slot is not there, or is an alarm by `--max-lag`.
pub fn run(args: &SlotListArgs, settings: &Settings) -> Result<()> {
    let mut session = connect::sql(settings)?;
    let mut slots = slots::list(&mut session)?;
    let is_there = |name: &String| slots.iter().any(|slot| slot.name == *name);
    let missing = args.names.iter().find(|name| !is_there(name));
    if !args.names.is_empty() {
        slots.retain(|slot| args.names.contains(&slot.name));
    }
    answer::print(&match args.format {
        ListFormat::Table => table(&slots),
        ListFormat::Json => answer::json(&slots.iter().map(Listed::new).collect::<Vec<_>>())?,
    })?;
    if let Some(name) = missing {
        let server = Server::ask(&mut session)?;
        let missing = slots::missing(&mut session, &server, name);
        let missing = missing.with_remedy(walcat("slot list"));
        return Err(missing.could_not(format!("list slot \"{name}\"")).into());
    }
    match args.max_lag {
        Some(limit) => alarm(&slots, limit),
        None => Ok(()),
    }
}

/// A slot as JSON, with its sizes in human units too.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    slot: &'a Slot,
    lag: Option<String>,
    retained: Option<String>,
}

impl Listed<'_> {
    fn new(slot: &Slot) -> Listed<'_> {
        Listed {
            slot,
            lag: slot.lag_bytes.map(human_size),
            retained: slot.retained_bytes.map(human_size),
        }
    }
}

const HEADINGS: [&str; 15] = [
    "NAME",
    "TYPE",
    "PLUGIN",
    "DATABASE",
    "PID",
    "RESTART",
    "CONFIRMED",
    "LAG",
    "RETAINED",
    "WAL STATUS",
    "SAFE",
    "TWO-PHASE",
    "FAILOVER",
    "INVALID",
    "INACTIVE SINCE",
];

fn table(slots: &[Slot]) -> String {
    let rows: Vec<Vec<String>> = slots.iter().map(row).collect();
    answer::table(&HEADINGS, &rows)
}

fn row(slot: &Slot) -> Vec<String> {
    let kind = match slot.slot_type {
        SlotType::Logical => "logical",
        SlotType::Physical => "physical",
    };
    let temporary = if slot.temporary { ", temporary" } else { "" };
    let size = |bytes: Option<i64>| bytes.map(|bytes| format!("{bytes} ({})", human_size(bytes)));
    let yes_no = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let invalid = slot
        .invalidation_reason
        .clone()
        .flatten()
        .or_else(|| slot.lost());
    let cells = [
        Some(slot.name.clone()),
        Some(format!("{kind}{temporary}")),
        slot.plugin.clone(),
        slot.database.clone(),
        slot.active_pid.map(|pid| pid.to_string()),
        slot.restart_lsn.map(|lsn| lsn.to_string()),
        slot.confirmed_flush_lsn.map(|lsn| lsn.to_string()),
        size(slot.lag_bytes),
        size(slot.retained_bytes),
        slot.wal_status.clone(),
        slot.safe_wal_size.map(human_size),
        Some(yes_no(slot.two_phase)),
        slot.failover.map(yes_no),
        invalid,
        slot.inactive_since.clone().flatten(),
    ];
    cells.into_iter().map(Option::unwrap_or_default).collect()
}

/// A lost slot retains nothing any more, but it is what the alarm was to prevent.
fn alarm(slots: &[Slot], limit: LagLimit) -> Result<()> {
    let size = |slot: &Slot| match limit.measure {
        Measure::Retained => slot.retained_bytes,
        Measure::Confirmed => slot.lag_bytes,
    };
    let over = |slot: &Slot| {
        let bytes = size(slot).filter(|bytes| bytes.unsigned_abs() > limit.bytes)?;
        Some(format!("{} ({})", slot.name, human_size(bytes)))
    };
    let lagging: Vec<String> = slots.iter().filter_map(over).collect();
    let lost: Vec<&str> = slots
        .iter()
        .filter(|slot| slot.lost().is_some())
        .map(|slot| slot.name.as_str())
        .collect();
    let mut alarms = Vec::new();
    if !lagging.is_empty() {
        let bytes = human_size(i64::try_from(limit.bytes).unwrap_or(i64::MAX));
        let what = match limit.measure {
            Measure::Retained => format!("retain more than {bytes} of WAL"),
            Measure::Confirmed => format!("are more than {bytes} of WAL behind"),
        };
        alarms.push(format!("slots {what}: {}", enumerate(&lagging)));
    }
    if !lost.is_empty() {
        alarms.push(format!("slots are invalidated: {}", enumerate(&lost)));
    }
    if !alarms.is_empty() {
        return Err(Error::new(alarms.join("; ")).with_kind(Kind::Alarm).into());
    }
    Ok(())
}
