//! A register that an office kept as a file, on its way in.
use crate::support::register::{self as file, Psm, register, xlsx};
use crate::support::{self, Client, Reply, TestApp, run};
use diesel_async::RunQueryDsl;
use reqwest::Method;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};
use simpul::partners::imports::work::work;
use simpul::worker;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const NDJSON: &str = "application/x-ndjson";

async fn send(client: &Client<'_>, kind: &str, bytes: &[u8]) -> Reply {
    send_to(client, "/v1/imports", kind, bytes).await
}

async fn send_to(client: &Client<'_>, path: &str, kind: &str, bytes: &[u8]) -> Reply {
    let key = Uuid::now_v7().to_string();
    client.request(Method::POST, path).raw(bytes).header("content-type", kind).key(&key).await
}

fn path(reply: &Reply) -> String {
    format!("/v1/imports/{}", reply.id())
}

/// Reads the import until it is in the state: the work on it goes on by itself.
async fn until(client: &Client<'_>, path: &str, state: &str) -> Reply {
    let begun = Instant::now();
    loop {
        let reply = client.get(path).await.expect(200);
        if reply.json["state"] == state {
            return reply;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "not {state}: {}", reply.text);
    }
}

/// Uploads and waits until its rows have been looked through.
async fn looked_through(client: &Client<'_>, kind: &str, bytes: &[u8]) -> Reply {
    let sent = send(client, kind, bytes).await.expect(202);
    assert_eq!(sent.header("location"), format!("{}{}", client.app.base, path(&sent)));
    until(client, &path(&sent), "validated").await
}

async fn apply(client: &Client<'_>, import: &Reply, body: Value) -> Reply {
    client.act(&format!("{}/apply", path(import)), import.header("etag"), body).await
}

async fn rows(client: &Client<'_>, import: &Reply, query: &str) -> Vec<Value> {
    let (mut rows, mut next) = (vec![], format!("{}/rows?limit=200{query}", path(import)));
    loop {
        let page = client.get(&next).header("accept-language", "en").await.expect(200).json;
        rows.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { return rows };
        next = format!("{}/rows?limit=200&cursor={cursor}", path(import));
    }
}

fn counts(import: &Reply) -> [i64; 5] {
    ["pending", "ready", "faulty", "duplicates", "applied"].map(|of| import.json["counts"][of].as_i64().unwrap())
}

/// Every field of a volunteer as the register says it.
async fn is_the_same(client: &Client<'_>, id: &str, psm: &Psm) {
    let read = client.get(&format!("/v1/volunteers/{id}")).await.expect(200).json;
    let date = |(year, month, day): (u16, u8, u8)| format!("{year}-{month:02}-{day:02}");
    let person = json!({
        "name": psm.name, "birth_date": date(psm.birth), "birth_place": psm.birth_place, "address": psm.address,
        "phone": format!("+62{}", &psm.phone[1..]), "email": psm.email, "education": psm.education,
        "occupation": psm.occupation, "member_number": psm.member_number, "certificate_number": psm.certificate,
        "certificate_organiser": "Dinas Sosial Provinsi Bengkulu", "certificate_date": "2023-05-17",
        "nik_status": if psm.nik.is_some() { "well_formed" } else { "unknown" },
        "nik": psm.nik.as_ref().map(|nik| format!("************{}", &nik[12..])),
    });
    for (field, value) in person.as_object().unwrap() {
        assert_eq!(read["person"][field], *value, "{field} of {psm:?}");
    }
    let letter = psm.letter.as_ref();
    let appointment =
        letter.map(|number| json!({ "number": number, "date": "2023-06-20", "official": "Bupati Mukomuko" }));
    assert_eq!(read["appointment"], json!(appointment), "{psm:?}");
    assert_eq!(read["status"], if letter.is_some() { "active" } else { "candidate" });
    assert_eq!(read["village_code"], psm.village.as_str());
    assert_eq!(read["sex"], if psm.female { "female" } else { "male" });
    assert_eq!(read["appointed_year"], psm.appointed_year);
    assert_eq!(read["warnings"], json!([]), "{psm:?}");
}

/// Uploaded, looked through, applied, and read back over the API.
async fn goes_in_and_comes_out(app: &TestApp, kind: &str, file: &[u8], people: &[Psm], first_row: i64) -> Reply {
    let regency = app.regency().await;
    let before = app.number("SELECT count(*) FROM volunteers").await;
    let import = looked_through(&regency, kind, file).await;
    assert_eq!(counts(&import), [0, 75, 0, 0, 0], "{:?}", rows(&regency, &import, "&state=faulty").await);
    assert_eq!(app.number("SELECT count(*) FROM volunteers").await, before, "looking through registers nobody");
    apply(&regency, &import, json!({ "mode": "all" })).await.expect(202);
    let import = until(&regency, &path(&import), "applied").await;
    assert_eq!((counts(&import), &import.json["progress"]), ([0, 0, 0, 0, 75], &json!(100)));
    let rows = rows(&regency, &import, "").await;
    let numbers: Vec<i64> = rows.iter().map(|row| row["row"].as_i64().unwrap()).collect();
    assert_eq!((numbers[0], numbers.len()), (first_row, 75));
    for (row, psm) in rows.iter().zip(people) {
        assert_eq!(row["errors"], json!([]));
        is_the_same(&regency, row["volunteer_id"].as_str().unwrap(), psm).await;
    }
    // the numbers themselves, of a few
    for (row, psm) in rows.iter().zip(people).step_by(15) {
        let reveal = format!("/v1/volunteers/{}/reveal", row["volunteer_id"].as_str().unwrap());
        let numbers = regency.post(&reveal, json!({ "purpose": "identity_check" })).await.expect(200);
        assert_eq!(numbers.json["nik"], json!(psm.nik));
    }
    import
}

#[test]
fn the_register_of_mukomuko_goes_in_as_csv_and_comes_out_the_same() {
    run(async |app| {
        let people = register(app, 1979).await;
        let import = goes_in_and_comes_out(app, CSV, &file::csv(&people), &people, 5).await;
        assert_eq!((&import.json["header_row"], &import.json["format"]), (&json!(3), &json!("csv")));
        assert_eq!(import.json["ignored_columns"], json!(["A", "U"]));
        let columns = import.json["columns"].as_array().unwrap();
        assert_eq!(columns[4], json!({ "column": "F", "name": "Tgl Lahir", "field": "birth_date" }));
        // those who are in are found, and the file is known
        let same = send(&app.regency().await, CSV, &file::csv(&people)).await.problem(409, "file_imported_already");
        assert_eq!(same.json["id"], import.id());
    });
}

