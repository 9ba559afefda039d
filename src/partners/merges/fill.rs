//! What the survivor lacks and the duplicate has: taken over, and given back when the merge is undone.
use crate::platform::app::App;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::nik::NikStatus;
use crate::volunteers::identity::{nik_context, open_nik};
use crate::volunteers::rules::IdentityState;
use crate::volunteers::store::Person;

/// A text that may be lacking, and the name of its column.
type Field = (&'static str, fn(&mut Person) -> &mut Option<String>);

const TEXTS: &[Field] = &[
    ("birth_place", |person| &mut person.birth_place),
    ("address", |person| &mut person.address),
    ("phone", |person| &mut person.phone),
    ("email", |person| &mut person.email),
    ("education", |person| &mut person.education),
    ("occupation", |person| &mut person.occupation),
    ("member_number", |person| &mut person.member_number),
    ("certificate_number", |person| &mut person.certificate_number),
    ("certificate_organiser", |person| &mut person.certificate_organiser),
];

/// Fills what the survivor lacks; returns the names of what was filled. What it has stays.
pub fn fill(app: &App, survivor: &mut Person, duplicate: &Person) -> ApiResult<Vec<String>> {
    let (mut other, mut filled) = (duplicate.clone(), vec![]);
    for (name, field) in TEXTS {
        if field(survivor).is_none() && field(&mut other).is_some() {
            field(survivor).clone_from(field(&mut other));
            filled.push((*name).to_owned());
        }
    }
    for (name, mine, theirs) in [
        ("birth_date", &mut survivor.birth_date, duplicate.birth_date),
        ("certificate_date", &mut survivor.certificate_date, duplicate.certificate_date),
    ] {
        if mine.is_none() && theirs.is_some() {
            *mine = theirs;
            filled.push(name.to_owned());
        }
    }
    if survivor.nik.is_none()
        && let Some(nik) = open_nik(app, duplicate)?
    {
        let sealed = app.keys.encrypt(&nik_context(survivor.volunteer_id), nik.reveal()).map_err(ApiError::internal)?;
        survivor.nik = Some(sealed);
        survivor.nik_index.clone_from(&duplicate.nik_index);
        survivor.nik_last_four.clone_from(&duplicate.nik_last_four);
        survivor.nik_warnings.clone_from(&duplicate.nik_warnings);
        survivor.nik_status = duplicate.nik_status;
        survivor.identity_state = duplicate.identity_state;
        survivor.disputed_at = duplicate.disputed_at;
        filled.push("nik".to_owned());
    }
    Ok(filled)
}

/// Takes out again what was filled, unless it has been changed since.
pub fn empty(survivor: &mut Person, duplicate: &Person, filled: &[String]) {
    let mut other = duplicate.clone();
    let was_filled = |name: &str| filled.iter().any(|one| one == name);
    for (_, field) in TEXTS.iter().filter(|(name, _)| was_filled(name)) {
        if field(survivor) == field(&mut other) {
            *field(survivor) = None;
        }
    }
    for (name, mine, theirs) in [
        ("birth_date", &mut survivor.birth_date, duplicate.birth_date),
        ("certificate_date", &mut survivor.certificate_date, duplicate.certificate_date),
    ] {
        if was_filled(name) && *mine == theirs {
            *mine = None;
        }
    }
    if was_filled("nik") && survivor.nik_index == duplicate.nik_index {
        (survivor.nik, survivor.nik_index, survivor.nik_last_four) = (None, None, None);
        survivor.nik_warnings = vec![];
        survivor.nik_status = NikStatus::Unknown;
        (survivor.identity_state, survivor.disputed_at) = (IdentityState::Sole, None);
    }
}
