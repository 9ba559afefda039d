//! The rules of the house, read off the source.
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the highest to the lowest: a module calls only what stands after it. Those of one row do not call each other,
/// but for the pairs that [`SIDEWAYS`] names.
const ORDER: &[&[&str]] = &[
    &["main"],
    &["lib", "server", "worker", "demo", "operator", "reencrypt"],
    &["docs"],
    &["privacy", "partners"],
    &["statistics"],
    &["training"],
    &["referrals"],
    &["cases"],
    &["volunteers"],
    &["agencies"],
    &["regions", "codes"],
    &["changes"],
    &["documents"],
    &["audit"],
    &["access"],
    &["platform"],
    &["schema"],
];
const SIDEWAYS: &[(&str, &str)] = &[
    ("privacy", "partners"),
    ("regions", "codes"),
    ("lib", "demo"),
    ("lib", "server"),
    ("lib", "worker"),
    ("demo", "server"),
    ("demo", "worker"),
    ("lib", "operator"),
    ("lib", "reencrypt"),
];

struct Source {
    module: String,
    path: PathBuf,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut list) = (vec![root.clone()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_string_lossy();
            let text = std::fs::read_to_string(&path).unwrap();
            list.push(Source { module: first.trim_end_matches(".rs").to_owned(), path: below.to_owned(), text });
        }
    }
    assert!(list.len() > 30);
    list
}

fn rank(module: &str) -> usize {
    ORDER.iter().position(|row| row.contains(&module)).unwrap_or_else(|| panic!("give {module} a place in the order"))
}

/// Code without comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn modules() -> BTreeSet<String> {
    sources().into_iter().map(|source| source.module).collect()
}

#[test]
fn modules_call_downward_only() {
    let known = modules();
    let uses = Regex::new(r"(?:crate|simpul)::(?:\{([^}]*)\}|([a-z_]+))").unwrap();
    let mut wrong = vec![];
    for source in sources() {
        for found in uses.captures_iter(&code(&source.text)) {
            let names = found.get(1).or(found.get(2)).unwrap().as_str();
            for name in names
                .split(',')
                .map(|name| name.trim().split("::").next().unwrap())
                .filter(|name| known.contains(*name))
            {
                let sideways = SIDEWAYS.contains(&(source.module.as_str(), name));
                if name != source.module && !sideways && rank(name) <= rank(&source.module) {
                    wrong.push(format!("{} calls {name}", source.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn inside_a_module_api_calls_store_calls_rules() {
    let mut wrong = vec![];
    for source in sources() {
        let (name, code) = (source.path.to_string_lossy().into_owned(), code(&source.text));
        let mut forbid = |words: &[&str]| {
            wrong.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")));
        };
        let domain = !matches!(
            source.module.as_str(),
            "platform" | "lib" | "main" | "server" | "worker" | "demo" | "access" | "schema"
        );
        if domain && name.contains("/rules") {
            forbid(&["actix_web", "diesel_async", "super::store", "super::api", "HttpRequest"]);
        }
        if domain && name.contains("/store") {
            forbid(&["actix_web", "super::api"]);
        }
        if domain && name.contains("/api") {
            forbid(&["diesel::prelude", "diesel::insert_into", "diesel::update", "diesel::delete", "crate::schema"]);
        }
        if source.module == "platform" {
            forbid(&["crate::volunteers", "crate::cases", "crate::referrals", "crate::training", "crate::agencies"]);
        }
        if name != "platform/config.rs" {
            forbid(&["std::env::var", "env::vars", "dotenvy"]);
        }
        forbid(&["sql_query(", "dsl::sql", ".route(", "#[allow(", "todo!(", "unimplemented!("]);
        if source.module != "platform" && source.module != "demo" {
            forbid(&["Utc::now()", "Uuid::now_v7()", "SystemTime::now"]);
        }
    }
    // Making a key file is not part of serving: its name is the machine's time.
    wrong.retain(|line| line != "access/tokens.rs: Utc::now()");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_table_is_written_by_its_own_module() {
    let owners = Regex::new(r"(?:insert_into|update|delete)\(\s*([a-z_]+)(?:::table)?").unwrap();
    let into = Regex::new(r"\.insert_into\(\s*([a-z_]+)::table").unwrap();
    let alias = Regex::new(r"schema::([a-z_]+)(?: as |::dsl as )t\b").unwrap();
    let mut writers: Vec<(String, String)> = vec![];
    for source in sources() {
        let code = code(&source.text);
        let own = alias.captures(&code).map(|found| found[1].to_owned());
        for found in owners.captures_iter(&code).chain(into.captures_iter(&code)) {
            let table = if &found[1] == "t" { own.clone().unwrap_or_default() } else { found[1].to_owned() };
            writers.push((table, source.module.clone()));
        }
    }
    writers.sort();
    writers.dedup();
    let tables: Vec<&String> = writers.iter().map(|(table, _)| table).filter(|table| !table.is_empty()).collect();
    let twice: Vec<_> = tables.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "written by two modules: {twice:?}");
    assert!(tables.len() >= 10, "{tables:?}");
}

#[test]
fn files_and_functions_stay_readable() {
    let begins = Regex::new(r"^(\s*)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?fn ([a-z_0-9]+)").unwrap();
    let mut wrong = vec![];
    let mut macros = 0;
    for source in sources().into_iter().filter(|source| source.module != "schema") {
        let lines: Vec<&str> = source.text.split("#[cfg(test)]\nmod tests").next().unwrap().lines().collect();
        if lines.len() > 500 {
            wrong.push(format!("{} has {} lines", source.path.display(), lines.len()));
        }
        macros += lines.iter().filter(|line| line.starts_with("macro_rules!")).count();
        for (at, line) in lines.iter().enumerate() {
            let Some(found) = begins.captures(line) else { continue };
            let end = format!("{}}}", &found[1]);
            let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0);
            if length > 60 {
                wrong.push(format!("{}: {} has {length} lines", source.path.display(), &found[2]));
            }
        }
    }
    assert!(macros <= 3, "{macros} macros of our own");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn error_codes_are_unique_and_listed() {
    let codes = simpul::error_codes();
    let words: BTreeSet<_> = codes.iter().map(|code| code.code).collect();
    assert_eq!(words.len(), codes.len(), "a code is declared twice");
    let declared: usize = sources()
        .iter()
        .map(|s| Regex::new(r"(?m)^    [A-Z_0-9]+ = \([0-9]{3}, ").unwrap().find_iter(&s.text).count())
        .sum();
    let long: usize = sources()
        .iter()
        .map(|s| Regex::new(r"(?m)^    [A-Z_0-9]+ = \(\n        [0-9]{3},").unwrap().find_iter(&s.text).count())
        .sum();
    assert_eq!(declared + long, codes.len(), "a module's CODES are not in error_codes()");
}

/// What the server keeps for all databases, a test reads through [`support`](crate::support) alone, which looks at its own:
/// other tests run on the same server at the same time.
#[test]
fn tests_count_in_their_own_database() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
    let of_all = concat!("pg_stat_", "statements");
    let mut wrong = vec![];
    for entry in std::fs::read_dir(tests).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        wrong.extend(text.contains(of_all).then(|| entry.file_name()));
    }
    assert!(wrong.is_empty(), "{wrong:?} read {of_all}: use TestApp::statements_of");
}
