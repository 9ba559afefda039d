//! The demo's data: the Bimtek of Kabupaten Mukomuko, 17 May 2023, and the agencies around it. Real regions, invented
//! people.
use crate::access::keys;
use crate::access::rules::{AgencyId, AgencyKind, ClientId, ClientKind, Scope, VolunteerId};
use crate::agencies::clients::{rules::NewClient, store as clients};
use crate::agencies::offers::{OFFICE_DAYS, office_hours, zone};
use crate::agencies::rules::{AgencyState, typical_scopes};
use crate::agencies::store::{self, Agency, Offer, SourceSystem};
use crate::codes::rules::Code;
use crate::platform::clock::Clock;
use crate::platform::crypto::{self, Keys};
use crate::platform::db::{Conn, Target, Writer};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::jwk::PublicJwk;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::{training, volunteers};
use std::path::Path;
use std::sync::Arc;

/// How a demo client proves itself; one entry of `credentials.json`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Credential {
    /// Name of the agency.
    pub agency: String,
    /// What it is.
    pub agency_kind: AgencyKind,
    /// Its first region; null: the whole country.
    pub region: Option<RegionCode>,
    /// Who uses the client.
    pub client_kind: ClientKind,
    /// Its id.
    pub client_id: String,
    /// For `client_secret_basic`.
    pub client_secret: String,
    /// For `private_key_jwt`: PKCS #8, Ed25519.
    pub private_key_pem: String,
    /// Names the key in the header of an assertion.
    pub kid: String,
    /// The same on P-256, for libraries that sign with ES256. Absent where an older version made the demo.
    #[serde(default)]
    pub es256_private_key_pem: String,
    /// Names that key.
    #[serde(default)]
    pub es256_kid: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Of a phone.
    pub volunteer_id: Option<String>,
}

/// An agency of the demo with its clients.
struct Plan {
    name: &'static str,
    kind: AgencyKind,
    /// Undotted or dotted; empty: the whole country.
    regions: &'static [&'static str],
    /// Index of the parent in [`PLANS`].
    parent: Option<usize>,
    clients: &'static [ClientKind],
    /// Services offered, if it receives referrals, and whether it may forward them.
    offers: Option<(&'static [&'static str], bool)>,
}

const CARE: &[&str] = &[
    "neglected_elder_care",
    "neglected_child_care",
    "dtsen_registration",
    "desil_check",
    "emergency_aid",
    "social_conflict",
    "registration_letter",
    "jampersal_recommendation",
    "kip_kuliah_recommendation",
    "uninhabitable_house",
];
/// Where the Bimtek was held.
const MUKOMUKO: &str = "17.06";
const BPJS: &[&str] = &["pbi_jk_reactivation", "bpjs_registration"];
const OFFICER: &[ClientKind] = &[ClientKind::Officer];
/// The demo's own phone and figures get clients of their own.
const PLANS: &[Plan] = &[
    Plan {
        name: "Kementerian Sosial",
        kind: AgencyKind::Ministry,
        regions: &[],
        parent: None,
        clients: OFFICER,
        offers: None,
    },
    Plan {
        name: "Dinas Sosial Provinsi Bengkulu",
        kind: AgencyKind::DinsosProvince,
        regions: &["17"],
        parent: None,
        clients: &[ClientKind::Officer, ClientKind::Dashboard],
        offers: Some((CARE, true)),
    },
    Plan {
        name: "Dinas Sosial Kabupaten Mukomuko",
        kind: AgencyKind::DinsosRegency,
        regions: &["17.06"],
        parent: None,
        clients: OFFICER,
        offers: Some((CARE, true)),
    },
    Plan {
        name: "Pemerintah Kelurahan Koto Jaya",
        kind: AgencyKind::VillageGovernment,
        regions: &["17.06.02.1017"],
        parent: None,
        clients: OFFICER,
        offers: None,
    },
    Plan {
        name: "Pemerintah Kelurahan Bandar Ratu",
        kind: AgencyKind::VillageGovernment,
        regions: &["17.06.02.1018"],
        parent: None,
        clients: OFFICER,
        offers: None,
    },
    Plan {
        name: "Pemerintah Desa Ujung Padang",
        kind: AgencyKind::VillageGovernment,
        regions: &["17.06.02.2008"],
        parent: None,
        clients: OFFICER,
        offers: None,
    },
    Plan {
        name: "BPJS Kesehatan",
        kind: AgencyKind::BpjsKesehatan,
        regions: &[],
        parent: None,
        clients: &[ClientKind::System, ClientKind::Officer],
        offers: Some((BPJS, true)),
    },
    Plan {
        name: "BPJS Kesehatan Mukomuko",
        kind: AgencyKind::BpjsKesehatan,
        regions: &["17.06"],
        parent: Some(6),
        clients: OFFICER,
        offers: Some((BPJS, true)),
    },
    Plan {
        name: "Dinas Sosial Provinsi Jambi",
        kind: AgencyKind::DinsosProvince,
        regions: &["15"],
        parent: None,
        clients: OFFICER,
        offers: Some((CARE, true)),
    },
    Plan {
        name: "Dinas Sosial Kabupaten Kerinci",
        kind: AgencyKind::DinsosRegency,
        regions: &["15.01"],
        parent: None,
        clients: OFFICER,
        offers: Some((CARE, true)),
    },
    Plan {
        name: "BPJS Kesehatan Kerinci",
        kind: AgencyKind::BpjsKesehatan,
        regions: &["15.01"],
        parent: Some(6),
        clients: OFFICER,
        offers: Some((BPJS, true)),
    },
    Plan {
        name: "Dinas Sosial Kabupaten Bengkulu Selatan",
        kind: AgencyKind::DinsosRegency,
        regions: &["17.01"],
        parent: None,
        clients: OFFICER,
        offers: Some((CARE, true)),
    },
];

