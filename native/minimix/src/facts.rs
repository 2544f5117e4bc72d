//! What an admin is told of accounts in rooms.

use crate::effect::{Effect, Effects};
use crate::membership::Membership;
use crate::names::{Millis, Nick, Resource};
use crate::record::Cause;
use crate::state::State;

/// How far an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The room has not confirmed it yet.
    Joining,
    /// The room has confirmed it.
    Joined,
    /// The room has lost it, or may have; it is to come back.
    Away,
    /// It leaves; the room has not confirmed that yet.
    Leaving,
    /// It is not there, though its bookmark says otherwise.
    Out,
}

/// One account in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its nick.
    pub nick: Nick,
    /// How far it is.
    pub stage: Stage,
    /// The sessions in the room and on their way into it, in the order in which they came.
    pub sessions: Vec<Resource>,
    /// Whether a bookmark wants the account there.
    pub autojoin: bool,
    /// Why it is there.
    pub cause: Cause,
    /// When the room first confirmed it.
    pub joined_at: Option<Millis>,
    /// Since when no session is there.
    pub detached_at: Option<Millis>,
    /// When the room last took it back after it had lost it, or after a restart of the host.
    pub repaired_at: Option<Millis>,
}

/// How many accounts are how far, and their sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// At [`Stage::Joining`].
    pub joining: usize,
    /// At [`Stage::Joined`].
    pub joined: usize,
    /// At [`Stage::Away`].
    pub away: usize,
    /// At [`Stage::Leaving`].
    pub leaving: usize,
    /// At [`Stage::Out`].
    pub out: usize,
    /// Sessions in the rooms and on their way into them.
    pub sessions: usize,
    /// Others in the rooms that each account remembers.
    pub occupants: usize,
}

impl Membership {
    /// What is to tell of it, unless it is over.
    pub fn facts(&self) -> Option<Facts> {
        let intent = &self.intent;
        Some(Facts {
            nick: self.nick.clone(),
            stage: self.stage()?,
            sessions: self.attachments.iter().map(|one| one.session.resource.clone()).collect(),
            autojoin: intent.is_bookmarked(),
            cause: intent.cause,
            joined_at: intent.joined_at,
            detached_at: intent.detached_at,
            repaired_at: self.repaired_at,
        })
    }

    fn stage(&self) -> Option<Stage> {
        match self.state {
            State::Joining => Some(Stage::Joining),
            State::Filling { .. } | State::Joined => Some(Stage::Joined),
            State::Away(_) if self.intent.joined_at.is_none() => Some(Stage::Joining),
            State::Away(_) => Some(Stage::Away),
            State::Leaving => Some(Stage::Leaving),
            State::Ended { .. } | State::Out => self.intent.is_bookmarked().then_some(Stage::Out),
            State::Over => None,
        }
    }
}

impl Tally {
    /// One more.
    pub(crate) fn add(&mut self, membership: &Membership) {
        if let Some(stage) = membership.stage() {
            *self.of(stage) += 1;
        }
        self.sessions += membership.attachments.len();
        self.occupants += membership.roster.len();
    }

    /// One that was added is as it was no longer.
    pub(crate) fn take(&mut self, membership: &Membership) {
        if let Some(stage) = membership.stage() {
            *self.of(stage) -= 1;
        }
        self.sessions -= membership.attachments.len();
        self.occupants -= membership.roster.len();
    }

    /// Together with another one.
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            joining: self.joining + other.joining,
            joined: self.joined + other.joined,
            away: self.away + other.away,
            leaving: self.leaving + other.leaving,
            out: self.out + other.out,
            sessions: self.sessions + other.sessions,
            occupants: self.occupants + other.occupants,
        }
    }

    fn of(&mut self, stage: Stage) -> &mut usize {
        match stage {
            Stage::Joining => &mut self.joining,
            Stage::Joined => &mut self.joined,
            Stage::Away => &mut self.away,
            Stage::Leaving => &mut self.leaving,
            Stage::Out => &mut self.out,
        }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Joins of accounts that were sent to rooms.
    pub joins: u64,
    /// Sessions that were given a room.
    pub attaches: u64,
    /// Copies of stanzas of rooms for sessions.
    pub forks: u64,
    /// Accounts that rooms have taken back.
    pub repairs: u64,
}

impl Counters {
    /// Counts what was caused.
    pub(crate) fn count(&mut self, effects: &Effects) {
        for effect in effects.iter() {
            match effect {
                Effect::Join { .. } => self.joins += 1,
                Effect::Attached { .. } => self.attaches += 1,
                Effect::Fork { targets, .. } | Effect::Private { targets } => {
                    self.forks += targets.len() as u64;
                }
                _ => {}
            }
        }
    }

