//! Who is told of a change of a referral.
use super::rules::ReferralStatus;
use super::store::Referral;
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::platform::db::Conn;
use crate::platform::error::ApiResult;
use chrono::{DateTime, Utc};

/// Who sees a referral: sender and receiver, the branch that has claimed it or those that may, who reported the case, the governments it lies under (of a sensitive one
/// not the village), its volunteer. Of one entered in error: the sender.
pub fn audience(referral: &Referral) -> Audience {
    if referral.status == ReferralStatus::EnteredInError {
        return Audience { agencies: vec![referral.sender_agency_id], ..Audience::default() };
    }
    let mut agencies = vec![referral.sender_agency_id, referral.receiver_agency_id, referral.reporter_agency_id];
    match referral.handler_agency_id {
        Some(handler) => agencies.push(handler),
        None => agencies.extend(&referral.pool_agency_ids),
    }
    agencies.sort_unstable();
    agencies.dedup();
    let place = if referral.sensitive { &referral.district_code } else { &referral.village_code };
    Audience {
        agencies,
        regions: vec![place.clone()],
        volunteers: referral.volunteer_id.into_iter().collect(),
        below: vec![],
    }
}

/// Publishes a change of a referral, to those who saw it before and those who see it now.
pub async fn publish(conn: &mut Conn, before: Option<&Referral>, after: &Referral, at: DateTime<Utc>) -> ApiResult<()> {
    publish_to(conn, after, before.map(audience).unwrap_or_default(), audience(after), at).await
}

async fn publish_to(
    conn: &mut Conn,
    referral: &Referral,
    before: Audience,
    after: Audience,
    at: DateTime<Utc>,
) -> ApiResult<()> {
    let (id, version) = (referral.id.0, referral.version);
    let change =
        Change { r#type: ChangeType::Referral, id, version, op: Op::Upsert, redirected_to: None, before, after, at };
    Ok(changes::publish(conn, &change).await?)
}

/// Publishes what a change of the case alters of a referral. Who received it and has done its part sees nothing of that, and is not
/// told that somebody goes on working for the person.
pub async fn publish_of_case(conn: &mut Conn, referral: &Referral, at: DateTime<Utc>) -> ApiResult<()> {
    let mut audience = audience(referral);
    let others = [referral.sender_agency_id, referral.reporter_agency_id];
    if !referral.status.is_open() && !others.contains(&referral.receiver_agency_id) {
        audience.agencies.retain(|agency| others.contains(agency));
    }
    publish_to(conn, referral, audience.clone(), audience, at).await
}