#[test]
fn the_register_of_mukomuko_goes_in_as_a_workbook_and_comes_out_the_same() {
    run(async |app| {
        let people = register(app, 1981).await;
        let import = goes_in_and_comes_out(app, XLSX, &xlsx(&people), &people, 4).await;
        assert_eq!((&import.json["header_row"], &import.json["format"]), (&json!(3), &json!("xlsx")));
        assert_eq!((&import.json["other_sheets"], &import.json["ignored_columns"]), (&json!(1), &json!(["A"])));
    });
}

/// Reads an export: a mark, semicolons.
fn csv_reader(file: &str) -> csv::Reader<&[u8]> {
    let text = file.strip_prefix('\u{feff}').unwrap();
    csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes())
}

#[test]
fn what_was_taken_in_is_exported_the_same_and_every_row_of_that_is_known() {
    run(async |app| {
        let (people, regency) = (register(app, 1983).await, app.regency().await);
        goes_in_and_comes_out(app, CSV, &file::csv(&people), &people, 5).await;
        let order = json!({ "format": "csv", "filters": {}, "nik": "full", "purpose": "legal_duty" });
        let exported = regency.post("/v1/exports/volunteers", order).without("idempotency-key").await.expect(200).text;
        let mut reader = csv_reader(&exported);
        let lines: Vec<Vec<String>> = reader.deserialize().map(Result::unwrap).collect();
        for psm in &people {
            let line = lines.iter().find(|line| line.iter().any(|cell| cell.ends_with(&psm.certificate))).unwrap();
            let (year, month, day) = psm.birth;
            let cells = [
                &psm.name,
                psm.nik.as_ref().unwrap_or(&psm.name),
                &format!("{year}-{month:02}-{day:02}"),
                &psm.village,
                &psm.member_number,
                psm.email.as_ref().unwrap_or(&psm.name),
                &psm.address,
            ];
            for cell in cells {
                // an apostrophe may keep a spreadsheet from reading it as something else
                assert!(line.iter().any(|one| one.trim_start_matches('\'') == cell), "{cell} in {line:?}");
            }
        }
        let all = app.number("SELECT count(*) FROM volunteers WHERE regency_code = '17.06'").await;
        let import = looked_through(&regency, CSV, exported.as_bytes()).await;
        assert_eq!(counts(&import), [0, 0, 0, all, 0], "{:?}", rows(&regency, &import, "&state=faulty").await);
    });
}

#[test]
fn systems_send_a_line_of_json_for_each() {
    run(async |app| {
        let regency = app.regency().await;
        let lines = [
            json!({ "name": "Rina Tanjung", "village_code": "17.06.02.1009", "nik": "1706024508790001", "sex": "female",
                "birth_date": "1979-08-05", "functions": ["motivation", "coordination"], "phone": "0812 0000 1111" }),
            json!({ "name": "Budi Koto", "village_code": "1706021009", "email": null, "nik": 1_706_020_508_790_002_i64 }),
        ];
        let lines = [lines[0].to_string(), lines[1].to_string(), "[1]".to_owned()];
        let import = looked_through(&regency, NDJSON, lines.join("\n").as_bytes()).await;
        assert_eq!((counts(&import), &import.json["header_row"]), ([0, 1, 2, 0, 0], &json!(0)));
        let rows = rows(&regency, &import, "").await;
        let wrong: Vec<_> = rows.iter().map(|row| (row["row"].as_i64().unwrap(), &row["errors"][0]["code"])).collect();
        assert_eq!(wrong, [(1, &Value::Null), (2, &json!("nik_as_number")), (3, &json!("line_malformed"))]);
        apply(&regency, &import, json!({ "mode": "good_rows" })).await.expect(202);
        until(&regency, &path(&import), "applied").await;
        let one = rows_of(&regency, &import).await.remove(0);
        let read = regency.get(&format!("/v1/volunteers/{}", one["volunteer_id"].as_str().unwrap())).await.expect(200);
        assert_eq!(read.json["functions"], json!(["motivation", "coordination"]));
    });
}

async fn rows_of(client: &Client<'_>, import: &Reply) -> Vec<Value> {
    rows(client, import, "").await
}

/// A row that is wrong in one way: which column is blamed, and for what.
const BAD: &[(&str, &str, &str, &str)] = &[
    // column, what is in it, who is blamed, code
    ("Nama", "", "Nama", "required"),
    ("Nama", "Siti\u{202e}Aminah", "Nama", "invalid_character"),
    ("NIK", "1706022902950001", "NIK", "nik_malformed"),
    ("NIK", "1.70602E+15", "NIK", "number_shortened"),
    ("NIK", "************0001", "NIK", "nik_masked"),
    ("NIK", "#N/A", "NIK", "nik_malformed"),
    ("Tanggal Lahir", "31/02/1990", "Tanggal Lahir", "date_malformed"),
    ("Tanggal Lahir", "05/17/1990", "Tanggal Lahir", "date_month_first"),
    ("Tanggal Lahir", "17/05/90", "Tanggal Lahir", "date_short_year"),
    ("Tanggal Lahir", "17/05/2019", "Tanggal Lahir", "too_young"),
    ("Tanggal Lahir", "17/05/1899", "Tanggal Lahir", "too_old"),
    ("L/P", "X", "L/P", "unknown_value"),
    ("HP", "0812", "HP", "phone_malformed"),
    ("HP", "8,12E+10", "HP", "number_shortened"),
    ("Email", "siti", "Email", "email_malformed"),
    ("Kode Wilayah", "17.06.2", "Kode Wilayah", "region_code_malformed"),
    ("Kode Wilayah", "17.06.02.9999", "Kode Wilayah", "region_unknown"),
    ("Kode Wilayah", "17.06.02", "Kode Wilayah", "village_expected"),
    ("Kode Wilayah", "17.01.01.2001", "Kode Wilayah", "outside_your_region"),
    ("Kode Wilayah", "", "Kode Wilayah", "required"),
    ("Desa", "Negeri Dongeng", "Desa", "village_not_found"),
    ("Desa", "AMBIGUOUS", "Desa", "village_ambiguous"),
    ("Tahun Pengangkatan", "19", "Tahun Pengangkatan", "year_malformed"),
    ("Tahun Pengangkatan", "1901", "Tahun Pengangkatan", "out_of_range"),
    ("Tgl Sertifikat", "17/05/2150", "Tgl Sertifikat", "in_the_future"),
    ("Pendidikan", "LONG", "Pendidikan", "too_long"),
    ("Status", "Mengundurkan Diri", "Status", "status_not_importable"),
    ("Status", "Sibuk", "Status", "unknown_value"),
    ("Status", "Aktif", "No. SK", "required"),
    ("Tgl SK", "20/06/2023", "No. SK", "required"),
    ("Fungsi", "singing", "Fungsi", "code_unknown"),
];

