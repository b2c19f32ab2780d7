//! What to look at next: changes of objects, as names of those that must be reconciled.

use std::{collections::VecDeque, convert::Infallible};

use futures::{Stream, stream};
use kube::{Resource, runtime::reflector::ObjectRef};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    dependencies::OwnerName,
    related::{RelatedChange, RelatedObject},
};
use crate::translate::ObjectKey;

/// Something that happened.
pub(super) enum Happened<'a> {
    /// An object of the caches changed or went.
    Cached(&'a ObjectKey),
    /// A related object changed or went.
    Related(&'a RelatedObject),
    /// Changes were missed.
    Missed,
}

/// The names that `affected` gives for everything that happens, beginning with `Missed`: at the start nothing is known.
pub(super) fn queue<K>(
    cached: Receiver<ObjectKey>,
    related: Receiver<RelatedChange>,
    affected: impl FnMut(Happened<'_>) -> Vec<OwnerName> + Send + 'static,
) -> impl Stream<Item = Result<ObjectRef<K>, Infallible>>
where
    K: Resource<DynamicType = ()> + 'static,
{
    struct State<F> {
        cached: Receiver<ObjectKey>,
        related: Receiver<RelatedChange>,
        affected: F,
        waiting: VecDeque<OwnerName>,
    }
    let mut affected = affected;
    let waiting = affected(Happened::Missed).into();
    let state = State {
        cached,
        related,
        affected,
        waiting,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some((namespace, name)) = state.waiting.pop_front() {
                return Some((Ok(ObjectRef::new(&name).within(&namespace)), state));
            }
            let names = tokio::select! {
                change = state.cached.recv() => match change {
                    Ok(key) => (state.affected)(Happened::Cached(&key)),
                    Err(RecvError::Lagged(_)) => (state.affected)(Happened::Missed),
                    Err(RecvError::Closed) => return None,
                },
                change = state.related.recv() => match change {
                    Ok(RelatedChange::Object(object)) => (state.affected)(Happened::Related(&object)),
                    Ok(RelatedChange::Listed) | Err(RecvError::Lagged(_)) => (state.affected)(Happened::Missed),
                    Err(RecvError::Closed) => return None,
                },
            };
            state.waiting.extend(names);
        }
    })
}
