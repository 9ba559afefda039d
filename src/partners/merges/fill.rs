//! What the survivor lacks and the duplicate has: taken over, and given back when the merge is undone.
use super::store::Merge;
use crate::platform::app::App;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::nik::NikStatus;
use crate::text_enum;
use crate::volunteers::identity::{forget_nik, nik_context, open_nik};
use crate::volunteers::store::{Full, Person, Volunteer};

text_enum! {
    /// What is taken over as one. Of a part whose members belong together none is taken alone.
    Part {
        /// Of the person.
        BirthDate = "birth_date",
        /// Of the person.
        BirthPlace = "birth_place",
        /// Of the person.
        Address = "address",
        /// Of the person.
        Phone = "phone",
        /// Of the person.
        Email = "email",
        /// Of the person.
        Education = "education",
        /// Of the person.
        Occupation = "occupation",
        /// Of the person.
        MemberNumber = "member_number",
        /// Its number, who held it and when.
        Certificate = "certificate",
        /// Of the row.
        Sex = "sex",
        /// Of the row: all codes.
        Functions = "functions",
        /// Of the row.
        AppointedYear = "appointed_year",
        /// Of the row: which kind, whose, who and since when.
        Supervisor = "supervisor",
    }
}

/// The NIK with all that is known of it.
const NIK: &str = "nik";

impl Part {
    /// As merges of before named it: the certificate went column by column.
    fn named(name: &str) -> Option<Self> {
        if name.starts_with("certificate_") { Some(Self::Certificate) } else { Self::parse(name) }
    }

    /// A part that is one text.
    fn text(self, person: &mut Person) -> Option<&mut Option<String>> {
        match self {
            Self::BirthPlace => Some(&mut person.birth_place),
            Self::Address => Some(&mut person.address),
            Self::Phone => Some(&mut person.phone),
            Self::Email => Some(&mut person.email),
            Self::Education => Some(&mut person.education),
            Self::Occupation => Some(&mut person.occupation),
            Self::MemberNumber => Some(&mut person.member_number),
            _ => None,
        }
    }

    /// Copies it from one to another.
    fn copy(self, (to, person): &mut Full, (from, other): &Full) {
        let mut other = other.clone();
        match self {
            Self::BirthDate => person.birth_date = other.birth_date,
            Self::Certificate => {
                person.certificate_number = other.certificate_number;
                person.certificate_organiser = other.certificate_organiser;
                person.certificate_date = other.certificate_date;
            }
            Self::Sex => to.sex = from.sex,
            Self::Functions => to.functions.clone_from(&from.functions),
            Self::AppointedYear => to.appointed_year = from.appointed_year,
            Self::Supervisor => {
                (to.supervisor_kind, to.supervisor_agency_id) = (from.supervisor_kind, from.supervisor_agency_id);
                to.supervisor_officer.clone_from(&from.supervisor_officer);
                to.supervisor_since = from.supervisor_since;
            }
            _ => {
                if let (Some(mine), Some(theirs)) = (self.text(person), self.text(&mut other)) {
                    *mine = theirs.take();
                }
            }
        }
    }

    /// Whether it is the same in both.
    fn same(self, (one, person): &Full, (other, second): &Full) -> bool {
        match self {
            Self::BirthDate => person.birth_date == second.birth_date,
            Self::Certificate => certificate(person) == certificate(second),
            Self::Sex => one.sex == other.sex,
            Self::Functions => one.functions == other.functions,
            Self::AppointedYear => one.appointed_year == other.appointed_year,
            Self::Supervisor => supervisor(one) == supervisor(other),
            _ => self.text(&mut person.clone()) == self.text(&mut second.clone()),
        }
    }
}

fn certificate(person: &Person) -> impl PartialEq {
    (person.certificate_number.clone(), person.certificate_organiser.clone(), person.certificate_date)
}

fn supervisor(of: &Volunteer) -> impl PartialEq {
    (of.supervisor_kind, of.supervisor_agency_id, of.supervisor_officer.clone(), of.supervisor_since)
}

/// One of whom none of the parts is known.
fn blank(like: &Full) -> Full {
    let (mut volunteer, mut person) = like.clone();
    for part in Part::ALL {
        if let Some(text) = part.text(&mut person) {
            *text = None;
        }
    }
    (person.birth_date, person.certificate_date) = (None, None);
    (person.certificate_number, person.certificate_organiser) = (None, None);
    (volunteer.sex, volunteer.appointed_year) = (None, None);
    volunteer.functions.clear();
    volunteer.leave_supervisor();
    (volunteer, person)
}

/// Fills what the survivor lacks; returns the names of what was filled. What it has stays. Where the NIK differs from what is
/// known now is to be noted anew.
pub fn fill(app: &App, survivor: &mut Full, duplicate: &Full) -> ApiResult<Vec<String>> {
    let (nothing, mut filled) = (blank(survivor), vec![]);
    for part in Part::ALL {
        if part.same(survivor, &nothing) && !part.same(duplicate, &nothing) {
            part.copy(survivor, duplicate);
            filled.push(part.as_str().to_owned());
        }
    }
    let (person, other) = (&mut survivor.1, &duplicate.1);
    if person.nik.is_none()
        && let Some(nik) = open_nik(app, other)?
    {
        let sealed = app.keys.encrypt(&nik_context(person.volunteer_id), nik.reveal()).map_err(ApiError::internal)?;
        person.nik = Some(sealed);
        person.nik_index.clone_from(&other.nik_index);
        person.nik_last_four.clone_from(&other.nik_last_four);
        person.nik_status = other.nik_status;
        person.identity_state = other.identity_state;
        person.disputed_at = other.disputed_at;
        filled.push(NIK.to_owned());
    }
    Ok(filled)
}

/// Takes out again what was filled, unless it has been changed since. What another row that stays merged has too stays, as if
/// that one had brought it: `others` are those rows, each with its merge, which notes it.
pub fn empty(survivor: &mut Full, duplicate: &Full, merge: &Merge, others: &mut [(Merge, Full)]) {
    let nothing = blank(survivor);
    let mut parts: Vec<Part> = merge.filled.iter().filter_map(|name| Part::named(name)).collect();
    parts.dedup();
    for part in parts {
        if !part.same(survivor, duplicate) {
            continue;
        }
        match others.iter_mut().find(|(_, other)| part.same(other, duplicate)) {
            Some((other, _)) => other.filled.push(part.as_str().to_owned()),
            None => part.copy(survivor, &nothing),
        }
    }
    let (person, index) = (&mut survivor.1, &duplicate.1.nik_index);
    if merge.filled.iter().any(|name| name == NIK) && person.nik_index == *index {
        if let Some((other, _)) = others.iter_mut().find(|(_, (_, other))| other.nik_index == *index) {
            other.filled.push(NIK.to_owned());
            other.nik_status_before = merge.nik_status_before;
        } else {
            forget_nik(person);
            person.nik_status = merge.nik_status_before.unwrap_or(NikStatus::Unknown);
        }
    }
}