const HEAD: [&str; 17] = [
    "Nama",
    "NIK",
    "Tanggal Lahir",
    "L/P",
    "HP",
    "Email",
    "Kode Wilayah",
    "Desa",
    "Pendidikan",
    "Tahun Pengangkatan",
    "Tgl Sertifikat",
    "Status",
    "No. SK",
    "Tgl SK",
    "Pejabat SK",
    "Fungsi",
    "Alamat",
];

/// A good row by its number, in the order of [`HEAD`].
fn good(number: usize) -> [String; 17] {
    let (day, month) = (number % 28 + 1, number % 12 + 1);
    let nik = format!("170602{:02}{month:02}80{:04}", day + 40, 100 + number);
    let words = |word: &str| word.to_owned();
    [
        format!("Warga {}", char::from(b'A' + u8::try_from(number % 26).unwrap())) + &"x".repeat(number / 26 * 4),
        nik,
        format!("{day:02}/{month:02}/1980"),
        words("P"),
        format!("0813{:08}", 20_000_000 + number),
        words(""),
        words("17.06.02.1009"),
        words(""),
        words("SMA"),
        words("2015"),
        words("17/05/2023"),
        words(""),
        words(""),
        words(""),
        words(""),
        words(""),
        format!("Jalan {number}"),
    ]
}

/// The names of a village that two districts of 17.06 have.
async fn ambiguous(app: &TestApp) -> String {
    let twice = "SELECT name FROM regions WHERE regency_code = '17.06' AND level = 'village' AND last_listed IS NULL GROUP BY name HAVING count(*) > 1 ORDER BY 1 LIMIT 1";
    app.texts(twice).await.remove(0)
}

#[test]
fn every_kind_of_bad_row_is_told_with_its_row_column_and_reason() {
    run(async |app| {
        let regency = app.regency().await;
        let column = |name: &str| HEAD.iter().position(|head| *head == name).unwrap();
        let mut lines = vec![HEAD.join("\t")];
        let mut expected: BTreeMap<i64, (String, String)> = BTreeMap::new();
        let name_of_two = ambiguous(app).await;
        for (index, (name, value, blamed, code)) in BAD.iter().enumerate() {
            let mut cells = good(index);
            let value = match *value {
                "LONG" => "x".repeat(101),
                "AMBIGUOUS" => name_of_two.clone(),
                value => value.to_owned(),
            };
            cells[column(name)] = value;
            if *name == "Desa" {
                cells[column("Kode Wilayah")] = String::new();
            }
            expected.insert(i64::try_from(index).unwrap() + 2, ((*blamed).to_owned(), (*code).to_owned()));
            lines.push(cells.join("\t"));
        }
        // two rows of one NIK, each told of the other; one who is registered; one who is like that one; the like of a row
        let at = lines.len();
        let mut twice = [good(at), good(at + 1)];
        twice[1][1] = twice[0][1].clone();
        lines.extend(twice.iter().map(|cells| cells.join("\t")));
        for row in [at + 1, at + 2] {
            expected.insert(i64::try_from(row).unwrap(), ("NIK".to_owned(), "nik_twice_in_file".to_owned()));
        }
        let known = good(70);
        let body = json!({ "village_code": known[6], "name": known[0], "nik": known[1], "birth_date": "1980-11-15" });
        let registered = regency.post("/v1/volunteers", body).await.expect(201).id();
        lines.push(known.join("\t"));
        let mut alike = good(71);
        (alike[0], alike[2]) = (known[0].replace("Warga", "Wraga"), "15/11/1980".to_owned());
        lines.push(alike.join("\t"));
        let mut again = good(72);
        (again[0], again[2]) = (good(73)[0].clone(), good(73)[2].clone());
        lines.extend([good(73).join("\t"), again.join("\t"), good(74).join("\t")]);
        // as Excel's "Unicode text"
        let text = lines.join("\r\n");
        let wide: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let import = looked_through(&regency, CSV, &wide).await;
        let rows = rows(&regency, &import, "").await;
        let faulty: BTreeMap<i64, (String, String)> = rows
            .iter()
            .filter(|row| row["state"] == "faulty")
            .map(|row| {
                let error = &row["errors"][0];
                let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                assert!(!word("detail").is_empty() && !word("field").is_empty(), "{row}");
                (row["row"].as_i64().unwrap(), (word("column"), word("code")))
            })
            .collect();
        assert_eq!(faulty, expected);
        let kinds: BTreeSet<&String> = faulty.values().map(|(_, code)| code).collect();
        assert!(kinds.len() >= 20, "{kinds:?}");
        let told = |row: usize| {
            rows[row - 2]["errors"].as_array().unwrap().iter().map(|e| e["code"].clone()).collect::<Vec<_>>()
        };
        assert!(rows[at - 1]["errors"][0]["detail"].as_str().unwrap().contains(&format!("row {}", at + 2)));
        let duplicates: Vec<_> = rows.iter().filter(|row| row["state"] == "duplicate").collect();
        assert_eq!(duplicates.len(), 3);
        assert_eq!(told(at + 3), [json!("volunteer_exists"), json!("volunteer_alike")]);
        assert_eq!(
            (told(at + 4), &duplicates[1]["candidates"]),
            (vec![json!("volunteer_alike"), json!("alike_in_file")], &json!([registered]))
        );
        assert_eq!(told(at + 6), [json!("alike_in_file")]);
        assert_eq!(counts(&import), [0, 2, i64::try_from(expected.len()).unwrap(), 3, 0]);
        // the same as a file that Excel opens, in the language that was asked for
        let file = regency.get(&format!("{}/errors.csv", path(&import))).await.expect(200);
        assert!(file.header("content-type").starts_with("text/csv") && file.text.starts_with("\u{feff}Baris;Kolom;"));
        assert!(file.text.contains("2;\"Nama\";required;"), "{}", file.text);
        let lines_of_errors = rows.iter().map(|row| row["errors"].as_array().unwrap().len()).sum::<usize>();
        assert_eq!(file.text.lines().count(), lines_of_errors + 1);
        // and nothing of what is in the cells is in any of it
        let all = format!("{}{}{}", Value::from(rows.clone()), file.text, import.text);
        for (number, cells) in (0..75).map(|number| (number, good(number))) {
            for secret in [&cells[1], &cells[4], &cells[16]] {
                assert!(!all.contains(secret.as_str()), "row {number}: {secret}");
            }
        }
        // one is told of as Excel shows it, one is among the words that another row is told of
        let known = ["1.70602E+15", "Mengundurkan Diri"];
        for (_, value, ..) in BAD.iter().filter(|(_, value, ..)| value.len() > 8 && !known.contains(value)) {
            assert!(!all.contains(value), "{value}");
        }
        // all or nothing: nothing
        let refused = apply(&regency, &import, json!({ "mode": "all" })).await.problem(409, "rows_not_ready");
        assert_eq!(refused.json["faulty"], expected.len());
    });
}

