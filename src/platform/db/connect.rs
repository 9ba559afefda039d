//! Where the database is and how a session begins.
use super::{Conn, DbError, ms, unavailable};
use diesel_async::AsyncPgConnection;
use std::path::Path;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A database to connect to, with the TLS it takes.
#[derive(Clone)]
pub struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Target {
    /// Parses a `postgres://` URL. TLS is used unless `sslmode=disable` says otherwise, and always verified, host name
    /// included, by `ca_file` (PEM) or by the machine's own authorities; over a Unix socket it has no meaning.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, DbError> {
        // tokio-postgres' message names the option at fault, never its value.
        let mut config: Config = url.parse().map_err(unavailable)?;
        let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let wanted = !matches!(config.get_ssl_mode(), SslMode::Disable);
        let tls = if wanted && !local { Some(tls(ca_file)?) } else { None };
        // "prefer" would fall back to clear text without saying so.
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        // Without client_connection_check_interval a backend notices that we hung up only once its query is done.
        config.tcp_user_timeout(ms(5000)).keepalives_idle(ms(10_000));
        Ok(Self { config, tls })
    }

    /// Session settings travel in the start-up packet: no extra round trip, and no window in which they do not hold.
    #[must_use]
    pub fn session(&self, name: &str, settings: &str) -> Self {
        let mut this = self.clone();
        this.config.application_name(name).options(format!(
            "{settings} -c client_connection_check_interval=500 -c idle_in_transaction_session_timeout=10s"
        ));
        this
    }

    /// Opens a connection, its driver on the current runtime.
    pub async fn connect(&self) -> Result<(Conn, tokio::task::JoinHandle<()>), DbError> {
        let (client, driver) = if let Some(tls) = &self.tls {
            let (client, driver) = self.config.connect(tls.clone()).await.map_err(|e| reason(&e))?;
            (client, tokio::spawn(drive(driver)))
        } else {
            let (client, driver) = self.config.connect(NoTls).await.map_err(|e| reason(&e))?;
            (client, tokio::spawn(drive(driver)))
        };
        let conn = AsyncPgConnection::try_from(client).await.map_err(unavailable)?;
        Ok((conn, driver))
    }
}

async fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if let Err(error) = connection.await {
        tracing::warn!(error = %reason(&error), "database connection ended");
    }
}

/// tokio-postgres prints only "db error"; the reason is in the source.
fn reason(error: &tokio_postgres::Error) -> DbError {
    unavailable(std::error::Error::source(error).map_or_else(|| error.to_string(), |s| format!("{error}: {s}")))
}

fn tls(ca_file: Option<&Path>) -> Result<MakeRustlsConnect, DbError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in CertificateDer::pem_file_iter(path).map_err(unavailable)? {
            roots.add(certificate.map_err(unavailable)?).map_err(unavailable)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(unavailable("no certificate authority to verify the database by"));
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unavailable)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
