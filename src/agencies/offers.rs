//! What a source system offers, when it works and how soon it acts. Pure.
use super::forms::Form;
use crate::codes::rules::Code;
use crate::platform::error::Fault;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A whole number within bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Within<const LEAST: i32, const MOST: i32>(i32);

/// Working days.
pub type Days = Within<1, 250>;
/// Minutes by the clock.
pub type Minutes = Within<15, 10_080>;

impl<const LEAST: i32, const MOST: i32> Within<LEAST, MOST> {
    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl<const LEAST: i32, const MOST: i32> TryFrom<i64> for Within<LEAST, MOST> {
    type Error = Fault;
    fn try_from(number: i64) -> Result<Self, Fault> {
        let number = i32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
        number
            .map(Self)
            .ok_or_else(|| Fault::with("out_of_range", format!("{LEAST} sampai {MOST}"), format!("{LEAST} to {MOST}")))
    }
}

impl<const LEAST: i32, const MOST: i32> utoipa::PartialSchema for Within<LEAST, MOST> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(LEAST))
            .maximum(Some(MOST))
            .description(Some("A whole number within bounds, both included."))
            .into()
    }
}
impl<const LEAST: i32, const MOST: i32> ToSchema for Within<LEAST, MOST> {
    fn name() -> Cow<'static, str> {
        format!("From{LEAST}To{MOST}").into()
    }
}

/// An hour and minute of the day, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct HourMinute(pub NaiveTime);

impl TryFrom<String> for HourMinute {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let time = (raw.len() == 5).then(|| NaiveTime::parse_from_str(&raw, "%H:%M").ok()).flatten();
        time.map(Self)
            .ok_or_else(|| Fault::new("time_malformed", "bukan JJ:MM, 00:00 sampai 23:59", "not HH:MM, 00:00 to 23:59"))
    }
}

impl Serialize for HourMinute {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%H:%M"))
    }
}

impl utoipa::PartialSchema for HourMinute {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Hour and minute of the day."))
            .pattern(Some("^([01][0-9]|2[0-3]):[0-5][0-9]$"))
            .examples([serde_json::json!("08:00")])
            .into()
    }
}
impl ToSchema for HourMinute {}

/// How soon a service is acted upon, where its source system does not say.
pub const ACKNOWLEDGE_URGENT_MINUTES: i32 = 4 * 60;
/// In working days.
pub const ACKNOWLEDGE_DAYS: i16 = 1;
/// In working days.
pub const ANSWER_URGENT_DAYS: i16 = 1;
/// In working days.
pub const ANSWER_DAYS: i16 = 3;

/// How soon an urgent referral is acted upon.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UrgentTimes {
    /// Minutes by the clock, day and night; 240 if not said.
    pub acknowledge_minutes: Option<Minutes>,
    /// Working days from sending to accepting or declining; 1 if not said.
    pub answer_days: Option<Days>,
    /// Working days from accepting to completing; none if not said.
    pub complete_days: Option<Days>,
}

/// How soon any other is.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalTimes {
    /// Working days; 1 if not said.
    pub acknowledge_days: Option<Days>,
    /// Working days from sending to accepting or declining; 3 if not said.
    pub answer_days: Option<Days>,
    /// Working days from accepting to completing; none if not said.
    pub complete_days: Option<Days>,
}

/// One service as it is offered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOffer {
    /// Code of the list `services`.
    pub service: Code,
    /// Of urgent referrals.
    #[serde(default)]
    pub urgent: UrgentTimes,
    /// Of all others.
    #[serde(default)]
    pub normal: NormalTimes,
    /// What there is room for, in words for everyone: of nobody.
    pub capacity_note: Option<Text<500>>,
    /// Its own fields of the service, instead of the national ones.
    pub fields_schema: Option<Form>,
}

/// The ISO weekdays of a source system, each once and in order.
pub fn weekdays(sent: Vec<Within<1, 7>>) -> Result<Vec<i16>, Fault> {
    let mut days: Vec<i16> = sent.into_iter().filter_map(|day| i16::try_from(day.get()).ok()).collect();
    let all = days.len();
    days.sort_unstable();
    days.dedup();
    if days.len() == all && !days.is_empty() {
        return Ok(days);
    }
    Err(Fault::new(
        "days_wrong",
        "1 (Senin) sampai 7 (Minggu), masing-masing satu kali",
        "1 (Monday) to 7 (Sunday), each once",
    ))
}

/// Monday to Friday, as ISO weekdays: when offices work that do not say otherwise.
pub const OFFICE_DAYS: &[i16] = &[1, 2, 3, 4, 5];

/// From when to when, in their own zone.
pub fn office_hours() -> (NaiveTime, NaiveTime) {
    let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
    (hour(8), hour(16))
}

/// The zone of who serves these regions, if nobody says another one.
pub fn zone(regions: &[RegionCode]) -> TimeZone {
    regions.first().map_or(TimeZone::Wib, TimeZone::of)
}

/// Whether somebody of these regions (none: the whole country) may say of themselves that they serve those.
pub fn lie_within(served: &[RegionCode], own: &[RegionCode]) -> bool {
    own.is_empty()
        || (!served.is_empty() && served.iter().all(|region| own.iter().any(|around| around.contains(region))))
}
