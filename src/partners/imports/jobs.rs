//! The work on imports begins when its request is answered, and not with the next turn of the clock.
use super::intake::{Prepared, prepare};
use super::rules::ImportId;
use super::rules::sheet::{Deadline, Kind};
use super::work::work;
use crate::access::rules::AgencyId;
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::{ApiError, ApiResult, UNAVAILABLE};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Files that are being read at the same time: each may need as much memory as all else together.
const READING: usize = 2;
const WAIT: Duration = Duration::from_secs(20);
/// The largest register takes some seconds.
const LONGEST: Duration = Duration::from_mins(1);

/// A file as it was sent, and what it is said to be.
#[derive(Debug)]
pub struct Sent {
    /// Its bytes.
    pub content: Arc<Zeroizing<Vec<u8>>>,
    /// By its media type.
    pub kind: Kind,
    /// Letters of columns that are not read.
    pub ignored: Vec<String>,
    /// The place in memory that it has: given back when nobody reads it any more, whether or not its client still waits.
    pub room: Arc<OwnedSemaphorePermit>,
}

/// What the imports of one process share.
#[derive(Clone)]
pub struct Jobs {
    writer: Writer,
    working: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

impl Jobs {
    /// `writer`: one for what nobody waits for.
    pub fn new(writer: Writer) -> Self {
        Self { writer, working: Arc::new(Semaphore::new(1)), reading: Arc::new(Semaphore::new(READING)) }
    }

    /// Goes to work, as soon as what is being done is done. What fails is tried again by the clock.
    pub fn start(&self, app: &Arc<App>) {
        let (app, writer, working) = (app.clone(), self.writer.clone(), self.working.clone());
        self.writer.start(async move {
            let Ok(_alone) = working.acquire().await else { return };
            if let Err(error) = work(&app, &writer).await {
                tracing::warn!(%error, "imports wait for the next turn");
            }
        });
    }

    /// Reads a file on a thread that may take its time.
    pub async fn read(&self, app: &Arc<App>, id: ImportId, agency: AgencyId, file: Sent) -> ApiResult<Prepared> {
        let busy = || ApiError::from(&UNAVAILABLE).header("retry-after", 10);
        let seat =
            timeout(WAIT, self.reading.clone().acquire_owned()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let keys = app.keys.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // The work goes on when its client hangs up: until it is done, both are taken.
            let (Sent { content, kind, ignored, room }, seat) = (file, seat);
            let read = prepare(&keys, id, agency, &content, (kind, &ignored, Deadline::after(LONGEST)));
            drop((content, room, seat));
            read
        });
        reading.await.map_err(|_| ApiError::internal("reading a file panicked"))?
    }
}

impl actix_web::FromRequest for Jobs {
    type Error = ApiError;
    type Future = std::future::Ready<ApiResult<Self>>;

    fn from_request(req: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let jobs = req.app_data::<Self>().cloned();
        std::future::ready(jobs.ok_or_else(|| ApiError::internal("no jobs registered")))
    }
}
