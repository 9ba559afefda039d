//! The counts of the demo are the lengths of the lists that they link to, for every client of the demo.
use crate::support::{Client, Reply, TestApp, config, document, resolve, run};
use chrono::TimeDelta;
use serde_json::{Value, json};
use simpul::access::rules::Scope;
use simpul::demo::{Credential, cases};
use simpul::platform::region_code::{RegionCode, RegionLevel};
use std::collections::{BTreeMap, BTreeSet};

/// Figures, and the list whose rows they count. New ones in the document must be named here.
const COUNTED: &[(&str, &str)] = &[
    ("/v1/statistics/volunteers", VOLUNTEERS),
    ("/v1/statistics/coverage", VILLAGES),
    (REFERRALS, "/v1/referrals"),
    ("/v1/statistics/training-needs", NEEDS),
];

/// Counts seats of many events, and each event has a list of its own: `training_figures` compares them.
const TRAINING: &str = "/v1/statistics/training";

const VOLUNTEERS: &str = "/v1/volunteers";
/// Told by two things, and with one filter: there is less to ask.
const NEEDS: &str = "/v1/training-needs";
const VILLAGES: &str = "/v1/statistics/coverage/villages";

/// The figures that hide small counts from who may not list the rows (`docs/decisions/0011-small-counts.md`).
const REFERRALS: &str = "/v1/statistics/referrals";

/// Of several levels, in both provinces of the demo; each client asks for its own too.
const REGIONS: &[&str] =
    &["17", "17.01", "17.06", "17.06.02", "17.06.02.1017", "17.06.02.1009", "15", "15.01", "15.01.01"];

/// Rows a page; of a list of more than [`LONG`] rows, the second page and those after it have all that one may have.
const LIMIT: usize = 7;
const LONG: i64 = 100;

type Filters = Vec<(&'static str, String)>;

/// Figures as the document tells of them.
struct Figures {
    path: &'static str,
    list: &'static str,
    groups: Vec<&'static str>,
    /// None, then the first value of all together, then some of each alone.
    filters: Vec<Filters>,
}

/// A question about one region.
struct Question<'a> {
    figures: &'a Figures,
    group: &'static str,
    region: Option<&'a RegionCode>,
    filters: Filters,
}

/// What was compared.
#[derive(Default)]
struct Tally {
    buckets: usize,
    /// Lists of each path that had any rows.
    rows: BTreeMap<&'static str, usize>,
    /// Counts of each figures that were told to who may not see the rows, and such that were not.
    told: BTreeMap<&'static str, usize>,
    untold: usize,
}

/// Rows of a list, and the active volunteers that they tell of.
#[derive(Clone, Copy)]
struct Walked {
    rows: i64,
    active: i64,
}

/// A client with the lists that it has walked.
struct Reader<'a> {
    client: Client<'a>,
    scopes: Vec<Scope>,
    walked: BTreeMap<String, Walked>,
}

impl Tally {
    fn counts(&self) -> usize {
        self.buckets + self.untold + self.told.values().sum::<usize>()
    }
}

impl Question<'_> {
    fn path(&self, more: &str) -> String {
        let mut query = format!("{}?group_by={}", self.figures.path, self.group);
        for (name, value) in self.region.map(|region| ("region", region.to_string())).iter().chain(&self.filters) {
            query += &format!("&{name}={value}");
        }
        query + more
    }

    fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }
}

impl<'a> Reader<'a> {
    async fn new(app: &'a TestApp, credential: &Credential) -> Self {
        let client = Client::sign_in(app, credential).await;
        Self { client, scopes: credential.scopes.clone(), walked: BTreeMap::new() }
    }

    /// Whether the document admits this client to a list.
    fn may_list(&self, list: &str) -> bool {
        let wanted = &document()["paths"][list]["get"]["security"][0]["oauth2"];
        wanted.as_array().unwrap().iter().any(|wanted| self.scopes.iter().any(|scope| *wanted == scope.as_str()))
    }