/// What only a workbook can do to a row.
#[test]
fn what_excel_did_to_a_cell_is_told() {
    run(async |app| {
        let regency = app.regency().await;
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (column, name) in (0..).zip(["Nama", "NIK", "Kode Wilayah", "Tanggal Lahir", "HP", "Alamat"]) {
            sheet.write(0, column, name).unwrap();
        }
        let date = Format::new().set_num_format("dd/mm/yyyy");
        for (row, name) in (1..).zip(["Ani", "Beni", "Caca", "Dedi", "Emi"]) {
            sheet.write(row, 0, format!("{name} Tanjung")).unwrap();
            sheet.write(row, 2, 1_706_021_009_i64).unwrap();
        }
        sheet.write(1, 1, 1_706_024_508_950_010.0).unwrap(); // a number: nobody knows its last digit
        sheet.write_formula(2, 1, rust_xlsxwriter::Formula::new("=NA()").set_result("#N/A")).unwrap();
        sheet.write_with_format(3, 5, ExcelDateTime::from_ymd(2023, 2, 1).unwrap(), &date).unwrap();
        sheet.write(4, 4, 81_200_001_111_i64).unwrap(); // the zero was lost, which can be mended
        sheet.write(4, 3, 29_221).unwrap(); // a date that shows as a number
        sheet.write_formula(5, 3, rust_xlsxwriter::Formula::new("=DATE(1980,1,1)").set_result("29221")).unwrap();
        let import = looked_through(&regency, XLSX, &book.save_to_buffer().unwrap()).await;
        let rows = rows(&regency, &import, "").await;
        let first = |row: &Value, of: &str| row[of][0].clone();
        let wrong: Vec<_> =
            rows.iter().map(|row| (first(row, "errors")["code"].clone(), row["state"].clone())).collect();
        let said = |code: &str| (json!(code), json!("faulty"));
        let fine = || (Value::Null, json!("ready"));
        assert_eq!(wrong, [said("nik_as_number"), said("cell_error"), said("became_a_date"), fine(), fine()]);
        assert_eq!(first(&rows[3], "warnings")["code"], "phone_zero_restored");
        apply(&regency, &import, json!({ "mode": "good_rows" })).await.expect(202);
        until(&regency, &path(&import), "applied").await;
        let applied = rows_of(&regency, &import).await.remove(3);
        let read =
            regency.get(&format!("/v1/volunteers/{}", applied["volunteer_id"].as_str().unwrap())).await.expect(200);
        assert_eq!(
            (&read.json["person"]["phone"], &read.json["person"]["birth_date"]),
            (&json!("+6281200001111"), &json!("1980-01-01"))
        );
    });
}

#[test]
fn a_cell_of_place_and_day_that_holds_neither_is_told() {
    run(async |app| {
        let regency = app.regency().await;
        let mut book = Workbook::new();
        book.add_worksheet().set_hidden(true).write(0, 0, "Hobi").unwrap();
        let sheet = book.add_worksheet();
        sheet.set_active(true);
        for (column, name) in (0..).zip(["Nama", "Kode Wilayah", "Tempat, Tanggal Lahir", "HP"]) {
            sheet.write(0, column, name).unwrap();
        }
        for (row, name) in (1..).zip(["Ani", "Beni", "Caca", "Dedi"]) {
            sheet.write(row, 0, format!("{name} Tanjung")).unwrap();
            sheet.write(row, 1, "17.06.02.1009").unwrap();
        }
        sheet.write_formula(1, 2, rust_xlsxwriter::Formula::new("=NA()").set_result("#N/A")).unwrap();
        sheet.write(2, 2, 2023).unwrap();
        sheet.write(3, 2, "Mukomuko, 17-05-1990").unwrap();
        // a number of Bengkulu whose zero Excel took, and not one of another country
        sheet.write(3, 3, 736_123_456).unwrap();
        sheet.write(4, 3, "736123456").unwrap();
        let import = looked_through(&regency, XLSX, &book.save_to_buffer().unwrap()).await;
        let rows = rows_of(&regency, &import).await;
        let wrong: Vec<_> = rows.iter().map(|row| row["errors"][0]["code"].clone()).collect();
        assert_eq!(wrong, [json!("cell_error"), json!("date_malformed"), Value::Null, json!("phone_malformed")]);
        assert_eq!(rows[2]["warnings"][0]["code"], "phone_zero_restored");
        apply(&regency, &import, json!({ "mode": "good_rows" })).await.expect(202);
        until(&regency, &path(&import), "applied").await;
        let applied = rows_of(&regency, &import).await.remove(2);
        let read =
            regency.get(&format!("/v1/volunteers/{}", applied["volunteer_id"].as_str().unwrap())).await.expect(200);
        let person = &read.json["person"];
        assert_eq!((&person["phone"], &person["birth_date"]), (&json!("+62736123456"), &json!("1990-05-17")));
    });
}

