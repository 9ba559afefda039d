//! The cases of the demo and their referrals, in every state. Invented people in real villages of Mukomuko; made by the
//! same code that serves requests, with a clock of its own that runs through the weeks before.
use crate::access::rules::{ActingUser, AgencyId, Caller, ClientId, ClientKind, Scope, Sight};
use crate::agencies::store::{self as agencies, Agency};
use crate::cases::store as cases;
use crate::codes::rules::Code;
use crate::platform::app::App;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::region_code::RegionCode;
use crate::referrals::cases::{NewCase, report_and_send};
use crate::referrals::clock::expire_due;
use crate::referrals::forward::NextTarget;
use crate::referrals::moves::{Step, move_one};
use crate::referrals::rules::talk::CommentKind;
use crate::referrals::rules::{ReferralAction, ReferralId};
use crate::referrals::store as referrals;
use crate::referrals::talk::{NewComment, say};
use crate::regions::store as regions;
use crate::volunteers::store as volunteers;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

const SEED: u64 = 2026;
const MUKOMUKO: &str = "17.06";
const OFFICE: &str = "Dinas Sosial Kabupaten Mukomuko";
const PROVINCE: &str = "Dinas Sosial Provinsi Bengkulu";
const BPJS: &str = "BPJS Kesehatan";
const BRANCH: &str = "BPJS Kesehatan Mukomuko";

/// One for each: who has the name and the need of another is offered that one's case.
const NAMES: &[&str] = &[
    "Siti Rahmah",
    "Mbah Wiryo",
    "Nurlela Sari",
    "Pak Tarmizi",
    "Ibu Salamah",
    "Zainal Abidin",
    "Rukiyah Binti Umar",
    "Hasan Basri",
    "Yusnidar",
    "Mak Ijah",
    "Darmansyah",
    "Sumiati",
    "Abdul Muis",
    "Kartini",
    "Sapari",
    "Rosmaniar",
    "Ibu Maimunah",
    "Pak Sarkawi",
    "Nenek Halimah",
    "Burhanuddin",
    "Erni Wati",
    "Mbah Ponirah",
    "Syahril Effendi",
    "Laila Sari",
    "Kakek Marzuki",
    "Dewi Anggraini",
    "Ibu Jamilah",
    "Pak Usman",
    "Suparman",
    "Wagiyem",
    "Ridwan Saleh",
    "Fatmawati",
    "Mbah Tukiman",
    "Asmawati",
    "Herman Yulius",
    "Nenek Saodah",
    "Ibu Ratnawati",
    "Pak Baharudin",
    "Mulyadi",
    "Sri Lestari",
    "Ismail Marzuki",
    "Nurbaiti",
    "Mbah Darmo",
    "Yulidar",
];

/// Who moves a referral of the demo.
#[derive(Clone, Copy)]
enum By {
    Sender,
    Receiver,
}

