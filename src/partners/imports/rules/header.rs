//! Which column means what. A header is looked for in the first rows, for registers have titles above it; every column must
//! be understood, so that a misspelt one does not vanish without a word.
use super::sheet::{Cell, MOST_ROWS, NO_ROWS, Row, Sheet, TITLE_ROWS, letters, too_many_rows};
use crate::partners::fields::Field;
use crate::platform::error::{Fault, Language};
use crate::platform::text::fold;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meaning {
    /// A field of a volunteer.
    Field(Field),
    /// "Tempat, tanggal lahir": both in one cell.
    BirthPlaceAndDate,
    /// Name of the village's kecamatan.
    District,
    /// Name of its kabupaten or kota.
    Regency,
    /// Name of its province, which says nothing more.
    Nothing,
}

/// Other names of columns that registers have; letters and digits alone, small.
const ALIASES: &[(Meaning, &[&str])] = &[
    (Meaning::Field(Field::Name), &["namalengkap", "namapsm", "namaanggota", "namarelawan", "fullname"]),
    (Meaning::Field(Field::Nik), &["nonik", "nomornik", "noktp", "nomorktp", "nikktp", "nomorindukkependudukan"]),
    (Meaning::Field(Field::MemberNumber), &["noanggota", "nia", "noindukanggota", "nomorindukanggota", "memberno"]),
    (Meaning::Field(Field::BirthPlace), &["tmplahir", "tmptlahir"]),
    (Meaning::Field(Field::BirthDate), &["tgllahir", "dob"]),
    (
        Meaning::BirthPlaceAndDate,
        &["ttl", "tempattanggallahir", "tempattgllahir", "tempatdantanggallahir", "tempatdantgllahir", "tmptgllahir"],
    ),
    (Meaning::Field(Field::Sex), &["jk", "lp", "kelamin", "jeniskelaminlp", "gender"]),
    (Meaning::Field(Field::Address), &["alamatlengkap", "alamatrumah", "alamattinggal", "alamatdomisili"]),
    (
        Meaning::Field(Field::Phone),
        &[
            "nohp",
            "nomorhp",
            "hp",
            "notelepon",
            "nomortelepon",
            "notelp",
            "telp",
            "notlp",
            "nohptelepon",
            "notelphp",
            "nohpwa",
            "nowa",
            "wa",
            "whatsapp",
            "handphone",
            "phonenumber",
            "mobile",
        ],
    ),
    (Meaning::Field(Field::Email), &["alamatemail", "alamatsurel"]),
    (
        Meaning::Field(Field::VillageCode),
        &["kodewilayah", "kodedesa", "kodekelurahan", "kodekelurahandesa", "kodewilayahdesa", "kodekemendagri"],
    ),
    (
        Meaning::Field(Field::VillageName),
        &["desa", "kelurahan", "kelurahandesa", "namadesa", "namadesakelurahan", "desakel", "keldesa"],
    ),
    (Meaning::District, &["kecamatan", "namakecamatan", "kec", "district", "districtname"]),
    (Meaning::Regency, &["kabupaten", "kabupatenkota", "kabkota", "kab", "kota", "regency", "regencyname"]),
    (Meaning::Field(Field::Education), &["pendidikan", "pendidikanakhir"]),
    (Meaning::Field(Field::Occupation), &["pekerjaan", "pekerjaanpokok", "job"]),
    (
        Meaning::Field(Field::AppointedYear),
        &["tahundiangkat", "tahunangkat", "thnpengangkatan", "thpengangkatan", "tahunmenjadipsm"],
    ),
    (
        Meaning::Field(Field::CertificateNumber),
        &["nosertifikat", "nomorsertifikat", "nosertifikatbimtek", "nosertifikatbimtekdasar", "nomorsertifikatbimtek"],
    ),
    (
        Meaning::Field(Field::CertificateOrganiser),
        &["penyelenggara", "penyelenggarasertifikat", "penyelenggarabimtek", "penyelenggaradiklat"],
    ),
    (Meaning::Field(Field::CertificateDate), &["tanggalsertifikat", "tglsertifikat", "tglsertifikatbimtek"]),
    (Meaning::Field(Field::SkNumber), &["nosk", "noskpengangkatan", "nomorskpengangkatan"]),
    (Meaning::Field(Field::SkDate), &["tglsk", "tanggalskpengangkatan", "tglskpengangkatan"]),
    (Meaning::Field(Field::SkOfficial), &["pejabatsk", "pejabatpenandatangan", "penandatangansk"]),
    (Meaning::Field(Field::Status), &["statuspsm", "statuskeanggotaan"]),
    (Meaning::Field(Field::Functions), &["fungsipsm"]),
    // Counted, derived, or not to be collected (religion): what they hold is left where it is, and the answer says so.
    (
        Meaning::Nothing,
        &[
            "no",
            "nomor",
            "nourut",
            "nomorurut",
            "umur",
            "usia",
            "age",
            "keterangan",
            "ket",
            "tandatangan",
            "ttd",
            "paraf",
            "foto",
            "agama",
            "religion",
            "nokk",
            "nomorkk",
            "provinsi",
            "province",
            "prov",
        ],
    ),
];