#[test]
fn a_file_that_is_no_register_is_refused_with_every_reason() {
    run(async |app| {
        let regency = app.regency().await;
        let codes = |reply: &Reply| {
            reply.json["errors"].as_array().unwrap().iter().map(|e| e["code"].clone()).collect::<Vec<_>>()
        };
        let old = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0, 0];
        for (kind, bytes, code) in [
            (XLSX, &old[..], "file_is_xls"),
            (XLSX, b"PK\x03\x04 no archive", "file_unreadable"),
            (XLSX, b"Nama;Kode Wilayah", "file_is_another_kind"),
            (CSV, b"Nama;Kode Wilayah\nJos\xe9;1706021009", "file_not_utf8"),
            (CSV, b"Nama;Kode Wilayah\n\"Siti;1706021009", "quote_not_closed"),
            (CSV, b"Nama;Kode Wilayah;Ket\nSiti;1706021009;\"baik\nBudi;1706021009;\"cukup\" saja", "quote_stray"),
            (CSV, b"Siti;1706021009", "header_not_found"),
            (CSV, b"Nama;Kode Wilayah", "file_has_no_rows"),
            (CSV, b"", "file_has_no_rows"),
            ("application/octet-stream", b"Nama;Kode Wilayah;Tangal\nSiti;1706021009;1", "column_unknown"),
        ] {
            let refused = send(&regency, kind, bytes).await.problem(422, "file_refused");
            assert_eq!(codes(&refused), [code]);
        }
        // As many texts as it claims to hold would be reserved memory for, and the service be ended.
        let refused = send(&regency, XLSX, &claiming("10000000000000000")).await.problem(422, "file_refused");
        assert_eq!(codes(&refused), ["file_too_large_unpacked"]);
        // Every finding in a column tells its name.
        let long = format!("Nama;NIK;Kode Wilayah{}\n{}", ".".repeat(1_000_000), "x;\n".repeat(60));
        let refused = send(&regency, CSV, long.as_bytes()).await.problem(422, "file_refused");
        assert_eq!(codes(&refused), ["header_too_long", "column_missing"]);
        let many: Vec<String> = (0..1_500_000).map(|at| format!("\"m{at}\":1")).collect();
        let refused = send(&regency, NDJSON, format!("{{{}}}", many.join(",")).as_bytes()).await;
        assert_eq!(codes(&refused.problem(422, "file_refused")), ["column_missing", "column_missing"]);
        let refused = send(&regency, CSV, b"NIK;HP;HP;Hobi\na;b;c;d").await.problem(422, "file_refused");
        assert_eq!(codes(&refused), ["column_unknown", "column_twice", "column_missing", "column_missing"]);
        let asked = "/v1/imports?ignore=D&ignore=c";
        let taken =
            send_to(&regency, asked, CSV, b"Nama;Kode Wilayah;Nama;Hobi\nSiti;1706021009;c;d").await.expect(202);
        assert_eq!(taken.json["ignored_columns"], json!(["C", "D"]));
        send_to(&regency, "/v1/imports?ignore=1", CSV, b"x")
            .await
            .problem(400, "malformed")
            .blames("?ignore", "column_malformed");
        send(&regency, "text/plain", b"Nama").await.problem(415, "unsupported_media_type");
        let large = vec![b'x'; 32 * 1024 * 1024 + 1];
        send(&regency, CSV, &large).await.problem(413, "body_too_large");
        let many = format!("Nama;Kode Wilayah\n{}", "Siti;1706021009\n".repeat(100_011));
        assert_eq!(codes(&send(&regency, CSV, many.as_bytes()).await.problem(422, "file_refused")), ["too_many_rows"]);
        let nameless = regency.request(Method::POST, "/v1/imports").raw(b"x").header("content-type", CSV);
        nameless.await.problem(400, "idempotency_key_missing");
    });
}

/// A workbook of which one part says how many texts it holds.
fn claiming(count: &str) -> Vec<u8> {
    let mut made = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    made.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).unwrap();
    made.write_all(format!("<sst uniqueCount=\"{count}\"><si><t>Nama</t></si></sst>").as_bytes()).unwrap();
    made.finish().unwrap().into_inner()
}

fn small(names: &[&str]) -> Vec<u8> {
    let rows: Vec<String> = names.iter().map(|name| format!("{name};17.06.02.1009")).collect();
    format!("Nama;Kode Wilayah\n{}", rows.join("\n")).into_bytes()
}

#[test]
fn an_import_is_its_agencys_own_and_the_same_file_goes_in_once() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let file = small(&["Ani Tanjung", "Beni Koto"]);
        let key = Uuid::now_v7().to_string();
        let post = || regency.request(Method::POST, "/v1/imports").raw(&file).header("content-type", CSV).key(&key);
        let first = post().await.expect(202);
        let again = post().await.expect(202);
        assert_eq!((&again.text, again.header("idempotency-replayed")), (&first.text, "true"));
        let import = until(&regency, &path(&first), "validated").await;
        let same = send(&regency, CSV, &file).await.problem(409, "file_imported_already");
        assert_eq!((&same.json["id"], &same.json["state"]), (&json!(first.id()), &json!("validated")));
        // another agency's is another import, and no business of this one
        let theirs = looked_through(&province, CSV, &file).await;
        regency.get(&path(&theirs)).await.problem(404, "not_found");
        regency.get(&format!("{}/rows", path(&theirs))).await.problem(404, "not_found");
        regency.get(&format!("{}/errors.csv", path(&theirs))).await.problem(404, "not_found");
        let own = regency.get("/v1/imports").await.expect(200);
        assert_eq!(own.json["items"].as_array().unwrap().len(), 1);
        assert_eq!(regency.get("/v1/imports?state=applied").await.expect(200).json["items"], json!([]));
        // who does not decide does not import, and an officer has a name
        for client in [app.ministry().await, app.village().await, app.bpjs().await, app.phone().await] {
            send(&client, CSV, &file).await.problem(403, "forbidden");
        }
        let unnamed = regency.ask_token(&[]).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        send(&regency.with_token(&unnamed), CSV, &file).await.problem(403, "acting_user_required");
        let narrow = regency.ask_token(&[("scope", "imports:write"), ("acting_user", "staf-1")]).await.expect(200);
        let narrow = regency.with_token(narrow.json["access_token"].as_str().unwrap());
        send(&narrow, CSV, &file).await.problem(403, "forbidden");
        // discarded, nothing of it is kept, and it may come again
        let discard = format!("{}/discard", path(&import));
        regency.act(&discard, "\"1-a\"", json!({})).await.problem(412, "stale");
        let gone = regency.act(&discard, import.header("etag"), json!({})).await.expect(200);
        assert_eq!(gone.json["state"], "discarded");
        let id = import.id();
        assert_eq!(
            app.number(&format!("SELECT count(*) FROM import_chunks WHERE import_id = '{id}' AND sealed IS NOT NULL"))
                .await,
            0
        );
        let late = regency.act(&discard, gone.header("etag"), json!({})).await.problem(409, "import_state_conflict");
        assert_eq!(late.json["state"], "discarded");
        apply(&regency, &gone, json!({ "mode": "all" })).await.problem(409, "import_state_conflict");
        looked_through(&regency, CSV, &file).await;
    });
}

