//! The timer behind the limit on a request's head. hyper makes a timer for every head; here a connection has one that is
//! moved on, which costs a store where a new one costs two locks.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

type Kept = Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>;

/// A connection's timer; each connection has its own.
#[derive(Default)]
pub(super) struct HeadTimer(Kept);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let kept = self.0.lock().take();
        let sleep = match kept {
            Some(mut sleep) => {
                sleep.as_mut().reset(deadline.into());
                sleep
            }
            None => Box::pin(tokio::time::sleep_until(deadline.into())),
        };
        Box::pin(HeadSleep {
            sleep: Some(sleep),
            home: Arc::clone(&self.0),
        })
    }
}

/// One wait; the timer goes back when it is dropped.
struct HeadSleep {
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    home: Kept,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        *self.home.lock() = self.sleep.take();
    }
}
