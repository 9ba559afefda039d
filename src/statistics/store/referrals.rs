//! Every SQL statement on the counts of referrals. They are kept by triggers; the service reads and folds them.
use crate::access::rules::{AgencyId, Caller, Sight};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Known;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::referrals::rules::{Period, ReferralStatus};
use crate::schema::referral_counts as t;
use crate::statistics::rules::referrals::ReferralGroup;
use chrono::NaiveDate;
use diesel::dsl::sum;
use diesel::expression::BoxableExpression;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

type Filter = Box<dyn BoxableExpression<t::table, Pg, SqlType = Bool>>;

/// Referrals that this caller sees: as `referrals::store::visible_to` says, on the same columns.
fn visible_to(caller: &Caller) -> Filter {
    let meant = t::status.ne(ReferralStatus::EnteredInError);
    let sent = t::sender_agency_id.eq(caller.agency);
    match &caller.sight {
        Sight::Everything => Box::new(true.into_sql::<Bool>()),
        Sight::Region(village) if village.level() == RegionLevel::Village => {
            let told = t::sensitive.eq(false).or(t::reporter_agency_id.eq(caller.agency)).or(sent);
            Box::new(t::village_code.eq(village.clone()).and(told).and(meant.or(sent)))
        }
        Sight::Region(region) => Box::new(in_region(region).and(meant.or(sent))),
        Sight::Addressed(agencies) => Box::new(t::receiver_agency_id.eq_any(agencies.clone()).and(meant)),
        Sight::Own(volunteer) => Box::new(Known(t::volunteer_id.eq(*volunteer)).and(meant)),
    }
}

fn in_region(region: &RegionCode) -> Filter {
    match region.level() {
        RegionLevel::Province => Box::new(t::province_code.eq(region.clone())),
        RegionLevel::Regency => Box::new(t::regency_code.eq(region.clone())),
        RegionLevel::District => Box::new(t::district_code.eq(region.clone())),
        RegionLevel::Village => Box::new(t::village_code.eq(region.clone())),
    }
}

/// Which referrals are counted.
#[derive(Debug, Default, Clone)]
pub struct Counted {
    /// In this region; none: the country.
    pub region: Option<RegionCode>,
    /// In one of these states; none: any but entered in error.
    pub status: Vec<ReferralStatus>,
    /// For this service.
    pub service: Option<Code>,
    /// Sent by this agency.
    pub sender: Option<AgencyId>,
    /// Addressed to this agency.
    pub receiver: Option<AgencyId>,
    /// Sent in this month or year.
    pub period: Option<Period>,
}

fn only(caller: &Caller, counted: &Counted) -> Filter {
    let mut all = visible_to(caller);
    all = match counted.status.as_slice() {
        [] => Box::new(all.and(t::status.ne(ReferralStatus::EnteredInError))),
        some => Box::new(all.and(t::status.eq_any(some.to_vec()))),
    };
    if let Some(region) = &counted.region {
        all = Box::new(all.and(in_region(region)));
    }
    if let Some(service) = &counted.service {
        all = Box::new(all.and(t::service.eq(service.clone())));
    }
    if let Some(sender) = counted.sender {
        all = Box::new(all.and(t::sender_agency_id.eq(sender)));
    }
    if let Some(receiver) = counted.receiver {
        all = Box::new(all.and(t::receiver_agency_id.eq(receiver)));
    }
    if let Some(period) = counted.period {
        let (from, until) = period.months();
        all = Box::new(all.and(t::month.ge(from).and(t::month.lt(until))));
    }
    all
}

/// How many referrals have which key. `below` is the level of a bucket of regions.
pub async fn referrals(
    conn: &mut &Conn,
    caller: &Caller,
    counted: &Counted,
    group: ReferralGroup,
    below: RegionLevel,
) -> QueryResult<Vec<(String, i64)>> {
    let (rows, all) = (t::table, only(caller, counted));
    let n = sum(t::count);
    let words: Vec<(String, Option<i64>)> = match (group, below) {
        (ReferralGroup::Status, _) => rows.filter(all).group_by(t::status).select((t::status, n)).load(conn).await?,
        (ReferralGroup::Service, _) => rows.filter(all).group_by(t::service).select((t::service, n)).load(conn).await?,
        (ReferralGroup::Region, RegionLevel::Province) => {
            rows.filter(all).group_by(t::province_code).select((t::province_code, n)).load(conn).await?
        }
        (ReferralGroup::Region, RegionLevel::Regency) => {
            rows.filter(all).group_by(t::regency_code).select((t::regency_code, n)).load(conn).await?
        }
        (ReferralGroup::Region, RegionLevel::District) => {
            rows.filter(all).group_by(t::district_code).select((t::district_code, n)).load(conn).await?
        }
        (ReferralGroup::Region, RegionLevel::Village) => {
            rows.filter(all).group_by(t::village_code).select((t::village_code, n)).load(conn).await?
        }
        (ReferralGroup::Month, _) => {
            let months = rows.filter(all).group_by(t::month).select((t::month, n));
            let months: Vec<(NaiveDate, Option<i64>)> = months.load(conn).await?;
            months.into_iter().map(|(month, n)| (month.format("%Y-%m").to_string(), n)).collect()
        }
        (ReferralGroup::Sender, _) => {
            let by = rows.filter(all).group_by(t::sender_agency_id).select((t::sender_agency_id, n));
            let by: Vec<(AgencyId, Option<i64>)> = by.load(conn).await?;
            by.into_iter().map(|(agency, n)| (agency.to_string(), n)).collect()
        }
        (ReferralGroup::Receiver, _) => {
            let by = rows.filter(all).group_by(t::receiver_agency_id).select((t::receiver_agency_id, n));
            let by: Vec<(AgencyId, Option<i64>)> = by.load(conn).await?;
            by.into_iter().map(|(agency, n)| (agency.to_string(), n)).collect()
        }
    };
    Ok(words.into_iter().map(|(key, n)| (key, n.unwrap_or_default())).filter(|(_, n)| *n != 0).collect())
}

/// Sums up what triggers wrote since the last time; how many rows that were. Figures do not change by it.
pub async fn fold(conn: &mut Conn, most: i32) -> QueryResult<i64> {
    diesel::select(fold_referral_counts(most)).get_result(conn).await
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Sums up what triggers wrote; how many rows that were.
    fn fold_referral_counts(most: diesel::sql_types::Integer) -> diesel::sql_types::BigInt;
}