#[test]
fn rows_are_applied_as_they_are_chosen_and_those_alike_by_a_reason() {
    run(async |app| {
        let regency = app.regency().await;
        let known = json!({ "village_code": "17.06.02.1009", "name": "Dedi Piliang", "nik": "1706024508790009" });
        let first = regency.post("/v1/volunteers", known).await.expect(201).id();
        let file = "Nama;Kode Wilayah;NIK\nAni Tanjung;1706021009;\nBeni Koto;1706021009;\nDedi Piliang;1706021009;\nEmi Guci;1706021009;1706024508790009\n";
        let import = looked_through(&regency, CSV, file.as_bytes()).await;
        assert_eq!(counts(&import), [0, 2, 0, 2, 0]);
        let rule = async |body: Value, at: &str, code: &str| {
            apply(&regency, &import, body).await.problem(422, "rule_broken").blames(at, code);
        };
        rule(json!({ "mode": "good_rows", "rows": [2, 9] }), "/rows", "row_unknown").await;
        let over = |row: i32, reason: &str| json!({ "mode": "good_rows", "override_duplicates": [{ "row": row, "reason": reason }] });
        rule(over(2, "namesakes"), "/override_duplicates/0/row", "not_alike").await;
        let mut elsewhere = over(4, "namesakes");
        elsewhere["rows"] = json!([3]);
        rule(elsewhere, "/override_duplicates/0/row", "row_not_chosen").await;
        let most = json!({ "mode": "good_rows", "rows": (2..5003).collect::<Vec<i32>>() });
        apply(&regency, &import, most).await.problem(400, "malformed").blames("/rows", "out_of_range");
        let none = json!({ "mode": "good_rows", "rows": [] });
        apply(&regency, &import, none).await.problem(400, "malformed").blames("/rows", "out_of_range");
        let mut most = over(4, "namesakes");
        most["override_duplicates"] = json!(vec![most["override_duplicates"][0].clone(); 1001]);
        let refused = apply(&regency, &import, most).await.problem(400, "malformed");
        refused.blames("/override_duplicates", "out_of_range");
        // an equal NIK is the same person
        rule(over(5, "namesakes"), "/override_duplicates/0/row", "not_alike").await;
        rule(over(4, "same_nik"), "/override_duplicates/0/reason", "code_unknown").await;
        apply(&regency, &import, json!({ "mode": "all" })).await.problem(409, "rows_not_ready");
        apply(&regency, &import, json!({ "mode": "all", "rows": [3] })).await.expect(202);
        let import = until(&regency, &path(&import), "applied").await;
        assert_eq!(counts(&import), [0, 1, 0, 2, 1]);
        // the rest of it later, one of them as a namesake
        apply(&regency, &import, over(4, "namesakes")).await.expect(202);
        let import = until(&regency, &path(&import), "applied").await;
        assert_eq!(counts(&import), [0, 0, 0, 1, 3]);
        let states: Vec<_> = rows_of(&regency, &import).await.iter().map(|row| row["state"].clone()).collect();
        assert_eq!(states, ["applied", "applied", "applied", "duplicate"]);
        let left = rows(&regency, &import, "&state=duplicate").await.remove(0);
        assert_eq!((&left["row"], &left["candidates"]), (&json!(5), &json!([first])));
        apply(&regency, &import, json!({ "mode": "good_rows" })).await.problem(409, "rows_not_ready");
        let details =
            app.texts("SELECT detail FROM audit_events WHERE action = 'volunteer.create' AND detail IS NOT NULL").await;
        assert_eq!(details, ["namesakes"]);
        let acts = app.texts("SELECT action || ' ' || acting_user FROM audit_events WHERE subject_type = 'import' AND outcome = 'allowed' ORDER BY at").await;
        assert_eq!(acts, ["import.create staf-0017", "import.apply staf-0017", "import.apply staf-0017"]);
    });
}

/// `many` people whom nobody takes for another, in the villages of 17.06 by turns.
async fn many(app: &TestApp, count: usize) -> Vec<u8> {
    let villages = app.texts("SELECT code FROM regions WHERE regency_code = '17.06' AND level = 'village' AND last_listed IS NULL ORDER BY 1").await;
    let mut text = "NIK;Nama;Tanggal Lahir;Kode Wilayah\n".to_owned();
    for number in 0..count {
        let (year, month, day) = (60 + number / 336 % 35, number / 28 % 12 + 1, number % 28 + 1);
        let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap());
        let name: String =
            [number, number / 26, number / 676, number / 17_576].into_iter().flat_map(|at| [letter(at); 3]).collect();
        let nik = format!("170602{day:02}{month:02}{year:02}{:04}", number / 11_760 + 1);
        let village = &villages[number % villages.len()];
        text += &format!(
            "{nik};{name} {};{day:02}/{month:02}/19{year};{village}\n",
            name.chars().rev().collect::<String>()
        );
    }
    text.into_bytes()
}

/// Each row is applied, once, and says by whom.
async fn applied_once(app: &TestApp, import: &str, rows: i64) {
    let sql = |what: &str| format!("SELECT {what} FROM import_rows WHERE import_id = '{import}' AND state = 'applied'");
    assert_eq!(app.number(&sql("count(*)")).await, rows);
    assert_eq!(app.number(&sql("count(DISTINCT volunteer_id)")).await, rows);
    let there = format!("SELECT count(*) FROM volunteers WHERE id IN ({})", sql("volunteer_id"));
    assert_eq!(app.number(&there).await, rows);
    let born =
        "SELECT count(*) FROM volunteer_people WHERE nik_index IS NOT NULL GROUP BY nik_index HAVING count(*) > 1";
    assert_eq!(app.texts(born).await, Vec::<String>::new());
}

#[test]
fn several_nodes_share_an_import_and_one_that_dies_loses_and_doubles_nothing() {
    run(async |app| {
        let regency = app.regency().await;
        let before = app.number("SELECT count(*) FROM volunteers").await;
        let file = many(app, 1000).await;
        let import = looked_through(&regency, CSV, &file).await;
        assert_eq!(counts(&import), [0, 1000, 0, 0, 0]);
        let config = support::config(&app.base, &app.database_url("simpul_service"));
        let (other, writer) = simpul::server::worker_parts(&config).await.unwrap();
        apply(&regency, &import, json!({ "mode": "all" })).await.expect(202);
        // Two more take part, and every connection that is at work is cut each time that some rows are done.
        let sharing = async || loop {
            let _ = tokio::join!(work(&other, &writer), work(&app.running().app, &app.running().writer));
            if app.number("SELECT count(*) FROM import_chunks WHERE todo IS NOT NULL").await == 0 {
                return;
            }
        };
        let cutting = async || {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'simpul-jobs' AND state <> 'idle'";
            let (mut cuts, mut at) = (0, 0);
            while at < 500 {
                let done = app.number("SELECT count(*) FROM import_rows WHERE state = 'applied'").await;
                if done >= at + 50 {
                    (at, cuts) = (done, cuts + app.number(cut).await);
                }
            }
            assert!(cuts > 0, "nobody was cut off");
        };
        tokio::join!(sharing(), cutting());
        let done = until(&regency, &path(&import), "applied").await;
        assert_eq!(counts(&done), [0, 0, 0, 0, 1000]);
        applied_once(app, &import.id(), 1000).await;
        assert_eq!(app.number("SELECT count(*) FROM volunteers").await, before + 1000);
    });
}

