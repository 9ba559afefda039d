//! Passing a referral on: it has ended, and the next one of the same sender begins.
use super::create::{Asked, check_target, insert, submitted};
use super::moves::Step;
use super::rules::ReferralId;
use super::store::{Referral, Scene};
use crate::access::rules::Caller;
use crate::audit::{rules::Event, store as audit};
use crate::platform::app::App;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult};

/// Opens the next referral of a forwarded one.
pub async fn forward(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    scene: &Scene,
    closed: &Referral,
    step: &Step,
) -> ApiResult<()> {
    let Some((target, service)) = step.target.clone() else { return Err(ApiError::internal("forward without target")) };
    let (now, service) = (app.clock.now(), service.unwrap_or_else(|| closed.service.clone()));
    check_target(conn, "", target, &service, &closed.village_code, now).await?;
    let asked = Asked {
        id: ReferralId(app.clock.new_id()),
        sender: closed.sender_agency_id,
        receiver: target,
        service,
        urgency: closed.urgency,
        created_by: caller.client,
        create_request: vec![],
    };
    let next = Referral {
        forwarded_by: Some(closed.receiver_agency_id),
        previous_referral_id: Some(closed.id),
        chain: closed.chain.iter().copied().chain([target]).collect(),
        ..submitted(&scene.case, asked, now)
    };
    let next = insert(conn, app, caller, &next, None).await?;
    let event = Event::by(caller, "referral.create", app.clock.new_id(), now).subject("referral", next.id);
    audit::record(conn, &event.region(&next.village_code)).await?;
    Ok(())
}
