//! Two that publish are one: the one that comes too late follows, and takes over when the other is
//! gone.

use super::{LogDestination, Publisher};
use crate::error::Error;
use crate::sink::nats::link::Link;
use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;
use log::info;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often one that follows looks at the log, and how long it rests after each look at least.
const FOLLOW: Duration = Duration::from_millis(250);
const REST: Duration = Duration::from_millis(10);

/// Hears where others say that they end, if this one may follow.
pub async fn goodbyes(link: &Link, to: &LogDestination) -> Option<Subscriber> {
    to.standby?;
    link.client.subscribe(goodbye(to)).await.ok()
}

impl Publisher {
    /// Watches another publish, until it says goodbye or nothing for too long. Returns `false` if
    /// nobody wants any more.
    pub(super) async fn follow(&mut self) -> Result<bool, Error> {
        let silence = self.to.standby.unwrap_or_default();
        info!("following another that publishes to {}", self.link.name);
        self.lost_races = 0;
        let (mut known, mut since) = (None, Instant::now());
        loop {
            let asked = Instant::now();
            if !self.look_again().await? {
                return Ok(false);
            }
            let sequence = Some(self.queue.sequence());
            let waits = self.queue.logged() < self.queue.end();
            let moved = std::mem::replace(&mut known, sequence) != sequence;
            // A silence of ours is none of the other's.
            if moved || !waits || asked.elapsed() >= silence / 2 {
                since = Instant::now();
            }
            if since.elapsed() >= silence {
                info!(
                    "taking over: nothing came into {} for {} s",
                    self.link.name,
                    silence.as_secs_f64()
                );
                return Ok(true);
            }
            if moved && waits {
                sleep(REST).await;
                continue;
            }
            let goodbye = async {
                match &mut self.goodbyes {
                    Some(goodbyes) => goodbyes.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(FOLLOW.min(silence)) => {}
                _ = goodbye => {
                    info!("taking over: the other has ended, {}", self.link.name);
                    return Ok(true);
                }
                order = self.orders.recv() => {
                    let Some(order) = order else {
                        return Ok(false);
                    };
                    self.obey(order);
                    sleep(REST).await;
                    while let Ok(order) = self.orders.try_recv() {
                        self.obey(order);
                    }
                }
            }
        }
    }

    /// Tells those that follow.
    pub(super) async fn say_goodbye(&mut self) {
        if self.to.standby.is_some() {
            let client = &self.link.client;
            let told = client.publish(goodbye(&self.to), Bytes::new()).await;
            if told.is_ok() {
                let _ = client.flush().await;
            }
        }
    }
}

/// Where one that ends tells those that follow.
fn goodbye(to: &LogDestination) -> String {
    format!("walcat.goodbye.{}", to.url.stream)
}