/// Most characters of a header, hints in brackets included; what is longer is no name.
const MOST_NAME: usize = 200;
/// Of which so many are kept: every finding in the column tells them.
const KEPT_NAME: usize = 60;

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As the file writes it, without what stands in brackets and adds nothing; empty if it is not understood, for then it may
    /// be anything.
    pub name: String,
    /// What Excel calls it.
    pub letters: String,
    /// What it means.
    pub meaning: Meaning,
}

/// A sheet that is understood.
#[derive(Debug, Clone)]
pub struct Register {
    /// Row of the header; 0 where the columns are named in every row.
    pub header_row: i32,
    /// Every column.
    pub columns: Vec<Column>,
    /// The people.
    pub rows: Vec<Row>,
}

/// What a header means, and the part of it that says so.
fn meaning(raw: &str) -> Option<(Meaning, &str)> {
    if is_too_long(raw) {
        return None;
    }
    let of = |text: &str| {
        if let Some(field) = Field::of_header(text) {
            // Of our own exports: never imported.
            let derived = matches!(field, Field::Id | Field::Level | Field::EffectiveOn);
            return Some(if derived { Meaning::Nothing } else { Meaning::Field(field) });
        }
        let plain = fold(text).replace(' ', "");
        ALIASES.iter().find(|(_, names)| names.contains(&plain.as_str())).map(|(meaning, _)| *meaning)
    };
    // "Tanggal Lahir (dd/mm/yyyy)": in the brackets may be anything, somebody's name too.
    let short = || raw.split_once('(').map(|(name, _)| name);
    let whole = of(raw).map(|meaning| (meaning, raw));
    whole.or_else(|| short().and_then(|name| of(name).map(|meaning| (meaning, name))))
}

fn is_too_long(name: &str) -> bool {
    name.chars().nth(MOST_NAME).is_some()
}

/// How many of these cells are names of columns.
pub fn known(cells: &[Cell]) -> usize {
    cells.iter().filter(|cell| matches!(cell, Cell::Text(text) if meaning(text).is_some())).count()
}

