//! Passing a referral on: it has ended, and the next ones of the same sender begin: one, or one at each body that has a part
//! in the need.
use super::create::{Asked, check_target, form_of, insert, submitted};
use super::moves::Step;
use super::rules::ReferralId;
use super::store::{Referral, Scene};
use crate::access::rules::{AgencyId, Caller};
use crate::audit::{rules::Event, store as audit};
use crate::codes::rules::Code;
use crate::platform::app::App;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault};
use serde::Deserialize;
use utoipa::ToSchema;

/// Where a referral is passed on to.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextTarget {
    /// A source system that has not been asked yet.
    #[serde(rename = "target_agency_id")]
    pub agency: AgencyId,
    /// Code of the list `services`; the same one, unless said otherwise.
    pub service: Option<Code>,
}

/// How many may be asked at once.
pub const MOST_TARGETS: usize = 5;

/// Refuses one target named twice, and too many. The first stands in the body itself, the others under `also`.
pub fn check_targets(targets: &[NextTarget]) -> ApiResult<()> {
    if targets.len() > MOST_TARGETS {
        let (id, en) = (format!("paling banyak {}", MOST_TARGETS - 1), format!("at most {}", MOST_TARGETS - 1));
        return Err(ApiError::rule("/also", Fault::with("too_many", id, en)));
    }
    for (index, target) in targets.iter().enumerate().skip(1) {
        if targets.iter().take(index).any(|before| before.agency == target.agency) {
            let fault = Fault::new("named_twice", "tujuan ini sudah disebut", "this target is named twice");
            return Err(ApiError::rule(&format!("{}/target_agency_id", place(index)), fault));
        }
    }
    Ok(())
}

fn place(index: usize) -> String {
    index.checked_sub(1).map_or_else(String::new, |index| format!("/also/{index}"))
}

/// Opens the next referrals of a forwarded one.
pub async fn forward(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    scene: &Scene,
    closed: &Referral,
    step: &Step,
) -> ApiResult<()> {
    let (now, details) = (app.clock.now(), scene.details(&app.keys)?);
    for (index, target) in step.targets.iter().enumerate() {
        let service = target.service.clone().unwrap_or_else(|| closed.service.clone());
        let pool = check_target(conn, &place(index), target.agency, &service, &closed.village_code, now).await?;
        let asked = Asked {
            id: ReferralId(app.clock.new_id()),
            sender: closed.sender_agency_id,
            receiver: target.agency,
            pool,
            service: service.clone(),
            urgency: closed.urgency,
            created_by: caller.client,
            create_request: vec![],
        };
        let next = Referral {
            forwarded_by: Some(closed.receiver_agency_id),
            previous_referral_id: Some(closed.id),
            chain: closed.chain.iter().copied().chain([target.agency]).collect(),
            ..submitted(&scene.case, asked, now)
        };
        let mut told = if service == closed.service { details.clone() } else { details.eligibility_alone() };
        if let Some(form) = form_of(conn, target.agency, &service).await? {
            told.follow(&form);
        }
        let next = insert(conn, app, caller, next, &told, None).await?;
        let event = Event::by(caller, "referral.create", app.clock.new_id(), now).subject("referral", next.id);
        audit::record(conn, &event.region(&next.village_code)).await?;
    }
    Ok(())
}
