//! The short words of a transcript and what they stand for.
//!
//! | written | stands for |
//! |---|---|
//! | `xmlns='muc#user'` | the namespace of that name, see [`NAMESPACES`] |
//! | `from='room/bob'`, `jid='alice/phone'`, `jid='me'` | addresses, see [`PEOPLE`]; `me` gets the stanza |
//! | `stamp='10:00:05'` | that time on the day of the transcripts |
//! | `{muc}` | `<x/>` of a join |
//! | `{member participant 110 170}` | `<x/>` of `muc#user`: affiliation, role, status codes |
//! | `{none none nick=ally 303}` | the same with attributes of the item |
//! | `{error cancel not-acceptable}` | a stanza error |
//! | `{delay 10:00:05}` | what a room adds to a message of that time |
//! | `{long 1000}`, `{deep 1000}` | a text and nested elements of that size |
//! | `...` | in a tag: further attributes; as a child: anything from here on; as the end of a value: any end |
//! | `$name` | an attribute's value that is the same wherever it is named |
//! | `%n` | the number of the repetition |

use std::collections::HashMap;

use minimix::Xml;
use minimix::xml::{Element, Node};

/// The attribute that `...` in a tag becomes.
pub const FURTHER: &str = "further";
/// The domain of rooms, accounts and everybody else.
pub const PEOPLE: [(&str, &str); 5] = [
    ("room", "room@rooms.example"),
    ("alice", "alice@home.example"),
    ("carol", "carol@home.example"),
    ("bob", "bob@away.example"),
    ("occupant", "alice@home.example/0000000000000000000000000000a11c"),
];
const DAY: &str = "2026-01-01T";

const NAMESPACES: [(&str, &str); 30] = [
    ("captcha", "urn:xmpp:captcha"),
    ("caps", "http://jabber.org/protocol/caps"),
    ("chatstates", "http://jabber.org/protocol/chatstates"),
    ("client", "jabber:client"),
    ("conference", "jabber:x:conference"),
    ("data", "jabber:x:data"),
    ("delay", "urn:xmpp:delay"),
    ("disco#info", "http://jabber.org/protocol/disco#info"),
    ("disco#items", "http://jabber.org/protocol/disco#items"),
    ("fallback", "urn:xmpp:fallback:0"),
    ("hints", "urn:xmpp:hints"),
    ("mam", "urn:xmpp:mam:2"),
    ("markers", "urn:xmpp:chat-markers:0"),
    ("moderate", "urn:xmpp:message-moderate:1"),
    ("muc", "http://jabber.org/protocol/muc"),
    ("muc#admin", "http://jabber.org/protocol/muc#admin"),
    ("muc#owner", "http://jabber.org/protocol/muc#owner"),
    ("muc#user", "http://jabber.org/protocol/muc#user"),
    ("occupant-id", "urn:xmpp:occupant-id:0"),
    ("origin-id", "urn:xmpp:sid:0"),
    ("ping", "urn:xmpp:ping"),
    ("receipts", "urn:xmpp:receipts"),
    ("register", "jabber:iq:register"),
    ("retract", "urn:xmpp:message-retract:1"),
    ("stanza-id", "urn:xmpp:sid:0"),
    ("stanzas", "urn:ietf:params:xml:ns:xmpp-stanzas"),
    ("vcard", "vcard-temp"),
    ("vcard-update", "vcard-temp:x:update"),
    ("vcard4", "urn:ietf:params:xml:ns:vcard-4.0"),
    ("version", "jabber:iq:version"),
];

/// What the words of one step depend on.
#[derive(Clone, Default)]
pub struct Context {
    /// The full JID of the session that the step is about.
    pub me: Option<String>,
    /// The number of the repetition.
    pub number: Option<usize>,
    /// What `$name` stands for, as far as it is known.
    pub names: HashMap<String, String>,
}

/// The address that a word stands for.
pub fn address(word: &str) -> String {
    let (bare, resource) = match word.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (word, None),
    };
    let bare = PEOPLE.iter().find(|(short, _)| *short == bare).map_or(bare, |(_, long)| long);
    match resource {
        Some(resource) => format!("{bare}/{resource}"),
        None => bare.to_owned(),
    }
}

