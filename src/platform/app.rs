//! What all parts of one running service share, and the routes that tell of it without a database.
use super::answer::Answer;
use super::clock::Clock;
use super::config::Settings;
use super::crypto::Keys;
use super::error::{ApiError, ApiResult, UNAVAILABLE};
use super::http::RouteTable;
use super::objects::Objects;
use actix_web::web::Json;
use actix_web::{HttpRequest, get};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// Files on their way in at a time.
pub const UPLOADS: usize = 8;
/// Files on their way out at a time.
pub const DOWNLOADS: usize = 8;
/// Exports at a time, and how many of them may be workbooks: each takes a file and, while it is finished, a processor.
pub const EXPORTS: usize = 4;
/// See [`EXPORTS`].
pub const WORKBOOKS: usize = 2;

/// Shared by every worker; holds no connection.
pub struct App {
    /// Configuration.
    pub settings: Settings,
    /// Time and new ids.
    pub clock: Clock,
    /// Keys for stored data.
    pub keys: Arc<Keys>,
    /// Files that belong to rows.
    pub objects: Objects,
    /// How many files may be on their way in at a time: each is in memory until it is whole.
    pub uploads: Arc<Semaphore>,
    /// How many may be on their way out at a time, for the same reason.
    pub downloads: Arc<Semaphore>,
    /// How many exports there may be at a time.
    pub exports: Arc<Semaphore>,
    /// How many of them may be workbooks.
    pub workbooks: Arc<Semaphore>,
    /// Paths and methods.
    pub routes: RouteTable,
    /// The OpenAPI document as sent.
    pub document: Answer,
    /// Set when the service is asked to stop: `/readyz` fails, requests are still answered.
    pub stopping: AtomicBool,
}

impl App {
    /// Whether it has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The app that answers this request.
    pub fn of(req: &HttpRequest) -> ApiResult<&Arc<Self>> {
        req.app_data::<Arc<Self>>().ok_or_else(|| ApiError::internal("no app registered"))
    }
}

/// A place among the few that may be at work at a time; 503 with `Retry-After` if there is none. It is free again when what is
/// returned is dropped.
pub fn room(among: &Arc<Semaphore>, retry_after: u32) -> ApiResult<OwnedSemaphorePermit> {
    let full = |_| ApiError::from(&UNAVAILABLE).header("retry-after", retry_after);
    among.clone().try_acquire_owned().map_err(full)
}

/// Does what takes a processor or a disk for a while, on a thread where nobody waits behind it.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(ApiError::internal("work on a thread of its own was given up")))
}

/// The app as an argument of a handler.
pub struct Shared(pub Arc<App>);

impl actix_web::FromRequest for Shared {
    type Error = ApiError;
    type Future = std::future::Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        std::future::ready(App::of(req).cloned().map(Self))
    }
}

impl std::ops::Deref for Shared {
    type Target = App;
    fn deref(&self) -> &App {
        &self.0
    }
}

/// Whether the process is well.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// Always `ok`: anything else is a problem.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Is the process alive?
///
/// Never touches the database: a supervisor that restarts the service would not mend a database.
#[utoipa::path(tag = "operations", operation_id = "live", responses((status = 200, body = Health, description = "It is.")))]
#[get("/livez")]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Read the document
///
/// This API as OpenAPI 3.1.
#[utoipa::path(tag = "documentation", responses((status = 200, body = Object, description = "The document."), (status = 304, description = "Not modified: the ETag of `If-None-Match` is current.")))]
#[get("/openapi.json")]
pub async fn read_document(app: Shared) -> Answer {
    app.document.clone().header("cache-control", "public, max-age=300")
}
