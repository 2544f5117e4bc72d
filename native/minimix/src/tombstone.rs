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
    let may = by_the_room || history::are_by_one(message, retraction);
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
    // Only the room knows who has moderated.
    for reason in retract.children().filter(|child| by_the_room || child.name() != "moderated") {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "<message xmlns='jabber:client' from='room@x/alice' type='groupchat'><body>mine</body></message>";

    fn taken_back(message: &str, retraction: &str) -> Option<String> {
        let [message, retraction]: [Xml; 2] =
            [message, retraction].map(|text| text.parse().unwrap());
        tombstone(&message, &retraction, &RoomJid::from("room@x"), Millis(0))
            .map(|stone| stone.to_string())
    }

    fn retraction(nick: &str, more: &str, inside: &str) -> String {
        format!(
            "<message xmlns='jabber:client' from='room@x/{nick}' type='groupchat'>\
             <retract xmlns='{NS_RETRACT}' id='1'>{inside}</retract>{more}</message>"
        )
    }

    /// B21.149, XEP-0424 §6: a room that gives nobody an id passes on what somebody has made up.
    #[test]
    fn a_made_up_id_makes_nobody_an_author() {
        let as_alice = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='room@x/alice'/>";
        assert_eq!(taken_back(MINE, &retraction("mallory", as_alice, "")), None);
        assert_eq!(taken_back(MINE, &retraction("mallory", "", "")), None);
        assert!(taken_back(MINE, &retraction("alice", "", "")).is_some());
    }

    /// B21.149, XEP-0425 §5: only the room knows who has moderated.
    #[test]
    fn an_author_does_not_moderate() {
        let moderated =
            "<moderated xmlns='urn:xmpp:message-moderate:1' by='room@x/bob'/><reason>hm</reason>";
        let stone = taken_back(MINE, &retraction("alice", "", moderated)).unwrap();
        assert!(!stone.contains("moderated") && stone.contains("<reason>hm"), "{stone}");
        let by_room = retraction("", "", moderated).replace("room@x/'", "room@x'");
        assert!(taken_back(MINE, &by_room).unwrap().contains("moderated"));
    }
}
