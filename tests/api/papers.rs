//! Papers as whoever holds them sees them.
use crate::support::pdf::{glyphs, page, page_count, pages, qr_of, texts};
use chrono::NaiveDate;
use simpul::training::papers::{
    AttendanceList, AttendanceRow, CertificateFacts, SessionColumn, Signatory, attendance_list, certificate,
};
use simpul::training::rules::EventLevel;

const URL: &str = "https://simpul.example.go.id/v1/certificates/0198f2a4-7c1e-7b1a-9a53-0f6f1d2c3b4a/check";

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn facts() -> CertificateFacts<'static> {
    CertificateFacts {
        number: "3308/BIMTEK-D/2023/000417",
        check_url: URL,
        holder: "Yustina Wati Fajar Ningsih",
        title: "Bimtek Dasar PSM Angkatan VII Kabupaten Magelang",
        level: EventLevel::Basic,
        organiser: "Dinas Sosial Kabupaten Magelang",
        region: "Kabupaten Magelang",
        venue: "Aula Dinas Sosial, Jalan Soekarno-Hatta 59",
        first_day: day(2023, 5, 17),
        last_day: day(2023, 5, 18),
        issued_on: day(2023, 5, 22),
        valid_until: Some(day(2026, 5, 22)),
        place: "Mungkid",
        signatory: Some(Signatory { name: "Dra. Retno Widyastuti, M.Si.", position: "Kepala Dinas Sosial" }),
    }
}

