//! Searching by name. A name is personal data and stands in no address, so it is posted.
use super::read::{AgeFilter, SexFilter, VolunteerFilter};
use super::{VolunteerView, showing};
use crate::access::api::Permit;
use crate::access::rules::{Caller, Reach, ReadVolunteers, VolunteerId};
use crate::audit::store::Recorder;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::input::{Body, several};
use crate::platform::moment::Day;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::volunteers::rules::search::{
    Asked, Rank, SHORT, beginning_token, count_token, distance, one_letter_off, tolerance, written_token,
};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use crate::volunteers::store::Wanted;
use crate::volunteers::store::search::{self as store, Among, CANDIDATES, Tokens};
use actix_web::post;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Shown unless more or fewer are asked for.
const USUAL: i64 = 20;
/// Shown at most.
const MOST: i64 = 50;
/// Words that one mistyped word may have been meant for.
const MEANT: usize = 40;

/// Whom to search. The filters are those of the list: what an array holds is or, different ones are and.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameSearch {
    /// A name or words of one, in any order and spelling, without or with titles. The last word may be the beginning of one.
    #[schema(example = "Siti Am")]
    name: Line<200>,
    /// Posted in this region or in one that lies in it.
    region: Option<RegionCode>,
    /// In one of these statuses.
    #[serde(default, deserialize_with = "several")]
    #[schema(max_items = 100)]
    status: Vec<VolunteerStatus>,
    /// Of one of these levels.
    #[serde(default, deserialize_with = "several")]
    #[schema(max_items = 100)]
    level: Vec<TrainingLevel>,
    /// Of one of these.
    #[serde(default, deserialize_with = "several")]
    #[schema(inline, max_items = 100)]
    sex: Vec<SexFilter>,
    /// Of one of these ages.
    #[serde(default, deserialize_with = "several")]
    #[schema(inline, max_items = 100)]
    age_band: Vec<AgeFilter>,
    /// The current posting began on this day or later.
    posted_from: Option<Day>,
    /// The current posting began before this day.
    posted_before: Option<Day>,
    /// Whether a telephone number is known.
    has_phone: Option<bool>,
    /// With this function (list `psm-functions`).
    function: Option<Code>,
    /// How many to show; 20 unless told.
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<i64>,
}

/// Who was found, the best first.
#[derive(Serialize, ToSchema)]
pub struct FoundByName {
    /// Whoever has these words in the name, as typed; then who has words that begin so; in another spelling (Soekarno, Sukarno);
    /// with letters amiss.
    items: Vec<VolunteerView>,
    /// Others answer too: ask more narrowly.
    more: bool,
}

/// Search volunteers by name
///
/// Finds names of one word or several, by some or all of their words, without regard to titles, apostrophes, old and new
/// spelling; and with a letter or two amiss, if not enough are named as asked. Shows what the list shows, and is recorded as
/// the list is. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), request_body = NameSearch,
    responses((status = 200, body = FoundByName, description = "Who was found.")))]
#[post("/v1/volunteers/search-names")]
pub async fn search_volunteer_names(
    caller: Permit<ReadVolunteers>,
    search: Body<NameSearch>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (search, now) = (search.0, app.clock.now());
    let limit = limit(search.limit)?;
    let asked = Asked::of(search.name.as_str());
    let wanted = search.filter().wanted(now);
    let (ids, more) = Search { db: &db, caller: &caller, wanted: &wanted, asked: &asked }.find(limit).await?;
    let mut rows =
        if ids.is_empty() { vec![] } else { db.read(async |c| store::of_ids(c, &caller, &wanted, &ids).await).await? };
    rows.sort_by_key(|(volunteer, _)| ids.iter().position(|id| *id == volunteer.id));
    if let Some(event) = showing(&caller, &app, "volunteer.search_names", rows.iter().map(|(volunteer, _)| volunteer)) {
        recorder.record(event).await?;
    }
    let items = rows.into_iter().map(|full| VolunteerView::of(full, &caller, now)).collect();
    Answer::ok(&FoundByName { items, more })
}

fn limit(asked: Option<i64>) -> ApiResult<usize> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(usize::try_from(limit).unwrap_or_default());
    }
    let fault = Fault::new("out_of_range", "angka dari 1 sampai 50", "a number from 1 to 50");
    Err(ApiError::malformed(Place::Pointer("/limit".to_owned()), fault))
}

impl NameSearch {
    fn filter(self) -> VolunteerFilter {
        VolunteerFilter {
            region: self.region,
            status: self.status,
            level: self.level,
            sex: self.sex,
            function: self.function,
            age_band: self.age_band,
            posted_from: self.posted_from,
            posted_before: self.posted_before,
            has_phone: self.has_phone,
            ..VolunteerFilter::default()
        }
    }
}

/// One search under way.
struct Search<'a> {
    db: &'a Db,
    caller: &'a Caller,
    wanted: &'a Wanted,
    asked: &'a Asked,
}

/// Who was found so far, and how well each answers.
type Found = BTreeMap<VolunteerId, Rank>;

