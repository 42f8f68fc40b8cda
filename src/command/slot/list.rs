//! `walcat slot list`: all slots of the server, and an alarm for those that retain too much.

use crate::catalog::enumerate;
use crate::catalog::slots::{self, Slot, SlotType};
use crate::cli::{ListFormat, SlotListArgs};
use crate::command::answer;
use crate::connect::{self, Settings};
use anyhow::{Result, bail};
use serde::Serialize;

/// Prints the list; fails after that if a slot retains more than `--max-lag`.
pub fn run(args: &SlotListArgs, settings: &Settings) -> Result<()> {
    let slots = slots::list(&mut connect::sql(settings)?)?;
    answer::print(&match args.format {
        ListFormat::Table => table(&slots),
        ListFormat::Json => answer::json(&slots.iter().map(Listed::new).collect::<Vec<_>>())?,
    })?;
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
            lag: slot.lag_bytes.map(answer::human_size),
            retained: slot.retained_bytes.map(answer::human_size),
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
    let size =
        |bytes: Option<i64>| bytes.map(|bytes| format!("{bytes} ({})", answer::human_size(bytes)));
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
        slot.safe_wal_size.map(answer::human_size),
        Some(yes_no(slot.two_phase)),
        slot.failover.map(yes_no),
        invalid,
        slot.inactive_since.clone().flatten(),
    ];
    cells.into_iter().map(Option::unwrap_or_default).collect()
}

/// A lost slot retains nothing any more, but it is what the alarm was to prevent.
fn alarm(slots: &[Slot], limit: u64) -> Result<()> {
    let over = |slot: &&Slot| {
        slot.retained_bytes
            .is_some_and(|bytes| bytes.unsigned_abs() > limit)
    };
    let lagging: Vec<String> = slots.iter().filter(over).map(describe).collect();
    let lost: Vec<&str> = slots
        .iter()
        .filter(|slot| slot.lost().is_some())
        .map(|slot| slot.name.as_str())
        .collect();
    let mut alarms = Vec::new();
    if !lagging.is_empty() {
        let limit = answer::human_size(i64::try_from(limit).unwrap_or(i64::MAX));
        alarms.push(format!(
            "slots retain more than {limit} of WAL: {}",
            enumerate(&lagging)
        ));
    }
    if !lost.is_empty() {
        alarms.push(format!("slots are invalidated: {}", enumerate(&lost)));
    }
    if !alarms.is_empty() {
        bail!(alarms.join("; "));
    }
    Ok(())
}

fn describe(slot: &Slot) -> String {
    format!(
        "{} ({})",
        slot.name,
        answer::human_size(slot.retained_bytes.unwrap_or_default())
    )
}
