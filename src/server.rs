//! Puts the service together and runs it: the only place that knows every part.
use crate::access::api::{Gate, authenticate};
use crate::access::limits::Limits;
use crate::access::rules::{BUDGET_SPENT, SharedCaller};
use crate::access::store::Directory;
use crate::access::tokens::Signer;
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::{Recorder, Refusals};
use crate::partners::imports::jobs::Jobs;
use crate::platform::answer::Answer;
use crate::platform::app::{App, DOWNLOADS, EXPORTS, UPLOADS, WORKBOOKS};
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::crypto::Keys;
use crate::platform::db::{Db, Reader, Reports, Target, Writer, migrate};
use crate::platform::error::ApiError;
use crate::platform::http::{Identity, RequestInfo, RouteTable, around};
use crate::platform::objects::Objects;
use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;
use quick_cache::sync::Cache;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use utoipa_actix_web::service_config::ServiceConfig;

/// Pipelined connections of each worker: two, so that a slow statement delays only half of the reads behind it.
const LINKS: usize = 2;
/// Slow reads at a time.
const REPORTS: usize = 2;
/// Seconds that requests under way get when the service stops.
const SHUTDOWN_SECONDS: u64 = 30;
/// How soon a signing key is taken up that was laid beside the others.
const LOOK_FOR_KEYS: Duration = Duration::from_secs(2);
/// File descriptors kept for the database, the log and the admin port.
const SPARE_FILES: usize = 128;

/// A service that answers.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// What it shares.
    pub app: Arc<App>,
    /// For jobs beside the requests.
    pub writer: Writer,
    requests: Writer,
    stop_delay: Duration,
    handles: Vec<ServerHandle>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
    _watch: AbortOnDropHandle<()>,
}

/// Starts the service on the current runtime. Refuses a database whose schema is behind, that answers in another
/// language, or that a demo made.
pub async fn start(
    config: &Config,
    listener: TcpListener,
    clock: Clock,
    metrics: Option<PrometheusHandle>,
) -> anyhow::Result<Running> {
    let target = config.database()?;
    let app = app(config, &target, clock).await?;
    let signer = Signer::load(&config.signing_keys_dir, &config.settings.issuer, config.settings.demo)?;
    let limits = Limits::new(config.settings.rates, &app.clock);
    let gate = Arc::new(Gate { signer, directory: Directory::default(), limits });
    let writer = Writer::new(&target, config.database_pool)?;
    let reports = Reports::new(&target, REPORTS)?;
    let patient = Writer::patient(&target, 2)?;
    let jobs = Jobs::new(patient.clone());
    let address = listener.local_addr()?;
    let (shared, requests) = (app.clone(), writer.clone());
    let workers = Workers { app: shared, gate: gate.clone(), target, writer, reports, jobs };
    let server = serve(workers, listener, config.workers)?;
    let mut handles = vec![server.handle()];
    if let (Some(metrics), Some(address)) = (metrics, config.admin_listen) {
        let admin = serve_metrics(metrics, address)?;
        handles.push(admin.handle());
        tokio::spawn(admin);
    }
    let ended = tokio::spawn(server);
    let watch = AbortOnDropHandle::new(tokio::spawn(watch_keys(gate, app.clone())));
    let (writer, stop_delay) = (patient, config.stop_delay);
    Ok(Running { address, app, writer, requests, stop_delay, handles, ended, _watch: watch })
}

/// Takes up keys that are added or removed while the service runs: those that sign and those that encrypt.
async fn watch_keys(gate: Arc<Gate>, app: Arc<App>) {
    let mut turns = tokio::time::interval(LOOK_FOR_KEYS);
    loop {
        turns.tick().await;
        let (gate, keys) = (gate.clone(), app.keys.clone());
        let read = tokio::task::spawn_blocking(move || (gate.signer.reload().map(drop), keys.reload())).await;
        let Ok((signing, data)) = read else { continue };
        for error in [signing.err(), data.err()].into_iter().flatten() {
            tracing::error!(%error, "keys cannot be read; those from before stay");
        }
    }
}

/// What `simpul worker` runs its jobs with.
pub async fn worker_parts(config: &Config) -> anyhow::Result<(Arc<App>, Writer)> {
    let target = config.database()?;
    Ok((app(config, &target, Clock::default()).await?, Writer::patient(&target, 2)?))
}

