//! Configuration: the only place that reads the environment. `.env.example` documents each variable.
use super::limits::Rate;
use super::network::Network;
use super::telemetry::LogFormat;
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// What every part of the running service may ask for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients reach the service, without a slash at the end: links begin with it.
    pub public_url: String,
    /// `iss` and `aud` of the service's tokens (RFC 8414, RFC 9068).
    pub issuer: String,
    /// Whether keys and clients that `simpul demo` made are accepted.
    pub demo: bool,
    /// Proxies of ours: what they say of a request's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// How often one may call.
    pub rates: Rates,
    /// How long changes are kept for who reads the feed.
    pub changes_kept: TimeDelta,
    /// Where workbooks grow while they are put together.
    pub temp_dir: PathBuf,
    /// Where files are that belong to rows.
    pub objects: ObjectPlace,
    /// Months for which certificates of basic, advanced and other training hold; none: for good.
    pub certificate_months: [Option<u32>; 3],
}

/// Where files are that belong to rows.
#[derive(Debug, Clone)]
pub enum ObjectPlace {
    /// In a directory, the same for every node.
    Directory(PathBuf),
    /// In a bucket that speaks S3.
    Bucket(Bucket),
}

/// A bucket and the way to it.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Where; of Amazon if absent.
    pub endpoint: Option<String>,
    /// As its owner calls it.
    pub region: String,
    /// Who asks.
    pub access_key_id: String,
    /// What it proves itself by.
    pub secret_access_key: SecretString,
}

/// How often one may call, on each node.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// One client.
    pub client: Rate,
    /// All clients of an agency together, unless the agency was granted a rate of its own.
    pub agency: Rate,
    /// One client for tokens.
    pub tokens: Rate,
    /// Attempts from one address, at a token or with a code, that fail.
    pub strangers: Rate,
    /// Certificates looked up from one address.
    pub checks: Rate,
    /// Searches by a personal number, of all clients of an agency together.
    pub searches: Rate,
    /// Identity numbers shown in full, of all clients of an agency together.
    pub reveals: Rate,
    /// Identity numbers in full in exports, of all clients of an agency together.
    pub exported_niks: Rate,
}

impl Rates {
    /// The same for everyone.
    pub fn all(rate: Rate) -> Self {
        Self {
            client: rate,
            agency: rate,
            tokens: rate,
            strangers: rate,
            checks: rate,
            searches: rate,
            reveals: rate,
            exported_niks: rate,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        let [client, agency, tokens, strangers, checks] = [1200, 6000, 60, 120, 60].map(Rate::a_minute);
        let [searches, reveals] = [600, 1200].map(Rate::an_hour);
        Self { client, agency, tokens, strangers, checks, searches, reveals, exported_niks: Rate::a_day(20_000) }
    }
}

/// Everything that `simpul serve` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the running service.
    pub settings: Settings,
    /// As `simpul_service`.
    pub database_url: SecretString,
    /// PEM of the authority that signed the database's certificate.
    pub database_ca_file: Option<PathBuf>,
    /// Connections for transactions.
    pub database_pool: usize,
    /// Address of the API.
    pub listen: SocketAddr,
    /// Address of `/metrics`; not for the public. None: it is not shown.
    pub admin_listen: Option<SocketAddr>,
    /// Threads that answer requests.
    pub workers: usize,
    /// So long `/readyz` fails before the service stops to listen.
    pub stop_delay: Duration,
    /// `*.pem` that sign access tokens.
    pub signing_keys_dir: PathBuf,
    /// Keys for stored data, see [`super::crypto`].
    pub data_keys_dir: PathBuf,
    /// How the log is written.
    pub log_format: LogFormat,
    /// As `tracing_subscriber::EnvFilter` reads it.
    pub log_level: String,
}

