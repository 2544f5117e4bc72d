//! The messages of a room that an account was sent, and which of them a session asks to see
//! (XEP-0045 §7.2.13–§7.2.15).

use std::str::FromStr;

use xmpp_parsers::date::DateTime;

use crate::author;
use crate::log::Log;
use crate::names::{Account, Millis, RoomJid};
use crate::tombstone::tombstone;
use crate::xml::{Element, Xml};

const NS_MUC: &str = "http://jabber.org/protocol/muc";
/// The namespace of delayed delivery (XEP-0203).
pub const NS_DELAY: &str = "urn:xmpp:delay";
const NS_FASTEN: &str = "urn:xmpp:fasten:0";
const NS_MODERATE: &str = "urn:xmpp:message-moderate:0";
const NS_OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// The namespace of retractions (XEP-0424).
pub const NS_RETRACT: &str = "urn:xmpp:message-retract:1";
const NS_STANZA_ID: &str = "urn:xmpp:sid:0";
/// Bytes of messages that are kept per account and room.
const MAX_BYTES: usize = 512 * 1024;

/// The messages kept, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    messages: Log<Kept>,
    bytes: usize,
    subject: Option<Xml>,
}

/// A message as its sender is told of it.
#[derive(Clone, Debug)]
pub struct Said {
    /// The message.
    pub message: Xml,
    /// What the room calls it, where that is another id.
    pub id: Option<String>,
    /// What the account's archive calls it.
    pub archive_id: Option<u64>,
}

#[derive(Clone, Debug)]
struct Kept {
    at: Millis,
    message: Xml,
    /// Whether the room has said when it was: a message that was live may carry a time of its
    /// author's, which is another matter.
    is_dated: bool,
    /// What the room calls it, where its sender was given back another id.
    id: Option<String>,
    /// What the account's archive calls it, where it was told so.
    archive_id: Option<u64>,
}

impl History {
    /// Keeps a message that was said now, at most `limit` of them.
    pub fn keep(&mut self, said: Said, now: Millis, limit: usize) {
        let Said { message, id, archive_id } = said;
        self.add(Kept { at: now, message, id, archive_id, is_dated: false }, limit);
    }

    /// Keeps a message that the room tells of earlier, at most `limit` of them.
    pub fn keep_past(&mut self, said: Said, room: &RoomJid, now: Millis, limit: usize) {
        let Said { message, id, archive_id } = said;
        let at = told_at(message.root(), room).unwrap_or(now);
        self.add(Kept { at, message, id, archive_id, is_dated: true }, limit);
    }

    fn add(&mut self, kept: Kept, limit: usize) {
        if limit == 0 {
            return;
        }
        self.bytes += kept.message.size();
        self.messages.push(kept);
        while self.messages.len() > limit || self.bytes > MAX_BYTES {
            let Some(dropped) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= dropped.message.size();
        }
    }

    /// Leaves no more than a tombstone of what its author or the room takes back with this message
    /// (XEP-0424 §5, XEP-0425 §5).
    pub fn retract(&mut self, retraction: &Xml, room: &RoomJid, now: Millis) {
        let Some(id) = retracted(retraction.root()) else {
            return;
        };
        let is_meant = |kept: &Kept| stanza_id(kept.message.root(), room) == Some(id);
        let found = self.messages.iter().enumerate().find(|(_, kept)| is_meant(kept));
        let stone = found.and_then(|(at, kept)| {
            Some((at, kept.message.size(), tombstone(&kept.message, retraction, room, now)?))
        });
        if let Some((at, size, stone)) = stone {
            self.bytes = self.bytes.saturating_sub(size) + stone.size();
            self.messages.rebuild(|all| {
                if let Some(kept) = all.get_mut(at) {
                    kept.message = stone;
                }
            });
        }
    }

    /// Adds older messages with their ids in the account's archive, which may know some of these,
    /// too; not meant to be kept.
    pub fn complete(&mut self, older: impl Iterator<Item = (u64, Xml)>, room: &RoomJid) {
        let unknown: Vec<Kept> = older
            .filter(|(id, message)| !self.knows(*id, message.root(), room))
            .map(|(id, message)| {
                // A time without an author may be that of the message's own.
                let delay = delay_of(message.root(), room);
                let by_room = delay.filter(|delay| delay.attribute("from").is_some());
                let stamp = by_room.and_then(|delay| delay.attribute("stamp").and_then(moment));
                let at = stamp.unwrap_or(Millis(id / 1_000));
                Kept { at, message, is_dated: stamp.is_some(), id: None, archive_id: None }
            })
            .collect();
        // What is not remembered came before what is, at the same moment.
        self.messages.rebuild(|all| {
            all.splice(..0, unknown);
            all.sort_by_key(|kept| kept.at);
        });
    }

    /// Whether a message of the archive is here. What came live knows its id; what the room has told
    /// of earlier does not.
    fn knows(&self, id: u64, message: Element<'_>, room: &RoomJid) -> bool {
        self.messages.iter().any(|kept| match kept.archive_id {
            Some(known) => known == id,
            None => kept.is(message, room),
        })
    }

    /// Whether all that these wishes want since then is here.
    pub fn satisfies(&self, wishes: &Wishes, since: Millis, now: Millis) -> bool {
        let reaches_back = self.messages.iter().next().is_some_and(|oldest| oldest.at < since);
        let wanted = self.messages.iter().filter(|kept| wishes.reach(kept.at, now));
        reaches_back || wishes.max_stanzas.is_some_and(|limit| wanted.count() >= limit)
    }

