//! What the pages say and which files they are made of. Pure.
use crate::platform::crypto::short_hash;
use crate::platform::error::{Code, Language};
use crate::platform::text::escape_html;
use std::fmt::Write;

/// Beginning of the document.
pub const INTRODUCTION: &str = include_str!("introduction.md");

/// Every tag with what it is about, in the order in which a newcomer should read them.
pub const TAGS: &[(&str, &str)] = &[
    ("identity", "Tokens, the keys that check them, and who a token is."),
    ("agencies", "Who takes part: governments, BPJS and other bodies, and their clients."),
    ("reference", "Regions, code lists and who can help where. Rarely changes; made to be kept offline."),
    ("volunteers", "Who can help: registration, status, postings and level of the volunteers (PSM)."),
    ("cases", "A person's need, as a volunteer reported it."),
    ("referrals", "A case asked of one source system, from sending to outcome."),
    ("training", "Bimtek: events, enrolment, attendance, results."),
    ("statistics", "Figures of a region. Each count names the list whose length it is."),
    ("partners", "For systems: the feed of changes, webhooks, imports and exports."),
    ("privacy", "A person's rights: export, restriction, erasure."),
    ("audit", "Who did and saw what."),
    ("operations", "Whether the service is well."),
    ("documentation", "This document, and the pages made from it."),
];

/// A file that a page needs.
pub struct Asset {
    /// Last part of its address; changes with its content, so that it may be kept for ever.
    pub name: String,
    /// Its type.
    pub content_type: &'static str,
    /// Its bytes, gzipped if `gzipped`.
    pub bytes: &'static [u8],
    /// How they are stored.
    pub gzipped: bool,
}

/// The reference itself; `assets/docs/README.md` tells where it comes from. Named by its version: a digest of a megabyte
/// for every reader would be waste.
fn reference() -> Asset {
    let name = format!("scalar-{}.js", include_str!("../../assets/docs/scalar.version").trim());
    let bytes = include_bytes!("../../assets/docs/scalar.js.gz");
    Asset { name, content_type: "text/javascript; charset=utf-8", bytes, gzipped: true }
}

fn script() -> Asset {
    let bytes = include_bytes!("page.js");
    let name = format!("page-{}.js", short_hash(bytes));
    Asset { name, content_type: "text/javascript; charset=utf-8", bytes, gzipped: false }
}

fn style() -> Asset {
    let bytes = include_bytes!("page.css");
    Asset {
        name: format!("page-{}.css", short_hash(bytes)),
        content_type: "text/css; charset=utf-8",
        bytes,
        gzipped: false,
    }
}

/// The file of this name.
pub fn find_asset(name: &str) -> Option<Asset> {
    [reference(), script(), style()].into_iter().find(|asset| asset.name == name)
}

/// The page `/docs`. Addresses are relative: behind a gateway's prefix they stay right.
pub fn reference_page(language: Language) -> String {
    let page = include_str!("page.html");
    let (lang, codes, user, hint) = match language {
        Language::Indonesian => {
            ("id", "Kode galat", "Petugas (acting_user)", "ikut ditandatangani dalam token berikutnya")
        }
        Language::English => ("en", "Error codes", "Officer (acting_user)", "signed into the next token"),
    };
    [
        ("{lang}", lang),
        ("{codes}", codes),
        ("{user}", user),
        ("{hint}", hint),
        ("{reference}", &reference().name),
        ("{script}", &script().name),
        ("{style}", &style().name),
    ]
    .iter()
    .fold(page.to_owned(), |page, (mark, text)| page.replace(mark, text))
}

/// The page `/docs/errors`: every code under its own anchor, by status.
pub fn error_page(codes: &[&'static Code], language: Language) -> String {
    let (lang, title, about, back) = match language {
        Language::Indonesian => (
            "id",
            "Kode galat",
            "Setiap jawaban yang gagal memuat <code>code</code> (RFC 9457). Putuskan berdasarkan kode ini; teksnya untuk dibaca orang dan dapat berubah.",
            "Referensi API",
        ),
        Language::English => (
            "en",
            "Error codes",
            "Every answer that is not a success carries a <code>code</code> (RFC 9457). Decide by it; the texts are for people and may change.",
            "API reference",
        ),
    };
    let mut sorted: Vec<&Code> = codes.to_vec();
    sorted.sort_by_key(|code| (code.status, code.code));
    let mut rows = String::new();
    for group in sorted.chunk_by(|one, next| one.status == next.status) {
        let (status, title) = group.first().map_or((0, ""), |code| (code.status, code.title()));
        // Writing to a String cannot fail.
        let _ = write!(rows, "<section><h2>{status} <small>{title}</small></h2><dl>");
        for code in group {
            let (word, text) = (escape_html(code.code), escape_html(code.message.in_language(language)));
            let _ = write!(rows, "<div id=\"{word}\"><dt><a href=\"#{word}\">{word}</a></dt><dd>{text}</dd></div>");
        }
        rows.push_str("</dl></section>");
    }
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Simpul</title><link rel=\"stylesheet\" href=\"assets/{}\"></head>\
         <body class=\"codes\"><header><strong>Simpul</strong><nav><a href=\"../docs\">{back}</a></nav></header>\
         <main><h1>{title}</h1><p>{about}</p>{rows}</main></body></html>\n",
        style().name
    )
}

/// Whether an `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3).
pub fn takes_gzip(accepted: &str) -> bool {
    let weight = |wanted: &str| {
        accepted.split(',').find_map(|one| {
            let mut parts = one.split(';');
            let coding = parts.next()?.trim();
            let weight = parts.next().and_then(|q| q.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            coding.eq_ignore_ascii_case(wanted).then_some(weight)
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (accepted, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("*", true),
            ("GZIP;q=0.5", true),
            ("", false),
            ("br", false),
            ("gzip;q=0, *", false),
            ("identity;q=1, *;q=0", false),
        ] {
            assert_eq!(takes_gzip(accepted), taken, "{accepted}");
        }
    }

    #[test]
    fn texts_cannot_become_markup() {
        static CODE: Code = Code::new(409, "odd", "<b>&\"", "<b>&\"");
        let page = error_page(&[&CODE], Language::English);
        assert!(page.contains("&lt;b&gt;&amp;&quot;") && !page.contains("<b>"), "{page}");
    }
}
