//! Reads transcripts.
//!
//! ```text
//! == A sentence that a reader can check
//! B2.17 B2.18 (XEP-0045 §7.2)
//! include joined
//! phone sends   <presence to='room/alice'>{muc}</presence>
//! phone gets    <presence from='room/alice'>{none participant 110}</presence>
//!               <message from='room' type='groupchat'><subject/></message>
//! room gets nothing
//! after 5 min
//! ```
//!
//! `-- name` begins a prelude that cases include. Whatever somebody gets must be expected before
//! the next thing happens; what is sent in a row happens at one moment. Sessions are the account `alice`'s unless they say `carol/phone`.

use std::fs;
use std::path::Path;

use minimix::{Bookmark, Command, Nick, Notify};

/// Who may do or get something.
const PEOPLE: [&str; 7] =
    ["room", "server", "laptop", "phone", "tablet", "carol/phone", "carol/tablet"];

/// All that the folder holds.
#[derive(Default)]
pub struct Book {
    /// In the order of the files.
    pub cases: Vec<Case>,
    preludes: Vec<(String, Vec<Step>)>,
}

/// One conversation.
pub struct Case {
    /// `file::title_in_words`.
    pub name: String,
    /// What happens and what is to be seen.
    pub steps: Vec<Step>,
}

/// One step of a conversation.
#[derive(Clone)]
pub struct Step {
    /// Where it is written.
    pub place: String,
    /// As it is written.
    pub written: String,
    /// What it says.
    pub action: Action,
}

impl Step {
    /// Whether it says what is to be seen.
    pub fn expects(&self) -> bool {
        matches!(
            self.action,
            Action::Get { .. }
                | Action::Silence
                | Action::BookmarkGets(_)
                | Action::Stored { .. }
                | Action::ArchiveHolds(_)
                | Action::Woken
                | Action::Dismissed(_)
        )
    }

    /// Whether somebody sends something.
    pub fn sends(&self) -> bool {
        matches!(self.action, Action::Sends { .. })
    }
}

/// What a step says. People are `room`, `server` or a session.
#[derive(Clone)]
pub enum Action {
    /// `option nick change`
    Option { key: String, value: String },
    /// `in 200 other rooms`
    OtherRooms(usize),
    /// `after 64 other rooms`
    OtherTombs(usize),
    /// `after 5 min`
    After(u64),
    /// `phone sends …`, also `3 times …`
    Sends { who: String, times: usize, text: String },
    /// `phone, laptop get …`, also `3 times …`
    Get { who: Vec<String>, times: usize, text: String },
    /// `nobody gets anything`
    Silence,
    /// `phone is busy` and the like
    Stream { who: String, what: StreamEvent },
    /// `module stops`
    Stops,
    /// `account is declined`
    Declines,
    /// The service is known to refuse bare JIDs.
    NeedsResource,
    /// `bookmark autojoin nick ally password sesame`, `bookmark off`, `bookmark gone`
    Bookmark(Option<Bookmark>),
    /// `bookmark gets ally`
    BookmarkGets(String),
    /// `admin joins ally`, `admin leaves`, `admin rejoins`
    Command(Command),
    /// `link breaks`
    LinkBreaks,
    /// `link comes anew`
    Gap,
    /// `server restarts`
    Restarts,
    /// `turns wait`
    TurnsWait,
    /// `turn comes`
    TurnComes,
    /// `stored joined ally`, `stored nothing`
    Stored { place: String, nick: Option<String> },
    /// `devices are woken`
    Woken,
    /// `archive holds …`, `archive holds nothing`
    ArchiveHolds(String),
    /// `is longest detached in other`
    LongestDetached(String),
    /// `account leaves other`
    Dismissed(String),
    /// `include joined`
    Include(String),
}

/// What can happen to a session's stream.
#[derive(Clone, Copy)]
pub enum StreamEvent {
    /// It does not read its mailbox.
    IsBusy,
    /// It reads on.
    GoesOn,
    /// It ends.
    Disconnects,
    /// It becomes unavailable to its server.
    GoesOffline,
    /// It is resumed by another.
    Resumes,
    /// Its connection is lost, and it waits.
    FallsAsleep,
}