fn client_scopes(agency: AgencyKind, client: ClientKind) -> Vec<Scope> {
    match client {
        ClientKind::Dashboard => vec![Scope::StatisticsRead],
        ClientKind::Phone => vec![
            Scope::VolunteersRead,
            Scope::CasesRead,
            Scope::CasesWrite,
            Scope::ReferralsRead,
            Scope::ReferralsSend,
            Scope::TrainingRead,
            Scope::TrainingEnrol,
            Scope::ChangesRead,
        ],
        _ => typical_scopes(agency),
    }
}

fn purpose(client: ClientKind) -> &'static str {
    match client {
        ClientKind::Officer => "Pelayanan kesejahteraan sosial",
        ClientKind::System => "Penyelesaian rujukan kepesertaan",
        ClientKind::Phone => "Pendampingan oleh PSM",
        ClientKind::Dashboard => "Statistik",
    }
}

/// Makes what is missing; returns the credential that the greeting shows.
pub async fn seed(target: &Target, clock: &Clock, keys: &Arc<Keys>, file: &Path) -> anyhow::Result<Credential> {
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let writer = Writer::patient(target, 1)?;
    if writer.run(async move |c| ApiResult::Ok(store::is_empty(c).await?)).await? {
        let credentials = credentials(clock)?;
        stage(file, &credentials)?;
        let clock = clock.clone();
        writer.run(async move |c| agencies(c, &clock, &credentials).await).await?;
    }
    settle(file)?;
    if writer.run(async move |c| ApiResult::Ok(volunteers::store::is_empty(c).await?)).await? {
        let (phone, volunteer) = phone(clock)?;
        let mut credentials = read(file)?;
        credentials.retain(|credential| credential.client_kind != ClientKind::Phone);
        credentials.push(phone.clone());
        stage(file, &credentials)?;
        let (clock, keys) = (clock.clone(), keys.clone());
        writer
            .run(async move |c| {
                super::volunteers::seed(c, &clock, &keys, volunteer).await?;
                let office = super::volunteers::office(c, MUKOMUKO).await?;
                client(c, &clock, office, &phone).await
            })
            .await?;
    }
    settle(file)?;
    if writer.run(async move |c| ApiResult::Ok(training::store::is_empty(c).await?)).await? {
        let clock = clock.clone();
        writer.run(async move |c| super::training::seed(c, &clock).await).await?;
    }
    writer.drain().await;
    let mut officers = read(file)?.into_iter().filter(|c| c.client_kind == ClientKind::Officer);
    officers
        .find(|c| c.agency_kind == AgencyKind::DinsosRegency)
        .ok_or_else(|| anyhow::anyhow!("{} has no officer", file.display()))
}

/// Writes credentials before the commit of what they open; [`settle`] names them after it. Those of what is stored are
/// never lost.
fn stage(file: &Path, credentials: &[Credential]) -> anyhow::Result<()> {
    let fresh = file.with_extension("json.new");
    std::fs::remove_file(&fresh).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    crypto::write_private(&fresh, &serde_json::to_vec_pretty(credentials)?)
}

