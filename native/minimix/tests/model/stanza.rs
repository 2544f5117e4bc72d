//! Stanzas: writing them as clients and rooms do, reading what the checks need.

use chrono::{DateTime, SecondsFormat, Utc};
use minimix::Xml;
use minimix::xml::{Builder, Element, Node};

pub const NS_MUC: &str = "http://jabber.org/protocol/muc";
pub const NS_USER: &str = "http://jabber.org/protocol/muc#user";
pub const NS_OWNER: &str = "http://jabber.org/protocol/muc#owner";
pub const NS_PING: &str = "urn:xmpp:ping";
pub const NS_DELAY: &str = "urn:xmpp:delay";
/// What only this model understands: it must survive everything.
pub const NS_MODEL: &str = "urn:example:model";
const NS_CLIENT: &str = "jabber:client";
const NS_STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// An element with attributes and children.
pub fn element(name: &str, attributes: &[(&str, &str)], inside: &[Xml]) -> Xml {
    let mut builder = Builder::default();
    builder.open(name);
    for (key, value) in attributes {
        builder.attribute(key, value);
    }
    for child in inside {
        builder.copy(Node::Element(child.root()));
    }
    builder.finish()
}

/// An element with text.
pub fn text(name: &str, text: &str) -> Xml {
    let mut builder = Builder::default();
    builder.open(name);
    builder.text(text);
    builder.finish()
}

/// A stanza; attributes without a value are left out.
pub fn stanza(name: &str, attributes: &[(&str, Option<&str>)], inside: &[Xml]) -> Xml {
    let given = attributes.iter().filter_map(|(key, value)| value.map(|value| (*key, value)));
    let all: Vec<(&str, &str)> = [("xmlns", NS_CLIENT)].into_iter().chain(given).collect();
    element(name, &all, inside)
}

/// A number that no other stanza has.
pub fn serial(number: u64) -> Xml {
    element("serial", &[("xmlns", NS_MODEL), ("n", &number.to_string())], &[])
}

/// XEP-0203.
pub fn delay(from: &str, at: u64) -> Xml {
    element("delay", &[("xmlns", NS_DELAY), ("from", from), ("stamp", &stamp(at))], &[])
}

/// A time as XEP-0082 writes it.
pub fn stamp(at: u64) -> String {
    i64::try_from(at)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A stanza error of the room.
pub fn error(to: &Xml, from: &str, kind: &str, condition: &str) -> Xml {
    let condition = element(condition, &[("xmlns", NS_STANZAS)], &[]);
    let error = element("error", &[("type", kind)], &[condition]);
    let id = to.root().attribute("id");
    stanza(to.root().name(), &[("from", Some(from)), ("type", Some("error")), ("id", id)], &[error])
}

/// The condition of a stanza error.
pub fn condition(stanza: &Xml) -> Option<String> {
    let root = stanza.root();
    let error = root.inner("error")?;
    error.children().next().map(|condition| condition.name().to_owned())
}

/// What a stanza says of an occupant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    pub codes: Vec<u16>,
    pub affiliation: String,
    pub role: String,
    pub jid: Option<String>,
    pub nick: Option<String>,
    pub destroyed: bool,
}

impl Item {
    pub fn of(stanza: &Xml) -> Item {
        let mut read = Item::default();
        let Some(x) = stanza.root().child("x", NS_USER) else { return read };
        for child in x.children() {
            let text = |key| child.attribute(key).map(String::from);
            match child.name() {
                "status" => {
                    read.codes.extend(text("code").and_then(|code| code.parse::<u16>().ok()))
                }
                "item" => {
                    read.affiliation = text("affiliation").unwrap_or_default();
                    read.role = text("role").unwrap_or_default();
                    (read.jid, read.nick) = (text("jid"), text("nick"));
                }
                "destroy" => read.destroyed = true,
                _ => {}
            }
        }
        read.codes.sort_unstable();
        read
    }

    pub fn has(&self, code: u16) -> bool {
        self.codes.contains(&code)
    }
}

/// The same content in the same order, whatever the order of the attributes of the root and
/// whatever its `to`.
pub fn canonical(stanza: &Xml) -> String {
    let root = stanza.root();
    let mut attributes: Vec<(&str, &str)> =
        root.attributes().filter(|(key, _)| *key != "to").collect();
    attributes.sort_unstable();
    let children: String = root.children().map(|child| child.to_string()).collect();
    format!("{} {attributes:?} {children}", root.name())
}

/// A stanza with the own address in its item changed, if there is one.
pub fn with_own_jid(stanza: &Xml, jid: &str) -> Xml {
    with_jid(stanza, Some(jid))
}

/// A presence with another address in its item, or none.
pub fn with_jid(stanza: &Xml, jid: Option<&str>) -> Xml {
    let Some(x) = stanza.root().child("x", NS_USER) else { return stanza.clone() };
    let own = |item: Element<'_>| {
        let changed =
            |(key, is)| if key == "jid" { jid.map(|jid| (key, jid)) } else { Some((key, is)) };
        let attributes: Vec<(&str, &str)> = item.attributes().filter_map(changed).collect();
        let children: Vec<Xml> = item.children().map(|child| child.to_xml()).collect();
        element("item", &attributes, &children)
    };
    let children: Vec<Xml> = x
        .children()
        .map(|child| if child.name() == "item" { own(child) } else { child.to_xml() })
        .collect();
    let x = element("x", &[("xmlns", NS_USER)], &children);
    let others: Vec<Xml> = stanza
        .root()
        .children()
        .map(|child| if child.is("x", NS_USER) { x.clone() } else { child.to_xml() })
        .collect();
    let mut attributes: Vec<(&str, &str)> = stanza.root().attributes().collect();
    attributes.sort_unstable();
    element(stanza.root().name(), &attributes, &others)
}

pub fn kind(stanza: &Xml) -> Option<&str> {
    stanza.root().attribute("type")
}

pub fn id(stanza: &Xml) -> Option<&str> {
    stanza.root().attribute("id")
}

/// The nick that a stanza comes from, if it does not come from the room itself.
pub fn nick(stanza: &Xml) -> Option<&str> {
    stanza.root().attribute("from").and_then(|from| from.split_once('/')).map(|(_, nick)| nick)
}

pub fn is_groupchat(stanza: &Xml) -> bool {
    stanza.root().name() == "message" && kind(stanza) == Some("groupchat")
}

pub fn has_body(stanza: &Xml) -> bool {
    stanza.root().inner("body").is_some()
}

pub fn is_subject(stanza: &Xml) -> bool {
    is_groupchat(stanza) && stanza.root().inner("subject").is_some() && !has_body(stanza)
}

pub fn subject(stanza: &Xml) -> String {
    stanza.root().inner("subject").map(|subject| subject.text()).unwrap_or_default()
}

/// Without what a client must not set and what only joins carry.
pub fn is_payload(child: Element<'_>) -> bool {
    !child.attribute("xmlns").is_some_and(|ns| ns == NS_MUC || ns == NS_USER)
}
