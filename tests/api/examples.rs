//! What the README and docs/API.md show to be pasted, run as written on a demo of its own.
use crate::demo::{Demo, data_dir, nothing_is_left, start, stop};
use regex::Regex;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The address that the texts write.
const BASE: &str = "http://127.0.0.1:8080";

/// Something to paste, and what it prints.
struct Block {
    language: String,
    code: String,
    prints: String,
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The blocks of a text in their order; a `text` block is what the one before it prints, and without one it prints
/// nothing.
fn blocks(text: &str) -> Vec<Block> {
    let fence = Regex::new(r"(?ms)^```(\w+)\n(.*?)^```$").unwrap();
    let mut blocks: Vec<Block> = vec![];
    for found in fence.captures_iter(text) {
        let (language, code) = (found[1].to_owned(), found[2].to_owned());
        if language == "text" {
            blocks.last_mut().expect("a block before").prints = code;
        } else {
            blocks.push(Block { language, code, prints: String::new() });
        }
    }
    blocks
}

/// Both stop at the first failure; in `sh` that of a pipe is the last one's.
const BASH: &[&str] = &["bash", "-euo", "pipefail", "-c"];
const SH: &[&str] = &["sh", "-eu", "-c"];

/// Runs the blocks one after the other in one shell, as if pasted; what each printed.
fn paste(shell: &[&str], blocks: &[&Block], base: &str, dir: &Path) -> Vec<String> {
    // The character ends what a block prints.
    let mark = if shell == BASH || shell == SH { "printf '\\036'\n" } else { "print('\\x1e', end='')\n" };
    let script: String = blocks.iter().flat_map(|block| [block.code.as_str(), mark]).collect();
    assert!(script.contains(BASE), "the address of the demo stands in the text");
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script.replace(BASE, base)).current_dir(dir).env("TMPDIR", dir);
    // Homebrew's openssl is not on the PATH of macOS, whose own cannot sign with Ed25519.
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("/opt/homebrew/opt/openssl@3/bin:/usr/local/opt/openssl@3/bin:{path}"));
    let output = command.output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    let mut said: Vec<String> = said.split('\u{1e}').map(str::to_owned).collect();
    let last = said.pop().unwrap_or_default();
    assert!(
        output.status.success() && wrong.is_empty() && last.is_empty() && said.len() == blocks.len(),
        "{shell:?}, {}, in block {}: {last}\n{wrong}\n{}",
        output.status,
        said.len() + 1,
        blocks.get(said.len()).map_or("", |block| &block.code)
    );
    said
}

/// `…` stands for anything within its line; the rest is as written.
fn same(written: &str, printed: &str) {
    let as_written = |line: &str| line.split('…').map(regex::escape).collect::<Vec<_>>().join(".+");
    let lines: Vec<String> = written.lines().map(as_written).collect();
    let whole = Regex::new(&format!("^{}\n?$", lines.join("\n"))).unwrap();
    assert!(whole.is_match(printed), "written:\n{written}\nprinted:\n{printed}");
}

/// A demo whose data lie in `.data` of a directory, as the texts say.
fn demo(name: &str) -> (PathBuf, Demo) {
    let place = data_dir(name);
    let demo = start(&place.join(".data"));
    (place, demo)
}

fn end(place: &Path, demo: Demo) {
    stop(demo, Signal::TERM);
    nothing_is_left(place);
    std::fs::remove_dir_all(place).unwrap();
}

/// In two shells, the second time on what the first time left: only the counts of the province differ, by one.
#[test]
fn the_tour_of_the_readme_prints_what_it_shows() {
    let readme = read("README.md");
    let tour = readme.split("\n## The five-minute tour\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = blocks(tour);
    assert!(blocks.iter().all(|block| block.language == "sh"));
    let (place, demo) = demo("tour");
    let counts = Regex::new(r#"\{"total":(\d+),"completed":(\d+)\}"#).unwrap();
    let all: Vec<&Block> = blocks.iter().collect();
    for (walks, shell) in [BASH, SH].into_iter().enumerate() {
        let printed = paste(shell, &all, &demo.base, &place);
        for (block, printed) in blocks.iter().zip(printed) {
            let higher = |found: &regex::Captures<'_>| {
                let [total, completed] = [1, 2].map(|group| found[group].parse::<usize>().unwrap() + walks);
                format!(r#"{{"total":{total},"completed":{completed}}}"#)
            };
            same(&counts.replace_all(&block.prints, higher), &printed);
        }
    }
    assert_eq!(counts.find_iter(tour).count(), 2, "the counts before and after");
    end(&place, demo);
}

/// The blocks for the shell follow one another; those for Python stand alone.
#[test]
fn the_examples_of_the_developers_page_print_what_they_show() {
    let page = read("docs/API.md");
    let blocks = blocks(&page);
    let of = |language: &str| blocks.iter().filter(|block| block.language == language).collect::<Vec<&Block>>();
    assert_eq!(of("sh").len() + of("python").len() + of("json").len(), blocks.len());
    let (place, demo) = demo("examples");
    for (block, printed) in of("sh").into_iter().zip(paste(BASH, &of("sh"), &demo.base, &place)) {
        same(&block.prints, &printed);
    }
    let row = Regex::new(r"(?m)^\| (\d{3}) \| ([^|]+) \|").unwrap();
    let word = Regex::new("`([a-z_]+)`").unwrap();
    for told in row.captures_iter(&page) {
        for code in word.captures_iter(&told[2]) {
            let known = simpul::error_codes().into_iter().find(|known| known.code == &code[1]);
            assert_eq!(known.map(|known| known.status.to_string()).as_deref(), Some(&told[1]), "{}", &code[1]);
        }
    }
    for block in of("json") {
        serde_json::from_str::<serde_json::Value>(&block.code).unwrap();
    }
    // What Python needs is among the tools of `make test`; a bare `cargo test` on a new checkout goes without.
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python/bin/python");
    if python.exists() || std::env::var_os("DRILL").is_some() {
        for block in of("python") {
            let printed = paste(&[python.to_str().unwrap(), "-c"], &[block], &demo.base, &place);
            same(&block.prints, &printed[0]);
        }
    }
    end(&place, demo);
}
