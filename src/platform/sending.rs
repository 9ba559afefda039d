//! Answers that are sent a part at a time, to whoever reads them however slowly.
use super::clock::Clock;
use super::error::{ApiError, ApiResult, UNAVAILABLE};
use actix_web::rt;
use actix_web::web::Bytes;
use futures_util::Stream;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::sleep;

/// Bytes of a part: so much is copied for one who reads, and the rest stays where an end can take it.
const PART: usize = 64 * 1024;
/// Who takes no part for so long has gone away.
const STILL: Duration = Duration::from_mins(1);
/// How often it is looked whether an answer has come to its end.
const LOOK: Duration = Duration::from_secs(1);

/// The parts of something that is in memory. They share it: it goes with the last of them.
pub fn cut(whole: Bytes) -> impl Iterator<Item = ApiResult<Bytes>> {
    let length = whole.len();
    (0..length).step_by(PART).map(move |at| Ok(whole.slice(at..length.min(at + PART))))
}

/// What is yet to be sent, and what it holds meanwhile.
struct Open<S, R> {
    parts: Pin<Box<S>>,
    _room: R,
}

struct Sending<S, R> {
    open: RefCell<Option<Open<S, R>>>,
    /// When the last part was taken, if the next has not been asked for.
    idle_since: Cell<Option<Duration>>,
    clock: Clock,
}

/// The parts of an answer. It ends when `until` has come by the clock ([`Clock::elapsed`]), or when its reader takes nothing for a
/// minute, and so does everything that it holds, `room` among it. actix itself waits for a reader for ever, and asks for nothing
/// meanwhile: so it is looked after from the side.
pub fn ending<S, R>(
    clock: &Clock,
    until: Duration,
    room: R,
    parts: S,
) -> impl Stream<Item = ApiResult<Bytes>> + use<S, R>
where
    S: Stream<Item = ApiResult<Bytes>> + 'static,
    R: 'static,
{
    let sending = Rc::new(Sending {
        open: RefCell::new(Some(Open { parts: Box::pin(parts), _room: room })),
        idle_since: Cell::new(Some(clock.elapsed())),
        clock: clock.clone(),
    });
    rt::spawn(watch(Rc::downgrade(&sending), until));
    Ending(sending)
}

async fn watch<S, R>(sending: Weak<Sending<S, R>>, until: Duration) {
    loop {
        sleep(LOOK).await;
        let Some(sending) = sending.upgrade() else { return };
        let now = sending.clock.elapsed();
        if now >= until || sending.idle_since.get().is_some_and(|since| now >= since + STILL) {
            if sending.open.borrow_mut().take().is_some() {
                tracing::warn!("an answer was given up: it was not read in time");
            }
            return;
        }
    }
}

struct Ending<S, R>(Rc<Sending<S, R>>);

impl<S: Stream<Item = ApiResult<Bytes>>, R> Stream for Ending<S, R> {
    type Item = ApiResult<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let sending = &self.0;
        let mut open = sending.open.borrow_mut();
        // Breaks the connection off: the answer is not whole.
        let Some(rest) = open.as_mut() else { return Poll::Ready(Some(Err(ApiError::from(&UNAVAILABLE)))) };
        sending.idle_since.set(None);
        let next = ready!(rest.parts.as_mut().poll_next(cx));
        if !matches!(next, Some(Ok(_))) {
            *open = None;
        }
        sending.idle_since.set(Some(sending.clock.elapsed()));
        Poll::Ready(next)
    }
}