impl Search<'_> {
    /// The best, and whether there are more. Of many that answer equally well, the first.
    async fn find(&self, limit: usize) -> ApiResult<(Vec<VolunteerId>, bool)> {
        let mut found = Found::new();
        if !self.asked.is_empty() {
            self.fill(&mut found, limit).await?;
        }
        let mut all: Vec<(Rank, VolunteerId)> = found.into_iter().map(|(id, rank)| (rank, id)).collect();
        all.sort_unstable();
        let more = all.len() > limit;
        Ok((all.into_iter().take(limit).map(|(_, id)| id).collect(), more))
    }

    async fn fill(&self, found: &mut Found, limit: usize) -> ApiResult<()> {
        let begun = self.begun().await?;
        let spelled = self.spelled(&begun);
        // A word that many have: the index would gather them all for the few that are shown.
        let everywhere = self.caller.sight.reach(self.wanted.region.as_ref()) == Reach::Everywhere;
        let walked = if everywhere { self.add(found, &spelled, Among::First).await? } else { 0 };
        let crowded = walked > limit || self.add(found, &spelled, Among::Indexed).await? == full();
        if crowded {
            return self.fill_from_the_best(found, &begun, limit).await;
        }
        if found.len() <= limit
            && let Some(mistyped) = self.mistyped(&begun).await?
        {
            self.add(found, &mistyped, Among::Indexed).await?;
        }
        Ok(())
    }

    /// Of very many that answer somehow, those who answer best are looked for by themselves.
    async fn fill_from_the_best(&self, found: &mut Found, begun: &[String], limit: usize) -> ApiResult<()> {
        let good = |found: &Found| found.values().filter(|rank| **rank <= Rank::Written).count();
        let written: Vec<String> = self.asked.written.iter().map(|word| written_token(word)).collect();
        let as_written = |all: Vec<String>| Tokens { all, any: vec![] };
        let many =
            good(found) > limit || self.add(found, &as_written(written.clone()), Among::Indexed).await? == full();
        if many {
            let mut whole = written;
            whole.push(count_token(self.asked.written.len()));
            self.add(found, &as_written(whole), Among::Indexed).await?;
        } else if good(found) <= limit && begun.iter().any(|word| word.starts_with('=')) {
            let first = written.split_last().map(|(_, first)| first.to_vec()).unwrap_or_default();
            let any = begun.iter().filter(|word| word.starts_with('=')).cloned().collect();
            self.add(found, &Tokens { all: first, any: vec![any] }, Among::Indexed).await?;
        }
        Ok(())
    }

    /// Adds who holds these tokens; how many that were.
    async fn add(&self, found: &mut Found, tokens: &Tokens, among: Among) -> ApiResult<usize> {
        let rows = self.db.read(async |c| store::named(c, self.caller, self.wanted, tokens, among).await).await?;
        let count = rows.len();
        found.extend(rows.into_iter().map(|(id, words)| (id, self.asked.rank(&words))));
        Ok(count)
    }

    /// Tokens that the last word may be the beginning of, as written (with =) and as compared.
    async fn begun(&self) -> ApiResult<Vec<String>> {
        let last = |words: &[String]| words.last().cloned().unwrap_or_default();
        let (written, compared) = (last(&self.asked.written), last(&self.asked.words));
        let short = |word: &String| word.chars().count() <= SHORT;
        if short(&written) && short(&compared) {
            return Ok(vec![beginning_token(&written), beginning_token(&compared)]);
        }
        let words = self.db.read(async |c| store::words_beginning(c, &written, &compared).await).await?;
        let token = |(as_written, word): (bool, String)| if as_written { written_token(&word) } else { word };
        Ok(words.into_iter().map(token).collect())
    }

    /// All words in any spelling; the last may be longer.
    fn spelled(&self, begun: &[String]) -> Tokens {
        let (last, first) =
            self.asked.words.split_last().map(|(last, first)| (last.clone(), first)).unwrap_or_default();
        let mut any = vec![last];
        any.extend_from_slice(begun);
        Tokens { all: first.to_vec(), any: vec![any] }
    }

    /// The same with letters amiss; none if no name has such words.
    async fn mistyped(&self, begun: &[String]) -> ApiResult<Option<Tokens>> {
        let words = &self.asked.words;
        let near: Vec<String> = words.iter().flat_map(|word| one_letter_off(word)).collect();
        let long: Vec<String> = words.iter().filter(|word| tolerance(word) > 1).cloned().collect();
        if near.is_empty() {
            return Ok(None);
        }
        let mut known = self.db.read(async |c| store::words_known(c, &near).await).await?;
        if !long.is_empty() {
            known.extend(self.db.read(async |c| store::words_alike(c, &long).await).await?);
        }
        let mut tokens = Tokens::default();
        let mut any_meant = false;
        for (at, word) in words.iter().enumerate() {
            let meant = meant(word, &known);
            any_meant |= !meant.is_empty();
            let last = at + 1 == words.len();
            if meant.is_empty() && !last {
                tokens.all.push(word.clone());
                continue;
            }
            let rest = if last { begun } else { &[] };
            tokens.any.push(std::iter::once(word.clone()).chain(meant).chain(rest.iter().cloned()).collect());
        }
        Ok(any_meant.then_some(tokens))
    }
}

/// As many candidates as are read at a time: there may be others.
fn full() -> usize {
    usize::try_from(CANDIDATES).unwrap_or_default()
}

/// Known words that a mistyped one may have been meant for, the likeliest first.
fn meant(word: &str, known: &[String]) -> Vec<String> {
    let near = known.iter().map(|other| (distance(word, other), other));
    let mut near: Vec<(usize, &String)> = near.filter(|(amiss, _)| (1..=tolerance(word)).contains(amiss)).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MEANT).map(|(_, other)| other.clone()).collect()
}
