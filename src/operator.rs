//! What an operator does on the host, by `simpul agency …`: the first agency and its first client, before anyone has a
//! token; a key that was lost with its phone call; a token for trying something out.
//!
//! As `simpul_service`, by the rules that hold over HTTP. What it does is recorded with [`OPERATOR`] in the place of the
//! officer, without agency and client: the host is nobody's client.
use crate::access::rules::{ActingUser, AgencyId, AgencyKind, ClientId, ClientKind, Scope, Scopes};
use crate::access::store as access;
use crate::access::tokens::Signer;
use crate::agencies::clients::{create, credentials, rules::NewClient, store as clients};
use crate::agencies::oauth::token;
use crate::agencies::register;
use crate::agencies::rules::{AgencyState, typical_scopes};
use crate::agencies::store::{self as agencies, Agency};
use crate::audit::{rules::Event, store as audit};
use crate::platform::clock::Clock;
use crate::platform::db::{Conn, Target, Writer, migrate};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::jwk::PublicJwk;
use crate::platform::network::{Network, Networks};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Stands in the audit record where an officer's id would.
pub const OPERATOR: &str = "operator-on-host";

/// `simpul agency …`
#[derive(Debug, clap::Subcommand)]
pub enum AgencyCommand {
    /// Register an agency; prints its id
    Create {
        /// What it is, such as ministry, `dinsos_regency`, `bpjs_kesehatan`
        #[arg(long, value_parser = word(AgencyKind::parse))]
        kind: AgencyKind,
        /// Its official name
        #[arg(long)]
        name: String,
        /// A government's region, or each regency of a branch; none: the whole country
        #[arg(long = "region", value_name = "CODE")]
        regions: Vec<String>,
        /// The agency whose branch it is
        #[arg(long, value_name = "AGENCY")]
        parent: Option<Uuid>,
        /// What its clients may hold at most; none: what agencies of its kind typically hold
        #[arg(long = "scope", value_name = "SCOPE", value_parser = word(Scope::parse))]
        scopes: Vec<Scope>,
    },
    /// Register a client; prints its id, and its secret this once unless it gets a key
    CreateClient {
        /// Id of its agency
        agency: Uuid,
        /// Who uses it: officer, system, dashboard
        #[arg(long, value_parser = word(ClientKind::parse), default_value = "officer")]
        kind: ClientKind,
        /// For the agency's own overview
        #[arg(long)]
        name: String,
        /// Recorded with every plain read of personal data
        #[arg(long)]
        purpose: String,
        /// What it may do; none: all that its agency holds
        #[arg(long = "scope", value_name = "SCOPE", value_parser = word(Scope::parse))]
        scopes: Vec<Scope>,
        /// From where it may call, such as 203.0.113.0/24; none: from everywhere
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<String>,
        /// Its public key: a file with a JWK
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Register another public key of a client; prints its name and thumbprint
    AddKey {
        /// Id of the client
        client: Uuid,
        /// A file with a JWK
        key: PathBuf,
    },
    /// List agencies and their clients
    List,
    /// Print a token of a client, without its secret: for development
    Token {
        /// Id of the client
        client: Uuid,
        /// The officer whom it names
        #[arg(long)]
        acting_user: Option<String>,
        /// What it may do; none: all that the client holds
        #[arg(long = "scope", value_name = "SCOPE", value_parser = word(Scope::parse))]
        scopes: Vec<Scope>,
    },
}

fn word<T>(parse: fn(&str) -> Option<T>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |raw| parse(raw).ok_or_else(|| "not a known word; docs/API.md lists them".to_owned())
}

/// A connection to the service's database.
pub struct Operator {
    writer: Writer,
    clock: Clock,
}

impl Operator {
    /// Refuses a database that `simpul serve` would refuse.
    pub async fn new(target: &Target) -> anyhow::Result<Self> {
        migrate::check(target, false).await?;
        Ok(Self { writer: Writer::patient(target, 1)?, clock: Clock::default() })
    }