#[test]
fn an_import_stops_when_its_client_may_no_longer_register() {
    run(async |app| {
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        let import = looked_through(&regency, CSV, &small(&["Ani Tanjung"])).await;
        // The request was let in; when its work is done the right is gone.
        let agency = format!("/v1/agencies/{}", regency.agency);
        let etag = ministry.get(&agency).await.header("etag").to_owned();
        ministry.patch(&agency, &etag, json!({ "scopes": ["volunteers:read", "imports:write"] })).await.expect(200);
        app.sql(&format!("UPDATE imports SET state = 'applying', version = version + 1 WHERE id = '{}'", import.id()))
            .await;
        app.sql("UPDATE import_chunks SET todo = 'apply'").await;
        work(&app.running().app, &app.running().writer).await.unwrap();
        // The service itself may be at work on it.
        wait_for(app, "SELECT count(*) FROM imports WHERE state = 'failed'", 1).await;
        assert_eq!(app.texts("SELECT failure FROM imports").await, ["client_not_allowed"]);
        assert_eq!(
            app.number("SELECT count(*) FROM import_chunks WHERE sealed IS NOT NULL OR todo IS NOT NULL").await,
            0
        );
        let told = app.texts("SELECT outcome || ' ' || detail FROM audit_events WHERE action = 'import.fail'").await;
        assert_eq!(told, ["failed client_not_allowed"]);
    });
}

#[test]
fn nothing_of_a_file_is_stored_unsealed_and_nothing_is_kept_for_ever() {
    run(async |app| {
        let regency = app.regency().await;
        let file = "Nama (Rahasia, 1706024508790001);Kode Wilayah;NIK;Alamat\nRahasiawati Tanjung;1706021009;1706024508790001;Jalan Rahasia\nx;1706029999;1706024508790099;Jalan Rahasia\n";
        let import = looked_through(&regency, CSV, file.as_bytes()).await;
        let tables = app.texts("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await;
        for secret in ["Rahasia", "1706024508790001", "1706024508790099"] {
            for table in &tables {
                let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
                let sql =
                    format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{secret}%' OR t::text LIKE '%{hex}%'");
                assert_eq!(app.number(&sql).await, 0, "{secret} in {table}");
            }
        }
        let sealed =
            format!("SELECT count(*) FROM import_chunks WHERE import_id = '{}' AND sealed IS NOT NULL", import.id());
        assert_eq!(app.number(&sealed).await, 1);
        let running = app.running();
        app.pass(chrono::TimeDelta::days(6));
        worker::turn(&running.app, &running.writer).await.unwrap();
        assert_eq!(app.number(&sealed).await, 1);
        app.pass(chrono::TimeDelta::days(2));
        worker::turn(&running.app, &running.writer).await.unwrap();
        assert_eq!(app.number(&sealed).await, 0);
        let regency = app.regency().await;
        let gone = regency.get(&path(&import)).await.expect(200);
        assert_eq!(gone.json["state"], "discarded");
        assert_eq!(rows_of(&regency, &gone).await.len(), 2);
        app.pass(chrono::TimeDelta::days(91));
        worker::turn(&running.app, &running.writer).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM import_rows").await, 0);
        // what is told of the import itself stays
        assert_eq!(counts(&app.regency().await.get(&path(&import)).await.expect(200)), [0, 1, 1, 0, 0]);
    });
}

#[test]
fn what_is_left_after_its_time_is_told_and_the_file_may_come_again() {
    run(async |app| {
        let regency = app.regency().await;
        let file = small(&["Ani Tanjung", "Beni Koto"]);
        let import = looked_through(&regency, CSV, &file).await;
        apply(&regency, &import, json!({ "mode": "all", "rows": [2] })).await.expect(202);
        let import = until(&regency, &path(&import), "applied").await;
        assert_eq!((counts(&import), &import.json["expired_at"]), ([0, 1, 0, 0, 1], &Value::Null));
        send(&regency, CSV, &file).await.problem(409, "file_imported_already");
        let running = app.running();
        app.pass(chrono::TimeDelta::days(8));
        worker::turn(&running.app, &running.writer).await.unwrap();
        let regency = app.regency().await;
        let gone = regency.get(&path(&import)).await.expect(200);
        assert_eq!(gone.json["state"], "applied");
        let refused = apply(&regency, &gone, json!({ "mode": "good_rows" })).await.problem(409, "import_expired");
        assert_eq!(
            (&refused.json["state"], &refused.json["expired_at"]),
            (&json!("applied"), &gone.json["expired_at"])
        );
        let discard = format!("{}/discard", path(&gone));
        regency.act(&discard, gone.header("etag"), json!({})).await.problem(409, "import_expired");
        let again = looked_through(&regency, CSV, &file).await;
        assert_eq!(counts(&again), [0, 1, 0, 1, 0]);
    });
}

async fn wait_for(app: &TestApp, sql: &str, value: i64) {
    let begun = Instant::now();
    while app.number(sql).await != value {
        assert!(begun.elapsed() < Duration::from_mins(2), "never {value}: {sql}");
    }
}

#[test]
fn a_part_that_cannot_be_done_stands_in_nobodys_way_and_is_not_lost() {
    run(async |app| {
        let regency = app.regency().await;
        let import = looked_through(&regency, CSV, &many(app, 60).await).await;
        let of = |what: &str| {
            format!("SELECT {what} FROM import_chunks WHERE import_id = '{}' AND position = 0", import.id())
        };
        let sealed = app.texts(&of("encode(sealed, 'hex')")).await.remove(0);
        let store = async |hex: &str| {
            let to = format!("sealed = decode('{hex}', 'hex') WHERE import_id = '{}' AND position = 0", import.id());
            app.sql(&format!("UPDATE import_chunks SET {to}")).await;
        };
        store("00").await;
        apply(&regency, &import, json!({ "mode": "all" })).await.expect(202);
        wait_for(app, &of("attempts"), 1).await;
        // others go on: the rest of it, and other imports
        let applied =
            format!("SELECT count(*) FROM import_rows WHERE import_id = '{}' AND state = 'applied'", import.id());
        wait_for(app, &applied, 10).await;
        let other = looked_through(&regency, CSV, &small(&["Zaki Tanjung"])).await;
        apply(&regency, &other, json!({ "mode": "all" })).await.expect(202);
        until(&regency, &path(&other), "applied").await;
        let running = app.running();
        let state = format!("SELECT state FROM imports WHERE id = '{}'", import.id());
        for faults in 2..=10 {
            assert_eq!(app.texts(&state).await, ["applying"], "after {} faults", faults - 1);
            app.pass(chrono::TimeDelta::hours(1));
            work(&running.app, &running.writer).await.unwrap();
            assert_eq!(app.number(&of("attempts")).await, faults);
        }
        let regency = app.regency().await;
        let failed = regency.get(&path(&import)).await.expect(200);
        assert_eq!((&failed.json["state"], &failed.json["failure"]), (&json!("failed"), &json!("internal")));
        // Nothing is lost: once the fault is mended, it goes on.
        store(&sealed).await;
        apply(&regency, &failed, json!({ "mode": "good_rows" })).await.expect(202);
        let done = until(&regency, &path(&import), "applied").await;
        assert_eq!((counts(&done), &done.json["failure"]), ([0, 0, 0, 0, 60], &Value::Null));
        applied_once(app, &import.id(), 60).await;
    });
}

#[test]
fn rows_of_a_failed_import_are_removed_after_their_time() {
    run(async |app| {
        let regency = app.regency().await;
        let file = small(&["Ani Tanjung"]);
        let import = looked_through(&regency, CSV, &file).await;
        app.sql("UPDATE imports SET state = 'failed', failure = 'internal', ended_at = updated_at").await;
        // The same file came again meanwhile: it goes in once.
        let again = looked_through(&regency, CSV, &file).await;
        let refused = apply(&regency, &import, json!({ "mode": "all" })).await.problem(409, "file_imported_already");
        assert_eq!(refused.json["id"], again.id());
        let running = app.running();
        app.pass(chrono::TimeDelta::days(8));
        worker::turn(&running.app, &running.writer).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM import_chunks WHERE sealed IS NOT NULL").await, 0);
        let regency = app.regency().await;
        apply(&regency, &import, json!({ "mode": "all" })).await.problem(409, "import_expired");
    });
}

#[test]
fn a_part_that_waits_for_somebody_lets_other_imports_go_first() {
    run(async |app| {
        let regency = app.regency().await;
        let import = looked_through(&regency, CSV, &small(&["Ani Tanjung"])).await;
        let mut holding = app.connect().await;
        let rows = format!("SELECT 1 FROM import_rows WHERE import_id = '{}' FOR UPDATE", import.id());
        for sql in ["BEGIN", &rows] {
            diesel::sql_query(sql).execute(&mut holding).await.unwrap();
        }
        apply(&regency, &import, json!({ "mode": "all" })).await.expect(202);
        let other = looked_through(&regency, CSV, &small(&["Beni Koto"])).await;
        apply(&regency, &other, json!({ "mode": "all" })).await.expect(202);
        until(&regency, &path(&other), "applied").await;
        assert_eq!(regency.get(&path(&import)).await.json["state"], "applying");
        diesel::sql_query("ROLLBACK").execute(&mut holding).await.unwrap();
        until(&regency, &path(&import), "applied").await;
    });
}

#[test]
fn who_applies_one_row_does_not_write_all_the_others_again() {
    run(async |app| {
        let regency = app.regency().await;
        let import = looked_through(&regency, CSV, &many(app, 120).await).await;
        let written = "SELECT string_agg(xmin::text, ' ' ORDER BY position) FROM import_chunks WHERE position > 0";
        let before = app.texts(written).await;
        apply(&regency, &import, json!({ "mode": "good_rows", "rows": [17] })).await.expect(202);
        let done = until(&regency, &path(&import), "applied").await;
        assert_eq!((counts(&done), app.texts(written).await), ([0, 119, 0, 0, 1], before));
    });
}

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let url = app.database_url("simpul_service");
    let config = support::config(&app.base, &url);
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.env_clear().current_dir(std::env::temp_dir()).arg("import").args(arguments);
    command.env("DATABASE_URL", url).env("PUBLIC_URL", &app.base);
    command.env("SIGNING_KEYS_DIR", &config.signing_keys_dir).env("DATA_KEYS_DIR", config.data_keys_dir);
    command.env("DOCUMENTS_DIR", std::env::temp_dir());
    command
}