async fn app(config: &Config, target: &Target, clock: Clock) -> anyhow::Result<Arc<App>> {
    let settings = config.settings.clone();
    migrate::check(target, settings.demo).await?;
    let keys = Arc::new(Keys::load(&config.data_keys_dir, settings.demo)?);
    let objects = Objects::open(&settings.objects, keys.clone())?;
    let document = crate::document(&settings.public_url)?;
    Ok(Arc::new(App {
        routes: RouteTable::new(&document)?,
        document: Answer::ok(&document).map_err(|error| anyhow::anyhow!("document: {error}"))?,
        stopping: AtomicBool::new(false),
        settings,
        clock,
        keys,
        objects,
        uploads: Arc::new(Semaphore::new(UPLOADS)),
        downloads: Arc::new(Semaphore::new(DOWNLOADS)),
        exports: Arc::new(Semaphore::new(EXPORTS)),
        workbooks: Arc::new(Semaphore::new(WORKBOOKS)),
    }))
}

impl Running {
    /// Stops in order: `/readyz` fails for a while, so that a balancer sends nothing more; then no new requests, those under
    /// way are answered, their transactions end.
    pub async fn stop(self) {
        self.app.stopping.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.stop_delay).await;
        for handle in &self.handles {
            handle.stop(true).await;
        }
        let _ = self.ended.await;
        self.requests.drain().await;
        self.writer.drain().await;
    }
}

/// What every worker is made of.
#[derive(Clone)]
struct Workers {
    app: Arc<App>,
    gate: Arc<Gate>,
    target: Target,
    writer: Writer,
    reports: Reports,
    jobs: Jobs,
}

fn serve(parts: Workers, listener: TcpListener, workers: usize) -> std::io::Result<actix_web::dev::Server> {
    let refusals: Refusals = Arc::new(Cache::new(4096));
    let server = HttpServer::new(move || {
        // Per worker: pipelined connections live on the worker's own runtime.
        let reader = Arc::new(Reader::new(&parts.target, LINKS));
        actix_web::App::new()
            .app_data(parts.app.clone())
            .app_data(parts.gate.clone())
            .app_data(Db::new(reader, parts.writer.clone(), parts.reports.clone()))
            .app_data(parts.jobs.clone())
            .app_data(Recorder::new(&parts.target, refusals.clone()))
            .configure(|cfg| crate::routes(&mut ServiceConfig::new(cfg)))
            .wrap(from_fn(authenticate))
            .wrap(from_fn(record_refusals))
            .wrap(from_fn(around)) // the last is the outermost
    });
    Ok(server
        .workers(workers)
        .worker_max_blocking_threads(4)
        .max_connections(connections(workers))
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(5))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// Connections of each worker, so that all together stay below the limit of file descriptors: accepting would otherwise
/// fail and spin.
fn connections(workers: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1024);
    (files.saturating_sub(SPARE_FILES) / workers).clamp(16, 10_000)
}

fn serve_metrics(metrics: PrometheusHandle, address: SocketAddr) -> anyhow::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        let metrics = metrics.clone();
        actix_web::App::new().service(actix_web::web::resource("/metrics").get(move || {
            let text = metrics.render();
            async move { actix_web::HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text) }
        }))
    });
    let server = server.workers(1).disable_signals().bind(address);
    Ok(server.map_err(|e| anyhow::anyhow!("cannot listen on {address}: {e}"))?.run())
}

/// Records what a known client was refused: no right, no longer let in, or a budget that its agency has spent.
async fn record_refusals(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(req).await?;
    let status = response.status();
    let spent = status == StatusCode::TOO_MANY_REQUESTS && code(&response) == Some(BUDGET_SPENT.code);
    if (status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED || spent)
        && let Some((who, event)) = refusal(&response)
        && let Some(recorder) = response.request().app_data::<Recorder>()
    {
        // The caller is refused either way; a refusal that could not be recorded shows in the log.
        let _ = recorder.record_refusal(who, true, event).await;
    }
    Ok(response)
}

/// Of a refusal.
fn code<B>(response: &ServiceResponse<B>) -> Option<&'static str> {
    Some(response.response().error()?.as_error::<ApiError>()?.code().code)
}

fn refusal<B>(response: &ServiceResponse<B>) -> Option<(Identity, Event)> {
    let req = response.request();
    let app = req.app_data::<Arc<App>>()?;
    let (info, who) = (req.extensions().get::<RequestInfo>().cloned()?, req.extensions().get::<Identity>().copied()?);
    let code = code(response)?;
    // The handler's name is verb first; an action is `resource.verb`.
    let action =
        info.operation.split_once('_').map_or_else(|| info.operation.to_string(), |(verb, on)| format!("{on}.{verb}"));
    let (id, at) = (app.clock.new_id(), app.clock.now());
    let event = match req.extensions().get::<SharedCaller>() {
        // The government above the caller may read of it too.
        Some(caller) => Event::by(caller, &action, id, at).regions(caller.sight.region()),
        None => Event::new(&action, info.id, id, at).client(who.agency, who.client),
    };
    Some((who, event.outcome(Outcome::Denied).detail(code)))
}