    /// Does what a command asks, and returns what it prints. `signer`: for a token.
    pub async fn run(
        self,
        command: AgencyCommand,
        signer: impl FnOnce() -> anyhow::Result<Signer>,
    ) -> anyhow::Result<String> {
        let said = match command {
            AgencyCommand::Create { kind, name, regions, parent, scopes } => {
                let scopes = if scopes.is_empty() { typical_scopes(kind) } else { scopes };
                let agency = Agency {
                    region_codes: regions.iter().map(|raw| region(raw)).collect::<anyhow::Result<_>>()?,
                    ..self.agency(kind, line(&name)?.as_str(), parent.map(AgencyId), scopes)
                };
                self.create(agency).await?
            }
            AgencyCommand::CreateClient { agency, kind, name, purpose, scopes, networks, key } => {
                anyhow::ensure!(kind != ClientKind::Phone, "a phone registers itself");
                let new = NewClient {
                    id: ClientId(self.clock.new_id()),
                    agency: AgencyId(agency),
                    kind,
                    name: line(&name)?,
                    purpose: line(&purpose)?,
                    scopes,
                    networks: self::networks(&networks)?,
                    expires_at: None,
                    volunteer: None,
                    created_by: None,
                    create_request: None,
                };
                self.create_client(new, key.as_deref().map(read_key).transpose()?).await?
            }
            AgencyCommand::AddKey { client, key } => self.add_key(ClientId(client), read_key(&key)?).await?,
            AgencyCommand::List => self.list().await?,
            AgencyCommand::Token { client, acting_user, scopes } => {
                let user = acting_user.map(ActingUser::try_from).transpose();
                let user = user.map_err(|fault| anyhow::anyhow!("--acting-user {}", fault.message.en))?;
                self.token(&signer()?, ClientId(client), user, scopes).await?
            }
        };
        self.writer.drain().await;
        Ok(said)
    }

