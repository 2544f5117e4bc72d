//! What an account was sent by a room, read naively with the help of what the room meant by it.

use std::collections::BTreeMap;

use minimix::Xml;

use crate::room::{Down, JIDS, Scope};
use crate::stanza::{self, Item};

/// How long the core waits for history and subject.
const FILLING: u64 = 5_000;

/// Who of the attached sessions gets a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Each of them, exactly once.
    All,
    /// Each may: it says nothing new.
    Any,
    /// None, or it is for one alone.
    None,
}

/// A stanza that arrived at the account.
#[derive(Clone, Debug)]
pub struct Entry {
    pub stanza: Xml,
    pub scope: Scope,
    pub own: bool,
    pub due: Due,
}

impl Entry {
    /// As a session with this full JID is told.
    pub fn as_told_to(&self, jid: &str) -> Xml {
        match self.own {
            true => stanza::with_own_jid(&self.stanza, jid),
            false => self.stanza.clone(),
        }
    }
}

/// A room that was created.
#[derive(Clone, Debug, Default)]
pub struct Creation {
    pub is_locked: bool,
}

/// What is true of an account in a room by what it was sent.
#[derive(Debug, Default)]
pub struct Known {
    pub log: Vec<Entry>,
    pub is_joined: bool,
    in_burst: bool,
    is_fresh: bool,
    /// History and subject are due, until then where that is known yet.
    pub filling: Option<Option<u64>>,
    pub others: BTreeMap<String, Xml>,
    pub own: Option<Xml>,
    pub room: Option<Xml>,
    pub past: Vec<(u64, Xml)>,
    pub subject: String,
    /// History and subject when the join was complete.
    pub filled: (Vec<(u64, Xml)>, String, u64),
    pub is_non_anonymous: bool,
    /// The account may see addresses from now on, which only the room can tell.
    pub is_moved: bool,
    pub creation: Creation,
}

impl Known {
    /// A stanza of the room arrives; `id` is the one that its sender gave it, if that was a
    /// session of this account.
    pub fn hears(&mut self, down: &Down, id: Option<Option<String>>, now: u64) {
        let stanza = match id {
            Some(id) => down.stanza.edited(&[("id", id.as_deref())], |_| true, &[]),
            None => down.stanza.clone(),
        };
        let due = match down.scope {
            Scope::Greeting | Scope::Entered => self.enters(down, &stanza, now),
            Scope::Past | Scope::Subject => self.is_told(down.scope, &stanza, now),
            Scope::Live if stanza.root().name() == "presence" => self.presence(down, &stanza),
            Scope::Live if stanza::is_groupchat(&stanza) => self.groupchat(&stanza, now),
            Scope::Live => self.if_joined(),
            Scope::Out => {
                let due = self.if_joined();
                self.is_joined = false;
                self.filling = None;
                self.creation = Creation::default();
                due
            }
            Scope::Refusal | Scope::Pong | Scope::Request | Scope::Answer => Due::None,
        };
        // Who has not asked is not told an id.
        let stanza = match (down.scope, due) {
            (Scope::Entered, Due::Any) => stanza.edited(&[("id", None)], |_| true, &[]),
            _ => stanza,
        };
        self.log.push(Entry { stanza, scope: down.scope, own: down.own, due });
    }

    /// Whether the room shows the account the addresses of others.
    pub fn sees_addresses(&self) -> bool {
        let role = self.own.as_ref().map(|own| Item::of(own).role);
        self.is_non_anonymous || role.as_deref() == Some("moderator")
    }

    /// The others as a session is shown them that comes now.
    pub fn others_now(&self) -> BTreeMap<String, Xml> {
        let sees = self.sees_addresses();
        let now = |last: &Xml| if sees { last.clone() } else { stanza::with_jid(last, None) };
        self.others.iter().map(|(nick, last)| (nick.clone(), now(last))).collect()
    }

    fn if_joined(&self) -> Due {
        if self.is_joined { Due::All } else { Due::None }
    }