/// Variables by name; empty ones count as absent.
pub struct Environment {
    variables: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Environment {
    /// The process' own, with `.env` of the working directory beneath it.
    pub fn of_process() -> anyhow::Result<Self> {
        match dotenvy::from_path(Path::new(".env")) {
            Ok(()) => {}
            Err(error) if error.not_found() => {}
            // The error of a bad line quotes it, and it may hold a password.
            Err(dotenvy::Error::LineParse(..)) => anyhow::bail!(".env has a line that is not NAME=value"),
            Err(_) => anyhow::bail!(".env cannot be read"),
        }
        Ok(Self::of(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))))
    }

    /// From given variables, for tests.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        Self { variables, faults: vec![] }
    }

    /// A directory list or path that tools use, such as `PATH`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn text(&mut self, name: &str, why: &str) -> String {
        let Some(value) = self.get(name).map(str::to_owned) else {
            self.faults.push(format!("{name} is missing: {why}"));
            return String::new();
        };
        value
    }

    fn parse<T: FromStr>(&mut self, name: &str, default: T, why: &str) -> T {
        match self.get(name).map(|value| value.trim().parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.faults.push(format!("{name} is not {why}"));
                default
            }
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.faults.is_empty(), "configuration:\n  {}", self.faults.join("\n  "));
        Ok(())
    }

    fn done<T>(self, value: T) -> anyhow::Result<T> {
        self.check().map(|()| value)
    }
}

/// The owner's connection, for `simpul migrate` alone.
pub fn owner_database(mut env: Environment) -> anyhow::Result<(SecretString, Option<PathBuf>)> {
    let url = env.text("DATABASE_OWNER_URL", "postgres://simpul_owner:…@host/simpul; migrations run as the owner");
    let ca = ca_file(&mut env);
    env.done((url.into(), ca))
}

/// The service's connection, for `simpul regions load` and `simpul agency`.
pub fn service_database(env: &mut Environment) -> anyhow::Result<(SecretString, Option<PathBuf>)> {
    let url = env.text("DATABASE_URL", "postgres://simpul_service:…@host/simpul");
    let ca = ca_file(env);
    env.check()?;
    Ok((url.into(), ca))
}

/// What signing a token takes, for `simpul agency token` alone: the directory of keys, the issuer.
pub fn token_signing(mut env: Environment) -> anyhow::Result<(PathBuf, String)> {
    let signing = env.text("SIGNING_KEYS_DIR", "directory of the token signing keys (*.pem)");
    let public_url = env.text("PUBLIC_URL", "https://… where clients reach the service");
    let issuer = env.get("TOKEN_ISSUER").unwrap_or(public_url.trim_end_matches('/')).to_owned();
    env.done((signing.into(), issuer))
}

fn ca_file(env: &mut Environment) -> Option<PathBuf> {
    let path = env.get("DATABASE_CA_FILE").map(PathBuf::from)?;
    if !path.is_file() {
        env.faults.push(format!("DATABASE_CA_FILE names no file: {}", path.display()));
    }
    Some(path)
}

/// Where `simpul keys create` puts the keys: signing keys, data keys.
pub fn key_directories(mut env: Environment) -> anyhow::Result<(PathBuf, PathBuf)> {
    let signing = env.text("SIGNING_KEYS_DIR", "directory of the token signing keys (*.pem)");
    let data = env.text("DATA_KEYS_DIR", "directory of data-*.key, index.key and seal.key");
    env.done((signing.into(), data.into()))
}

