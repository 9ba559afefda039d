//! Readers of the feed.
use super::{Client, Reply, TestApp};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const FEED: &str = "/v1/changes";

/// Waits until everything that is committed by now may be served: until what is open now, in any database of this
/// server, has ended.
pub async fn settled(app: &TestApp) {
    #[derive(diesel::QueryableByName)]
    struct Numbers {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        oldest: i64,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        next: i64,
    }
    let mut conn = app.connect().await;
    let mut ask = async || {
        let sql = "SELECT changes_horizon()::text::bigint AS oldest, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next";
        diesel::sql_query(sql).get_result::<Numbers>(&mut conn).await.unwrap()
    };
    let (begun, end) = (Instant::now(), ask().await.next);
    while ask().await.oldest < end {
        assert!(begun.elapsed() < Duration::from_mins(1), "a transaction does not end");
    }
}

/// Reads the feed from where it has come.
pub struct Follower<'a> {
    pub client: Client<'a>,
    pub cursor: String,
}

impl<'a> Follower<'a> {
    /// From now on: what is committed by now is not told.
    pub async fn new(client: Client<'a>) -> Self {
        settled(client.app).await;
        Self::begin(client).await
    }

    async fn begin(client: Client<'a>) -> Self {
        let begin = client.get(&format!("{FEED}?since=now")).await.expect(200);
        assert_eq!((&begin.json["items"], &begin.json["more"]), (&json!([]), &json!(false)));
        Self { client, cursor: begin.json["next_cursor"].as_str().unwrap().to_owned() }
    }

    /// One request from here on; if it is told to come again, it does.
    pub async fn ask(&self, more: &str) -> Reply {
        self.client.get(&format!("{FEED}?cursor={}{more}", self.cursor)).settled().await
    }

    /// What can be told now, in pages of this size.
    pub async fn read(&mut self, limit: usize) -> Vec<Value> {
        let mut news = vec![];
        loop {
            let page = self.ask(&format!("&limit={limit}")).await.expect(200).json;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}");
            news.extend(items.iter().cloned());
            page["next_cursor"].as_str().unwrap().clone_into(&mut self.cursor);
            if page["more"] == false {
                return news;
            }
        }
    }

    /// Everything that has happened by now and concerns it.
    pub async fn news(&mut self) -> Vec<Value> {
        settled(self.client.app).await;
        self.read(1000).await
    }
}

/// Several readers, by name.
pub struct Followers<'a>(Vec<(&'static str, Follower<'a>)>);

impl<'a> Followers<'a> {
    /// Every role that may read the feed, from now on.
    pub async fn of_roles(app: &'a TestApp) -> Self {
        let (mut all, roles) = (vec![], app.roles().await);
        settled(app).await;
        for (role, client) in roles {
            if !["nobody", "dashboard"].contains(&role) {
                all.push((role, Follower::begin(client).await));
            }
        }
        Self(all)
    }

    /// What each was told since the last time, a line for those that were told the same; whoever was told nothing is
    /// left out. Rows are called by their names.
    pub async fn heard(&mut self, names: &[(&str, &str)]) -> Vec<String> {
        let mut lines: Vec<(String, Vec<&str>)> = vec![];
        settled(self.0[0].1.client.app).await;
        for (role, follower) in &mut self.0 {
            let told: Vec<String> = follower.read(1000).await.iter().map(|item| told(item, names)).collect();
            let told = told.join(", ");
            match lines.iter_mut().find(|(same, _)| *same == told) {
                _ if told.is_empty() => {}
                Some((_, who)) => who.push(role),
                None => lines.push((told, vec![role])),
            }
        }
        lines.into_iter().map(|(told, who)| format!("{}: {told}", who.join(", "))).collect()
    }
}

/// A change in words: what to do, with what, in which version.
fn told(item: &Value, names: &[(&str, &str)]) -> String {
    let (id, of) = (item["id"].as_str().unwrap(), item["type"].as_str().unwrap());
    let name = |id: &str| names.iter().find(|(known, _)| *known == id).map(|(_, name)| *name);
    let to = item.get("redirected_to").map(|to| format!(" to {}", name(to.as_str().unwrap()).unwrap()));
    let (op, version) = (item["op"].as_str().unwrap(), &item["version"]);
    format!("{op} {} {version}{}", name(id).unwrap_or(of), to.unwrap_or_default())
}