/// Finds the header and says what every column means. `ignored`: letters of columns that may be anything.
pub fn understand(sheet: Sheet, ignored: &[String]) -> Result<Register, Vec<Fault>> {
    let (header_row, names, mut rows) = match sheet.names {
        Some(names) => (0, names, sheet.rows),
        None => split(sheet.rows)?,
    };
    let width = rows.iter().map(|row| row.cells.len()).chain([names.len()]).max().unwrap_or_default();
    let (mut columns, mut faults) = (vec![], vec![]);
    let (mut unknown, mut nameless, mut long) = (vec![], vec![], vec![]);
    for index in 0..width {
        let name = names.get(index).map(|name| name.trim()).unwrap_or_default();
        let letters = letters(index);
        let is_ignored = ignored.iter().any(|one| one.eq_ignore_ascii_case(&letters));
        let found = meaning(name);
        match (found, name.is_empty()) {
            _ if is_ignored => {}
            _ if is_too_long(name) => long.push(letters.clone()),
            (None, true) if rows.iter().any(|row| row.cells.get(index).is_some_and(|cell| !cell.is_empty())) => {
                nameless.push(letters.clone());
            }
            (None, false) => unknown.push(letters.clone()),
            _ => {}
        }
        let (meaning, name) = found.unwrap_or((Meaning::Nothing, ""));
        let meaning = if is_ignored { Meaning::Nothing } else { meaning };
        columns.push(Column { name: name.trim().chars().take(KEPT_NAME).collect(), letters, meaning });
    }
    if sheet.shifted {
        refuse_serials(&columns, &mut rows);
    }
    faults.extend((!unknown.is_empty()).then(|| unknown_columns(&unknown)));
    faults.extend((!long.is_empty()).then(|| long_names(&long)));
    faults.extend((!nameless.is_empty()).then(|| nameless_columns(&nameless)));
    faults.extend(twice(&columns));
    faults.extend(missing(&columns));
    faults.extend(rows.is_empty().then_some(NO_ROWS));
    faults.extend((rows.len() > MOST_ROWS).then(too_many_rows));
    if faults.is_empty() { Ok(Register { header_row, columns, rows }) } else { Err(faults) }
}

/// In a workbook that counts its days from 1904 a number without a format may be a day of either count, four years apart.
fn refuse_serials(columns: &[Column], rows: &mut [Row]) {
    let days = [Field::BirthDate, Field::CertificateDate, Field::SkDate].map(Meaning::Field);
    let is_day = |column: &Column| column.meaning == Meaning::BirthPlaceAndDate || days.contains(&column.meaning);
    for row in rows {
        for (cell, _) in row.cells.iter_mut().zip(columns).filter(|(_, column)| is_day(column)) {
            if matches!(cell, Cell::Number(_)) {
                *cell = Cell::Wrong;
            }
        }
    }
}

/// The header is the row among the first that names the most columns; what stands above it is a title.
fn split(mut rows: Vec<Row>) -> Result<(i32, Vec<String>, Vec<Row>), Vec<Fault>> {
    let last = i32::try_from(TITLE_ROWS).unwrap_or(i32::MAX);
    let first = rows.iter().take_while(|row| row.number <= last);
    // Of equals the first.
    let best = first.enumerate().map(|(index, row)| (known(&row.cells), Reverse(index))).max();
    let Some((2.., Reverse(index))) = best else {
        return Err(vec![if rows.is_empty() { NO_ROWS } else { no_header() }]);
    };
    let mut people = rows.split_off(index + 1);
    let header = rows.pop().map(|row| (row.number, row.cells.iter().map(Cell::shown).collect()));
    let (number, names) = header.unwrap_or_default();
    // Below the header of a printed register the columns are counted: (1), (2), (3).
    if people.first().is_some_and(counts_columns) {
        people.remove(0);
    }
    Ok((number, names, people))
}

fn counts_columns(row: &Row) -> bool {
    let counted = |(cell, number): (&Cell, usize)| {
        let digits: String = cell.shown().chars().filter(char::is_ascii_digit).collect();
        digits == number.to_string() && cell.shown().len() <= digits.len() + 2
    };
    row.cells.len() >= 3 && row.cells.iter().zip(1..).all(counted)
}

fn no_header() -> Fault {
    Fault::with(
        "header_not_found",
        format!("tidak ada judul kolom dalam {TITLE_ROWS} baris pertama"),
        format!("no row with names of columns among the first {TITLE_ROWS} rows"),
    )
}