impl Config {
    /// Names every variable that is missing or wrong, at once.
    pub fn read(mut env: Environment) -> anyhow::Result<Self> {
        let database_url = env.text("DATABASE_URL", "postgres://simpul_service:…@host/simpul");
        if !database_url.is_empty() && database_url.parse::<tokio_postgres::Config>().is_err() {
            env.faults
                .push("DATABASE_URL is not a PostgreSQL URL (sslmode takes disable, prefer or require)".to_owned());
        }
        let public_url = env.text("PUBLIC_URL", "https://… where clients reach the service");
        let public_url = public_url.trim_end_matches('/').to_owned();
        if !public_url.is_empty() && !is_safe(&public_url) {
            env.faults.push("PUBLIC_URL is not an https URL (http only for this machine)".to_owned());
        }
        let issuer = env.get("TOKEN_ISSUER").map_or_else(|| public_url.clone(), str::to_owned);
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let (trusted_proxies, rates, temp_dir) = (trusted_proxies(&mut env), rates(&mut env), temp_dir(&mut env));
        let (objects, changes_kept) = (object_place(&mut env), changes_kept(&mut env));
        let certificate_months = ["BASIC", "ADVANCED", "OTHER"].map(|level| certificate_months(&mut env, level));
        let config = Self {
            settings: Settings {
                issuer,
                demo: false,
                public_url,
                trusted_proxies,
                rates,
                changes_kept,
                temp_dir,
                objects,
                certificate_months,
            },
            database_url: database_url.into(),
            database_ca_file: ca_file(&mut env),
            database_pool: positive(&mut env, "DATABASE_POOL", 8),
            listen: env.parse("LISTEN", SocketAddr::from(([127, 0, 0, 1], 8080)), "an address such as 0.0.0.0:8080"),
            admin_listen: admin_address(&mut env),
            workers: positive(&mut env, "WORKERS", cores),
            stop_delay: stop_delay(&mut env),
            signing_keys_dir: env.text("SIGNING_KEYS_DIR", "directory of the token signing keys (*.pem)").into(),
            data_keys_dir: env.text("DATA_KEYS_DIR", "directory of data-*.key, index.key and seal.key").into(),
            log_format: log_format(&mut env),
            log_level: env.get("LOG_LEVEL").unwrap_or("info").to_owned(),
        };
        if tracing_subscriber::EnvFilter::try_new(&config.log_level).is_err() {
            env.faults.push("LOG_LEVEL is not a filter such as info or simpul=debug".to_owned());
        }
        for (name, dir) in [("SIGNING_KEYS_DIR", &config.signing_keys_dir), ("DATA_KEYS_DIR", &config.data_keys_dir)] {
            if !dir.as_os_str().is_empty() && !dir.is_dir() {
                env.faults.push(format!("{name} names no directory: {}", dir.display()));
            }
        }
        env.done(config)
    }

    /// Where the database is, with its password.
    pub fn database(&self) -> Result<super::db::Target, super::db::DbError> {
        super::db::Target::new(self.database_url.expose_secret(), self.database_ca_file.as_deref())
    }
}

fn positive(env: &mut Environment, name: &str, default: usize) -> usize {
    let number = env.parse(name, default, "a number from 1 to 512");
    if !(1..=512).contains(&number) {
        env.faults.push(format!("{name} is not a number from 1 to 512"));
    }
    number
}

/// How long changes are kept, unless configured otherwise.
pub const CHANGES_KEPT: TimeDelta = TimeDelta::days(30);

fn changes_kept(env: &mut Environment) -> TimeDelta {
    const WHY: &str = "a number of days from 1 to 3650";
    let days = env.parse("CHANGES_RETENTION_DAYS", CHANGES_KEPT.num_days(), WHY);
    if !(1..=3650).contains(&days) {
        env.faults.push(format!("CHANGES_RETENTION_DAYS is not {WHY}"));
        return CHANGES_KEPT;
    }
    TimeDelta::days(days)
}

fn stop_delay(env: &mut Environment) -> Duration {
    const WHY: &str = "a number of seconds from 0 to 300";
    let seconds = env.parse("STOP_DELAY", 5, WHY);
    if seconds > 300 {
        env.faults.push(format!("STOP_DELAY is not {WHY}"));
    }
    Duration::from_secs(seconds)
}

fn admin_address(env: &mut Environment) -> Option<SocketAddr> {
    if env.get("ADMIN_LISTEN") == Some("off") {
        return None;
    }
    let default = SocketAddr::from(([127, 0, 0, 1], 9090));
    Some(env.parse("ADMIN_LISTEN", default, "an address such as 127.0.0.1:9090, or off"))
}

fn trusted_proxies(env: &mut Environment) -> Vec<Network> {
    let listed = env.get("TRUSTED_PROXIES").unwrap_or_default().to_owned();
    let proxies: Result<_, _> =
        listed.split(',').filter(|one| !one.trim().is_empty()).map(|one| one.trim().parse()).collect();
    proxies.unwrap_or_else(|_| {
        env.faults.push("TRUSTED_PROXIES is not a list of networks such as 10.0.0.0/8,192.0.2.7".to_owned());
        vec![]
    })
}

