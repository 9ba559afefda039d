//! Whether a certificate holds: asked by whoever has its number, without a token.
use crate::access::api::Gate;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::crypto::sha256;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Language, Problem};
use crate::platform::http::RequestInfo;
use crate::platform::moment::Day;
use crate::platform::person::initials;
use crate::platform::text::escape_html;
use crate::regions::rules::TimeZone;
use crate::training::rules::EventLevel;
use crate::training::rules::certificates::{CertificateStatus, read_number, status_on};
use crate::training::store;
use actix_web::http::header::{ACCEPT, HeaderMap};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder, get, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{Datelike, NaiveDate};
use diesel::OptionalExtension;
use serde::Serialize;
use std::sync::{Arc, LazyLock};
use utoipa::ToSchema;

/// What everybody may know of a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateCheck {
    #[schema(example = "BT-1706-2026-0001-7K3MQ9TX")]
    number: String,
    status: CertificateStatus,
    /// Of the holder.
    #[schema(example = "S. A.")]
    initials: String,
    level: EventLevel,
    /// Agency that issued it.
    #[schema(example = "Dinas Sosial Kabupaten Mukomuko")]
    organiser: String,
    #[schema(value_type = Day)]
    issued_on: NaiveDate,
    /// Last day; null: for good.
    #[schema(required, value_type = Option<Day>)]
    valid_until: Option<NaiveDate>,
}