fn unknown_columns(letters: &[String]) -> Fault {
    let letters = letters.join(", ");
    Fault::with(
        "column_unknown",
        format!("judul kolom {letters} tidak dikenal; perbaiki, hapus, atau kirim ignore={letters}"),
        format!("the names of columns {letters} are not known; correct them, delete them, or send ignore={letters}"),
    )
}

fn long_names(letters: &[String]) -> Fault {
    let letters = letters.join(", ");
    Fault::with(
        "header_too_long",
        format!("judul kolom {letters} lebih dari {MOST_NAME} karakter"),
        format!("the names of columns {letters} have more than {MOST_NAME} characters"),
    )
}

fn nameless_columns(letters: &[String]) -> Fault {
    let letters = letters.join(", ");
    Fault::with(
        "column_without_name",
        format!("kolom {letters} berisi data tanpa judul"),
        format!("columns {letters} hold data and have no name"),
    )
}

/// Two columns of one meaning: nobody knows which one counts.
fn twice(columns: &[Column]) -> Vec<Fault> {
    let clash = |(index, column): (usize, &Column)| {
        let before = columns.iter().take(index).find(|other| other.meaning == column.meaning)?;
        (column.meaning != Meaning::Nothing).then(|| {
            Fault::with(
                "column_twice",
                format!("kolom {} dan {} sama artinya", before.letters, column.letters),
                format!("columns {} and {} mean the same", before.letters, column.letters),
            )
        })
    };
    columns.iter().enumerate().filter_map(clash).collect()
}

