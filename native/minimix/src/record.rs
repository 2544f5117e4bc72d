//! What of a membership outlives the server.

use crate::names::{Millis, Nick, Resource};

/// Why the account is in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A session joined.
    Session,
    /// A bookmark says so (XEP-0402 §4).
    Bookmark,
    /// An admin said so.
    Command,
}

/// Where the account should be after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the room, which may not have heard of it.
    Joining,
    /// In the room, which has confirmed it.
    Joined,
    /// Not in the room, though its bookmark says otherwise: it was removed or has left.
    Out,
}

/// What the host stores of one account in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its nick.
    pub nick: Nick,
    /// The room's password.
    pub password: Option<String>,
    /// The resource of its occupant address, where that has one.
    pub resource: Option<Resource>,
    /// Why it is there.
    pub cause: Cause,
    /// Where it should be.
    pub place: Place,
    /// Whether a bookmark wants it there.
    pub autojoin: bool,
    /// Since when.
    pub joined_at: Millis,
    /// When it was sent the last message of the room.
    pub seen_at: Millis,
    /// The room's id of that message (XEP-0359).
    pub seen_id: Option<String>,
    /// Since when no session is attached.
    pub detached_at: Option<Millis>,
}

impl Record {
    /// Whether the other one differs in more than what was seen last.
    pub fn differs(&self, other: &Record) -> bool {
        let seen = |record: &Record| (record.seen_at, record.seen_id.clone());
        let (seen_at, seen_id) = seen(other);
        Record { seen_at, seen_id, ..self.clone() } != *other
    }
}

/// What a bookmark says of a room (XEP-0402 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// Whether the account is to be there.
    pub autojoin: bool,
    /// Under which nick.
    pub nick: Option<Nick>,
    /// With which password.
    pub password: Option<String>,
    /// For which messages the person wants to be told (XEP-0492).
    pub notify: Option<Notify>,
}

/// A setting for one room (XEP-0492 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// For each message.
    Always,
    /// For those that name the person.
    OnMention,
    /// For none.
    Never,
}