    fn agency(&self, kind: AgencyKind, name: &str, parent_id: Option<AgencyId>, scopes: Vec<Scope>) -> Agency {
        let now = self.clock.now();
        Agency {
            id: AgencyId(self.clock.new_id()),
            kind,
            name: name.to_owned(),
            parent_id,
            region_codes: vec![],
            state: AgencyState::Active,
            scopes,
            token_epoch: 0,
            rate_limit: None,
            version: 1,
            created_by: None,
            create_request: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn event(&self, action: &str) -> Event {
        let (request, id) = (self.clock.new_id(), self.clock.new_id());
        Event::new(action, request, id, self.clock.now()).acting(Some(OPERATOR))
    }

    async fn create(&self, agency: Agency) -> anyhow::Result<String> {
        let (event, now, id) = (self.event("agency.create"), self.clock.now(), agency.id);
        let made = self.writer.run(async move |c| {
            register::insert(c, &agency).await?;
            register::announce(c, event, &agency, now).await
        });
        made.await.map_err(told)?;
        pretty(&json!({ "agency_id": id }))
    }

    async fn create_client(&self, mut new: NewClient, key: Option<PublicJwk>) -> anyhow::Result<String> {
        let (event, clock, id) = (self.event("client.create"), self.clock.clone(), new.id);
        let made = self.writer.run(async move |c| {
            let agency = agencies::lock(c, new.agency).await?;
            if new.scopes.is_empty() {
                new.scopes.clone_from(&agency.scopes);
            }
            let key = key.as_ref().map(|key| create::checked(key, "")).transpose()?;
            let (_, secret) = create::insert(c, &clock, &new, key.as_ref(), &agency.scopes).await?;
            audit::record(c, &event.subject("client", new.id)).await?;
            ApiResult::Ok((key.map(|key| key.kid), secret))
        });
        match made.await.map_err(told)? {
            (Some(kid), _) => pretty(&json!({ "client_id": id, "kid": kid })),
            (None, secret) => pretty(&json!({ "client_id": id, "client_secret": secret })),
        }
    }

    async fn add_key(&self, client: ClientId, key: PublicJwk) -> anyhow::Result<String> {
        let (event, clock) = (self.event("client_key.create").subject("client", client), self.clock.clone());
        let added = self.writer.run(async move |c| {
            let row = clients::lock_any(c, client).await?;
            let (_, key) = credentials::add_key(c, &clock, &row, &key).await?;
            audit::record(c, &event).await?;
            ApiResult::Ok(key)
        });
        let key = added.await.map_err(told)?;
        pretty(&json!({ "kid": key.kid, "thumbprint": key.thumbprint }))
    }

    async fn list(&self) -> anyhow::Result<String> {
        let (agencies, clients) = self.writer.run(async move |c| all(c).await).await.map_err(told)?;
        let mut lines = vec![];
        for agency in agencies {
            let regions: Vec<&str> = agency.region_codes.iter().map(RegionCode::as_str).collect();
            let regions = if regions.is_empty() { "-".to_owned() } else { regions.join(",") };
            lines.push(format!("{} {} {} {regions} {}", agency.id, agency.state, agency.kind, agency.name));
            for client in clients.iter().filter(|client| client.agency_id == agency.id) {
                lines.push(format!("  {} {} {} {}", client.id, client.state, client.kind, client.name));
            }
        }
        Ok(lines.join("\n"))
    }

    async fn token(
        &self,
        signer: &Signer,
        client: ClientId,
        user: Option<ActingUser>,
        scopes: Vec<Scope>,
    ) -> anyhow::Result<String> {
        let (wanted, clock): (Scopes, _) = (scopes.into_iter().collect(), self.clock.clone());
        let (event, issuer) = (self.event("token.issue").subject("client", client), signer.issuer().to_owned());
        let claims = self.writer.run(async move |c| {
            let state = access::read(c, client).await?;
            let held = state.scope_set();
            let scopes = if wanted == Scopes::default() { held } else { held.and(wanted) };
            let usable = state.active && state.expires_at.is_none_or(|end| clock.now() < end);
            if !usable {
                return ApiResult::Ok(None);
            }
            audit::record(c, &event).await?;
            Ok(Some(token::claims(&issuer, &clock, &state, scopes, user)))
        });
        let claims = claims.await.map_err(told)?;
        signer.sign(&claims.context("the client is disabled or has expired, or its agency is suspended")?)
    }
}

/// Every agency and every client.
async fn all(conn: &mut Conn) -> ApiResult<(Vec<Agency>, Vec<clients::Client>)> {
    Ok((agencies::list(&mut &*conn, None, None, None, i64::MAX).await?, clients::all(conn).await?))
}

fn told(error: ApiError) -> anyhow::Error {
    anyhow::anyhow!(error.told())
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

fn line(text: &str) -> anyhow::Result<Line<200>> {
    Line::try_from(text.to_owned()).map_err(|fault| anyhow::anyhow!("name or purpose {}", fault.message.en))
}

fn region(raw: &str) -> anyhow::Result<RegionCode> {
    RegionCode::parse(raw).map_err(|fault| anyhow::anyhow!("--region: {}", fault.message.en))
}

fn networks(list: &[String]) -> anyhow::Result<Vec<Network>> {
    let parsed = list.iter().map(|raw| raw.parse()).collect::<Result<Vec<Network>, _>>();
    let networks = parsed.and_then(Networks::try_from);
    networks.map(|networks| networks.0).map_err(|fault| anyhow::anyhow!("--network: {}", fault.message.en))
}

/// What is in the file is in no message: it may be the private key, by mistake.
fn read_key(path: &Path) -> anyhow::Result<PublicJwk> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes)
        .map_err(|_| anyhow::anyhow!("{} is not the public half of an Ed25519 or P-256 key as JWK", path.display()))
}
