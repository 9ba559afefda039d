//! What an audit row holds: ids and codes, never personal data. Pure.
use crate::access::rules::Caller;
use crate::platform::region_code::RegionCode;
use crate::schema::audit_events;
use crate::{text_enum, uuid_id};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

text_enum! {
    /// How an attempt ended.
    Outcome {
        /// It was done.
        Allowed = "allowed",
        /// The caller had no right to it.
        Denied = "denied",
        /// It was tried and did not work.
        Failed = "failed",
    }
}

uuid_id!(
    /// Names anything that an event speaks of.
    SubjectId
);

/// One event. Begin with [`Event::by`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct Event {
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
    pub(super) action: String,
    pub(super) outcome: Outcome,
    pub(super) request_id: Uuid,
    pub(super) agency_id: Option<Uuid>,
    pub(super) client_id: Option<Uuid>,
    pub(super) acting_user: Option<String>,
    pub(super) volunteer_id: Option<Uuid>,
    pub(super) purpose: Option<String>,
    pub(super) subject_type: Option<String>,
    pub(super) subject_ids: Vec<Uuid>,
    pub(super) person_ids: Vec<Uuid>,
    pub(super) fields: Vec<String>,
    pub(super) detail: Option<String>,
    pub(super) region_codes: Vec<RegionCode>,
    pub(super) subject_regions: Vec<RegionCode>,
}

impl Event {
    /// `action` is `resource.verb`, the same word as the handler; `id` and `at` come from the app's clock.
    pub fn new(action: &str, request: Uuid, id: Uuid, at: DateTime<Utc>) -> Self {
        Self {
            id,
            at,
            action: action.to_owned(),
            outcome: Outcome::Allowed,
            request_id: request,
            agency_id: None,
            client_id: None,
            acting_user: None,
            volunteer_id: None,
            purpose: None,
            subject_type: None,
            subject_ids: vec![],
            person_ids: vec![],
            fields: vec![],
            detail: None,
            region_codes: vec![],
            subject_regions: vec![],
        }
    }

    /// An act of a caller.
    pub fn by(caller: &Caller, action: &str, id: Uuid, at: DateTime<Utc>) -> Self {
        Self {
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            volunteer_id: caller.volunteer.map(Uuid::from),
            purpose: Some(caller.purpose.clone()),
            ..Self::new(action, caller.request, id, at).client(caller.agency.0, caller.client.0)
        }
    }

    /// Who acted, where there is no [`Caller`] yet (the token endpoint).
    #[must_use]
    pub fn client(mut self, agency: Uuid, client: Uuid) -> Self {
        (self.agency_id, self.client_id) = (Some(agency), Some(client));
        self
    }

    /// The officer that a token request names.
    #[must_use]
    pub fn acting(mut self, user: Option<&str>) -> Self {
        self.acting_user = user.map(str::to_owned);
        self
    }

    /// The row that was acted on.
    #[must_use]
    pub fn subject(mut self, kind: &str, id: impl Into<Uuid>) -> Self {
        self.subject_type = Some(kind.to_owned());
        self.subject_ids.push(id.into());
        self
    }

    /// Rows of a kind, each with its person and its place: whoever reads of the event is told of those of its own region.
    #[must_use]
    pub fn rows<'a>(
        mut self,
        kind: &str,
        rows: impl IntoIterator<Item = (Uuid, Uuid, &'a RegionCode)>,
        fields: &[&str],
    ) -> Self {
        let rows: Vec<_> = rows.into_iter().collect();
        self.subject_regions = rows.iter().map(|(_, _, place)| (*place).clone()).collect();
        let event = self.subjects(kind, rows.iter().map(|(id, _, _)| *id));
        event
            .persons(rows.iter().map(|(_, person, _)| *person), fields)
            .regions(rows.iter().map(|(_, _, place)| *place))
    }

    /// Several rows of a kind that concern everyone who may read of the event. Rows of several places: [`Event::rows`].
    #[must_use]
    pub fn subjects(mut self, kind: &str, ids: impl IntoIterator<Item = Uuid>) -> Self {
        self.subject_type = Some(kind.to_owned());
        self.subject_ids.extend(ids);
        self
    }

    /// Whose data were shown or changed, and which of them.
    #[must_use]
    pub fn persons(mut self, ids: impl IntoIterator<Item = Uuid>, fields: &[&str]) -> Self {
        self.person_ids.extend(ids);
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    /// The purpose stated for this act, instead of the client's own.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.purpose = Some(purpose.to_owned());
        self
    }

    /// Where the subject is.
    #[must_use]
    pub fn region(self, code: &RegionCode) -> Self {
        self.regions([code])
    }

    /// Where the subjects are: the governments of these regions may read of it.
    #[must_use]
    pub fn regions<'a>(mut self, codes: impl IntoIterator<Item = &'a RegionCode>) -> Self {
        let above = |code: &RegionCode| std::iter::successors(Some(code.clone()), RegionCode::parent);
        self.region_codes.extend(codes.into_iter().flat_map(above));
        self.region_codes.sort_unstable();
        self.region_codes.dedup();
        self
    }

    /// A code: the reason of an act or of a refusal.
    #[must_use]
    pub fn detail(mut self, code: &str) -> Self {
        self.detail = Some(code.to_owned());
        self
    }

    /// Anything but [`Outcome::Allowed`].
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}
