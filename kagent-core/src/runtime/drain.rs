//! Tells open connections that the server stops, and waits for them. A connection looks at one number each time it is
//! polled, so that thousands of them share no lock while nothing happens.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::sync::Notify;

/// How far the end has come. It only goes on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
enum Stage {
    Open,
    /// What is under way may end, nothing new begins.
    Stopping,
    /// Whatever is under way ends here.
    Cut,
}

/// The connections of one listener. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Drain(Arc<Shared>);

#[derive(Default)]
struct Shared {
    stage: AtomicU8,
    open: Mutex<Open>,
    empty: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    wakers: HashMap<u64, Option<Waker>>,
}

/// One connection's place; dropping it tells that the connection is gone.
pub(super) struct Place {
    drain: Drain,
    number: u64,
    waker: Option<Waker>,
}

/// A connection that can end after what is under way.
pub(super) trait Graceful: Future {
    /// Begins nothing new.
    fn stop(self: Pin<&mut Self>);
}

impl Drain {
    /// Counts a connection in.
    pub(super) fn enter(&self) -> Place {
        let mut open = self.0.open.lock();
        let number = open.next;
        open.next += 1;
        open.wakers.insert(number, None);
        Place {
            drain: self.clone(),
            number,
            waker: None,
        }
    }

    /// How many connections are open.
    pub(super) fn count(&self) -> usize {
        self.0.open.lock().wakers.len()
    }

    /// Asks all connections to end after what is under way.
    pub(super) fn stop(&self) {
        self.reach(Stage::Stopping);
    }

    /// Ends all connections.
    pub(super) fn cut(&self) {
        self.reach(Stage::Cut);
    }

    /// Waits until no connection is open.
    pub(super) async fn wait(&self) {
        loop {
            let emptied = self.0.empty.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn reach(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
        for waker in self.0.open.lock().wakers.values().flatten() {
            waker.wake_by_ref();
        }
    }

    fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Stopping,
            _ => Stage::Cut,
        }
    }
}

impl Place {
    /// The stage; the task is woken when it changes.
    fn watch(&mut self, context: &Context<'_>) -> Stage {
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
        {
            let waker = context.waker().clone();
            self.waker = Some(waker.clone());
            self.drain.0.open.lock().wakers.insert(self.number, Some(waker));
        }
        // After the waker is known: a change in between is either seen here or wakes.
        self.drain.stage()
    }

    /// Ends when the server stops.
    pub(super) async fn stopped(&mut self) {
        std::future::poll_fn(|context| match self.watch(context) {
            Stage::Open => Poll::Pending,
            Stage::Stopping | Stage::Cut => Poll::Ready(()),
        })
        .await;
    }

    /// Drives `connection` until it ends or is cut (`None`).
    pub(super) fn serve<C: Graceful>(self, connection: C) -> Served<C> {
        Served {
            connection,
            place: self,
            told: false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.drain.0.open.lock();
        open.wakers.remove(&self.number);
        if open.wakers.is_empty() {
            self.drain.0.empty.notify_waiters();
        }
    }
}

pin_project! {
    /// See [`Place::serve`].
    pub(super) struct Served<C> {
        #[pin]
        connection: C,
        place: Place,
        told: bool,
    }
}

impl<C: Graceful> Future for Served<C> {
    type Output = Option<C::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.place.watch(context) {
            Stage::Open => {}
            Stage::Stopping if *this.told => {}
            Stage::Stopping => {
                *this.told = true;
                this.connection.as_mut().stop();
            }
            Stage::Cut => return Poll::Ready(None),
        }
        Poll::Ready(Some(ready!(this.connection.poll(context))))
    }
}