/// Without these no row can be a volunteer.
fn missing(columns: &[Column]) -> Vec<Fault> {
    let has = |field| columns.iter().any(|column| column.meaning == Meaning::Field(field));
    let named = |field: Field| {
        let (id, en) = (field.header(Language::Indonesian), field.header(Language::English));
        Fault::with("column_missing", format!("kolom \"{id}\" tidak ada"), format!("there is no column \"{en}\""))
    };
    let name = (!has(Field::Name)).then(|| named(Field::Name));
    let village = (!has(Field::VillageCode) && !has(Field::VillageName)).then(|| named(Field::VillageCode));
    name.into_iter().chain(village).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sheet::{Deadline, Kind, read};
    use super::*;
    use std::time::Duration;

    fn understood(text: &str, ignored: &[&str]) -> Result<Register, Vec<Fault>> {
        let ignored: Vec<String> = ignored.iter().map(|one| (*one).to_owned()).collect();
        let until = Deadline::after(Duration::from_mins(2));
        read(text.as_bytes(), Kind::Any, until)
            .map_err(|fault| vec![fault])
            .and_then(|sheet| understand(sheet, &ignored))
    }

    fn codes(text: &str) -> Vec<String> {
        understood(text, &[]).unwrap_err().into_iter().map(|fault| fault.code.into_owned()).collect()
    }

    #[test]
    fn no_name_means_two_things() {
        let mut seen = std::collections::BTreeSet::new();
        for (meaning, names) in ALIASES {
            for name in *names {
                assert!(seen.insert(name), "{name} is there twice");
                assert_eq!(Field::of_header(name), None, "{name} is the field's own name");
                assert_eq!(super::meaning(name), Some((*meaning, *name)));
            }
        }
    }

    #[test]
    fn titles_stand_above_and_counted_columns_below_the_header() {
        let text = "DAFTAR NAMA PSM;;;\nKABUPATEN MUKOMUKO;;;\n\nNo.;Nama Lengkap;No. HP;Kode Wilayah\n(1);(2);(3);(4)\n1;Siti;0812;1706021009\n";
        let register = understood(text, &[]).unwrap();
        assert_eq!((register.header_row, register.rows.len(), register.rows[0].number), (4, 1, 6));
        let means: Vec<Meaning> = register.columns.iter().map(|column| column.meaning).collect();
        let field = Meaning::Field;
        assert_eq!(means, [Meaning::Nothing, field(Field::Name), field(Field::Phone), field(Field::VillageCode)]);
        assert_eq!(register.columns[2].name, "No. HP");
        let hinted = understood("Nama*;Tanggal Lahir (dd/mm/yyyy);KODE_DESA\na;;b", &[]).unwrap();
        assert_eq!(hinted.columns[1].meaning, field(Field::BirthDate));
    }

    #[test]
    fn a_header_has_a_length_and_keeps_no_hint() {
        let long = format!("Nama;Kode Desa{};NIK\na;b;c", ".".repeat(300));
        assert_eq!(codes(&long), ["header_too_long", "column_missing"]);
        assert!(understood(&format!("Nama;Kode Desa;{}\na;b;c", "x".repeat(300)), &["C"]).is_ok());
        let hinted = format!("Nama (Siti, 1706);Desa/(Kelurahan);Kode Desa{}\na;b;c", ".".repeat(100));
        let names: Vec<String> = understood(&hinted, &[]).unwrap().columns.into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["Nama".to_owned(), "Desa/(Kelurahan)".to_owned(), format!("Kode Desa{}", ".".repeat(51))]);
        let rows = |count| format!("Judul\n\nNama;Kode Desa\n{}", "a;b\n".repeat(count));
        assert_eq!(codes(&rows(MOST_ROWS + 1)), ["too_many_rows"]);
        assert_eq!(understood(&rows(MOST_ROWS), &[]).unwrap().rows.len(), MOST_ROWS);
    }

    #[test]
    fn a_bare_number_of_a_workbook_that_counts_from_1904_is_no_day() {
        let said = |text: &str| Cell::Text(text.to_owned());
        let row = |number, cells| Row { number, cells, broken: false };
        let sheet = |shifted| Sheet {
            kind: Kind::Xlsx,
            rows: vec![
                row(1, vec![said("Nama"), said("Kode Desa"), said("TTL"), said("Tahun Pengangkatan")]),
                row(2, vec![said("Siti"), said("17.06.02.1009"), Cell::Number(29_221.0), Cell::Number(2015.0)]),
            ],
            names: None,
            other_sheets: 0,
            shifted,
        };
        let cells = |shifted| understand(sheet(shifted), &[]).unwrap().rows.remove(0).cells.split_off(2);
        assert_eq!(cells(true), [Cell::Wrong, Cell::Number(2015.0)]);
        assert_eq!(cells(false), [Cell::Number(29_221.0), Cell::Number(2015.0)]);
    }

    #[test]
    fn no_column_vanishes() {
        assert_eq!(codes("Nama;Kode Desa;Tangal Lahir\na;b;c"), ["column_unknown"]);
        assert_eq!(codes("Nama;Kode Desa;\na;b;c"), ["column_without_name"]);
        assert_eq!(codes("Nama;Kode Desa;HP;No. Telepon\na;b;c;d"), ["column_twice"]);
        assert_eq!(codes("NIK;HP\na;b"), ["column_missing", "column_missing"]);
        assert_eq!(codes("Nama;Kode Desa\n"), ["file_has_no_rows"]);
        assert_eq!(codes(""), ["file_has_no_rows"]);
        assert_eq!(codes("Siti;17.06\nBudi;17.06"), ["header_not_found"]);
        assert_eq!(codes("{\"nama\":\"a\",\"village_code\":\"b\",\"hobi\":\"c\"}"), ["column_unknown"]);
        let ignoring = understood("Nama;Kode Desa;Tangal Lahir;\na;b;c;d", &["c", "D"]).unwrap();
        assert_eq!(
            ignoring.columns[2],
            Column { name: String::new(), letters: "C".to_owned(), meaning: Meaning::Nothing }
        );
        let faults = understood("Nama;Kode Desa;1706024508950001\na;b;c", &[]).unwrap_err();
        assert!(!format!("{faults:?}").contains("1706024508950001"));
    }
}