impl Book {
    /// Reads all files of a folder.
    pub fn read(folder: &Path) -> Result<Book, String> {
        let mut book = Book::default();
        let entries = fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
        let mut files: Vec<_> = entries.filter_map(|entry| entry.ok()).map(|e| e.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).map_err(|error| format!("{file:?}: {error}"))?;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            book.add(&stem, &text)?;
        }
        Ok(book)
    }

    /// The steps with the preludes in place.
    pub fn steps(&self, case: &Case) -> Result<Vec<Step>, String> {
        let mut all = Vec::new();
        self.unfold(&case.steps, &mut all)?;
        Ok(all)
    }

    fn unfold(&self, steps: &[Step], all: &mut Vec<Step>) -> Result<(), String> {
        for step in steps {
            let Action::Include(name) = &step.action else {
                all.push(step.clone());
                continue;
            };
            match self.preludes.iter().find(|(known, _)| known == name) {
                Some((_, steps)) => self.unfold(steps, all)?,
                None => return Err(format!("{}: there is no prelude {name}", step.place)),
            }
        }
        Ok(())
    }

    fn add(&mut self, stem: &str, text: &str) -> Result<(), String> {
        let lines: Vec<(usize, &str)> = text
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line.trim_end()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let starts = |line: &str| line.starts_with("== ") || line.starts_with("-- ");
        let mut left = lines.as_slice();
        while let [(number, heading), rest @ ..] = left {
            let place = format!("{stem}.txt:{number}");
            let end = rest.iter().position(|(_, line)| starts(line)).unwrap_or(rest.len());
            let (inside, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            left = after;
            if let Some(name) = heading.strip_prefix("-- ") {
                let name = name.split(':').next().unwrap_or(name).to_owned();
                self.preludes.push((name, steps(stem, inside)?));
            } else if let Some(title) = heading.strip_prefix("== ") {
                let [(_, rules), inside @ ..] = inside else {
                    return Err(format!("{place}: no rules"));
                };
                check_rules(rules).map_err(|error| format!("{place}: {error}"))?;
                let name = format!("{stem}::{}", in_words(title));
                self.cases.push(Case { name, steps: steps(stem, inside)? });
            } else {
                return Err(format!("{place}: no title: {heading}"));
            }
        }
        Ok(())
    }
}

