//! Searching by name. A name is personal data and stands in no address, so it is posted.
use super::read::VolunteerFilter;
use super::{VolunteerView, showing};
use crate::access::api::Permit;
use crate::access::rules::{Caller, Reach, ReadVolunteers, VolunteerId};
use crate::audit::store::Recorder;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::input::Body;
use crate::platform::text::Line;
use crate::volunteers::rules::search::{
    Asked, Rank, SHORT, beginning_token, count_token, distance, one_letter_off, tolerance, written_token,
};
use crate::volunteers::store::Wanted;
use crate::volunteers::store::search::{self as store, Among, CANDIDATES, Tokens};
use actix_web::post;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Shown unless more or fewer are asked for.
const USUAL: i64 = 20;
/// Shown at most.
const MOST: i64 = 50;
/// Words that one mistyped word may have been meant for.
const MEANT: usize = 40;

/// Whom to search.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameSearch {
    /// A name or words of one, in any order and spelling, without or with titles. The last word may be the beginning of one:
    /// *siti se* is first the beginning of Siti Septiani, then a Siti with a degree.
    #[schema(example = "Siti Am")]
    name: Line<200>,
    /// Whom to look among: what the list takes as parameters.
    #[serde(default)]
    filters: VolunteerFilter,
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
    let readings = Asked::readings(search.name.as_str());
    let wanted = search.filters.wanted(now);
    let (ids, more) = find(&Looking { db: &db, caller: &caller, wanted: &wanted }, &readings, limit).await?;
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

/// Where a search looks.
struct Looking<'a> {
    db: &'a Db,
    caller: &'a Caller,
    wanted: &'a Wanted,
}

/// One reading of what is searched, under way.
struct Search<'a> {
    looking: &'a Looking<'a>,
    asked: &'a Asked,
}

/// Who was found so far, and how well each answers.
type Found = BTreeMap<VolunteerId, Rank>;

/// The best, and whether there are more. Whoever answers the likelier reading comes first; of many that answer equally well, the
/// first.
async fn find(looking: &Looking<'_>, readings: &[Asked], limit: usize) -> ApiResult<(Vec<VolunteerId>, bool)> {
    let mut all: Vec<VolunteerId> = vec![];
    for asked in readings.iter().filter(|asked| !asked.is_empty()) {
        if all.len() > limit {
            break;
        }
        let mut found = Found::new();
        Search { looking, asked }.fill(&mut found, limit).await?;
        let mut ranked: Vec<(Rank, VolunteerId)> = found.into_iter().map(|(id, rank)| (rank, id)).collect();
        ranked.sort_unstable();
        all.extend(ranked.into_iter().map(|(_, id)| id));
        let mut seen = BTreeSet::new();
        all.retain(|id| seen.insert(*id));
    }
    let more = all.len() > limit;
    all.truncate(limit);
    Ok((all, more))
}

impl Search<'_> {
    async fn fill(&self, found: &mut Found, limit: usize) -> ApiResult<()> {
        let begun = self.begun().await?;
        let spelled = self.spelled(&begun);
        // A word that many have: the index would gather them all for the few that are shown.
        let Looking { caller, wanted, .. } = self.looking;
        let everywhere = caller.sight.reach(wanted.region.as_ref()) == Reach::Everywhere;
        let walked = if everywhere { self.add(found, &spelled, Among::First).await? } else { 0 };
        let crowded = walked > limit || self.add(found, &spelled, Among::Indexed).await? == full();
        if crowded {
            return self.fill_from_the_best(found, &begun, limit).await;
        }
        if found.len() <= limit
            && self.asked.with_slips
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
        let Looking { db, caller, wanted } = self.looking;
        let rows = db.read(async |c| store::named(c, caller, wanted, tokens, among).await).await?;
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
        let words = self.looking.db.read(async |c| store::words_beginning(c, &written, &compared).await).await?;
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
        let Asked { written, words, .. } = self.asked;
        // A word in which a slip hides where it would be parted (Nuhayati) is like another only as that is written.
        let aligned = written.len() == words.len();
        let typed: BTreeSet<&String> = words.iter().chain(written.iter().filter(|_| aligned)).collect();
        let near: Vec<String> = typed.iter().flat_map(|word| one_letter_off(word)).collect();
        let long: Vec<String> = typed.into_iter().filter(|word| tolerance(word) > 1).cloned().collect();
        if near.is_empty() {
            return Ok(None);
        }
        let db = self.looking.db;
        let mut known = db.read(async |c| store::words_known(c, &near).await).await?;
        if !long.is_empty() {
            known.extend(db.read(async |c| store::words_alike(c, &long).await).await?);
        }
        let as_written: Vec<&str> = known.iter().filter_map(|word| word.strip_prefix('=')).collect();
        let compared: Vec<&str> = known.iter().map(String::as_str).filter(|word| !word.starts_with('=')).collect();
        let mut tokens = Tokens::default();
        let mut any_meant = false;
        for (at, word) in words.iter().enumerate() {
            let mut all = meant(word, &compared);
            if let Some(word) = written.get(at).filter(|_| aligned) {
                all.extend(meant(word, &as_written).iter().map(|word| written_token(word)));
            }
            any_meant |= !all.is_empty();
            let last = at + 1 == words.len();
            if all.is_empty() && !last {
                tokens.all.push(word.clone());
                continue;
            }
            let rest = if last { begun } else { &[] };
            tokens.any.push(std::iter::once(word.clone()).chain(all).chain(rest.iter().cloned()).collect());
        }
        Ok(any_meant.then_some(tokens))
    }
}

/// As many candidates as are read at a time: there may be others.
fn full() -> usize {
    usize::try_from(CANDIDATES).unwrap_or_default()
}

/// Known words that a mistyped one may have been meant for, the likeliest first.
fn meant(word: &str, known: &[&str]) -> Vec<String> {
    let near = known.iter().map(|other| (distance(word, other), *other));
    let mut near: Vec<(usize, &str)> = near.filter(|(amiss, _)| (1..=tolerance(word)).contains(amiss)).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MEANT).map(|(_, other)| other.to_owned()).collect()
}
