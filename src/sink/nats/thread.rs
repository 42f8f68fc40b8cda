//! The thread that publishes, seen from the one that streams.

use super::destination::LogDestination;
use super::publisher::{Order, Publisher};
use super::shared::Shared;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How long the thread may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// The thread that publishes. Dropped, it is given a moment to end.
pub struct Thread {
    orders: Option<UnboundedSender<Order>>,
    /// What it tells.
    pub shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts it; it connects and looks at the log first.
    pub fn start(to: &LogDestination) -> io::Result<Thread> {
        let shared = Arc::new(Shared::new()?);
        let (orders, taken) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (telling, to) = (Arc::clone(&shared), to.clone());
        let thread = thread::Builder::new()
            .name("nats".to_owned())
            .spawn(move || {
                let worked = runtime.block_on(async {
                    let told = Arc::clone(&telling);
                    let (publisher, opened) = Publisher::open(to, taken, told).await?;
                    telling.tell(|news| {
                        news.logged.records = 1;
                        news.logged.last = opened.end.last;
                        news.opened = Some(opened);
                    });
                    publisher.run().await
                });
                // Names may still be being looked up.
                runtime.shutdown_background();
                if let Err(error) = worked {
                    telling.tell(|news| news.failed = Some(error));
                }
            })?;
        Ok(Thread {
            orders: Some(orders),
            shared,
            thread: Some(thread),
        })
    }

    /// Gives it something to do.
    pub fn order(&self, order: Order) {
        // A thread that has ended has said why.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.orders = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let since = Instant::now();
        while !thread.is_finished() && since.elapsed() < GOODBYE {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