/// The stanzas of a step, one after the other.
pub fn stanzas(text: &str, context: &Context) -> Result<Vec<Xml>, String> {
    let long = expand(text, context)?;
    let wrapped: Xml = format!("<step xmlns='jabber:client'>{long}</step>")
        .parse()
        .map_err(|error| format!("this is no XML ({error}): {long}"))?;
    wrapped
        .root()
        .nodes()
        .map(|node| match node {
            Node::Element(stanza) => Ok(with_namespace(stanza)),
            Node::Text(text) => Err(format!("no stanza: {text}")),
        })
        .collect()
}

fn with_namespace(stanza: Element<'_>) -> Xml {
    match stanza.attribute("xmlns") {
        Some(_) => stanza.to_xml(),
        None => stanza.to_xml().edited(&[("xmlns", Some("jabber:client"))], |_| true, &[]),
    }
}

fn expand(text: &str, context: &Context) -> Result<String, String> {
    let mut long = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '{']) {
        let (before, after) = rest.split_at(at);
        long.push_str(before);
        let is_tag = after.starts_with('<');
        let end = if is_tag { tag_end(after) } else { after.find('}') };
        let end = end.ok_or_else(|| format!("it does not end: {after}"))?;
        let (inside, after) = after.split_at(end + 1);
        match is_tag {
            true => long.push_str(&tag(inside, context)),
            false => {
                let inside = inside.trim_matches(['{', '}']);
                long.push_str(&expand(&short(inside)?, context)?);
            }
        }
        rest = after;
    }
    long.push_str(rest);
    Ok(match context.number {
        Some(number) => long.replace("%n", &format!("{number:05}")),
        None => long,
    })
}

fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.find(|character| {
        quoted ^= character == '\'';
        character == '>' && !quoted
    })
}

/// A tag with its attributes written out. The parts between quotes are the values.
fn tag(text: &str, context: &Context) -> String {
    let mut long = String::with_capacity(text.len());
    let mut key = "";
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 0 {
            long.push_str(&part.replace(" ...", &format!(" {FURTHER}=''")));
            key = part.trim_end_matches('=').rsplit(char::is_whitespace).next().unwrap_or_default();
        } else {
            long.push('\'');
            long.push_str(&value(key, part, context));
            long.push('\'');
        }
    }
    long
}

fn value(key: &str, word: &str, context: &Context) -> String {
    let known = word.strip_prefix('$').and_then(|name| context.names.get(name));
    match (known, key, &context.me) {
        (Some(known), ..) => known.clone(),
        (_, "jid" | "to" | "from", Some(me)) if word == "me" => me.clone(),
        (_, "jid" | "to" | "from" | "by", _) => address(word),
        (_, "stamp" | "since", _) => time(word),
        (_, key, _) if key.ends_with("xmlns") => NAMESPACES
            .iter()
            .find(|(short, _)| *short == word)
            .map_or(word, |(_, long)| long)
            .to_owned(),
        _ => word.to_owned(),
    }
}

fn time(word: &str) -> String {
    match word.len() {
        8 if word.as_bytes().get(2) == Some(&b':') => format!("{DAY}{word}.000Z"),
        _ => word.to_owned(),
    }
}

fn short(inside: &str) -> Result<String, String> {
    let words: Vec<&str> = inside.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["muc"] => "<x xmlns='muc'/>".to_owned(),
        ["delay", stamp] => format!("<delay xmlns='delay' from='room' stamp='{stamp}'/>"),
        ["error", kind, condition, attributes @ ..] => format!(
            "<error type='{kind}'{}><{condition} xmlns='stanzas'/></error>",
            pairs(attributes)?
        ),
        ["long", size] => "x".repeat(number(size)?),
        ["deep", size] => {
            let size = number(size)?;
            format!("<deep xmlns='urn:deep'>{}{}</deep>", "<d>".repeat(size), "</d>".repeat(size))
        }
        [affiliation, role, more @ ..] => {
            let codes = more.iter().filter(|word| word.parse::<u16>().is_ok());
            let codes: String = codes.map(|code| format!("<status code='{code}'/>")).collect();
            let others: Vec<&str> =
                more.iter().copied().filter(|word| word.parse::<u16>().is_err()).collect();
            format!(
                "<x xmlns='muc#user'><item affiliation='{affiliation}' role='{role}'{}/>{codes}</x>",
                pairs(&others)?
            )
        }
        _ => return Err(format!("unknown: {{{inside}}}")),
    })
}

fn pairs(words: &[&str]) -> Result<String, String> {
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((key, value)) => Ok(format!(" {key}='{value}'")),
            None => Err(format!("no key=value: {word}")),
        })
        .collect()
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("no number: {word}"))
}
