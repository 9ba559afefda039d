//! Log and counters. Neither ever holds a path, a query, a body or a name: operations and opaque ids only
//! (`docs/LOGGING.md`).
use super::http::Identity;
use actix_web::http::Method;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

crate::text_enum! {
    /// How log lines are written.
    LogFormat {
        /// One JSON object a line.
        Json = "json",
        /// For people at a terminal.
        Text = "text",
    }
}

/// Sends log lines to stderr. The log and the counters are the only things of a process that are global.
pub fn start_log(format: LogFormat, level: &str) -> anyhow::Result<()> {
    // The message of a panic may quote the value that caused it; where it happened is enough.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(at = panic.location().map(tracing::field::display), "panicked");
    }));
    let filter = EnvFilter::try_new(level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => lines.compact().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// Starts counting; the handle prints what `/metrics` shows.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let matcher = Matcher::Full("http_request_duration_seconds".to_owned());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(matcher, &seconds)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("counters were started twice"))?;
    Ok(handle)
}

/// A request that has been answered.
pub(super) struct Request<'a> {
    pub method: &'a Method,
    pub operation: &'a str,
    pub status: u16,
    pub elapsed: Duration,
    pub id: Uuid,
    pub trace: &'a str,
    pub identity: Option<Identity>,
    pub cause: Option<&'a str>,
}

/// One log line and the counters of one request. Labels come from closed sets: the document's operations and the
/// statuses that it lists.
pub(super) fn request(done: &Request<'_>) {
    let (operation, status) = (done.operation.to_owned(), done.status.to_string());
    metrics::counter!("http_requests_total", "operation" => operation.clone(), "status" => status).increment(1);
    metrics::histogram!("http_request_duration_seconds", "operation" => operation).record(done.elapsed.as_secs_f64());
    let micros = u64::try_from(done.elapsed.as_micros()).unwrap_or(u64::MAX);
    let (agency, client) = done.identity.map(|who| (who.agency, who.client)).unzip();
    let (agency, client) = (agency.map(tracing::field::display), client.map(tracing::field::display));
    // A client may invent methods; what it wrote does not belong in a log.
    let method = if done.operation == "none" { "-" } else { done.method.as_str() };
    let (id, trace) = (done.id, done.trace);
    if done.status >= 500 {
        let cause = done.cause.unwrap_or("-");
        tracing::error!(request_id = %id, trace_id = trace, method, operation = done.operation, status = done.status, micros, agency, client, cause, "request failed");
    } else {
        tracing::info!(request_id = %id, trace_id = trace, method, operation = done.operation, status = done.status, micros, agency, client, "request");
    }
}
