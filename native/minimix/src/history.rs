//! The messages of a room that an account was sent, and which of them a session asks to see
//! (XEP-0045 §7.2.13–§7.2.15).

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;

use xmpp_parsers::date::DateTime;

use crate::author;
use crate::names::{Millis, RoomJid};
use crate::xml::{Element, Xml};

const NS_MUC: &str = "http://jabber.org/protocol/muc";
/// The namespace of delayed delivery (XEP-0203).
pub const NS_DELAY: &str = "urn:xmpp:delay";
const NS_FASTEN: &str = "urn:xmpp:fasten:0";
const NS_MODERATE: &str = "urn:xmpp:message-moderate:0";
const NS_OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
const NS_RETRACT: &str = "urn:xmpp:message-retract:1";
const NS_STANZA_ID: &str = "urn:xmpp:sid:0";
/// Bytes of messages that are kept per account and room.
const MAX_BYTES: usize = 512 * 1024;

/// The messages kept, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    messages: Arc<VecDeque<Kept>>,
    bytes: usize,
    subject: Option<Xml>,
}

#[derive(Clone, Debug)]
struct Kept {
    at: Millis,
    message: Xml,
}

impl History {
    /// Keeps a message, at most `limit` of them.
    pub fn keep(&mut self, message: Xml, room: &RoomJid, now: Millis, limit: usize) {
        if limit == 0 {
            return;
        }
        let stamp = delay_of(message.root(), room).and_then(|delay| stamp_of(&delay));
        let messages = Arc::make_mut(&mut self.messages);
        self.bytes += message.size();
        messages.push_back(Kept { at: stamp.unwrap_or(now), message });
        while messages.len() > limit || self.bytes > MAX_BYTES {
            let Some(dropped) = messages.pop_front() else {
                break;
            };
            self.bytes -= dropped.message.size();
        }
    }

    /// Forgets what its author or the room takes back with this message (XEP-0424 §5,
    /// XEP-0425 §5).
    pub fn retract(&mut self, message: Element<'_>, room: &RoomJid) {
        let Some(id) = retracted(message) else {
            return;
        };
        let by_the_room = message.attribute("from") == Some(room.as_str());
        let is_meant = |kept: &Kept| {
            let kept = kept.message.root();
            let ids = kept.children().filter(|child| child.is("stanza-id", NS_STANZA_ID));
            let mut ids = ids.filter(|id| id.attribute("by") == Some(room.as_str()));
            ids.any(|known| known.attribute("id") == Some(id))
                && (by_the_room || author_of(kept) == author_of(message))
        };
        if let Some(at) = self.messages.iter().position(is_meant)
            && let Some(gone) = Arc::make_mut(&mut self.messages).remove(at)
        {
            self.bytes -= gone.message.size();
        }
    }

    /// Keeps the subject as it was told on entering.
    pub fn set_subject(&mut self, message: Xml) {
        self.subject = Some(message);
    }

    /// Whether a message tells the subject that is known.
    pub fn is_subject(&self, message: Element<'_>) -> bool {
        let text = |message: Element<'_>| message.inner("subject").map(|subject| subject.text());
        let known = self.subject.as_ref().and_then(|known| text(known.root()));
        known.unwrap_or_default() == text(message).unwrap_or_default()
    }

    /// Keeps a subject that was changed now.
    pub fn change_subject(&mut self, message: Xml, room: &RoomJid, now: Millis) {
        self.subject = Some(delayed(&message, room, now));
    }

    /// What a session is replayed: the newest messages that satisfy all its wishes, then the
    /// subject (an empty one where the room never sent any).
    pub fn replay(&self, wishes: &Wishes, room: &RoomJid, now: Millis) -> Vec<Xml> {
        let mut replay = Vec::new();
        let mut characters = 0usize;
        for kept in self.messages.iter().rev() {
            let message = delayed(&kept.message, room, kept.at);
            if !wishes.reach(kept.at, replay.len(), now) {
                break;
            }
            if let Some(limit) = wishes.max_characters {
                characters += message.to_string().len();
                if characters > limit {
                    break;
                }
            }
            replay.push(message);
        }
        replay.reverse();
        replay.push(self.subject.clone().unwrap_or_else(|| author::no_subject(room)));
        replay
    }
}

/// The wishes of `<history/>` (XEP-0045 §7.2.14). What cannot be read is not wished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Characters of complete stanzas.
    pub max_characters: Option<usize>,
    /// Messages.
    pub max_stanzas: Option<usize>,
    /// Milliseconds of age.
    pub max_age: Option<u64>,
    /// The oldest wanted.
    pub since: Option<Millis>,
}

impl Wishes {
    /// Reads those of a join presence.
    pub fn of(join: Element<'_>) -> Wishes {
        let history = join.child("x", NS_MUC).and_then(|x| x.inner("history"));
        let text = |key| history.and_then(|history| history.attribute(key));
        Wishes {
            max_characters: text("maxchars").and_then(|n| n.parse().ok()),
            max_stanzas: text("maxstanzas").and_then(|n| n.parse().ok()),
            max_age: text("seconds")
                .and_then(|n| n.parse::<u64>().ok())
                .map(|s| s.saturating_mul(1_000)),
            since: text("since").and_then(moment),
        }
    }

    fn reach(&self, at: Millis, already: usize, now: Millis) -> bool {
        self.max_stanzas.is_none_or(|limit| already < limit)
            && self.since.is_none_or(|since| at >= since)
            && self.max_age.is_none_or(|age| at.after(age) >= now)
    }
}

/// The `<delay/>` by which the room marks history, as opposed to one that came with a live
/// message from its sender (XEP-0045 §7.2.13: `from` is the room).
pub fn delay_of<'a>(message: Element<'a>, room: &RoomJid) -> Option<Element<'a>> {
    message.children().find(|child| {
        child.is("delay", NS_DELAY)
            && child.attribute("from").is_none_or(|from| {
                from.split('/').next().is_some_and(|bare| bare.eq_ignore_ascii_case(room.as_str()))
            })
    })
}

/// The room's id of the message that is taken back.
fn retracted(message: Element<'_>) -> Option<&str> {
    let by_author = message.child("retract", NS_RETRACT);
    let by_moderator = message
        .child("apply-to", NS_FASTEN)
        .filter(|x| x.child("moderated", NS_MODERATE).is_some());
    by_author.or(by_moderator).and_then(|retract| retract.attribute("id"))
}

/// The occupant's id where the room gives one (XEP-0421), for nicks change hands.
fn author_of(message: Element<'_>) -> Option<&str> {
    let id = message.child("occupant-id", NS_OCCUPANT_ID).and_then(|id| id.attribute("id"));
    id.or(message.attribute("from"))
}

fn stamp_of(delay: &Element<'_>) -> Option<Millis> {
    delay.attribute("stamp").and_then(moment)
}

fn moment(text: &str) -> Option<Millis> {
    let time = DateTime::from_str(text).ok()?;
    u64::try_from(time.0.timestamp_millis()).ok().map(Millis)
}

fn delayed(message: &Xml, room: &RoomJid, at: Millis) -> Xml {
    match delay_of(message.root(), room) {
        Some(_) => message.clone(),
        None => message.edited(&[], |_| true, &[author::delay(room, at)]),
    }
}