    /// A list on all of its pages, which has as many rows as it says.
    async fn walk(&mut self, list: &str, url: &str) -> Walked {
        if let Some(walked) = self.walked.get(url) {
            return *walked;
        }
        let path = url.strip_prefix(&self.client.app.base).unwrap();
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        assert_eq!(bare, list);
        let first = self.client.get(&format!("{bare}?limit={LIMIT}&{query}")).header("prefer", "count=exact");
        let mut page = first.await.expect(200);
        let total = page.json["total"].as_i64().unwrap();
        let limit = if total > LONG { 200 } else { LIMIT };
        let (mut rows, mut active, mut seen) = (0, 0, BTreeSet::new());
        loop {
            let items = page.json["items"].as_array().unwrap();
            rows += i64::try_from(items.len()).unwrap();
            let name = |item: &Value| {
                item["id"]
                    .as_str()
                    .or(item["volunteer_id"].as_str())
                    .or(item["village_code"].as_str())
                    .unwrap()
                    .to_owned()
            };
            seen.extend(items.iter().map(name));
            active += items.iter().filter_map(|item| item["active"].as_i64()).sum::<i64>();
            let Some(cursor) = page.json["next_cursor"].as_str() else { break };
            page = self.client.get(&format!("{bare}?limit={limit}&cursor={cursor}")).await.expect(200);
        }
        assert_eq!((rows, i64::try_from(seen.len()).unwrap()), (total, total), "{url}");
        self.walked.insert(url.to_owned(), Walked { rows, active });
        Walked { rows, active }
    }

    /// Villages tell of as many active volunteers as there are. Figures and list of coverage come from the same rows:
    /// only this holds them against others.
    async fn covers(&mut self) {
        let base = self.client.app.base.clone();
        let villages = self.walk(VILLAGES, &format!("{base}{VILLAGES}")).await;
        let volunteers = self.walk(VOLUNTEERS, &format!("{base}{VOLUNTEERS}?status=active")).await;
        assert_eq!(villages.active, volunteers.rows);
    }

    /// Who may list the rows: each bucket is its list, and all of them are the total.
    async fn compare(&mut self, question: &Question<'_>, tally: &mut Tally) -> i64 {
        let (path, list) = (question.path(""), question.figures.list);
        let told = self.client.get(&path).await.expect(200).json;
        let mut sum = 0;
        for bucket in told["buckets"].as_array().unwrap() {
            let url = bucket["list_url"].as_str().unwrap_or_else(|| panic!("{path} does not link to what it counts"));
            let rows = self.walk(list, url).await.rows;
            assert_eq!(bucket["count"], rows, "{path}: {url}");
            sum += rows;
            tally.buckets += 1;
            *tally.rows.entry(list).or_default() += usize::from(rows > 0);
        }
        assert_eq!(told["total"], sum, "{path}");
        sum
    }

    /// Who may not list them is told what a colleague is who may, without links; small counts of people are hidden.
    async fn hear(&self, question: &Question<'_>, colleague: &Client<'_>, tally: &mut Tally) {
        let path = question.path("");
        let mut told = self.client.get(&path).await.expect(200).json;
        let guarded = question.figures.path == REFERRALS;
        let now = self.client.app.clock.now();
        let year = (now + TimeDelta::hours(7)).format("%Y").to_string();
        let more =
            if guarded && question.filter("period").is_none() { format!("&period={year}") } else { String::new() };
        let mut exact = colleague.get(&question.path(&more)).await.expect(200).json;
        for bucket in exact["buckets"].as_array_mut().unwrap() {
            bucket.as_object_mut().unwrap().remove("list_url").unwrap();
        }
        if guarded {
            let month = (now + TimeDelta::hours(9)).format("%Y-%m").to_string();
            hide(question, self.client.credential.as_ref().unwrap().region.as_ref(), &month, &mut exact);
        }
        for answer in [&mut told, &mut exact] {
            answer.as_object_mut().unwrap().remove("as_of").unwrap();
        }
        assert_eq!(told, exact, "{path}");
        let counts = told["buckets"].as_array().unwrap().iter().map(|bucket| &bucket["count"]);
        let (hidden, shown): (Vec<&Value>, Vec<&Value>) = counts.partition(|count| count.is_null());
        tally.untold += hidden.len();
        *tally.told.entry(question.figures.path).or_default() += shown.len();
    }
}

/// Leaves what the decision lets be told of exact figures about people.
fn hide(question: &Question<'_>, own: Option<&RegionCode>, month: &str, figures: &mut Value) {
    let narrowed = question.filters.iter().any(|(name, _)| *name != "period");
    let year = question.filter("period").is_none_or(|period| period.len() == 4);
    let whole = year && !narrowed && (question.region.is_none() || question.region == own);
    let whole = whole && matches!(question.group, "status" | "service" | "region" | "month");
    let buckets = figures["buckets"].as_array_mut().unwrap();
    let number = |bucket: &Value| bucket["count"].as_i64().unwrap();
    let small = |count: i64| (1..5).contains(&count);
    if whole && question.group == "month" {
        buckets.retain(|bucket| number(bucket) > 0 || bucket["key"].as_str().unwrap() <= month);
    }
    // who sent to whom is not told, and so not that they did
    if matches!(question.group, "sender" | "receiver") {
        buckets.clear();
    }
    let counts: Vec<i64> = buckets.iter().map(number).collect();
    let few: Vec<i64> = counts.iter().copied().filter(|count| small(*count)).collect();
    let (people, cells) = (few.iter().sum::<i64>(), i64::try_from(few.len()).unwrap());
    let least = counts.iter().copied().filter(|count| *count >= 5).min();
    let follows = cells == 1 || (people > 0 && people < 5) || (cells > 0 && (people == cells || people == 4 * cells));
    let nothing = !whole || small(counts.iter().sum()) || (cells > 0 && least.is_none());
    for (bucket, count) in buckets.iter_mut().zip(&counts) {
        if nothing || small(*count) || (follows && Some(*count) == least) {
            bucket["count"] = Value::Null;
        }
    }
    if !whole || small(counts.iter().sum()) {
        figures["total"] = Value::Null;
    }
}