    /// Takes out this message, which the room repeats; whether it was there.
    pub fn take(&mut self, message: Element<'_>, room: &RoomJid) -> bool {
        let Some(at) = self.position(message, room) else {
            return false;
        };
        self.messages.rebuild(|all| {
            all.remove(at);
        });
        true
    }

    /// Whether this message is there, which the room repeats.
    pub fn holds(&self, message: Element<'_>, room: &RoomJid) -> bool {
        self.position(message, room).is_some()
    }

    fn position(&self, message: Element<'_>, room: &RoomJid) -> Option<usize> {
        self.messages.iter().position(|kept| kept.is(message, room))
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
        self.subject = Some(dated(&message, room, now));
    }

    /// What a session is replayed: the newest messages that satisfy all its wishes, then the
    /// subject (an empty one where the room never sent any).
    pub fn replay(
        &self,
        wishes: &Wishes,
        (account, room): (&Account, &RoomJid),
        now: Millis,
    ) -> Vec<Xml> {
        let mut replay = Vec::new();
        let mut characters = 0usize;
        for kept in self.messages.iter().rev() {
            if wishes.max_stanzas.is_some_and(|limit| replay.len() >= limit) {
                break;
            }
            if !wishes.reach(kept.at, now) {
                continue;
            }
            let message = kept.shown(account, room);
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

impl Kept {
    /// Whether the room says this message here.
    fn is(&self, message: Element<'_>, room: &RoomJid) -> bool {
        let known = self.message.root();
        let body = |message: Element<'_>| message.inner("body").map(|body| body.text());
        match (stanza_id(message, room), stanza_id(known, room)) {
            (Some(id), Some(known)) => id == known,
            _ => {
                known.attribute("from") == message.attribute("from")
                    && self.id.as_deref().or(known.attribute("id")) == message.attribute("id")
                    && body(known) == body(message)
            }
        }
    }

    /// With all that its first way to a session had, and with its time.
    fn shown(&self, account: &Account, room: &RoomJid) -> Xml {
        let delay = (!self.is_dated).then(|| author::delay(room, self.at));
        let id = self.archive_id.map(|id| author::archive_id(account, id));
        let added: Vec<Xml> = id.into_iter().chain(delay).collect();
        match added.is_empty() {
            true => self.message.clone(),
            false => self.message.edited(&[], |_| true, &added),
        }
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

    /// The oldest time that any message may have.
    pub fn oldest(&self, now: Millis) -> Option<Millis> {
        let youngest = self.max_age.map(|age| Millis(now.0.saturating_sub(age)));
        self.since.into_iter().chain(youngest).max()
    }

    fn reach(&self, at: Millis, now: Millis) -> bool {
        self.since.is_none_or(|since| at >= since)
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

/// Whether the room repeats a message in the midst of others. A delay that does not say whose it is
/// may be its author's, unless the message is known.
pub fn is_past(message: Element<'_>, room: &RoomJid, known: &History) -> bool {
    delay_of(message, room)
        .is_some_and(|delay| delay.attribute("from").is_some() || known.holds(message, room))
}

/// The room's own id of a message (XEP-0359).
pub fn stanza_id<'a>(message: Element<'a>, room: &RoomJid) -> Option<&'a str> {
    let mut ids = message.children().filter(|child| child.is("stanza-id", NS_STANZA_ID));
    let own = ids.find(|id| id.attribute("by") == Some(room.as_str()))?;
    own.attribute("id")
}

/// The room's id of the message that is taken back.
pub fn retracted<'a>(message: Element<'a>) -> Option<&'a str> {
    retract(message).and_then(|retract| retract.attribute("id"))
}

/// What takes a message back, by its author or in the older way of moderators.
pub fn retract<'a>(message: Element<'a>) -> Option<Element<'a>> {
    let by_author = message.child("retract", NS_RETRACT);
    let by_moderator = message
        .child("apply-to", NS_FASTEN)
        .filter(|x| x.child("moderated", NS_MODERATE).is_some());
    by_author.or(by_moderator)
}

/// Whether one occupant has said both. Where the room gives occupants ids (XEP-0421) these count, for nicks
/// change hands; a room that gives none passes on what somebody has made up.
pub fn are_by_one(one: Element<'_>, other: Element<'_>) -> bool {
    let id_of = |message: Element<'_>| {
        let id = message.child("occupant-id", NS_OCCUPANT_ID);
        id.map(|id| id.attribute("id").unwrap_or_default().to_owned())
    };
    match (id_of(one), id_of(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.attribute("from") == other.attribute("from"),
        _ => false,
    }
}

/// When the room told it, as it says itself.
fn told_at(message: Element<'_>, room: &RoomJid) -> Option<Millis> {
    delay_of(message, room).and_then(|delay| delay.attribute("stamp").and_then(moment))
}

fn moment(text: &str) -> Option<Millis> {
    let time = DateTime::from_str(text).ok()?;
    u64::try_from(time.0.timestamp_millis()).ok().map(Millis)
}

fn dated(message: &Xml, room: &RoomJid, at: Millis) -> Xml {
    message.edited(&[], |_| true, &[author::delay(room, at)])
}
