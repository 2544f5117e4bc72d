//! A replay that begins before what is remembered: the rest is in the account's archive.

use crate::effect::Effect;
use crate::history::{History, Wishes};
use crate::membership::{Cx, Membership};
use crate::names::{Account, Millis, RoomJid};
use crate::xml::Xml;

/// What a session is to be told of the past, as it was when the session came.
#[derive(Clone, Debug)]
pub struct Recall {
    history: History,
    wishes: Wishes,
    account: Account,
    room: RoomJid,
    now: Millis,
    last: u64,
    /// What has come since then and waits for the session, presences too: order is kept.
    pub(crate) since_then: Vec<Xml>,
}

/// A message of the room in the account's archive.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Its id there, microseconds since the epoch of Unix.
    pub id: u64,
    /// As it was stored.
    pub message: Xml,
}

impl Recall {
    /// The same for whoever wishes something else.
    pub(crate) fn wished(&self, wishes: Wishes) -> Recall {
        Recall { wishes, ..self.clone() }
    }

    /// Since when it needs messages that are not remembered, if it does (XEP-0045 §7.2.14).
    pub fn since(&self) -> Option<Millis> {
        let since = self.wishes.oldest(self.now)?;
        (!self.history.satisfies(&self.wishes, since, self.now)).then_some(since)
    }

    /// The last id that it may be given: what came later the session gets as it comes.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The replay with what was found in the archive, in any order and perhaps with what is
    /// remembered, too.
    pub fn choose(&self, found: Vec<Archived>) -> Vec<Xml> {
        let mut all = self.history.clone();
        if !found.is_empty() {
            let wanted = found.into_iter().filter(|archived| archived.id <= self.last);
            all.complete(wanted.map(|archived| (archived.id, archived.message)), &self.room);
        }
        let mut replay = all.replay(&self.wishes, (&self.account, &self.room), self.now);
        replay.extend(self.since_then.iter().cloned());
        replay
    }
}

impl Membership {
    /// What a session that comes now is to be told of the past.
    pub fn recall(&self, cx: &Cx<'_>, wishes: Wishes) -> Recall {
        let (account, room) = (cx.account.clone(), cx.room.clone());
        let (history, last) = (self.history.clone(), self.archived);
        Recall { history, wishes, account, room, now: cx.now, last, since_then: Vec::new() }
    }
}

impl Cx<'_> {
    /// Gives the session in hand these, and after them what is past.
    pub fn replay(&mut self, mut stanzas: Vec<Xml>, past: Option<Recall>) {
        let is_elsewhere = |past: &Recall| self.config.archive && past.since().is_some();
        match past {
            Some(recall) if is_elsewhere(&recall) => {
                if !stanzas.is_empty() {
                    self.push(Effect::Replay { stanzas });
                }
                self.push(Effect::Recall { recall: Box::new(recall) });
            }
            past => {
                stanzas.extend(past.into_iter().flat_map(|past| past.choose(Vec::new())));
                self.push(Effect::Replay { stanzas });
            }
        }
    }
}
