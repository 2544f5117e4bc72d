//! What is left of a message that was taken back (XEP-0424 §5, XEP-0425 §5).

use chrono::{DateTime, SecondsFormat, Utc};

use crate::history::{self, NS_RETRACT};
use crate::names::{Millis, RoomJid};
use crate::xml::{Builder, Element, Node, Xml};

const NS_OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
const NS_STANZA_ID: &str = "urn:xmpp:sid:0";

/// The tombstone of a message, when who takes it back may: its author, or the room on behalf of a
/// moderator. Both are messages of the room.
pub fn tombstone(message: &Xml, retraction: &Xml, room: &RoomJid, now: Millis) -> Option<Xml> {
    let (message, retraction) = (message.root(), retraction.root());
    let by_the_room = retraction.attribute("from") == Some(room.as_str());
    let may = by_the_room || history::author_of(message) == history::author_of(retraction);
    let retract = history::retract(retraction)?;
    if !may || message.child("retracted", NS_RETRACT).is_some() {
        return None;
    }
    let mut stone = Builder::default();
    stone.open("message");
    for (key, value) in message.attributes() {
        stone.attribute(key, value);
    }
    for child in message.children().filter(|child| identifies(*child)) {
        stone.copy(Node::Element(child));
    }
    stone.open("retracted");
    stone.attribute("xmlns", NS_RETRACT);
    if let Some(id) = history::stanza_id(retraction, room).or(retraction.attribute("id")) {
        stone.attribute("id", id);
    }
    if let Some(stamp) = stamp(now) {
        stone.attribute("stamp", &stamp);
    }
    for reason in retract.children() {
        stone.copy(Node::Element(reason));
    }
    Some(stone.finish())
}

/// What says whose message it was, and when.
fn identifies(child: Element<'_>) -> bool {
    child.is("stanza-id", NS_STANZA_ID)
        || child.is("origin-id", NS_STANZA_ID)
        || child.is("occupant-id", NS_OCCUPANT_ID)
        || child.is("delay", history::NS_DELAY)
}

fn stamp(at: Millis) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp_millis(i64::try_from(at.0).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
