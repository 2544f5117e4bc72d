//! Whether a stanza is the one that a transcript expects. The order of attributes does not
//! count, that of children does.

use std::collections::HashMap;

use minimix::xml::{Element, Node};

use crate::words::FURTHER;

/// Why they differ, or nothing. `$name`s without a value are given the one that is found.
pub fn compare(
    expected: Element<'_>,
    found: Element<'_>,
    names: &mut HashMap<String, String>,
) -> Result<(), String> {
    elements(expected, found, "", "", names)
}

fn elements(
    expected: Element<'_>,
    found: Element<'_>,
    expected_outside: &str,
    found_outside: &str,
    names: &mut HashMap<String, String>,
) -> Result<(), String> {
    let expected_inside = expected.attribute("xmlns").unwrap_or(expected_outside);
    let found_inside = found.attribute("xmlns").unwrap_or(found_outside);
    if expected.name() != found.name() {
        return Err(format!("<{}/> instead of <{}/>", found.name(), expected.name()));
    }
    if expected_inside != found_inside {
        let name = found.name();
        return Err(format!("<{name}/> is of {found_inside} instead of {expected_inside}"));
    }
    attributes(expected, found, names)?;
    let mut left = contents(found).into_iter();
    for wanted in contents(expected) {
        match (wanted, left.next()) {
            (Content::Text(text), _) if text == "..." => return Ok(()),
            (Content::Text(text), Some(Content::Text(other))) if text == other => {}
            (Content::Element(inner), Some(Content::Element(other))) => {
                elements(inner, other, expected_inside, found_inside, names)?;
            }
            (wanted, found) => {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                return Err(format!("inside <{}/>: {found} instead of {wanted}", expected.name()));
            }
        }
    }
    match left.next() {
        Some(more) => Err(format!("inside <{}/>: {more} besides", expected.name())),
        None => Ok(()),
    }
}

fn attributes(
    expected: Element<'_>,
    found: Element<'_>,
    names: &mut HashMap<String, String>,
) -> Result<(), String> {
    let name = expected.name();
    let counts = |key: &str| key != "xmlns" && key != FURTHER;
    for (key, wanted) in expected.attributes().filter(|(key, _)| counts(key)) {
        let Some(value) = found.attribute(key) else {
            return Err(format!("<{name}/> has no {key}"));
        };
        if !fits(wanted, value, names) {
            return Err(format!("<{name} {key}='{value}'/> instead of '{wanted}'"));
        }
    }
    if expected.attribute(FURTHER).is_some() {
        return Ok(());
    }
    match found.attributes().find(|(key, _)| counts(key) && expected.attribute(key).is_none()) {
        Some((key, value)) => Err(format!("<{name}/> has {key}='{value}' besides")),
        None => Ok(()),
    }
}

fn fits(wanted: &str, value: &str, names: &mut HashMap<String, String>) -> bool {
    if let Some(name) = wanted.strip_prefix('$') {
        return names.entry(name.to_owned()).or_insert_with(|| value.to_owned()) == value;
    }
    match wanted.strip_suffix("...") {
        Some(beginning) => value.starts_with(beginning),
        None => value == wanted,
    }
}

enum Content<'a> {
    Element(Element<'a>),
    Text(String),
}

impl std::fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Element(element) => element.fmt(f),
            Content::Text(text) => write!(f, "“{text}”"),
        }
    }
}

/// Adjacent texts are one.
fn contents(element: Element<'_>) -> Vec<Content<'_>> {
    let mut all: Vec<Content<'_>> = Vec::new();
    for node in element.nodes() {
        match (node, all.last_mut()) {
            (Node::Text(more), Some(Content::Text(text))) => text.push_str(more),
            (Node::Text(text), _) => all.push(Content::Text(text.to_owned())),
            (Node::Element(inner), _) => all.push(Content::Element(inner)),
        }
    }
    all
}
