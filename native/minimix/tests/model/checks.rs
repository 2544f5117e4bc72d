//! What must hold after every step, and what must hold when everything has arrived.

use std::collections::BTreeMap;

use minimix::Xml;

use crate::chat::{Chat, Stage};
use crate::entering::same;
use crate::known::Known;
use crate::room::{JIDS, bare};
use crate::stanza::{self, Item, canonical};
use crate::transition::{ACCOUNTS, ROOMS};
use crate::world::{TIMEOUT, World};

impl World {
    /// After every step.
    pub fn holds(&self) -> Result<(), String> {
        for (room, reference) in self.rooms.iter().enumerate() {
            for (account, jid) in JIDS.iter().enumerate() {
                let theirs = reference.occupants.iter().filter(|o| bare(&o.jid) == *jid);
                let jids: Vec<&str> = theirs.map(|occupant| occupant.jid.as_str()).collect();
                let is_one = jids.is_empty() || jids == [*jid];
                same("I1: one occupant of an account", is_one, true)?;
                let sessions = self.sessions(account, room);
                let streams = self.streams_of(account).count();
                same("I10: no more sessions than streams", sessions <= streams, true)?;
            }
        }
        Ok(())
    }

    fn sessions(&self, account: usize, room: usize) -> usize {
        self.cores[room].as_ref().map_or(0, |core| core.sessions(&World::account(account)))
    }

    /// When everything has arrived.
    pub fn rests(&self) -> Result<(), String> {
        for (account, jid) in JIDS.iter().enumerate() {
            for room in 0..ROOMS {
                self.rests_in(account, room).map_err(|error| {
                    format!("at rest, {jid} in {}: {error}", self.rooms[room].jid)
                })?;
            }
        }
        Ok(())
    }

    fn rests_in(&self, account: usize, room: usize) -> Result<(), String> {
        let (pair, reference) = (&self.pairs[account][room], &self.rooms[room]);
        let known = &pair.known;
        let occupant = reference.occupant(JIDS[account]);
        let standing = self.standing(account, room);
        for stream in self.streams_of(account) {
            let chat = &stream.chats[room];
            self.is_complete(chat, known, &stream.jid)
                .map_err(|error| format!("{}: {error}", stream.jid))?;
            let waits = chat.ask.is_some() || !chat.leaves.is_empty();
            // A room whose occupants are not known is asked again, but not at once.
            let is_excused =
                pair.is_doubtful || known.creation.is_locked || self.is_unsure(account, room);
            if waits && !is_excused {
                return Err(format!("{} waits for {:?} {:?}", stream.jid, chat.ask, chat.leaves));
            }
        }
        let chats = self.streams_of(account).map(|stream| &stream.chats[room]);
        let creators = chats.filter(|chat| chat.is_in() && chat.is_creator).count();
        same("I2: 201 for one", creators <= 1, true)?;
        let chats = self.streams_of(account).map(|stream| &stream.chats[room]);
        let here = chats.filter(|chat| chat.is_in() || chat.ask.is_some());
        same("I4: the sessions of the core", self.sessions(account, room), here.count())?;
        if pair.is_doubtful {
            return Ok(());
        }
        let held: BTreeMap<String, String> = match occupant {
            Some(_) => {
                reference.occupants.iter().map(|o| (o.nick.clone(), o.role.to_owned())).collect()
            }
            None => BTreeMap::new(),
        };
        same("I4: active is in the room", standing.is_active(), occupant.is_some())?;
        same("I4: the room has confirmed", known.is_joined, occupant.is_some())?;
        let flight = pair.flight.filter(|flight| self.now < flight.since + TIMEOUT);
        same("I1: nothing under way", flight.is_some(), false)?;
        if occupant.is_some() {
            let all = known.others.values().chain(&known.own);
            let told: BTreeMap<String, String> = all
                .filter_map(|presence| {
                    Some((stanza::nick(presence)?.to_owned(), Item::of(presence).role))
                })
                .collect();
            same("the room has told who is there", told, held)?;
        }
        Ok(())
    }

    /// Whether only the room can tell who is in it.
    fn is_unsure(&self, account: usize, room: usize) -> bool {
        let known = &self.pairs[account][room].known;
        known.is_moved || self.config.max_occupants < 10
    }

    /// A session in the room knows what the account knows.
    fn is_complete(&self, chat: &Chat, known: &Known, jid: &str) -> Result<(), String> {
        if !chat.is_in() {
            return Ok(());
        }
        let missed = chat.misses(known, jid).filter(|_| chat.stage == Stage::In);
        same("I3: nothing is missed", missed, None)?;
        same("I3: history has come", chat.stage == Stage::In, known.filling.is_none())?;
        // Who was shown addresses has seen them.
        let seen = |presence: &Xml| canonical(&stanza::with_jid(presence, None));
        let is: Vec<String> = chat.others.values().map(seen).collect();
        let expected: Vec<String> = known.others.values().map(seen).collect();
        same("I3: the others", is, expected)?;
        let state = |own: &Option<Xml>| {
            own.as_ref().map(|own| {
                let item = Item::of(own);
                let show = own.root().inner("show").map(|show| show.text());
                (stanza::nick(own).map(String::from), item.role, item.affiliation, show)
            })
        };
        same("I3: the own presence", state(&chat.own), state(&known.own))?;
        match chat.stage {
            Stage::In => same("I3: the subject", &chat.subject, &known.subject),
            _ => Ok(()),
        }
    }

    /// When everything has arrived and all deadlines are over.
    pub fn ends(&mut self) -> Result<(), String> {
        self.settle()?;
        self.wait(61_000)?;
        self.wait(400_000)?;
        for stream in self.streams.values() {
            for chat in &stream.chats {
                same("nobody waits for ever", (&chat.ask, chat.leaves.as_slice()), (&None, &[]))?;
            }
        }
        for account in 0..ACCOUNTS {
            self.stop(account)?;
        }
        self.settle()?;
        self.wait(400_000)?;
        for room in 0..ROOMS {
            same("I10: nothing is remembered", self.cores[room].is_none(), true)?;
            for jid in JIDS {
                same("nobody is in", self.rooms[room].occupant(jid).is_none(), true)?;
            }
        }
        Ok(())
    }
}