/// A move: by whom, what, and the code that it carries.
type Move = (By, ReferralAction, &'static str);

/// How many, how many days ago, what is asked of whom, and what became of it.
struct Plan {
    many: usize,
    days: i64,
    elder: bool,
    target: &'static str,
    moves: &'static [Move],
    talk: &'static [Said],
}

/// What is said after the moves, two hours later each: a comment that follows a question answers it.
type Said = (By, CommentKind, &'static str);

const PLANS: &[Plan] = {
    use By::{Receiver, Sender};
    use ReferralAction::{
        Accept, Acknowledge, Cancel, Claim, Complete, Correct, Fail, Forward, Hold, MarkError, Reject, Start, Withdraw,
    };
    const ACCEPT: Move = (Receiver, Accept, "");
    const START: Move = (Receiver, Start, "");
    const fn plan(many: usize, days: i64, elder: bool, target: &'static str, moves: &'static [Move]) -> Plan {
        Plan { many, days, elder, target, moves, talk: &[] }
    }
    const fn with(plan: Plan, talk: &'static [Said]) -> Plan {
        Plan { talk, ..plan }
    }
    const LETTER: &[Said] =
        &[(Receiver, CommentKind::Question, "Surat fasilitas kesehatan belum terlampir. Kapan dapat dikirim?")];
    const VISIT: &[Said] = &[
        (Receiver, CommentKind::Question, "Adakah keluarga atau tetangga yang dapat ditemui saat kunjungan?"),
        (Sender, CommentKind::Comment, "Ada tetangga di sebelah rumah; biasanya di rumah pada sore hari."),
        (Sender, CommentKind::Comment, "Relawan desa bersedia mendampingi kunjungan."),
    ];
    &[
        plan(1, 44, false, BPJS, &[]), // expires
        plan(3, 38, false, BPJS, &[(Receiver, Acknowledge, ""), ACCEPT, (Receiver, Complete, "membership_active")]),
        plan(2, 35, true, OFFICE, &[ACCEPT, START, (Receiver, Complete, "service_provided")]),
        plan(1, 33, true, OFFICE, &[(Receiver, Forward, PROVINCE)]),
        plan(2, 30, false, BPJS, &[(Receiver, Reject, "not_in_dtsen")]),
        plan(1, 28, false, BPJS, &[ACCEPT, (Receiver, Fail, "unreachable")]),
        plan(1, 27, false, BPJS, &[(Receiver, Forward, BRANCH)]),
        plan(1, 26, true, OFFICE, &[(Sender, Withdraw, "need_met_otherwise")]),
        plan(1, 25, true, OFFICE, &[ACCEPT, (Sender, Cancel, "moved")]),
        plan(1, 24, true, OFFICE, &[(Sender, MarkError, "duplicate")]),
        plan(1, 22, true, OFFICE, &[ACCEPT, (Receiver, Complete, "moved"), (Receiver, Correct, "wrong_outcome")]),
        with(plan(2, 20, false, BPJS, &[ACCEPT, START, (Receiver, Hold, "waiting_for_documents")]), LETTER),
        plan(2, 16, false, BPJS, &[ACCEPT, START]),
        with(plan(2, 12, true, OFFICE, &[ACCEPT]), VISIT),
        plan(2, 9, false, BPJS, &[(Receiver, Acknowledge, "")]),
        plan(1, 6, false, BRANCH, &[(Receiver, Claim, "")]),
        plan(2, 5, true, OFFICE, &[]),
        plan(12, 2, false, BPJS, &[]),
    ]
};

/// Makes them, unless there are cases already. The clock of `app` is the demo's own to turn.
pub async fn seed(app: &Arc<App>, writer: &Writer) -> ApiResult<()> {
    if !writer.run(async move |c| ApiResult::Ok(cases::is_empty(c).await?)).await? {
        return Ok(());
    }
    let start = app.clock.now();
    let made = app.clone();
    writer.run(async move |c| all(c, &made).await).await?;
    app.clock.advance(start - app.clock.now());
    expire_due(writer, app).await.map(drop)
}

async fn all(conn: &mut Conn, app: &App) -> ApiResult<()> {
    let region = RegionCode::parse(MUKOMUKO).map_err(|fault| ApiError::internal(fault.code))?;
    let villages = regions::villages(conn, &region).await?;
    let agencies = agencies::list(&mut &*conn, None, None, None, 100).await?;
    let (mut random, mut number, now) = (fastrand::Rng::with_seed(SEED), 0, Utc::now());
    for plan in PLANS {
        for _ in 0..plan.many {
            number += 1;
            // Every third in a village whose government takes part.
            let own = agencies.iter().filter(|agency| region_of(agency).is_some_and(|at| villages.contains(at)));
            let own: Vec<&Agency> = own.collect();
            let village = match own.get(number % 9) {
                Some(government) => region_of(government).cloned(),
                None => random.choice(&villages).cloned(),
            };
            let village = village.ok_or_else(|| ApiError::internal("no villages"))?;
            let minutes = random.i64(0..600);
            app.clock.advance(now - TimeDelta::days(plan.days) - TimeDelta::minutes(minutes) - app.clock.now());
            one(conn, app, &agencies, plan, &village, number).await?;
        }
    }
    Ok(())
}

fn region_of(agency: &Agency) -> Option<&RegionCode> {
    agency.region_codes.first()
}

async fn one(
    conn: &mut Conn,
    app: &App,
    agencies: &[Agency],
    plan: &Plan,
    village: &RegionCode,
    number: usize,
) -> ApiResult<()> {
    // What may be entered in error takes an office to say so.
    let corrected = plan.moves.iter().any(|(_, action, _)| *action == ReferralAction::MarkError);
    let government = agencies.iter().find(|agency| region_of(agency) == Some(village) && !corrected);
    let sender = caller(app, government.map_or_else(|| named(agencies, OFFICE), Ok)?);
    let target = named(agencies, plan.target)?;
    let seen = volunteers::list(&mut &*conn, &sender, &volunteers::Wanted::default(), None, 200).await?;
    let volunteer = seen.iter().find(|(volunteer, _)| volunteer.village_code == *village).map(|(found, _)| found.id);
    let mut body = if plan.elder { elder(village, number) } else { patient(village, number) };
    let referral = json!({ "target_agency_id": target.id, "service": if plan.elder { "neglected_elder_care" } else { "pbi_jk_reactivation" } });
    if let Some(body) = body.as_object_mut() {
        body.insert("referral".to_owned(), referral);
        body.insert("volunteer_id".to_owned(), json!(volunteer));
    }
    let new: NewCase = serde_json::from_value(body).map_err(ApiError::internal)?;
    let (_, _, sent) = report_and_send(conn, app, &sender, new, &[]).await?;
    let sent = sent.ok_or_else(|| ApiError::internal("no referral"))?;
    let receiver = caller(app, target);
    for (by, action, code) in plan.moves {
        app.clock.advance(TimeDelta::hours(5));
        let mover = if matches!(by, By::Sender) { &sender } else { &receiver };
        move_one(conn, app, mover, sent, None, &step(agencies, *action, code)?).await?;
        if *action == ReferralAction::Forward {
            help(conn, app, agencies, code, sent).await?;
        }
    }
    talk(conn, app, &sender, &receiver, plan.talk, sent).await
}

/// What both sides say to each other.
async fn talk(
    conn: &mut Conn,
    app: &App,
    sender: &Caller,
    receiver: &Caller,
    said: &[Said],
    referral: ReferralId,
) -> ApiResult<()> {
    let mut asked = None;
    for (by, kind, text) in said {
        app.clock.advance(TimeDelta::hours(2));
        let speaker = if matches!(by, By::Sender) { sender } else { receiver };
        let new = json!({ "kind": kind, "text": text, "answers": asked.take() });
        let new: NewComment = serde_json::from_value(new).map_err(ApiError::internal)?;
        let scene = referrals::find(&mut &*conn, speaker, referral).await?;
        let id = say(conn, app, speaker, &scene, &new, &[]).await?;
        asked = (*kind == CommentKind::Question).then_some(id);
    }
    Ok(())
}

/// The province helps who was forwarded to it; the branch has not answered yet.
async fn help(conn: &mut Conn, app: &App, agencies: &[Agency], target: &str, first: ReferralId) -> ApiResult<()> {
    if target != PROVINCE {
        return Ok(());
    }
    let helper = caller(app, named(agencies, target)?);
    let received = referrals::list::Wanted { receiver: vec![helper.agency], ..referrals::list::Wanted::default() };
    let waiting =
        referrals::list::list(&mut &*conn, &helper, &received, referrals::list::Order::Newest, None, 200).await?;
    let next = waiting.iter().find(|row| row.referral.previous_referral_id == Some(first));
    let next = next.ok_or_else(|| ApiError::internal("nothing was forwarded"))?.referral.id;
    for (action, code) in [(ReferralAction::Accept, ""), (ReferralAction::Complete, "service_provided")] {
        app.clock.advance(TimeDelta::hours(20));
        move_one(conn, app, &helper, next, None, &step(agencies, action, code)?).await?;
    }
    Ok(())
}

fn step(agencies: &[Agency], action: ReferralAction, word: &str) -> ApiResult<Step> {
    let code = |word: &str| Code::try_from(word.to_owned()).map_err(|fault| ApiError::internal(fault.code));
    let mut step = Step::new(action);
    match action {
        ReferralAction::Complete => step.outcome = Some(code(word)?),
        ReferralAction::Forward => {
            step.targets = vec![NextTarget { agency: named(agencies, word)?.id, service: None }];
            step.reason = Some(code("capacity_exceeded")?);
        }
        _ if word.is_empty() => {}
        _ => step.reason = Some(code(word)?),
    }
    Ok(step)
}

fn named<'a>(agencies: &'a [Agency], name: &str) -> ApiResult<&'a Agency> {
    agencies.iter().find(|agency| agency.name == name).ok_or_else(|| ApiError::internal("the demo has no such agency"))
}

