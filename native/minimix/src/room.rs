//! One room with all the local accounts in it: stanzas come by room, so state is grouped by room.

use std::collections::{BTreeSet, HashMap};

use crate::author;
use crate::config::{Config, Push};
use crate::effect::{Effect, Effects, Gate, StanzaError, Target};
use crate::facts::{Counters, Facts, Tally};
use crate::input::{Command, Input};
use crate::interned::Interned;
use crate::membership::{Cx, Membership};
use crate::muc_user::code;
use crate::names::{Account, Millis, Nick, RoomJid, Session};
use crate::pushing::Folded;
use crate::record::Bookmark;
use crate::request;
use crate::state::State;
use crate::versions::Versions;
use crate::xml::Xml;

/// Accounts that one tick serves.
const PER_TICK: usize = 64;
/// Rooms of one account that it is not in, and whose bookmarks are remembered.
const MAX_OUTS: usize = 1_000;
/// Rooms in which late stanzas of one account are answered.
const MAX_TOMBS: usize = 64;

/// What the host knows that the room does not.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The time.
    pub now: Millis,
    /// The options.
    pub config: &'a Config,
    /// In how many other rooms the account is.
    pub other_rooms: usize,
    /// In how many other rooms late stanzas of the account are still answered.
    pub other_tombs: usize,
    /// How many other rooms it is not in although their bookmarks say so.
    pub other_outs: usize,
    /// In which of them it has been without sessions for the longest time.
    pub longest_detached: Option<&'a RoomJid>,
    /// Whether the room's service is known to refuse bare JIDs.
    pub needs_resource: bool,
    /// Random bits that nobody can guess: the resource of an occupant address is made of them.
    pub secret: u128,
}

impl<'a> Environment<'a> {
    /// Of an account that is in no other room.
    pub fn new(now: Millis, config: &'a Config) -> Environment<'a> {
        Environment {
            now,
            config,
            other_rooms: 0,
            other_tombs: 0,
            other_outs: 0,
            longest_detached: None,
            needs_resource: false,
            secret: 0,
        }
    }
}

/// How an account stands with a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known of it.
    None,
    /// It is not here; what its bookmark says is remembered.
    Out,
    /// It was here; late stanzas are still answered.
    Ended,
    /// It is here, on its way in or on its way out.
    Active {
        /// Since when it could leave for another room: no session is there, and no bookmark wants it.
        idle_since: Option<Millis>,
    },
}

impl Standing {
    /// Whether it is in the room, on its way in or on its way out.
    pub fn is_active(self) -> bool {
        matches!(self, Standing::Active { .. })
    }
}

/// A room and the accounts in it.
#[derive(Debug)]
pub struct Room {
    jid: RoomJid,
    memberships: HashMap<Account, Membership>,
    times: BTreeSet<(Millis, Account)>,
    wakes_at: Option<Millis>,
    interned: Interned,
    folded: Folded,
    versions: Versions,
    tally: Tally,
    counters: Counters,
    counter: u64,
    needs_resource: bool,
}

impl Room {
    /// A room without accounts. Its numbers begin with the microseconds of its creation, so that
    /// it never repeats those of an earlier life that streams still remember.
    pub fn new(jid: RoomJid, now: Millis) -> Room {
        Room {
            jid,
            memberships: HashMap::new(),
            times: BTreeSet::new(),
            wakes_at: None,
            interned: Interned::default(),
            folded: Folded::default(),
            versions: Versions::default(),
            tally: Tally::default(),
            counters: Counters::default(),
            counter: now.0.saturating_mul(1_000),
            needs_resource: false,
        }
    }

    /// Its address.
    pub fn jid(&self) -> &RoomJid {
        &self.jid
    }

    /// Whether it has no account, so that it can be dropped.
    pub fn is_empty(&self) -> bool {
        self.memberships.is_empty()
    }

    /// Whether its service has turned out to refuse bare JIDs.
    pub fn needs_resource(&self) -> bool {
        self.needs_resource
    }

    /// How an account stands.
    pub fn standing(&self, account: &Account) -> Standing {
        let Some(membership) = self.memberships.get(account) else {
            return Standing::None;
        };
        match membership.state {
            State::Over => Standing::None,
            State::Out => Standing::Out,
            State::Ended { .. } => Standing::Ended,
            _ => Standing::Active { idle_since: membership.idle_since() },
        }
    }