/// Check a certificate
///
/// For everybody who has its number, on paper or by its QR code; no token. It tells whether the certificate holds and nothing of the
/// holder but the initials. A page for people where a browser asks (`Accept: text/html`), JSON otherwise. So many a minute
/// from one address; the number has a random part, so that none is found by counting.
#[utoipa::path(tag = "training", params(("number" = String, Path, description = "Number of the certificate.", example = "BT-1706-2026-0001-7K3MQ9TX")),
    responses((status = 200, description = "What is known of it.", content((CertificateCheck = "application/json"), (String = "text/html"))),
        (status = 404, description = "No certificate has this number.", content((Problem = "application/problem+json"), (String = "text/html"))),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many from one address.")))]
#[get("/v1/certificates/{number}")]
pub async fn check_certificate(
    req: HttpRequest,
    number: web::Path<String>,
    app: Shared,
    db: Db,
) -> ApiResult<HttpResponse> {
    let missing = || ApiError::internal("request without gate or information");
    let gate = req.app_data::<Arc<Gate>>().ok_or_else(missing)?;
    let info = req.extensions().get::<RequestInfo>().cloned().ok_or_else(missing)?;
    // What the query says is not asked: messengers hang things on an address that is passed on.
    gate.limits.check(info.address)?;
    let page = wants_page(req.headers());
    let found = match read_number(&number) {
        Some(number) => db.read(async |c| store::check(c, &number).await.optional()).await?,
        None => None,
    };
    let Some((certificate, organiser, name, region)) = found else {
        return if page { Ok(html(404, None, info.language)) } else { Err(ApiError::not_found()) };
    };
    let today = TimeZone::of(&region).day(app.clock.now());
    let check = CertificateCheck {
        status: status_on(certificate.state, certificate.valid_until, today),
        number: certificate.number,
        initials: initials(&name),
        level: certificate.level,
        organiser,
        issued_on: certificate.issued_on,
        valid_until: certificate.valid_until,
    };
    if page {
        return Ok(html(200, Some(&check), info.language));
    }
    let answer = Answer::ok(&check)?.header("cache-control", "no-store").header("vary", "Accept");
    Ok(answer.respond_to(&req))
}

/// Whether a page is wanted rather than JSON: a browser names `text/html`, and everything else less.
fn wants_page(headers: &HeaderMap) -> bool {
    let mut best = (0.0_f32, false);
    for part in headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut words = part.split(';').map(str::trim);
        let media = words.next().unwrap_or_default().to_ascii_lowercase();
        let quality = words.find_map(|word| word.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
        let page = media == "text/html";
        if (page || media == "application/json") && quality > best.0 {
            best = (quality, page);
        }
    }
    best.1
}

const STYLE: &str = include_str!("check.css");

/// The page's own style, known by its digest, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The texts of the page: language, title, lead for each status, and what the rows are called.
struct Words {
    lang: &'static str,
    title: &'static str,
    lead: &'static str,
    rows: [&'static str; 6],
    level: &'static str,
    for_good: &'static str,
    foot: &'static str,
}

fn words(check: Option<&CertificateCheck>, language: Language) -> Words {
    let status = check.map(|check| check.status);
    let level = check.map(|check| check.level);
    match language {
        Language::Indonesian => Words {
            lang: "id",
            title: "Pemeriksaan sertifikat",
            lead: match status {
                Some(CertificateStatus::Valid) => "Sertifikat ini berlaku.",
                Some(CertificateStatus::Revoked) => "Sertifikat ini sudah dicabut.",
                Some(CertificateStatus::Expired) => "Masa berlaku sertifikat ini sudah habis.",
                None => "Tidak ada sertifikat dengan nomor ini.",
            },
            rows: ["Nomor", "Inisial pemegang", "Jenjang", "Penyelenggara", "Tanggal terbit", "Berlaku sampai"],
            level: match level {
                Some(EventLevel::Basic) => "Bimtek dasar",
                Some(EventLevel::Advanced) => "Bimtek lanjutan",
                _ => "Pelatihan lain",
            },
            for_good: "Tanpa batas waktu",
            foot: "Cocokkan dengan yang tercetak. Selain inisial, tidak ada data pribadi yang ditampilkan.",
        },
        Language::English => Words {
            lang: "en",
            title: "Certificate check",
            lead: match status {
                Some(CertificateStatus::Valid) => "This certificate is valid.",
                Some(CertificateStatus::Revoked) => "This certificate has been revoked.",
                Some(CertificateStatus::Expired) => "This certificate has expired.",
                None => "No certificate has this number.",
            },
            rows: ["Number", "Initials of the holder", "Level", "Organiser", "Date of issue", "Valid until"],
            level: match level {
                Some(EventLevel::Basic) => "Basic training",
                Some(EventLevel::Advanced) => "Advanced training",
                _ => "Other training",
            },
            for_good: "Without limit",
            foot: "Compare this with the paper. Beside the initials, no personal data is shown.",
        },
    }
}

/// The page; none: there is no such certificate.
fn html(status: u16, check: Option<&CertificateCheck>, language: Language) -> HttpResponse {
    let words = words(check, language);
    let day = |day: NaiveDate| format!("{:02}-{:02}-{:04}", day.day(), day.month(), day.year());
    let class = check.map_or("none", |check| check.status.as_str());
    let rows = check.map(|check| {
        let until = check.valid_until.map_or(words.for_good.to_owned(), day);
        let values = [
            check.number.clone(),
            check.initials.clone(),
            words.level.to_owned(),
            check.organiser.clone(),
            day(check.issued_on),
            until,
        ];
        let row = |(name, value): (&&str, String)| format!("<dt>{name}</dt><dd>{}</dd>", escape_html(&value));
        words.rows.iter().zip(values).map(row).collect::<String>()
    });
    let (lang, title, lead, foot) = (words.lang, words.title, words.lead, words.foot);
    let rows = rows.map(|rows| format!("<dl>{rows}</dl><p class=\"foot\">{foot}</p>")).unwrap_or_default();
    let page = format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title} · Simpul</title><style>{STYLE}</style></head>\
         <body class=\"{class}\"><main><h1>{title}</h1><p class=\"lead\" role=\"status\">{lead}</p>{rows}</main></body></html>\n"
    );
    let code = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(code)
        .insert_header(("content-security-policy", POLICY.as_str()))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("vary", "Accept, Accept-Language"))
        .insert_header(("content-language", lang))
        .content_type("text/html; charset=utf-8")
        .body(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn a_browser_gets_a_page_and_a_program_json() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            wants_page(&headers)
        };
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(wants("application/json;q=0.5, text/html"));
        for json in ["*/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", ""] {
            assert!(!wants(json), "{json}");
        }
    }
}