    fn enters(&mut self, down: &Down, stanza: &Xml, now: u64) -> Due {
        if !self.in_burst {
            self.in_burst = true;
            self.is_fresh = !self.is_joined;
            if self.is_fresh {
                self.others.clear();
                self.room = None;
                self.past.clear();
                self.subject.clear();
            }
        }
        let due = if self.is_fresh { Due::None } else { Due::Any };
        if down.scope == Scope::Greeting {
            match stanza::nick(stanza) {
                Some(nick) => _ = self.others.insert(nick.to_owned(), stanza.clone()),
                None => self.room = Some(stanza.clone()),
            }
            return due;
        }
        self.in_burst = false;
        self.own = Some(stanza.clone());
        self.is_moved = false;
        if self.is_fresh {
            let item = Item::of(stanza);
            self.is_joined = true;
            self.is_non_anonymous = item.has(100);
            self.creation = Creation { is_locked: item.has(201) };
            let is_marked = item.has(110) || item.jid.as_deref() == Some(JIDS[down.account]);
            self.filling = Some(is_marked.then_some(now + FILLING));
        }
        due
    }

    fn is_told(&mut self, scope: Scope, stanza: &Xml, now: u64) -> Due {
        if !self.is_joined {
            return Due::None;
        }
        let is_filling = self.filling.is_some();
        if !is_filling && !self.is_fresh {
            return Due::None;
        }
        if self.filling == Some(None) {
            self.filling = Some(Some(now + FILLING));
        }
        match scope {
            Scope::Subject => {
                self.subject = stanza::subject(stanza);
                self.fill(now);
            }
            _ => self.past.push((stamp_of(stanza).unwrap_or(now), stanza.clone())),
        }
        if is_filling { Due::None } else { Due::All }
    }

    fn presence(&mut self, down: &Down, stanza: &Xml) -> Due {
        let is_gone = stanza::kind(stanza).is_some();
        match stanza::nick(stanza) {
            None if is_gone => {}
            None => self.room = Some(stanza.clone()),
            Some(_) if down.own && is_gone => {}
            Some(_) if down.own => {
                let before = self.sees_addresses();
                self.own = Some(stanza.clone());
                self.is_moved |= !before && self.sees_addresses();
            }
            Some(nick) if is_gone => _ = self.others.remove(nick),
            Some(nick) => {
                self.others.insert(nick.to_owned(), stanza.clone());
                self.creation.is_locked = false;
            }
        }
        self.if_joined()
    }

    fn groupchat(&mut self, stanza: &Xml, now: u64) -> Due {
        if !self.is_joined {
            return Due::None;
        }
        if self.filling.is_some() && stanza::is_subject(stanza) {
            // In a room that tells none on entering it is the one that is waited for.
            self.subject = stanza::subject(stanza);
            self.fill(now);
            return Due::None;
        }
        self.fill(now);
        let item = Item::of(stanza);
        let before = self.sees_addresses();
        self.is_non_anonymous = (self.is_non_anonymous || item.has(172)) && !item.has(173);
        self.is_moved |= !before && self.sees_addresses();
        if stanza::is_subject(stanza) {
            self.subject = stanza::subject(stanza);
        } else if stanza::has_body(stanza) {
            self.past.push((now, stanza.clone()));
        }
        Due::All
    }

    fn fill(&mut self, now: u64) {
        if self.filling.take().is_some() {
            self.filled = (self.past.clone(), self.subject.clone(), now);
        }
    }

    /// The core has forgotten it all.
    pub fn is_forgotten(&mut self) {
        self.is_joined = false;
        self.in_burst = false;
        self.filling = None;
    }

    /// Time has come.
    pub fn is_now(&mut self, now: u64) {
        if matches!(self.filling, Some(Some(until)) if until <= now) {
            self.fill(now);
        }
    }
}

fn stamp_of(stanza: &Xml) -> Option<u64> {
    let delay = stanza.root().child("delay", stanza::NS_DELAY)?;
    let stamp = chrono::DateTime::parse_from_rfc3339(delay.attribute("stamp")?).ok()?;
    u64::try_from(stamp.timestamp_millis()).ok()
}