fn temp_dir(env: &mut Environment) -> PathBuf {
    let dir = env.get("TEMP_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    if !dir.is_dir() {
        env.faults.push(format!("TEMP_DIR names no directory: {}", dir.display()));
    }
    dir
}

/// Where the files of documents are, for encrypting them anew.
pub fn objects(env: &mut Environment) -> anyhow::Result<ObjectPlace> {
    let place = object_place(env);
    env.check()?;
    Ok(place)
}

/// A directory or a bucket, and not both: a file is in one place.
fn object_place(env: &mut Environment) -> ObjectPlace {
    let (dir, name) = (env.get("DOCUMENTS_DIR").map(PathBuf::from), env.get("DOCUMENTS_S3_BUCKET").map(str::to_owned));
    match (dir, name) {
        (Some(dir), None) => {
            if !dir.is_dir() {
                env.faults.push(format!("DOCUMENTS_DIR names no directory: {}", dir.display()));
            }
            ObjectPlace::Directory(dir)
        }
        (None, Some(name)) => ObjectPlace::Bucket(bucket(env, name)),
        _ => {
            let why = "one of DOCUMENTS_DIR and DOCUMENTS_S3_BUCKET is needed: where documents of volunteers are";
            env.faults.push(why.to_owned());
            ObjectPlace::Directory(PathBuf::new())
        }
    }
}

fn bucket(env: &mut Environment, name: String) -> Bucket {
    let endpoint = env.get("DOCUMENTS_S3_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned());
    if endpoint.as_deref().is_some_and(|url| !is_safe(url)) {
        env.faults.push("DOCUMENTS_S3_ENDPOINT is not an https URL (http only for this machine)".to_owned());
    }
    Bucket {
        name,
        endpoint,
        region: env.get("DOCUMENTS_S3_REGION").unwrap_or("us-east-1").to_owned(),
        access_key_id: env.text("DOCUMENTS_S3_ACCESS_KEY_ID", "who asks the bucket"),
        secret_access_key: env.text("DOCUMENTS_S3_SECRET_ACCESS_KEY", "what it proves itself by").into(),
    }
}

/// Whether nobody on the way can read along.
fn is_safe(url: &str) -> bool {
    let local = |url: &url::Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && local(&url)))
}

fn certificate_months(env: &mut Environment, level: &str) -> Option<u32> {
    let name = format!("CERTIFICATE_MONTHS_{level}");
    env.get(&name)?;
    let months = env.parse(&name, 0, "a number of months from 1 to 600");
    if !(1..=600).contains(&months) {
        env.faults.push(format!("{name} is not a number of months from 1 to 600"));
    }
    Some(months)
}

fn rates(env: &mut Environment) -> Rates {
    const MOST: u32 = 1_000_000;
    let mut requests = |name: &str, default: Rate, window: &str| {
        let why = format!("a number of requests {window} from 1 to {MOST}");
        let requests = env.parse(name, default.requests(), &why);
        if !(1..=MOST).contains(&requests) {
            env.faults.push(format!("{name} is not {why}"));
        }
        requests
    };
    let mut rate = |name: &str, default: Rate| Rate::a_minute(requests(name, default, "a minute"));
    let usual = Rates::default();
    let (client, agency) = (rate("RATE_LIMIT_CLIENT", usual.client), rate("RATE_LIMIT_AGENCY", usual.agency));
    let (tokens, strangers) = (rate("RATE_LIMIT_TOKENS", usual.tokens), rate("RATE_LIMIT_STRANGERS", usual.strangers));
    let checks = rate("RATE_LIMIT_CHECKS", usual.checks);
    let mut budget = |name: &str, default: Rate| Rate::an_hour(requests(name, default, "an hour"));
    let (searches, reveals) = (budget("BUDGET_SEARCHES", usual.searches), budget("BUDGET_REVEALS", usual.reveals));
    let exported_niks = Rate::a_day(requests("BUDGET_EXPORTED_NIKS", usual.exported_niks, "a day"));
    Rates { client, agency, tokens, strangers, checks, searches, reveals, exported_niks }
}

