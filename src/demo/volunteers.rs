//! The volunteers of the demo: the 75 of Mukomuko who came to the Bimtek, and a few elsewhere in every status. Invented
//! people in real villages; the same ones on every machine.
use crate::access::rules::{AgencyId, AgencyKind, VolunteerId};
use crate::agencies::store as agencies;
use crate::codes::rules::Code;
use crate::platform::clock::Clock;
use crate::platform::crypto::Keys;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::nik::{NikStatus, Sex};
use crate::platform::region_code::RegionCode;
use crate::platform::text::fold;
use crate::regions::store as regions;
use crate::volunteers::rules::{HistoryAction, IdentityState, TrainingLevel, VolunteerAction, VolunteerStatus, next};
use crate::volunteers::store::{self, HistoryRow, Person, Posting, Volunteer};
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};

const SEED: u64 = 1706;
/// Village with many, where the others have one or two; and the village of the demo's phone.
const CROWDED: &str = "17.06.02.2008";
const FIRST: &str = "17.06.02.1017";
const MUKOMUKO: &str = "17.06";
const VOLUNTEERS: usize = 75;
const IN_ONE_VILLAGE: usize = 10;

const WOMEN: &[&str] =
    &["Siti", "Dewi", "Rina", "Yuli", "Nurhayati", "Fitri", "Lestari", "Mardiana", "Eka", "Wulan", "Ratna", "Salmah"];
const MEN: &[&str] =
    &["Ahmad", "Budi", "Hendra", "Rudi", "Zulkifli", "Syahrial", "Joni", "Agus", "Iwan", "Darmawan", "Bahtiar", "Edi"];
const LAST: &[&str] = &[
    "Aminah",
    "Kartika",
    "Saputra",
    "Wijaya",
    "Ma'ruf",
    "Anggraini",
    "Hidayat",
    "Permata",
    "Syafri",
    "Utami",
    "Efendi",
    "Rahman",
    "Sartika",
    "Gunawan",
    "Marlina",
];

/// Volunteers of other regencies: where, and what was done to them.
const ELSEWHERE: &[(&str, &[VolunteerAction])] = {
    use VolunteerAction::{Activate, Correct, Deactivate, Reject, Resign, Select, Verify};
    &[
        ("17.01", &[]),
        ("17.01", &[]),
        ("17.01", &[Verify]),
        ("17.01", &[Verify, Select]),
        ("17.01", &[Verify, Select, Activate]),
        ("17.01", &[Verify, Select, Activate]),
        ("17.01", &[Verify, Select, Activate, Deactivate]),
        ("17.01", &[Verify, Select, Activate, Resign]),
        ("17.01", &[Verify, Select, Activate, Resign, Correct]),
        ("17.01", &[Verify, Reject]),
        ("15.01", &[]),
        ("15.01", &[Verify, Select, Activate]),
        ("15.01", &[Verify, Select, Activate]),
    ]
};

/// The social office of a regency.
pub async fn office(conn: &mut Conn, regency: &str) -> ApiResult<AgencyId> {
    let region = code(regency)?;
    let found = agencies::list(&mut &*conn, Some(AgencyKind::DinsosRegency), Some(&region), None, 1).await?;
    found.first().map(|agency| agency.id).ok_or_else(|| ApiError::internal("the demo has no such social office"))
}

fn code(raw: &str) -> ApiResult<RegionCode> {
    RegionCode::parse(raw).map_err(|fault| ApiError::internal(fault.code))
}

/// What making one takes.
struct Maker<'a> {
    clock: &'a Clock,
    keys: &'a Keys,
    random: fastrand::Rng,
    made: u32,
}

