//! How certificates are numbered, and whether one holds. Pure.
use super::EventLevel;
use crate::platform::crypto::read_letters;
use crate::platform::error::{ApiError, Fault};
use crate::platform::region_code::RegionCode;
use crate::{text_enum, uuid_id};
use chrono::{Months, NaiveDate};

uuid_id!(/** Identifies a certificate, beside its number. */ CertificateId);

text_enum! {
    /// Whether a certificate holds, as it is stored.
    CertificateState {
        /// It was issued.
        Valid = "valid",
        /// It was taken back.
        Revoked = "revoked",
        /// Another one was issued in its place.
        Replaced = "replaced",
    }
}

text_enum! {
    /// Whether a certificate holds, as whoever checks it is told.
    CertificateStatus {
        /// It holds.
        Valid = "valid",
        /// It was taken back, or another one was issued in its place.
        Revoked = "revoked",
        /// Its last day is over.
        Expired = "expired",
    }
}

/// Letters of the random part of a number: 40 bits. With a minute's worth of tries from each of a thousand addresses, somebody
/// who counts through the serial numbers of a year finds one in some 30 years.
pub const CHECK_LETTERS: usize = 8;

/// `BT-<region of the organiser>-<year>-<serial>-<random part>`, such as `BT-1706-2026-0001-7K3MQ9TX`.
pub fn certificate_number(region: &RegionCode, year: i16, serial: i32, check: &[char]) -> String {
    let region = region.as_str().replace('.', "");
    format!("BT-{region}-{year:04}-{serial:04}-{}", String::from_iter(check))
}

/// A number as it is stored, however it was typed; none if no certificate can have it.
pub fn read_number(typed: &str) -> Option<String> {
    let typed = typed.trim().to_ascii_uppercase();
    let parts: Vec<&str> = typed.split('-').collect();
    let ["BT", region, year, serial, check] = parts.as_slice() else { return None };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = matches!(region.len(), 2 | 4) && year.len() == 4 && (4..=10).contains(&serial.len());
    if !fits || !digits(region) || !digits(year) || !digits(serial) {
        return None;
    }
    let check = String::from_iter(read_letters(check, CHECK_LETTERS)?);
    Some(format!("BT-{region}-{year}-{serial}-{check}"))
}

/// The last day of one that is issued then, for so many months; none: for good.
pub fn valid_until(issued_on: NaiveDate, months: Option<u32>) -> Option<NaiveDate> {
    // Issued on the 17th, the 16th is the last day.
    issued_on.checked_add_months(Months::new(months?))?.pred_opt()
}

/// Which of the months that are configured are those of a level.
pub fn months_of(level: EventLevel, [basic, advanced, other]: [Option<u32>; 3]) -> Option<u32> {
    match level {
        EventLevel::Basic => basic,
        EventLevel::Advanced => advanced,
        EventLevel::Other => other,
    }
}

/// What is told of one on a day.
pub fn status_on(state: CertificateState, valid_until: Option<NaiveDate>, day: NaiveDate) -> CertificateStatus {
    match state {
        CertificateState::Revoked | CertificateState::Replaced => CertificateStatus::Revoked,
        CertificateState::Valid if valid_until.is_some_and(|last| last < day) => CertificateStatus::Expired,
        CertificateState::Valid => CertificateStatus::Valid,
    }
}

/// Refuses a day of issue before the training was over, and one that is yet to come.
pub fn check_issued_on(day: NaiveDate, last_day: NaiveDate, today: NaiveDate) -> Result<(), ApiError> {
    let fault = if day < last_day {
        Fault::new("before_the_end", "sebelum pelatihan selesai", "before the training was over")
    } else if day > today {
        Fault::new("in_the_future", "belum tiba", "is yet to come")
    } else {
        return Ok(());
    };
    Err(ApiError::rule("/issued_on", fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_however_it_is_typed() {
        let region = RegionCode::parse("17.06").unwrap();
        let number = certificate_number(&region, 2026, 1, &['7', 'K', '3', 'M', 'Q', '9', '1', '0']);
        assert_eq!(number, "BT-1706-2026-0001-7K3MQ910");
        for typed in [number.as_str(), " bt-1706-2026-0001-7k3mq9lo", "BT-1706-2026-0001-7K3MQ9IO"] {
            assert_eq!(read_number(typed).as_deref(), Some(number.as_str()), "{typed}");
        }
        let bad = [
            "",
            "BT",
            "BT-1706-2026-0001",
            "BT-1706-2026-0001-7K3MQ91",
            "BT-1706-2026-0001-7K3MQ9100",
            "BT-17060-2026-0001-7K3MQ910",
            "BT-1706-2026-1-7K3MQ910",
            "XX-1706-2026-0001-7K3MQ910",
            "BT-1706-2026-0001-7K3MQ91U",
            "BT-1706-2026-000x-7K3MQ910",
        ];
        for typed in bad {
            assert_eq!(read_number(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_certificate_holds_to_the_end_of_its_last_day() {
        let day = |raw: &str| raw.parse::<NaiveDate>().unwrap();
        let last = valid_until(day("2024-02-29"), Some(12));
        assert_eq!((last, valid_until(day("2024-02-29"), None)), (Some(day("2025-02-27")), None));
        let told = |state, on: &str| status_on(state, last, day(on));
        assert_eq!(told(CertificateState::Valid, "2025-02-27"), CertificateStatus::Valid);
        assert_eq!(told(CertificateState::Valid, "2025-02-28"), CertificateStatus::Expired);
        assert_eq!(told(CertificateState::Replaced, "2025-02-28"), CertificateStatus::Revoked);
    }
}