fn log_format(env: &mut Environment) -> LogFormat {
    let word = env.get("LOG_FORMAT").unwrap_or("json").to_owned();
    LogFormat::parse(&word).unwrap_or_else(|| {
        env.faults.push("LOG_FORMAT is not json or text".to_owned());
        LogFormat::Json
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> anyhow::Result<Config> {
        Config::read(Environment::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))))
    }

    #[test]
    fn every_fault_is_named_at_once_and_no_value_is_shown() {
        let wrong = [
            ("DATABASE_URL", "postgres://u:secret-password@h/d?sslmode=verify-full"),
            ("LISTEN", "eighty"),
            ("WORKERS", "0"),
            ("STOP_DELAY", "301"),
            ("CHANGES_RETENTION_DAYS", "0"),
            ("LOG_FORMAT", "xml"),
            ("PUBLIC_URL", "http://simpul.example"),
            ("DATA_KEYS_DIR", "/nowhere/at/all"),
            ("TRUSTED_PROXIES", "10.0.0.1/8"),
            ("TEMP_DIR", "/nowhere/at/all"),
            ("DOCUMENTS_S3_BUCKET", "simpul"),
            ("DOCUMENTS_S3_ENDPOINT", "http://minio.example"),
            ("RATE_LIMIT_CLIENT", "0"),
            ("RATE_LIMIT_AGENCY", "many"),
            ("RATE_LIMIT_TOKENS", "1000001"),
            ("RATE_LIMIT_STRANGERS", "-1"),
            ("RATE_LIMIT_CHECKS", "0"),
            ("CERTIFICATE_MONTHS_BASIC", "0"),
            ("BUDGET_SEARCHES", "0"),
            ("BUDGET_REVEALS", "x"),
            ("BUDGET_EXPORTED_NIKS", "0"),
        ];
        let said = read(&wrong).unwrap_err().to_string();
        let unset = ["SIGNING_KEYS_DIR", "DOCUMENTS_S3_ACCESS_KEY_ID", "DOCUMENTS_S3_SECRET_ACCESS_KEY"];
        for name in wrong.iter().map(|(name, _)| *name).filter(|name| *name != "DOCUMENTS_S3_BUCKET").chain(unset) {
            assert!(said.contains(name), "{name} is not named in: {said}");
        }
        assert!(!said.contains("secret-password"), "{said}");
    }

    #[test]
    fn a_complete_environment_is_read() {
        let config = read(&[
            ("DATABASE_URL", "postgres://simpul_service:x@db/simpul"),
            ("PUBLIC_URL", "https://api.example/"),
            ("SIGNING_KEYS_DIR", "/"),
            ("DATA_KEYS_DIR", "/"),
            ("DOCUMENTS_DIR", "/"),
            ("WORKERS", " "),
            ("RATE_LIMIT_CLIENT", "300"),
            ("CERTIFICATE_MONTHS_ADVANCED", "36"),
            ("BUDGET_REVEALS", "40"),
            ("BUDGET_EXPORTED_NIKS", "500"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,"),
        ])
        .unwrap();
        assert_eq!(config.settings.public_url, "https://api.example");
        assert_eq!(config.settings.issuer, "https://api.example");
        assert!(!config.settings.demo);
        assert_eq!(config.stop_delay, Duration::from_secs(5));
        assert_eq!(config.settings.changes_kept, TimeDelta::days(30));
        assert_eq!(config.settings.rates.client, Rate::a_minute(300));
        assert_eq!(config.settings.rates.agency, Rates::default().agency);
        assert_eq!(config.settings.certificate_months, [None, Some(36), None]);
        assert_eq!(config.settings.rates.reveals, Rate::an_hour(40));
        assert_eq!(config.settings.rates.exported_niks, Rate::a_day(500));
        let proxies: Vec<String> = config.settings.trusted_proxies.iter().copied().map(String::from).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.7/32"]);
        assert!(!format!("{config:?}").contains("simpul_service:x"), "a password shows");
    }
}