    /// One input in, effects out. The account changes as a whole or, should this panic, not at
    /// all.
    pub fn handle(&mut self, account: &Account, input: Input, around: Environment<'_>) -> Effects {
        if let Input::Stranded { session, nick } = input {
            return stranded(&self.jid, account, session, &nick);
        }
        let Some(mut membership) = self.membership(account, &input) else {
            return unmanaged(&input);
        };
        let mut effects = Effects::default();
        let comes = enters(&input) && !(is_bookmark(&input) && membership.intent.is_bookmarked());
        if membership.is_out() && comes && around.other_rooms >= around.config.max_rooms {
            match around.longest_detached {
                Some(room) => effects.push(Effect::Dismiss { room: room.clone() }),
                None if matches!(input, Input::FromSession { .. }) => {
                    return rejected(StanzaError::ResourceConstraint);
                }
                None => return Effects::default(),
            }
        }
        let is_deserted = self.is_deserted(&membership);
        if is_presence(&input) && rests(&membership) {
            self.versions.meet(&mut membership.roster, &membership.nick);
        }
        let mut cx = Cx {
            now: around.now,
            config: around.config,
            room: &self.jid,
            account,
            is_crowded: around.other_tombs >= MAX_TOMBS,
            is_full: around.other_outs >= MAX_OUTS,
            needs_resource: around.needs_resource,
            secret: around.secret,
            archive_id: archive_id(&input).filter(|_| around.config.archive),
            is_deserted,
            interned: &mut self.interned,
            folded: &mut self.folded,
            counter: &mut self.counter,
            effects,
        };
        membership.handle(&mut cx, input);
        let time = membership.next_time(&cx);
        let mut effects = cx.effects;
        self.counters.count(&effects);
        self.commit(account, membership, time, around.now, &mut effects);
        effects
    }

    /// Whether all that are in the room are accounts of this host without any session.
    fn is_deserted(&self, membership: &Membership) -> bool {
        let others = membership.roster.len();
        membership.probe.is_active()
            && self.memberships.len() > others
            && self.memberships.values().filter(|other| other.is_idle()).count() > others
    }

    /// Brings [`Input::Tick`] to the accounts whose time has come, some at a time. `around` tells
    /// what surrounds each.
    pub fn tick<'a>(
        &mut self,
        now: Millis,
        around: impl Fn(&Room, &Account) -> Environment<'a>,
    ) -> Vec<(Account, Effects)> {
        self.wakes_at = None;
        let due: Vec<Account> = self
            .times
            .iter()
            .take_while(|(time, _)| *time <= now)
            .take(PER_TICK)
            .map(|(_, account)| account.clone())
            .collect();
        let mut all: Vec<(Account, Effects)> = due
            .into_iter()
            .map(|account| {
                let around = around(self, &account);
                let effects = self.handle(&account, Input::Tick, around);
                (account, effects)
            })
            .collect();
        if self.wakes_at.is_none()
            && let Some((_, account)) = self.times.first()
        {
            let account = account.clone();
            let mut effects = Effects::default();
            self.wake(&mut effects);
            all.push((account, effects));
        }
        all
    }

    /// The accounts in it.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.memberships.keys()
    }

    /// Attached sessions of an account, those on their way included.
    pub fn sessions(&self, account: &Account) -> usize {
        self.memberships.get(account).map_or(0, |membership| membership.attachments.len())
    }

    /// Whether a device is to be woken for a message that it was given and cannot read.
    pub fn wakes(&self, account: &Account, message: &Xml, push: Push) -> bool {
        let membership = self.memberships.get(account);
        let mut folded = Folded::default();
        membership.is_some_and(|known| known.wakes(account, &self.jid, push, message, &mut folded))
    }

    /// What is to tell of an account.
    pub fn facts(&self, account: &Account) -> Option<Facts> {
        self.memberships.get(account)?.facts()
    }

    /// How many accounts are how far; counted as they go.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What has happened in it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of the stanzas remembered.
    pub fn bytes(&self) -> usize {
        self.interned.bytes()
    }

    fn membership(&self, account: &Account, input: &Input) -> Option<Membership> {
        if let Some(known) = self.memberships.get(account) {
            return Some(known.clone());
        }
        match input {
            Input::FromSession { nick, .. } if enters(input) => {
                Some(Membership::new(nick.clone().unwrap_or_else(|| Nick::from(""))))
            }
            Input::Restore { .. } => Some(Membership::new(Nick::from(""))),
            input if enters(input) => Some(Membership::new(Nick::from(""))),
            _ => None,
        }
    }

    fn commit(
        &mut self,
        account: &Account,
        mut membership: Membership,
        time: Option<Millis>,
        now: Millis,
        effects: &mut Effects,
    ) {
        let over = membership.state == State::Over;
        self.needs_resource |= membership.shows_need_of_resource();
        let was = self.memberships.get(account).and_then(|before| before.wakes_at);
        // Each message puts off the next ping: it is enough to look again when the first time has come.
        let is_early = |was: &Millis| *was > now && time.is_some_and(|time| time >= *was);
        let time = was.filter(is_early).or(time).filter(|_| !over);
        membership.wakes_at = time;
        self.share(account, &mut membership);
        self.tally.add(&membership);
        let repaired_at = membership.repaired_at;
        let before = match over {
            true => self.memberships.remove(account),
            false => self.memberships.insert(account.clone(), membership),
        };
        let knew = self.tally.occupants;
        if let Some(before) = before {
            self.tally.take(&before);
            self.counters.repairs += u64::from(repaired_at > before.repaired_at);
        }
        if knew > 0 && self.tally.occupants == 0 {
            self.versions = Versions::default();
            self.interned.sweep();
        }
        if was == time {
            return;
        }
        if let Some(was) = was {
            self.times.remove(&(was, account.clone()));
        }
        if let Some(time) = time {
            self.times.insert((time, account.clone()));
        }
        self.wake(effects);
    }

    /// Has a roster that has changed rest on what those of others rest on.
    fn share(&mut self, account: &Account, membership: &mut Membership) {
        let before = self.memberships.get(account).map(|before| before.roster.presences());
        let is_known = before.is_some_and(|before| before.ptr_eq(membership.roster.presences()));
        if !is_known && rests(membership) {
            self.versions.settle(&mut membership.roster, &membership.nick);
        }
    }

    fn wake(&mut self, effects: &mut Effects) {
        if let Some((first, _)) = self.times.first()
            && self.wakes_at.is_none_or(|at| *first < at)
        {
            self.wakes_at = Some(*first);
            effects.push(Effect::Wake { at: *first });
        }
    }
}