/// Makes all of them; `phone` is the id of the volunteer whose phone is a client.
pub async fn seed(conn: &mut Conn, clock: &Clock, keys: &Keys, phone: VolunteerId) -> ApiResult<()> {
    use VolunteerAction::{Activate, Select, Verify};
    let mut maker = Maker { clock, keys, random: fastrand::Rng::with_seed(SEED), made: 0 };
    let by = office(conn, MUKOMUKO).await?;
    let appointed: &[VolunteerAction] = &[Verify, Select, Activate];
    for (index, village) in villages(conn).await?.into_iter().enumerate() {
        let id = if index == 0 { phone } else { VolunteerId(clock.new_id()) };
        maker.make(conn, id, &village, by, appointed).await?;
    }
    for (regency, done) in ELSEWHERE {
        let by = office(conn, regency).await?;
        let all = regions::villages(conn, &code(regency)?).await?;
        let village = maker.random.choice(&all).cloned().ok_or_else(|| ApiError::internal("no villages"))?;
        maker.make(conn, VolunteerId(clock.new_id()), &village, by, done).await?;
    }
    Ok(())
}

/// A village for each of the 75: the first in the phone's village, ten in one, the others spread so that most villages
/// have none, as it was a year after the Bimtek.
async fn villages(conn: &mut Conn) -> ApiResult<Vec<RegionCode>> {
    let (first, crowded) = (code(FIRST)?, code(CROWDED)?);
    let all = regions::villages(conn, &code(MUKOMUKO)?).await?;
    let mut chosen = vec![first.clone()];
    chosen.extend(std::iter::repeat_n(crowded.clone(), IN_ONE_VILLAGE));
    let others = all.into_iter().filter(|village| *village != first && *village != crowded);
    // Every third village; of these every fourth has two.
    for (index, village) in others.step_by(3).enumerate() {
        chosen.push(village.clone());
        if index % 4 == 0 {
            chosen.push(village);
        }
    }
    let pool: Vec<RegionCode> = chosen.iter().skip(1 + IN_ONE_VILLAGE).cloned().collect();
    for village in pool.into_iter().step_by(5) {
        chosen.push(village);
    }
    chosen.truncate(VOLUNTEERS);
    Ok(chosen)
}

