//! One room with all the local accounts in it: stanzas come by room, so state is grouped by room.

use std::collections::{BTreeSet, HashMap};

use crate::config::Config;
use crate::effect::{Effect, Effects, StanzaError};
use crate::input::Input;
use crate::interned::Interned;
use crate::membership::{Cx, Membership, State};
use crate::names::{Account, Millis, Nick, RoomJid};
use crate::request;

/// Accounts that one tick serves.
const PER_TICK: usize = 64;

/// What the host knows that the room does not.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The time.
    pub now: Millis,
    /// The options.
    pub config: &'a Config,
    /// In how many other rooms the account is.
    pub other_rooms: usize,
}

/// How an account stands with a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known of it.
    None,
    /// It was here; late stanzas are still answered.
    Ended,
    /// It is here, on its way in or on its way out.
    Active,
}

/// A room and the accounts in it.
#[derive(Debug)]
pub struct Room {
    jid: RoomJid,
    memberships: HashMap<Account, Membership>,
    times: BTreeSet<(Millis, Account)>,
    wakes_at: Option<Millis>,
    interned: Interned,
    counter: u64,
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
            counter: now.0.saturating_mul(1_000),
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

    /// How an account stands.
    pub fn standing(&self, account: &Account) -> Standing {
        match self.memberships.get(account).map(|membership| membership.state) {
            None | Some(State::Over) => Standing::None,
            Some(State::Ended { .. }) => Standing::Ended,
            Some(_) => Standing::Active,
        }
    }

    /// One input in, effects out. The account changes as a whole or, should this panic, not at
    /// all.
    pub fn handle(&mut self, account: &Account, input: Input, around: Environment<'_>) -> Effects {
        let Some(mut membership) = self.membership(account, &input) else {
            return unmanaged(&input);
        };
        let is_out = matches!(membership.state, State::Ended { .. } | State::Over);
        let enters =
            matches!(&input, Input::FromSession { stanza, .. } if request::is_join(stanza.root()));
        if is_out && enters && around.other_rooms >= around.config.max_rooms {
            return rejected(StanzaError::ResourceConstraint);
        }
        let mut cx = Cx {
            now: around.now,
            config: around.config,
            room: &self.jid,
            account,
            interned: &mut self.interned,
            counter: &mut self.counter,
            effects: Effects::default(),
        };
        membership.handle(&mut cx, input);
        let mut effects = cx.effects;
        self.commit(account, membership, &mut effects);
        effects
    }

    /// Brings [`Input::Tick`] to the accounts whose time has come, some at a time.
    pub fn tick(&mut self, around: Environment<'_>) -> Vec<(Account, Effects)> {
        self.wakes_at = None;
        let due: Vec<Account> = self
            .times
            .iter()
            .take_while(|(time, _)| *time <= around.now)
            .take(PER_TICK)
            .map(|(_, account)| account.clone())
            .collect();
        let mut all: Vec<(Account, Effects)> = due
            .into_iter()
            .map(|account| {
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

    /// Bytes of the stanzas remembered.
    pub fn bytes(&self) -> usize {
        self.interned.bytes()
    }

    fn membership(&self, account: &Account, input: &Input) -> Option<Membership> {
        if let Some(known) = self.memberships.get(account) {
            return Some(known.clone());
        }
        match input {
            Input::FromSession { nick, stanza, .. } if request::is_join(stanza.root()) => {
                Some(Membership::new(nick.clone().unwrap_or_else(|| Nick::from(""))))
            }
            _ => None,
        }
    }

    fn commit(&mut self, account: &Account, membership: Membership, effects: &mut Effects) {
        let over = membership.state == State::Over;
        let time = membership.next_time().filter(|_| !over);
        let before = match over {
            true => self.memberships.remove(account),
            false => self.memberships.insert(account.clone(), membership),
        };
        let was = before.and_then(|before| before.next_time());
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

    fn wake(&mut self, effects: &mut Effects) {
        if let Some((first, _)) = self.times.first()
            && self.wakes_at.is_none_or(|at| *first < at)
        {
            self.wakes_at = Some(*first);
            effects.push(Effect::Wake { at: *first });
        }
    }
}

/// Without a membership nothing is ours.
fn unmanaged(input: &Input) -> Effects {
    let mut effects = Effects::default();
    if matches!(input, Input::FromSession { .. } | Input::FromRoom { .. }) {
        effects.push(Effect::Pass);
    }
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
    use crate::xml::Xml;

    const JOIN: &str =
        "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    const SELF: &str = "<presence xmlns='jabber:client' from='room@rooms/alice'>\
        <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>";

    fn around(config: &Config) -> Environment<'_> {
        Environment { now: Millis(1), config, other_rooms: 0 }
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
        let confirmed = Input::FromRoom { nick: Some("alice".into()), stanza };
        let _ = room.handle(&account, confirmed, around(&config));

        let counter = std::mem::replace(&mut room.counter, u64::MAX);
        let attempt =
            catch_unwind(AssertUnwindSafe(|| room.handle(&account, join(2), around(&config))));
        assert!(attempt.is_err(), "numbers that overflow are what panics here");
        assert_eq!((room.sessions(&account), room.standing(&account)), (1, Standing::Active));

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
        let _ = room.handle(&account, Input::Stop, around(&config));
        assert!(room.is_empty() && room.times.is_empty());
        assert_eq!(room.standing(&account), Standing::None);
    }
}
