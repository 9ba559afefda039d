//! Certificates issued and taken back, whoever asks for it: the organiser itself, or the correction of a result.
use super::rules::certificates::{
    CHECK_LETTERS, CertificateId, CertificateState, certificate_number, months_of, valid_until,
};
use super::rules::{CERTIFICATE_STATE_CONFLICT, SeatAction};
use super::store::{self, Certificate, Enrolment, SeatHistoryRow, TrainingEvent};
use crate::access::rules::Caller;
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::codes::rules::Code;
use crate::platform::app::App;
use crate::platform::crypto::random_letters;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult};
use crate::volunteers::store as volunteers;
use chrono::{Datelike, NaiveDate};

/// What stands on a certificate beside its holder and event.
pub struct Paper {
    /// The day.
    pub issued_on: NaiveDate,
    /// Of one from before: its number of then.
    pub earlier_number: Option<String>,
    /// Who signs it.
    pub signatory_name: Option<String>,
    /// As what.
    pub signatory_position: Option<String>,
    /// The one in whose place it is issued, and why; it holds no longer than that one.
    pub replaces: Option<Replaced>,
}

/// What another certificate is issued in the place of.
pub struct Replaced {
    /// Which.
    pub id: CertificateId,
    /// Its last day.
    pub valid_until: Option<NaiveDate>,
    /// Code of the list `certificate-reasons`.
    pub reason: Code,
    /// The same in words.
    pub note: Option<String>,
}

/// Issues a certificate to who has passed an event that is locked, with history, audit and outbox.
pub async fn issue(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    seat: &Enrolment,
    paper: Paper,
) -> ApiResult<Certificate> {
    let now = app.clock.now();
    let year = i16::try_from(paper.issued_on.year()).map_err(ApiError::internal)?;
    let serial = store::next_serial(conn, event.organiser_id, year).await?;
    let check = random_letters::<CHECK_LETTERS>().map_err(ApiError::internal)?;
    let months = months_of(event.level, app.settings.certificate_months);
    let made = Certificate {
        id: CertificateId(app.clock.new_id()),
        number: certificate_number(&event.organiser_region_code, year, serial, &check),
        enrolment_id: seat.id,
        organiser_id: event.organiser_id,
        year,
        serial,
        level: event.level,
        issued_on: paper.issued_on,
        valid_until: match &paper.replaces {
            Some(old) => old.valid_until,
            None => valid_until(paper.issued_on, months),
        },
        earlier_number: paper.earlier_number,
        signatory_name: paper.signatory_name,
        signatory_position: paper.signatory_position,
        state: CertificateState::Valid,
        state_since: now,
        state_by: caller.agency,
        reason: None,
        note: None,
        replaces: paper.replaces.as_ref().map(|old| old.id),
        version: 1,
        issued_at: now,
        issued_by: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
    };
    store::issue(conn, &made).await.map_err(|error| {
        let held = || ApiError::from(&CERTIFICATE_STATE_CONFLICT);
        ApiError::from(error).on_constraint("certificates_one_valid", held)
    })?;
    let told = match paper.replaces {
        Some(old) => (SeatAction::Reissue, made.id, Some(old.reason), old.note),
        None => (SeatAction::Issue, made.id, None, None),
    };
    tell(conn, app, caller, event, seat, told).await?;
    Ok(made)
}

/// Ends a certificate that is locked, with history, audit and outbox.
pub async fn end(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    seat: &Enrolment,
    certificate: &mut Certificate,
    (state, reason, note): (CertificateState, Code, Option<String>),
) -> ApiResult<()> {
    (certificate.state, certificate.state_since, certificate.state_by) = (state, app.clock.now(), caller.agency);
    (certificate.reason, certificate.note) = (Some(reason.clone()), note.clone());
    store::end_certificate(conn, certificate).await?;
    // What is replaced is told by what replaces it.
    if state == CertificateState::Revoked {
        let told = (SeatAction::Revoke, certificate.id, Some(reason), note);
        tell(conn, app, caller, event, seat, told).await?;
    }
    Ok(())
}

async fn tell(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    seat: &Enrolment,
    (action, certificate, reason, note): (SeatAction, CertificateId, Option<Code>, Option<String>),
) -> ApiResult<()> {
    let now = app.clock.now();
    let village = volunteers::village_of(conn, seat.volunteer_id).await?;
    let record = Event::by(caller, &format!("training_certificate.{action}"), app.clock.new_id(), now);
    let record = record.subject("training_certificate", certificate).region(&village);
    let record = if let Some(reason) = &reason { record.detail(reason.as_str()) } else { record };
    audit::record(conn, &record.persons([seat.volunteer_id.0], &["training"])).await?;
    let row = SeatHistoryRow::by(caller, app.clock.new_id(), seat.id, action, now);
    store::add_seat_history(conn, &[SeatHistoryRow { reason, note, certificate_id: Some(certificate), ..row }]).await?;
    Ok(store::publish_enrolment(conn, seat, event.organiser_id, &village, false, now).await?)
}

/// Where a certificate is signed: the region without the word for its kind, as it is written beside a date.
pub fn place_of(region: &str) -> &str {
    let kinds = ["Kabupaten Administrasi ", "Kota Administrasi ", "Kabupaten ", "Kota ", "Provinsi "];
    kinds.iter().find_map(|kind| region.strip_prefix(kind)).unwrap_or(region)
}