/// All statistics of the document, each with every way to group and values of every filter.
fn statistics(samples: &BTreeMap<&str, Vec<String>>) -> Vec<Figures> {
    let mut all = vec![];
    for (path, item) in document()["paths"].as_object().unwrap() {
        let (operations, get) = (item.as_object().unwrap(), &item["get"]);
        let tagged = operations.values().any(|one| one["tags"].as_array().unwrap().contains(&json!("statistics")));
        if !path.starts_with("/v1/statistics") && !tagged {
            continue;
        }
        assert!(operations.len() == 1 && get.is_object(), "{path}: what does it do to figures?");
        let parameters = get["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query");
        let parameters: Vec<_> = parameters.map(|one| (one["name"].as_str().unwrap(), &one["schema"])).collect();
        let Some((_, groups)) = parameters.iter().find(|(name, _)| *name == "group_by") else {
            assert!(COUNTED.iter().any(|(_, list)| list == path), "{path}: no figure counts its rows");
            continue;
        };
        if path == TRAINING {
            continue;
        }
        let list = COUNTED.iter().find(|(figures, _)| figures == path);
        let (path, list) = list.unwrap_or_else(|| panic!("{path}: which list has the rows that it counts?"));
        let values: Vec<Vec<Filters>> = parameters
            .iter()
            .filter(|(name, _)| !matches!(*name, "group_by" | "region"))
            .map(|(name, schema)| values(name, schema, samples))
            .collect();
        let together = values.iter().flat_map(|of_one| of_one[0].clone()).collect();
        let mut filters = vec![vec![], together];
        filters.extend(values.into_iter().flatten());
        let groups = resolve(groups)["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        all.push(Figures { path, list, groups, filters });
    }
    assert_eq!(all.len(), COUNTED.len());
    all
}

/// Values of a filter: from the document if it lists them, else from what is stored.
fn values(name: &'static str, schema: &'static Value, samples: &BTreeMap<&str, Vec<String>>) -> Vec<Filters> {
    let one = |value: &String| vec![(name, value.clone())];
    let Some(words) = resolve(&schema["items"])["enum"].as_array() else {
        let stored = samples.get(name).unwrap_or_else(|| panic!("which values does the filter {name} have?"));
        assert!(!stored.is_empty(), "there is no {name}");
        return stored.iter().map(one).collect();
    };
    let words: Vec<String> = words.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    let (first, last) = (one(&words[0]), one(&words[words.len() - 1]));
    vec![[first.clone(), last.clone()].concat(), first, last]
}

/// The commonest values of the filters that have no list in the document, then others.
async fn samples(app: &TestApp) -> BTreeMap<&'static str, Vec<String>> {
    let mut samples = BTreeMap::new();
    for (name, column) in [
        ("service", "service"),
        ("sender", "sender_agency_id"),
        ("receiver", "receiver_agency_id"),
        ("period", "to_char(month, 'YYYY-MM')"),
    ] {
        let mut of = app.texts(&format!("SELECT {column} FROM referrals GROUP BY 1 ORDER BY count(*) DESC, 1")).await;
        if name == "period" {
            let year = of[0][..4].to_owned();
            of.splice(0..0, [year]);
            of.push("2019".to_owned());
        }
        of.truncate(4);
        samples.insert(name, of);
    }
    samples.insert("target", vec!["2".to_owned()]);
    samples.insert("need", vec!["basic".to_owned(), "advanced".to_owned()]);
    samples
}

/// With the cases of the demo, which the template of the tests has none of.
async fn seed_cases(app: &TestApp) {
    let config = config(&app.base, &app.database_url("simpul_service"));
    let (maker, writer) = simpul::server::worker_parts(&config).await.unwrap();
    app.tampers(); // all of a referral's moves in one transaction
    cases::seed(&maker, &writer).await.unwrap();
    writer.drain().await;
}