/// Writes the pages as pictures if `PICTURES` names a directory.
fn look(name: &str, pdf: &[u8]) {
    let Ok(directory) = std::env::var("PICTURES") else { return };
    std::fs::write(format!("{directory}/{name}.pdf"), pdf).unwrap();
    for at in 0..page_count(pdf).min(4) {
        std::fs::write(format!("{directory}/{name}-{at}.png"), crate::support::pdf::png(pdf, at)).unwrap();
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

/// Whether the first page says this, wherever its lines end.
fn says(pdf: &[u8], text: &str) -> bool {
    letters(&texts(pdf)[0]).contains(&letters(text))
}

/// The frame is 8 mm inside the page; nothing is on its lines' outside or between frame and text.
fn assert_inside_frame(pdf: &[u8]) {
    let drawn = pages(pdf);
    assert_eq!(drawn.len(), 1);
    let page = &drawn[0];
    assert!(page.width > page.height);
    for (x, y) in [
        (0.0..7.0, 0.0..210.0),
        (290.0..297.0, 0.0..210.0),
        (0.0..297.0, 0.0..7.0),
        (0.0..297.0, 203.0..210.0),
        (11.5..16.0, 12.0..198.0),
        (281.0..285.5, 12.0..198.0),
        (12.0..285.0, 11.5..15.0),
        (12.0..285.0, 195.0..198.5),
        // Between the text and the foot of the page.
        (12.0..285.0, 147.5..149.5),
    ] {
        assert!(!page.is_marked(x.clone(), y.clone()), "{x:?} {y:?}");
    }
}

#[test]
fn a_certificate_says_what_it_certifies() {
    let pdf = certificate(&facts()).unwrap();
    look("certificate", &pdf);
    assert_eq!(qr_of(&pdf), URL);
    assert_inside_frame(&pdf);
    for text in [
        "SERTIFIKAT",
        "Nomor: 3308/BIMTEK-D/2023/000417",
        "Yustina Wati Fajar Ningsih",
        "telah mengikuti dan lulus Bimbingan Teknis Dasar Pekerja Sosial Masyarakat",
        "“Bimtek Dasar PSM Angkatan VII Kabupaten Magelang”",
        "pada tanggal 17–18 Mei 2023",
        "Mungkid, 22 Mei 2023",
        "Dra. Retno Widyastuti, M.Si.",
        "Berlaku sampai 22 Mei 2026",
        "Periksa keaslian:",
        URL,
    ] {
        assert!(says(&pdf, text), "{text}");
    }
    assert!(pdf.starts_with(b"%PDF-1.7"));
    assert!(pdf.len() < 60_000, "{}", pdf.len());
}

#[test]
fn without_a_signatory_the_line_is_empty() {
    let facts = CertificateFacts {
        level: EventLevel::Other,
        signatory: None,
        valid_until: None,
        place: "",
        last_day: day(2023, 5, 17),
        holder: "Y",
        ..facts()
    };
    let pdf = certificate(&facts).unwrap();
    look("plain", &pdf);
    assert!(says(&pdf, "lulus Bimbingan Teknis Pekerja Sosial Masyarakat"));
    assert!(says(&pdf, "pada tanggal 17 Mei 2023"));
    assert!(!says(&pdf, "Berlaku"));
    assert_inside_frame(&pdf);
}

#[test]
fn texts_of_any_length_stay_in_their_place() {
    let long = |words: &str| words.repeat(20).chars().take(200).collect::<String>();
    let (words, letters) = (long("Maharani Kusumawardhani "), "W".repeat(200));
    for (name, text) in [("words", &words), ("letters", &letters)] {
        let signatory = Some(Signatory { name: text, position: text });
        let facts = CertificateFacts {
            holder: text,
            title: text,
            organiser: text,
            region: text,
            venue: text,
            place: text,
            number: text,
            signatory,
            ..facts()
        };
        let pdf = certificate(&facts).unwrap();
        look(name, &pdf);
        assert_inside_frame(&pdf);
        assert_eq!(qr_of(&pdf), URL);
        assert!(says(&pdf, text));
    }
    for length in [1, 40, 70, 200] {
        let holder: String = words.chars().take(length).collect();
        let pdf = certificate(&CertificateFacts { holder: &holder, ..facts() }).unwrap();
        look(&format!("name{length}"), &pdf);
        assert_inside_frame(&pdf);
        assert!(says(&pdf, &holder));
    }
}

#[test]
fn no_letter_fails_the_paper() {
    // Decomposed, with marks that do not compose, in other scripts, invisible, turning the direction, private.
    let holder = "Ange\u{301}lique M\u{30c}oeđa 王小明 ﷺ 😀 \u{202e}abc\u{200b}\u{0}\n\u{e000}\u{fffe} Œuf fi Ǆ ꦗꦮ";
    let pdf =
        certificate(&CertificateFacts { holder, title: "\u{202e}", organiser: "", region: "", ..facts() }).unwrap();
    look("letters-of-others", &pdf);
    assert!(says(&pdf, "Angélique"), "{}", texts(&pdf)[0]);
    assert!(says(&pdf, "oeđa ??? ? ? abc"), "{}", texts(&pdf)[0]);
    assert_inside_frame(&pdf);
    let nobody = certificate(&CertificateFacts { holder: "", title: "", venue: "", number: "", ..facts() }).unwrap();
    assert_eq!(qr_of(&nobody), URL);
}

#[test]
fn an_address_too_long_for_a_qr_code_is_an_error() {
    let long = format!("https://simpul.example.go.id/{}", "a".repeat(3000));
    assert!(certificate(&CertificateFacts { check_url: &long, ..facts() }).is_err());
    let possible = format!("https://simpul.example.go.id/{}", "a".repeat(300));
    let pdf = certificate(&CertificateFacts { check_url: &possible, ..facts() }).unwrap();
    look("long-address", &pdf);
    assert_inside_frame(&pdf);
    assert_eq!(qr_of(&pdf), possible);
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    assert_eq!(certificate(&facts()).unwrap(), certificate(&facts()).unwrap());
    let other = CertificateFacts { number: "3308/BIMTEK-D/2023/000418", ..facts() };
    assert_ne!(certificate(&facts()).unwrap(), certificate(&other).unwrap());
    let labels = labels(12);
    assert_eq!(attendance_list(&list(&labels, 60)).unwrap(), attendance_list(&list(&labels, 60)).unwrap());
}

fn labels(sessions: usize) -> Vec<String> {
    (1..=sessions).map(|session| format!("Sesi {session}")).collect()
}

fn list(labels: &[String], rows: usize) -> AttendanceList<'_> {
    const NAMES: [&str; 7] = [
        "Siti Nurhaliza",
        "Bambang Tri Wahyudi",
        "I Gusti Ayu Made Dewi Lestari Kusumawardhani",
        "Yohanes Wattimena",
        "Raden Mas Suryo Adiningrat Kartasasmita Prawirohardjo, S.Sos., M.Si.",
        "Tri",
        "Nur'aini",
    ];
    const VILLAGES: [&str; 3] = ["Desa Sawitan", "Kelurahan Muntilan", "Desa Ngadirejo Kecamatan Secang"];
    let row = |at: usize| AttendanceRow {
        name: NAMES[at % NAMES.len()],
        village: VILLAGES[at % VILLAGES.len()],
        marks: (0..labels.len())
            .map(|session| [Some(true), Some(true), Some(false), None][(at + session) % 4])
            .collect(),
    };
    AttendanceList {
        title: "Bimtek Dasar PSM Angkatan VII Kabupaten Magelang",
        organiser: "Dinas Sosial Kabupaten Magelang",
        venue: "Aula Dinas Sosial, Jalan Soekarno-Hatta 59, Mungkid",
        region: "Kabupaten Magelang",
        sessions: labels.iter().map(|label| SessionColumn { label, time: "17 Mei 2023 08.00–10.00 WIB" }).collect(),
        rows: (0..rows).map(row).collect(),
        printed: "19 Mei 2023 16.05 WIB",
        printed_on: day(2023, 5, 19),
        signatory: Some(Signatory { name: "Drs. Slamet Riyadi", position: "Kepala Bidang Pemberdayaan Sosial" }),
    }
}

#[test]
fn every_page_of_a_list_has_its_header_and_number() {
    for (sessions, rows) in [(0, 3), (1, 18), (2, 60), (3, 25), (5, 30), (8, 10), (9, 40), (1, 0), (12, 0)] {
        let labels = labels(sessions);
        let pdf = attendance_list(&list(&labels, rows)).unwrap();
        look(&format!("list-{sessions}-{rows}"), &pdf);
        let said = texts(&pdf);
        for (at, page) in said.iter().enumerate() {
            assert!(page.contains("Desa/Kelurahan"), "{page}");
            assert!(page.contains(&format!("Halaman {} dari {}", at + 1, said.len())), "{page}");
        }
        assert!(said.last().unwrap().contains("Slamet Riyadi"));
        assert_eq!(said.iter().filter(|page| page.contains("Mengetahui")).count(), 1);
    }
}

#[test]
fn a_signature_never_stands_alone() {
    let labels = labels(2);
    for rows in (1..=25).step_by(3).chain(18..22) {
        let last = texts(&attendance_list(&list(&labels, rows)).unwrap()).pop().unwrap();
        assert!(last.contains("Desa Sawitan") || last.contains("Muntilan") || last.contains("Ngadirejo"), "{rows}");
    }
}

#[test]
fn a_hundred_sessions_are_shared_out_over_pages() {
    let labels = labels(100);
    let pdf = attendance_list(&list(&labels, 5)).unwrap();
    look("list-100", &pdf);
    let said = texts(&pdf);
    for label in &labels {
        assert!(said.iter().any(|page| page.contains(&format!("{label}17 Mei"))), "{label}");
    }
    assert_inside_margins(&pdf);
}

#[test]
fn long_names_make_a_row_higher() {
    let long = "Maharani Kusumawardhani ".repeat(9).chars().take(200).collect::<String>();
    let letters = "W".repeat(200);
    let labels = labels(3);
    let mut list = list(&labels, 30);
    for (row, text) in list.rows.iter_mut().step_by(3).zip([&long, &letters].into_iter().cycle()) {
        (row.name, row.village) = (text, text);
    }
    (list.title, list.venue, list.organiser, list.printed) = (&long, &letters, &long, &letters);
    list.sessions[1] = SessionColumn { label: &long, time: &letters };
    list.signatory = Some(Signatory { name: &letters, position: &long });
    let pdf = attendance_list(&list).unwrap();
    look("list-long", &pdf);
    assert_inside_margins(&pdf);
    let said: String = texts(&pdf).into_iter().map(|page| page.replace(' ', "")).collect();
    assert!(said.contains(&letters));
    assert!(said.contains(&long.replace(' ', "")));
}

/// Of the first and the last page: drawing takes long where the compiler does not optimise.
fn assert_inside_margins(pdf: &[u8]) {
    for at in [0, page_count(pdf) - 1] {
        let page = page(pdf, at);
        let across = page.width > page.height;
        let (width, height) = if across { (297.0, 210.0) } else { (210.0, 297.0) };
        assert!(!page.is_marked(0.0..11.5, 0.0..height));
        assert!(!page.is_marked(width - 11.5..width, 0.0..height));
        assert!(!page.is_marked(0.0..width, 0.0..11.5));
        assert!(!page.is_marked(0.0..width, height - 11.0..height));
    }
}

/// As many rows as an event may have where the compiler optimises; elsewhere fewer, as it takes thirty times as long.
#[test]
fn ten_thousand_rows_are_a_matter_of_seconds() {
    let rows = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let labels = labels(4);
    let start = std::time::Instant::now();
    let pdf = attendance_list(&list(&labels, rows)).unwrap();
    println!("{rows} rows: {:?}, {} bytes, {} pages", start.elapsed(), pdf.len(), page_count(&pdf));
    assert!(start.elapsed() < std::time::Duration::from_secs(30));
    assert!(page_count(&pdf) > rows / 20);
    let last = glyphs(&pdf).pop().unwrap();
    assert!(last.iter().map(|said| said.text.as_str()).collect::<String>().contains(&rows.to_string()));
    assert!(last.iter().all(|said| said.x > 30.0 && said.y > 30.0));
}
