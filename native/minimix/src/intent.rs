//! What the account is meant to do in a room, and what the host has stored of it.

use crate::effect::Effect;
use crate::membership::{Cx, Membership};
use crate::names::{Millis, Nick};
use crate::record::{Bookmark, Cause, Place, Record};
use crate::state::State;

/// What was seen last is stored at most once in this time.
const SEEN_PAUSE: u64 = 60_000;

/// Why and how the account is in the room.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Why it is there.
    pub cause: Cause,
    /// The room's password.
    pub password: Option<String>,
    /// What its bookmark says, if it has one.
    pub bookmark: Option<Bookmark>,
    /// When the room first confirmed it.
    pub joined_at: Option<Millis>,
    /// When it was sent the last message, and the room's id of that.
    pub seen: Option<(Millis, Option<String>)>,
    /// Since when no session is attached.
    pub detached_at: Option<Millis>,
    /// The nick that it has lost to somebody else and wants back.
    pub regain: Option<Nick>,
    stored: Option<Record>,
}

impl Default for Intent {
    fn default() -> Intent {
        Intent {
            cause: Cause::Session,
            password: None,
            bookmark: None,
            joined_at: None,
            seen: None,
            detached_at: None,
            regain: None,
            stored: None,
        }
    }
}

impl Intent {
    /// What a record tells.
    pub fn of(record: Record) -> Intent {
        let bookmark = record.autojoin.then(|| Bookmark { autojoin: true, ..Bookmark::default() });
        let is_time = |time: &Millis| time.0 > 0;
        Intent {
            cause: record.cause,
            password: record.password.clone(),
            bookmark,
            joined_at: Some(record.joined_at).filter(is_time),
            seen: Some(record.seen_at).filter(is_time).map(|at| (at, record.seen_id.clone())),
            detached_at: record.detached_at,
            regain: None,
            stored: Some(record),
        }
    }

    /// The host need not store this.
    pub fn is_stored(&mut self, record: Option<Record>) {
        self.stored = record;
    }

    /// The account enters anew.
    pub fn begun(self, cause: Cause, password: Option<String>) -> Intent {
        Intent { cause, password, joined_at: None, seen: None, regain: None, ..self }
    }

    /// Whether a bookmark wants the account in the room.
    pub fn is_bookmarked(&self) -> bool {
        self.bookmark.as_ref().is_some_and(|bookmark| bookmark.autojoin)
    }
}

impl Membership {
    /// Has the host store what has changed, before it does anything else.
    pub fn remember(&mut self, cx: &mut Cx<'_>) {
        let is_detached = self.attachments.is_empty() && !self.is_out();
        match (is_detached, self.intent.detached_at) {
            (true, None) => self.intent.detached_at = Some(cx.now),
            (false, Some(_)) => self.intent.detached_at = None,
            _ => {}
        }
        if self.is_stopping {
            return;
        }
        let record = self.record();
        let is_old = match (&record, &self.intent.stored) {
            (Some(new), Some(old)) => {
                new.differs(old) || (new != old && old.seen_at.after(SEEN_PAUSE) <= new.seen_at)
            }
            (new, old) => new != old,
        };
        if is_old {
            self.intent.stored.clone_from(&record);
            cx.effects.push_first(Effect::Store { record });
        }
    }

    /// What is to survive.
    pub fn record(&self) -> Option<Record> {
        let place = match self.state {
            State::Joining | State::Away(_) => Place::Joining,
            State::Filling { .. } | State::Joined => Place::Joined,
            _ if self.intent.is_bookmarked() => Place::Out,
            State::Leaving | State::Ended { .. } | State::Out | State::Over => return None,
        };
        let intent = &self.intent;
        let (seen_at, seen_id) = intent.seen.clone().unwrap_or_default();
        Some(Record {
            nick: intent.regain.as_ref().unwrap_or(&self.nick).clone(),
            password: intent.password.clone(),
            resource: self.address.resource.clone(),
            cause: intent.cause,
            place,
            autojoin: intent.is_bookmarked(),
            joined_at: intent.joined_at.unwrap_or_default(),
            seen_at,
            seen_id,
            detached_at: intent.detached_at,
        })
    }
}