/// The rules that a case is about, then the sections of the standards.
fn check_rules(line: &str) -> Result<(), String> {
    let (rules, sections) = line.split_once(" (").ok_or("no rules and sections below the title")?;
    let is_rule = |rule: &str| {
        let number = rule.strip_prefix(['B', 'I', 'T']).unwrap_or_default();
        !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    match rules.split_whitespace().find(|rule| !is_rule(rule)) {
        Some(strange) => Err(format!("no rule: {strange}")),
        None if sections.ends_with(')') => Ok(()),
        None => Err("the sections do not end".to_owned()),
    }
}

fn in_words(title: &str) -> String {
    let word = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let words: Vec<String> = title.split([' ', '-', '/']).map(word).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

fn steps(stem: &str, lines: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<(usize, String, String)> = Vec::new();
    for (number, line) in lines {
        match steps.last_mut() {
            Some((_, step, written)) if line.starts_with(' ') => {
                written.push('\n');
                written.push_str(line);
                let line = line.trim();
                if !(step.ends_with('>') || step.ends_with('}') || line.starts_with('<')) {
                    step.push(' ');
                }
                step.push_str(line);
            }
            _ => steps.push((*number, (*line).to_owned(), (*line).to_owned())),
        }
    }
    steps
        .into_iter()
        .map(|(number, line, written)| {
            let place = format!("{stem}.txt:{number}");
            let action = action(&line).map_err(|error| format!("{place}: {error}: {line}"))?;
            Ok(Step { place, written, action })
        })
        .collect()
}

fn action(line: &str) -> Result<Action, String> {
    let (sentence, text) = match line.find(['<', '{']) {
        Some(at) => line.split_at(at),
        None => (line, ""),
    };
    let people = sentence.replace(',', " ");
    let mut words: Vec<&str> = people.split_whitespace().collect();
    let text = text.to_owned();
    let person = |who: &&str| match PEOPLE.contains(who) {
        true => Ok((*who).to_owned()),
        false => Err(format!("who is {who}?")),
    };
    let mut times = 1;
    if let [first @ .., count, "times"] = words.as_slice() {
        times = count.parse().map_err(|_| "how often?")?;
        words = first.to_vec();
    }
    Ok(match words.as_slice() {
        ["option", key, value @ ..] => {
            Action::Option { key: (*key).to_owned(), value: value.join(" ") }
        }
        ["in", count, "other", "rooms"] => {
            Action::OtherRooms(count.parse().map_err(|_| "how many?")?)
        }
        ["after", count, "other", "rooms"] => {
            Action::OtherTombs(count.parse().map_err(|_| "how many?")?)
        }
        ["account", "is", "declined"] => Action::Declines,
        ["service", "refuses", "bare", "addresses"] => Action::NeedsResource,
        ["bookmark", "gets", nick] => Action::BookmarkGets((*nick).to_owned()),
        ["bookmark", "gone"] => Action::Bookmark(None),
        ["bookmark", what, rest @ ..] => Action::Bookmark(Some(bookmark(what, rest)?)),
        ["admin", "joins", nick] => {
            Action::Command(Command::Join { nick: Nick::from(*nick), password: None })
        }
        ["admin", "leaves"] => Action::Command(Command::Leave),
        ["admin", "rejoins"] => Action::Command(Command::Rejoin),
        ["link", "breaks"] => Action::LinkBreaks,
        ["link", "comes", "anew"] => Action::Gap,
        ["server", "restarts"] => Action::Restarts,
        ["turns", "wait"] => Action::TurnsWait,
        ["turn", "comes"] => Action::TurnComes,
        ["stored", place, nick @ ..] => Action::Stored {
            place: (*place).to_owned(),
            nick: nick.first().map(|nick| (*nick).to_owned()),
        },
        ["devices", "are", "woken"] => Action::Woken,
        ["archive", "holds"] | ["archive", "holds", "nothing"] => Action::ArchiveHolds(text),
        ["is", "longest", "detached", "in", room] => Action::LongestDetached((*room).to_owned()),
        ["account", "leaves", room] => Action::Dismissed((*room).to_owned()),
        ["after", number, unit] => Action::After(milliseconds(number, unit)?),
        ["module", "stops"] => Action::Stops,
        ["include", name] => Action::Include((*name).to_owned()),
        ["nobody", "gets", "anything"] => Action::Silence,
        [who, "sends"] => Action::Sends { who: person(who)?, times, text },
        [who, "is", "busy"] => stream(person(who)?, StreamEvent::IsBusy),
        [who, "goes", "on"] => stream(person(who)?, StreamEvent::GoesOn),
        [who, "disconnects"] => stream(person(who)?, StreamEvent::Disconnects),
        [who, "goes", "offline"] => stream(person(who)?, StreamEvent::GoesOffline),
        [who, "falls", "asleep"] => stream(person(who)?, StreamEvent::FallsAsleep),
        [who, "resumes"] => stream(person(who)?, StreamEvent::Resumes),
        [who @ .., "gets" | "get", "nothing"] | [who @ .., "gets" | "get"] => {
            Action::Get { who: who.iter().map(person).collect::<Result<_, _>>()?, times, text }
        }
        _ => return Err("what does this mean?".to_owned()),
    })
}

fn stream(who: String, what: StreamEvent) -> Action {
    Action::Stream { who, what }
}

fn bookmark(what: &str, rest: &[&str]) -> Result<Bookmark, String> {
    let autojoin = match what {
        "autojoin" => true,
        "off" => false,
        _ => return Err("autojoin, off or gone?".to_owned()),
    };
    let mut bookmark = Bookmark { autojoin, ..Bookmark::default() };
    for pair in rest.chunks(2) {
        match pair {
            ["nick", nick] => bookmark.nick = Some(Nick::from(*nick)),
            ["password", password] => bookmark.password = Some((*password).to_owned()),
            ["notify", "always"] => bookmark.notify = Some(Notify::Always),
            ["notify", "mentions"] => bookmark.notify = Some(Notify::OnMention),
            ["notify", "never"] => bookmark.notify = Some(Notify::Never),
            _ => return Err("nick or password?".to_owned()),
        }
    }
    Ok(bookmark)
}

/// A span of time.
pub fn milliseconds(number: &str, unit: &str) -> Result<u64, String> {
    let number: u64 = number.parse().map_err(|_| format!("no number: {number}"))?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("no unit of time: {unit}")),
    };
    Ok(number * unit)
}