/// An officer of an agency, as a token would make it.
fn caller(app: &App, agency: &Agency) -> Caller {
    let sight = match region_of(agency) {
        Some(region) if agency.kind.jurisdiction().is_some() => Sight::Region(region.clone()),
        _ => Sight::Addressed(vec![agency.id]),
    };
    Caller {
        client: ClientId(agency.id.0),
        client_kind: ClientKind::Officer,
        agency: AgencyId(agency.id.0),
        agency_kind: agency.kind,
        scopes: Scope::ALL.iter().copied().collect(),
        sight,
        branch: false,
        regions: agency.region_codes.clone(),
        acting_user: ActingUser::try_from("demo".to_owned()).ok(),
        volunteer: None,
        purpose: "Pelayanan kesejahteraan sosial".to_owned(),
        request: app.clock.new_id(),
        address: None,
        expires_at: app.clock.now(),
        token: uuid::Uuid::nil(),
        epoch: 0,
    }
}

fn name(number: usize) -> &'static str {
    NAMES.get(number % NAMES.len()).copied().unwrap_or("Siti Rahmah")
}

fn elder(village: &RegionCode, number: usize) -> Value {
    json!({
        "village_code": village,
        "person": { "name": name(number), "age_estimate": 66 + number % 20, "nik_status": "none", "communication_need": "local_language" },
        "ppks": ["PPKS-08"], "service_field": "rehabilitation", "sector": "sosial_ekonomi",
        "urgency": if number.is_multiple_of(4) { "urgent" } else { "normal" },
        "need": "Tinggal sendiri dan tidak ada yang merawat.", "lawful_basis": "vital_interest",
    })
}

/// With a NIK of the village's district, whose serial no birth register reaches.
fn patient(village: &RegionCode, number: usize) -> Value {
    let district: String = village.as_str().chars().filter(char::is_ascii_digit).take(6).collect();
    let (day, month, year) = (1 + number % 28, 1 + number % 12, 60 + number % 35);
    json!({
        "village_code": village,
        "person": {
            "name": name(number), "sex": if number.is_multiple_of(2) { "female" } else { "male" },
            "birth_date": format!("19{year}-{month:02}-{day:02}"),
            "nik": format!("{district}{:02}{month:02}{year}{:04}", day + if number.is_multiple_of(2) { 40 } else { 0 }, 9500 + number),
            "card_number": format!("00099{number:08}"), "phone": format!("+62812000{number:05}"),
        },
        "ppks": ["PPKS-24"], "service_field": "security", "sector": "kesehatan",
        "urgency": if number.is_multiple_of(5) { "urgent" } else { "normal" },
        "need": "Kepesertaan PBI-JK nonaktif, perlu berobat.",
        "lawful_basis": "public_task",
    })
}
