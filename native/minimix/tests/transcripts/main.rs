//! Plays the transcripts of `test/transcripts` against the core and reports like the test
//! harness of Rust: `cargo test -p minimix --test transcripts [part of a name]`.

mod archive;
mod execute;
mod host;
mod pattern;
mod play;
mod script;
mod stream;
mod words;

use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use play::Play;
use script::{Book, Case};

/// Elements as deep as some transcripts have them recurse in the parser, not in the core.
const STACK: usize = 256 * 1024 * 1024;

fn main() -> ExitCode {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    match thread::Builder::new().stack_size(STACK).spawn(move || run(&filters)).map(|t| t.join()) {
        Ok(Ok(Ok(true))) => ExitCode::SUCCESS,
        Ok(Ok(Ok(false)) | Err(_)) | Err(_) => ExitCode::FAILURE,
        Ok(Ok(Err(error))) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(filters: &[String]) -> Result<bool, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/transcripts");
    let book = Book::read(&folder)?;
    let is_wanted = |case: &&Case| {
        filters.is_empty() || filters.iter().any(|part| case.name.contains(part.as_str()))
    };
    let wanted: Vec<&Case> = book.cases.iter().filter(is_wanted).collect();
    println!("\nrunning {} tests", wanted.len());
    let mut failures = Vec::new();
    for case in &wanted {
        let played = book.steps(case).and_then(|steps| {
            panic::catch_unwind(|| Play::all(&steps)).unwrap_or_else(|_| Err("panic".to_owned()))
        });
        println!("test {} ... {}", case.name, if played.is_ok() { "ok" } else { "FAILED" });
        failures.extend(played.err().map(|why| (&case.name, why)));
    }
    if !failures.is_empty() {
        println!("\nfailures:\n");
        failures.iter().for_each(|(name, why)| println!("---- {name} ----\n{why}"));
        println!("failures:");
        failures.iter().for_each(|(name, _)| println!("    {name}"));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        wanted.len() - failures.len(),
        failures.len(),
        book.cases.len() - wanted.len(),
    );
    Ok(failures.is_empty())
}