fn settle(file: &Path) -> anyhow::Result<()> {
    let fresh = file.with_extension("json.new");
    if fresh.exists() {
        std::fs::rename(&fresh, file)?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<Credential>> {
    let text = std::fs::read(file)
        .map_err(|e| anyhow::anyhow!("cannot read {}: {e}; remove the data directory to begin anew", file.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// The phone of one volunteer of Mukomuko.
fn phone(clock: &Clock) -> anyhow::Result<(Credential, VolunteerId)> {
    let volunteer = VolunteerId(clock.new_id());
    let plan = PLANS
        .iter()
        .find(|plan| plan.regions == [MUKOMUKO])
        .ok_or_else(|| anyhow::anyhow!("no agency of {MUKOMUKO}"))?;
    let mut credential = credential(clock, plan, ClientKind::Phone)?;
    credential.volunteer_id = Some(volunteer.to_string());
    Ok((credential, volunteer))
}

fn credentials(clock: &Clock) -> anyhow::Result<Vec<Credential>> {
    let mut list = vec![];
    for plan in PLANS {
        for kind in plan.clients {
            list.push(credential(clock, plan, *kind)?);
        }
    }
    Ok(list)
}

fn credential(clock: &Clock, plan: &Plan, kind: ClientKind) -> anyhow::Result<Credential> {
    let private_key_pem = keys::new_key_pem()?;
    let es256_private_key_pem = keys::new_es256_key_pem()?;
    let name = |pem: &str| anyhow::Ok(keys::public_jwk(pem)?.common.key_id.unwrap_or_default());
    Ok(Credential {
        agency: plan.name.to_owned(),
        agency_kind: plan.kind,
        region: plan.regions.first().and_then(|raw| RegionCode::parse(raw).ok()),
        client_kind: kind,
        client_id: clock.new_id().to_string(),
        client_secret: crypto::random_secret()?,
        kid: name(&private_key_pem)?,
        private_key_pem,
        es256_kid: name(&es256_private_key_pem)?,
        es256_private_key_pem,
        scopes: client_scopes(plan.kind, kind),
        volunteer_id: None,
    })
}

async fn agencies(conn: &mut Conn, clock: &Clock, credentials: &[Credential]) -> ApiResult<()> {
    let now = clock.now();
    let mut ids = vec![];
    for plan in PLANS {
        let regions = plan.regions.iter().filter_map(|raw| RegionCode::parse(raw).ok()).collect();
        let agency = Agency {
            id: AgencyId(clock.new_id()),
            kind: plan.kind,
            name: plan.name.to_owned(),
            parent_id: plan.parent.and_then(|index| ids.get(index).copied()),
            region_codes: regions,
            state: AgencyState::Active,
            scopes: typical_scopes(plan.kind),
            token_epoch: 0,
            rate_limit: None,
            version: 1,
            created_by: None,
            create_request: None,
            created_at: now,
            updated_at: now,
        };
        store::create_agency(conn, &agency).await?;
        if let Some((services, may_forward)) = plan.offers {
            let (opens_at, closes_at) = office_hours();
            let system = SourceSystem {
                open_to_branches: false,
                agency_id: agency.id,
                may_forward,
                region_codes: agency.region_codes.clone(),
                time_zone: zone(&agency.region_codes),
                working_days: OFFICE_DAYS.to_vec(),
                opens_at,
                closes_at,
                capacity_note: None,
                version: 1,
            };
            let services = services.iter().filter_map(|word| Code::try_from((*word).to_owned()).ok());
            let offers = services.map(|service| Offer::plain(agency.id, service)).collect::<Vec<_>>();
            store::save_source_system(conn, &system, Some(&offers), now).await?;
        }
        for credential in credentials.iter().filter(|credential| credential.agency == plan.name) {
            client(conn, clock, agency.id, credential).await?;
        }
        ids.push(agency.id);
    }
    Ok(())
}

async fn client(conn: &mut Conn, clock: &Clock, agency: AgencyId, credential: &Credential) -> ApiResult<()> {
    let now = clock.now();
    let line = |text: &str| Line::try_from(text.to_owned()).map_err(|fault| ApiError::internal(fault.code));
    let id = ClientId(credential.client_id.parse().map_err(|_| ApiError::internal("client id"))?);
    let new = NewClient {
        id,
        agency,
        kind: credential.client_kind,
        name: line(credential.client_kind.as_str())?,
        purpose: line(purpose(credential.client_kind))?,
        scopes: credential.scopes.clone(),
        networks: vec![],
        expires_at: None,
        volunteer: credential.volunteer_id.as_deref().and_then(|id| id.parse().ok()).map(VolunteerId),
        created_by: None,
        create_request: None,
    };
    clients::create_client(conn, &new, now).await?;
    for pem in [&credential.private_key_pem, &credential.es256_private_key_pem] {
        let jwk = keys::public_jwk(pem).map_err(ApiError::internal)?;
        let jwk = serde_json::to_value(jwk).and_then(serde_json::from_value::<PublicJwk>);
        let key = jwk.map_err(|_| ApiError::internal("jwk"))?.check().map_err(|(at, _)| ApiError::internal(at))?;
        clients::add_key(conn, clock.new_id(), id, &key, now).await?;
    }
    clients::add_secret(conn, clock.new_id(), id, &crypto::sha256(credential.client_secret.as_bytes()), now).await?;
    Ok(())
}