/// What to ask about: without a region by every filter; each region without a filter and by all of them.
fn questions<'a>(figures: &'a Figures, regions: &'a [RegionCode]) -> Vec<(Option<&'a RegionCode>, &'a Filters)> {
    let everywhere = figures.filters.iter().map(|filters| (None, filters));
    let somewhere = regions.iter().flat_map(|region| figures.filters[..2].iter().map(move |some| (Some(region), some)));
    everywhere.chain(somewhere).collect()
}

#[test]
fn every_count_is_the_length_of_its_list_for_every_client_of_the_demo() {
    run(async |app| {
        seed_cases(app).await;
        let all = statistics(&samples(app).await);
        let (mut tally, mut part) = (Tally::default(), vec![]);
        for credential in app.credentials() {
            let mut reader = Reader::new(app, credential).await;
            if !credential.scopes.contains(&Scope::StatisticsRead) {
                for figures in &all {
                    reader.client.get(figures.path).await.problem(403, "forbidden");
                }
                continue;
            }
            for figures in &all {
                let before = tally.counts();
                about(app, &mut reader, figures, &mut tally).await;
                let least = if figures.list == NEEDS { 5 } else { 10 };
                assert!(tally.counts() > before + least, "{} had little to compare", credential.agency);
            }
            if reader.may_list(VOLUNTEERS) {
                reader.covers().await;
            }
            part.push(credential.client_id.clone());
        }
        part.sort_unstable();
        let readers = "SELECT id::text FROM clients WHERE 'statistics:read' = ANY(scopes) ORDER BY 1";
        assert_eq!(part, app.texts(readers).await);
        // of about 12 900 buckets, and 600 counts that the dashboard is told
        assert!(tally.buckets > 10_000, "{} buckets were compared", tally.buckets);
        for (_, list) in COUNTED {
            let least = if *list == NEEDS { 40 } else { 400 };
            assert!(tally.rows.get(list).is_some_and(|lists| *lists > least), "{list} had few rows: {:?}", tally.rows);
        }
        for figures in ["/v1/statistics/volunteers", REFERRALS] {
            assert!(tally.told.get(figures).is_some_and(|counts| *counts > 20), "little was told: {:?}", tally.told);
        }
        assert!(tally.untold > 500, "{} counts were hidden", tally.untold);
    });
}

/// Everything that one client may ask of some figures.
async fn about(app: &TestApp, reader: &mut Reader<'_>, figures: &Figures, tally: &mut Tally) {
    let credential = reader.client.credential.clone().unwrap();
    let own = credential.region.as_ref();
    let mut regions: Vec<RegionCode> = REGIONS.iter().map(|code| RegionCode::parse(code).unwrap()).collect();
    regions.extend(own.filter(|own| !regions.contains(own)).cloned());
    let (seen, foreign): (Vec<_>, Vec<_>) =
        regions.into_iter().partition(|region| own.is_none_or(|own| own.contains(region)));
    for region in foreign {
        reader.client.get(&format!("{}?region={region}", figures.path)).await.problem(404, "not_found");
    }
    let may_list = reader.may_list(figures.list);
    let colleague = if may_list {
        reader.client.clone()
    } else {
        reader.client.get(figures.list).await.problem(403, "forbidden");
        colleague(app, &credential, figures.list).await
    };
    for (region, filters) in questions(figures, &seen) {
        let mut totals = BTreeSet::new();
        for group in &figures.groups {
            let question = Question { figures, group, region, filters: filters.clone() };
            if *group == "region" && region.or(own).is_some_and(|at| at.level() == RegionLevel::Village) {
                let refused: Reply = reader.client.get(&question.path("")).await;
                refused.problem(422, "rule_broken").blames("?group_by", "no_deeper_level");
            } else if may_list {
                totals.insert(reader.compare(&question, tally).await);
            } else {
                reader.hear(&question, &colleague, tally).await;
            }
        }
        // whatever they are grouped by, they are the same rows
        assert!(totals.len() == usize::from(may_list), "{} {region:?} {filters:?}: {totals:?}", figures.path);
    }
}

/// Another client of the same agency, which sees the same and may list it.
async fn colleague<'a>(app: &'a TestApp, of: &Credential, list: &str) -> Client<'a> {
    for credential in app.credentials().iter().filter(|credential| credential.agency == of.agency) {
        let reader = Reader::new(app, credential).await;
        if reader.may_list(list) && credential.scopes.contains(&Scope::StatisticsRead) {
            return reader.client;
        }
    }
    panic!("nobody of {} may read {list}", of.agency);
}