    /// Together with others.
    pub fn plus(self, others: Counters) -> Counters {
        Counters {
            joins: self.joins + others.joins,
            attaches: self.attaches + others.attaches,
            forks: self.forks + others.forks,
            repairs: self.repairs + others.repairs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::input::{Command, Input};
    use crate::names::{Account, RoomJid, Session, SessionId};
    use crate::record::{Bookmark, Place, Record};
    use crate::room::{Environment, Room};

    const JOIN: &str =
        "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
    const SELF: &str = "<presence xmlns='jabber:client' from='room@rooms/alice'>\
        <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>";
    const GONE: &str = "<presence xmlns='jabber:client' type='unavailable'>\
        <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>";

    struct Host {
        config: Config,
        room: Room,
        alice: Account,
    }

    impl Host {
        fn new() -> Host {
            Host {
                config: Config::default(),
                room: Room::new(RoomJid::from("room@rooms"), Millis(0)),
                alice: Account::from("alice@home"),
            }
        }

        fn happens(&mut self, account: &Account, input: Input) {
            let around = Environment::new(Millis(1), &self.config);
            let _ = self.room.handle(account, input, around);
        }

        fn says(&mut self, stanza: &str) {
            let stanza = stanza.parse().unwrap();
            let alice = self.alice.clone();
            self.happens(
                &alice,
                Input::FromRoom { nick: Some("alice".into()), stanza, archive_id: None },
            );
        }

        fn joins(&mut self, session: u64, resource: &str) {
            let session = Session { id: SessionId(session), resource: resource.into() };
            let (nick, stanza) = (Some("alice".into()), JOIN.parse().unwrap());
            let alice = self.alice.clone();
            self.happens(&alice, Input::FromSession { session, nick, stanza });
        }

        fn facts(&self) -> Facts {
            self.room.facts(&self.alice).unwrap()
        }
    }

    #[test]
    fn facts_follow_an_account_through_a_room() {
        let mut host = Host::new();
        assert_eq!(host.room.facts(&host.alice), None);
        host.joins(1, "phone");
        assert_eq!((host.facts().stage, host.facts().joined_at), (Stage::Joining, None));
        host.says(SELF);
        host.joins(2, "desk");
        let facts = host.facts();
        assert_eq!((facts.stage, facts.joined_at), (Stage::Joined, Some(Millis(1))));
        assert_eq!(facts.sessions, [Resource::from("phone"), Resource::from("desk")]);
        assert_eq!((facts.autojoin, facts.cause, facts.detached_at), (false, Cause::Session, None));

        let alice = host.alice.clone();
        host.happens(&alice, Input::Command { command: Command::Rejoin });
        assert_eq!(host.facts().stage, Stage::Away);
        host.happens(&alice, Input::Command { command: Command::Leave });
        assert_eq!(host.room.facts(&alice), None);
        assert_eq!(host.room.tally(), Tally::default());
    }

    #[test]
    fn a_tally_counts_each_account_where_it_is() {
        let mut host = Host::new();
        let alice = host.alice.clone();
        host.joins(1, "phone");
        host.joins(2, "desk");
        assert_eq!(host.room.tally(), Tally { joining: 1, sessions: 2, ..Tally::default() });
        host.says(SELF);
        host.happens(
            &alice,
            Input::Bookmark { bookmark: Some(Bookmark { autojoin: true, ..Bookmark::default() }) },
        );
        for (name, place, joined_at) in
            [("bob", Place::Joined, 1), ("carol", Place::Joining, 0), ("dora", Place::Out, 0)]
        {
            let record = Record {
                nick: name.into(),
                password: None,
                resource: None,
                cause: Cause::Session,
                place,
                autojoin: true,
                joined_at: Millis(joined_at),
                seen_at: Millis(0),
                seen_id: None,
                detached_at: None,
            };
            host.happens(&Account::from(name), Input::Restore { record });
        }
        let all =
            Tally { joined: 1, away: 1, joining: 1, out: 1, leaving: 0, sessions: 2, occupants: 0 };
        assert_eq!(host.room.tally(), all);
        assert_eq!(all.plus(all).sessions, 4);

        host.happens(&alice, Input::Command { command: Command::Leave });
        assert_eq!(host.room.tally(), Tally { joined: 0, leaving: 1, sessions: 0, ..all });
        host.says(GONE);
        assert_eq!(host.room.tally(), Tally { joined: 0, out: 2, sessions: 0, ..all });
        assert_eq!(host.facts().stage, Stage::Out);
    }
    #[test]
    fn presences_are_forgotten_with_the_last_account_that_was_shown_them() {
        let mut host = Host::new();
        host.joins(1, "phone");
        for number in 0..10 {
            let bob = SELF.replace("alice", "bob").replace("110", &number.to_string());
            let stanza = bob.parse().unwrap();
            let alice = host.alice.clone();
            let nick = Some(format!("bob{number}").as_str().into());
            host.happens(&alice, Input::FromRoom { nick, stanza, archive_id: None });
        }
        host.says(SELF);
        host.happens(
            &host.alice.clone(),
            Input::Bookmark { bookmark: Some(Bookmark { autojoin: true, ..Bookmark::default() }) },
        );
        assert!(host.room.bytes() > 10 * 100);

        host.happens(&host.alice.clone(), Input::Command { command: Command::Leave });
        host.says(GONE);
        assert_eq!(host.facts().stage, Stage::Out);
        assert_eq!(host.room.bytes(), 0);
    }
}
