//! What holds after every test that did not write behind the service's back: history tells exactly what happened.
use super::TestApp;

/// Row, its history, key, and the columns from, to and where it stands; name in outbox and audit.
const TOLD: &[(&str, &str, &str, &str, &str)] = &[
    ("volunteers", "volunteer_history", "volunteer_id", "status", "volunteer"),
    ("cases", "case_history", "case_id", "state", "case"),
    ("referrals", "referral_history", "referral_id", "status", "referral"),
    ("training_events", "training_event_history", "event_id", "state", "training_event"),
];

impl TestApp {
    /// Each row's history is a chain from its creation to where it stands since when. Each line of it was written by a
    /// transaction that wrote no other line of that row, and that also wrote the outbox (kept for a time) and the audit
    /// record.
    pub async fn check_histories(&self) {
        for (table, history, key, state, entity) in TOLD {
            let since = self.born;
            let chain = format!(
                "SELECT concat_ws(' ', r.id, coalesce(h.action, 'has no history'), h.xmin) FROM {table} r LEFT JOIN (
                    SELECT *, xmin, lag(to_{state}) OVER o AS left_in, lead(id) OVER o AS next, count(*) OVER (PARTITION BY {key}, xmin::text) AS twins
                    FROM {history} WINDOW o AS (PARTITION BY {key} ORDER BY at, id)
                ) h ON h.{key} = r.id
                WHERE h.id IS NULL OR h.from_{state} IS DISTINCT FROM h.left_in OR (h.next IS NULL AND h.to_{state} <> r.{state})
                    OR NOT EXISTS (SELECT FROM {history} m WHERE m.{key} = r.id AND m.to_{state} = r.{state} AND m.at = r.{state}_since)
                    OR (h.xmin::text::bigint >= {since} AND (h.twins > 1
                        OR (h.xmin::text::bigint > (SELECT xid::text::bigint FROM changes_swept)
                            AND NOT EXISTS (SELECT FROM changes c WHERE c.entity_type = '{entity}' AND c.entity_id = r.id AND c.xmin = h.xmin))
                        OR NOT EXISTS (SELECT FROM audit_events a WHERE a.subject_type = '{entity}' AND a.subject_ids @> ARRAY[r.id] AND a.xmin = h.xmin)))"
            );
            let wrong = self.texts(&chain).await;
            assert!(wrong.is_empty(), "{history} does not tell what happened: {wrong:#?}");
        }
    }
}