/// Under which id the account's archive can keep the stanza in hand.
fn archive_id(input: &Input) -> Option<u64> {
    match input {
        Input::FromRoom { archive_id, .. } => *archive_id,
        _ => None,
    }
}

/// What makes an account enter a room.
fn enters(input: &Input) -> bool {
    match input {
        Input::FromSession { stanza, .. } => request::is_join(stanza.root()),
        Input::Bookmark { bookmark: Some(Bookmark { autojoin, .. }) } => *autojoin,
        Input::Command { command: Command::Join { .. } } => true,
        _ => false,
    }
}

/// What a bookmark says once more changes nothing.
fn is_bookmark(input: &Input) -> bool {
    matches!(input, Input::Bookmark { .. })
}

fn is_presence(input: &Input) -> bool {
    matches!(input, Input::FromRoom { stanza, .. } if stanza.root().name() == "presence")
}

/// Whether its roster is what the room has shown, and changes now and then.
fn rests(membership: &Membership) -> bool {
    membership.state == State::Joined && membership.burst.is_none()
}

/// Without a membership nothing is ours.
fn unmanaged(input: &Input) -> Effects {
    let mut effects = Effects::default();
    if matches!(input, Input::FromSession { .. } | Input::FromRoom { .. }) {
        effects.push(Effect::Pass);
    }
    effects
}

/// Whoever is in the room now, that session is not (XEP-0045 §9.1.2 has the code).
fn stranded(room: &RoomJid, account: &Account, session: Session, nick: &Nick) -> Effects {
    let jid = format!("{account}/{}", session.resource);
    let stanza = author::unavailable(room, nick, &jid, None, None, &[code::TECHNICAL]);
    let Session { id, resource } = session;
    let target = Target { session: id, resource, gate: Gate::Nothing, last: false };
    let mut effects = Effects::default();
    effects.push(Effect::Deliver { target, stanza });
    effects
}

fn rejected(error: StanzaError) -> Effects {
    let mut effects = Effects::default();
    effects.push(Effect::Reject { error });
    effects
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::names::{Session, SessionId};

    const JOIN: &str =
        "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    const SELF: &str = "<presence xmlns='jabber:client' from='room@rooms/alice'>\
        <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>";

    fn around(config: &Config) -> Environment<'_> {
        Environment::new(Millis(1), config)
    }

    fn join(session: u64) -> Input {
        Input::FromSession {
            session: Session { id: SessionId(session), resource: "device".into() },
            nick: Some("alice".into()),
            stanza: JOIN.parse().unwrap(),
        }
    }

    /// I8: a panic anywhere in a transition leaves the account as it was.
    #[test]
    fn a_panic_changes_nothing() {
        let config = Config::default();
        let account = Account::from("alice@home");
        let mut room = Room::new(RoomJid::from("room@rooms"), Millis(0));
        let _ = room.handle(&account, join(1), around(&config));
        let stanza: Xml = SELF.parse().unwrap();
        let confirmed = Input::FromRoom { nick: Some("alice".into()), stanza, archive_id: None };
        let _ = room.handle(&account, confirmed, around(&config));

        let counter = std::mem::replace(&mut room.counter, u64::MAX);
        let attempt =
            catch_unwind(AssertUnwindSafe(|| room.handle(&account, join(2), around(&config))));
        assert!(attempt.is_err(), "numbers that overflow are what panics here");
        assert_eq!(room.sessions(&account), 1);
        assert!(room.standing(&account).is_active());

        room.counter = counter;
        let effects = room.handle(&account, join(2), around(&config));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Attached { .. })));
        assert_eq!(room.sessions(&account), 2);
    }

    #[test]
    fn a_room_that_nobody_is_in_can_be_dropped() {
        let config = Config::default();
        let account = Account::from("alice@home");
        let mut room = Room::new(RoomJid::from("room@rooms"), Millis(0));
        let _ = room.handle(&account, join(1), around(&config));
        let refusal: Xml = "<presence xmlns='jabber:client' type='error'/>".parse().unwrap();
        let refused =
            Input::FromRoom { nick: Some("alice".into()), stanza: refusal, archive_id: None };
        let _ = room.handle(&account, refused, around(&config));
        assert!(room.is_empty() && room.times.is_empty());
        assert_eq!(room.standing(&account), Standing::None);
    }
}