impl Maker<'_> {
    async fn make(
        &mut self,
        conn: &mut Conn,
        id: VolunteerId,
        village: &RegionCode,
        by: AgencyId,
        done: &[VolunteerAction],
    ) -> ApiResult<()> {
        self.made += 1;
        let sex = if self.random.bool() { Sex::Female } else { Sex::Male };
        let born = day(1968, 1, 1)? + Days::new(self.random.u64(0..11_000));
        let proposed = day(2023, 1, 9)? + Days::new(self.random.u64(0..30));
        let mut volunteer = self.volunteer(id, village, by, sex, proposed)?;
        let person = self.person(&volunteer, sex, born)?;
        let posting = Posting {
            id: self.clock.new_id(),
            volunteer_id: id,
            village_code: village.clone(),
            valid_from: proposed,
            valid_until: None,
            posted_by: by,
            created_at: volunteer.created_at,
        };
        let first = self.row(&volunteer, HistoryAction::Create, None, None)?;
        let full = (volunteer.clone(), person);
        store::create(conn, &full, &posting, &first).await?;
        for action in done {
            let from = volunteer.status;
            let to = next(from, volunteer.ended_from, *action).ok_or_else(|| ApiError::internal("no such move"))?;
            volunteer.ended_from = to.has_ended().then_some(from);
            volunteer.status = to;
            volunteer.effective_on = volunteer.effective_on + Days::new(21);
            volunteer.status_since += TimeDelta::days(21);
            if *action == VolunteerAction::Activate {
                volunteer.sk_number = Some(format!("460/{:03}/DINSOS/2023", self.made));
                volunteer.sk_date = Some(volunteer.effective_on);
                volunteer.sk_official = Some("Kepala Dinas Sosial".to_owned());
                volunteer.appointed_year = Some(2023);
            }
            let at = volunteer.status_since;
            store::save(conn, &mut volunteer, by, at).await?;
            let reason = match action {
                VolunteerAction::Reject => Some("requirements_not_met"),
                VolunteerAction::Deactivate => Some("illness"),
                VolunteerAction::Resign => Some("other_work"),
                VolunteerAction::Correct => Some("entered_by_mistake"),
                _ => None,
            };
            let row = self.row(&volunteer, action.as_history(), Some(from), reason)?;
            store::add_history(conn, &row).await?;
        }
        Ok(())
    }

    fn volunteer(
        &mut self,
        id: VolunteerId,
        village: &RegionCode,
        by: AgencyId,
        sex: Sex,
        proposed: NaiveDate,
    ) -> ApiResult<Volunteer> {
        let at = morning(proposed)?;
        let functions = ["motivation", "coordination", "administration"];
        let function = functions.get(self.random.usize(0..functions.len())).copied().unwrap_or("motivation");
        let mut volunteer = Volunteer {
            id,
            status: VolunteerStatus::Candidate,
            status_since: at,
            status_by: by,
            effective_on: proposed,
            ended_from: None,
            level: TrainingLevel::None,
            sex: Some(sex),
            province_code: village.clone(),
            regency_code: village.clone(),
            district_code: village.clone(),
            village_code: village.clone(),
            functions: vec![Code::try_from(function.to_owned()).map_err(|fault| ApiError::internal(fault.code))?],
            appointed_year: None,
            sk_number: None,
            sk_date: None,
            sk_official: None,
            version: 1,
            created_by: None,
            create_request: None,
            created_at: at,
            updated_at: at,
            updated_by: by,
            merged_into: None,
            merged_at: None,
        };
        volunteer.post_to(village);
        Ok(volunteer)
    }

    /// A NIK of the village's district, whose serial no birth register reaches.
    fn person(&mut self, volunteer: &Volunteer, sex: Sex, born: NaiveDate) -> ApiResult<Person> {
        let first = self.random.choice(if sex == Sex::Female { WOMEN } else { MEN }).copied().unwrap_or_default();
        let last = self.random.choice(LAST).copied().unwrap_or_default();
        let name = format!("{first} {last}");
        let district = volunteer.district_code.as_str().replace('.', "");
        let day = born.day() + if sex == Sex::Female { 40 } else { 0 };
        let serial = format!("{:04}", 9000 + self.made);
        let nik = format!("{district}{day:02}{:02}{:02}{serial}", born.month(), born.year() % 100);
        let context = format!("volunteer_people.nik:{}", volunteer.id);
        Ok(Person {
            volunteer_id: volunteer.id,
            folded_name: fold(&name),
            name,
            birth_date: Some(born),
            birth_place: Some("Mukomuko".to_owned()).filter(|_| volunteer.regency_code.as_str() == MUKOMUKO),
            address: Some(format!("RT {:02}", self.random.u32(1..9))),
            phone: Some(format!("+628120000{:04}", self.made)),
            email: None,
            education: Some("SLTA".to_owned()),
            occupation: None,
            member_number: None,
            certificate_number: None,
            certificate_organiser: None,
            certificate_date: None,
            nik_status: NikStatus::WellFormed,
            nik: Some(self.keys.encrypt(&context, &nik).map_err(ApiError::internal)?),
            nik_index: Some(self.keys.blind_index("volunteer_people.nik", &nik)),
            nik_last_four: Some(serial),
            nik_warnings: vec![],
            identity_state: IdentityState::Sole,
            disputed_at: None,
        })
    }

    fn row(
        &self,
        volunteer: &Volunteer,
        action: HistoryAction,
        from: Option<VolunteerStatus>,
        reason: Option<&str>,
    ) -> ApiResult<HistoryRow> {
        let reason = reason.map(|word| Code::try_from(word.to_owned())).transpose();
        Ok(HistoryRow {
            id: self.clock.new_id(),
            volunteer_id: volunteer.id,
            at: volunteer.status_since,
            action,
            from_status: from,
            to_status: volunteer.status,
            effective_on: volunteer.effective_on,
            agency_id: volunteer.status_by,
            acting_user: None,
            reason: reason.map_err(|fault| ApiError::internal(fault.code))?,
            note: None,
        })
    }
}

fn day(year: i32, month: u32, day: u32) -> ApiResult<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day).ok_or_else(|| ApiError::internal("no such day"))
}

/// Nine o'clock in Mukomuko.
fn morning(day: NaiveDate) -> ApiResult<DateTime<Utc>> {
    day.and_hms_opt(2, 0, 0).map(|at| at.and_utc()).ok_or_else(|| ApiError::internal("no such hour"))
}