/// Killed while it registers, the same command goes on where it was.
#[test]
fn an_operator_imports_on_the_host_and_is_not_stopped_by_a_kill() {
    run(async |app| {
        let dir = std::env::temp_dir();
        let place = |name: &str| dir.join(format!("simpul-import-{}-{name}", std::process::id()));
        let (file, errors) = (place("register.csv"), place("errors.csv"));
        let mut bytes = many(app, 1500).await;
        bytes.extend_from_slice(b"x;Warga Salah;17/05/1980;1706021009\n");
        std::fs::write(&file, &bytes).unwrap();
        let client = app.regency().await.credential.as_ref().unwrap().client_id.clone();
        let arguments = [file.to_str().unwrap(), "--client", &client, "--acting-user", "staf-0001"];
        let run = async |more: &[&str]| {
            let mut command = command(app, &[&arguments[..], more].concat());
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let unnamed = command(app, &[file.to_str().unwrap(), "--client", &client]).output().unwrap();
        assert!(
            !unnamed.status.success() && text(&unnamed.stderr).contains("--acting-user"),
            "{}",
            text(&unnamed.stderr)
        );
        let looked = run(&["--errors", errors.to_str().unwrap()]).await;
        assert!(looked.status.success(), "{}", text(&looked.stderr));
        let said = text(&looked.stdout);
        assert!(
            said.contains("validated") && said.contains("1501 rows: 0 applied, 1500 ready, 1 faulty, 0 duplicates"),
            "{said}"
        );
        let wrong = std::fs::read_to_string(&errors).unwrap();
        assert!(wrong.contains("1502;\"NIK\";nik_malformed;"), "{wrong}");
        let all = run(&["--apply", "all"]).await;
        assert!(!all.status.success() && text(&all.stderr).contains("1 faulty"), "{}", text(&all.stderr));
        let mut killed = command(app, &[&arguments[..], &["--apply", "good-rows"]].concat());
        let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let applied = "SELECT count(*) FROM import_rows WHERE state = 'applied'";
        while app.number(applied).await == 0 {}
        killed.kill().unwrap();
        killed.wait().unwrap();
        let then = app.number(applied).await;
        assert!(then > 0 && then < 1500, "{then}");
        let rest = run(&["--apply", "good-rows"]).await;
        let said = text(&rest.stdout);
        assert!(
            said.contains("applied\n1501 rows: 1500 applied, 0 ready, 1 faulty, 0 duplicates"),
            "{said}{}",
            text(&rest.stderr)
        );
        let id = app.texts("SELECT id FROM imports").await.remove(0);
        applied_once(app, &id, 1500).await;
        // What stops is no success: here the right of who sent it.
        let ministry = app.ministry().await.credential.as_ref().unwrap().client_id.clone();
        app.sql(&format!("UPDATE imports SET state = 'applying', ended_at = NULL, client_id = '{ministry}'")).await;
        app.sql("UPDATE import_chunks SET todo = 'apply', sealed = '' WHERE position = 0").await;
        let stopped = run(&["--apply", "good-rows"]).await;
        let said = text(&stopped.stderr);
        assert!(!stopped.status.success() && said.contains("failed (client_not_allowed)"), "{said}");
        std::fs::remove_file(file).unwrap();
        std::fs::remove_file(errors).unwrap();
    });
}
