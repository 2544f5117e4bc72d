//! What a session is given when it is attached: exactly what the account was sent.

use std::collections::BTreeMap;

use minimix::Xml;

use crate::chat::{Chat, Stage};
use crate::known::Known;
use crate::stanza::{self, Item, canonical};
use crate::transition::Wish;

/// What decides what a session is to be given.
pub struct Entrance<'a> {
    pub known: &'a Known,
    /// The session's full JID.
    pub jid: &'a str,
    pub room: &'a str,
    pub now: u64,
    pub history_size: usize,
}

impl Entrance<'_> {
    /// The session is attached and given these stanzas (XEP-0045 §7.1).
    pub fn admits(&self, chat: &mut Chat, generation: u64, given: &[Xml]) -> Result<(), String> {
        let ask = chat.ask.take().ok_or("I2: attached, but did not ask")?;
        if !self.known.is_joined {
            return Err("I4: attached to a room that has not confirmed".into());
        }
        chat.is_out();
        chat.leaves.clear();
        chat.generation = Some(generation);
        chat.stage = Stage::Inside;
        chat.wish = Some(ask.wish);
        chat.cursor = self.known.log.len();
        let mut given = given.iter().peekable();
        if let Some(room) = &self.known.room {
            let is = given.next().map(canonical);
            same("I2: the room's own presence first", is, Some(canonical(room)))?;
        }
        let mut last = None;
        while let Some(presence) = given.next_if(|next| next.root().name() == "presence") {
            if let Some(other) = last.replace(presence) {
                let nick = stanza::nick(other).ok_or("I2: the room's presence after others")?;
                if chat.others.insert(nick.to_owned(), other.clone()).is_some() {
                    return Err(format!("I2: twice in one replay: {other}"));
                }
            }
        }
        let (is, expected) = (contents(&chat.others), contents(&self.known.others_now()));
        same("I3/I7: the others in a replay", is, expected)?;
        let own = last.ok_or("I2: a replay without self-presence")?;
        self.self_presence(own, &ask.id, &ask.nick)?;
        chat.own = Some(own.clone());
        chat.is_creator = Item::of(own).has(201);
        let rest: Vec<Xml> = given.cloned().collect();
        match (self.known.filling.is_some(), rest.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err("I3: history before the room has told it all".into()),
            (false, _) => {
                let live = self.tells(chat, &rest, &self.known.past, &self.known.subject)?;
                same("I3: live stanzas in a replay", live.len(), 0)
            }
        }
    }

    /// The session comes for history and subject; what follows has waited for it.
    pub fn catches_up<'b>(&self, chat: &mut Chat, given: &'b [Xml]) -> Result<&'b [Xml], String> {
        let (past, subject, _) = &self.known.filled;
        self.tells(chat, given, past, subject)
    }

    fn tells<'b>(
        &self,
        chat: &mut Chat,
        given: &'b [Xml],
        past: &[(u64, Xml)],
        subject: &str,
    ) -> Result<&'b [Xml], String> {
        let at =
            given.iter().position(stanza::is_subject).ok_or("I2: history without a subject")?;
        let (history, rest) = given.split_at(at);
        let is: Vec<String> = history.iter().map(|message| self.content(message)).collect();
        let wish = chat.wish.unwrap_or(Wish::All);
        let expected: Vec<String> =
            self.wanted(past, wish).map(|message| self.content(message)).collect();
        let delayed = history.iter().all(|m| m.root().child("delay", stanza::NS_DELAY).is_some());
        same("I2: history is marked as such", delayed, true)?;
        same("I3/I10: history and live messages meet", is, expected)?;
        chat.subject = rest.first().map(stanza::subject).unwrap_or_default();
        same("I3: the subject", chat.subject.as_str(), subject)?;
        chat.stage = Stage::In;
        Ok(rest.get(1..).unwrap_or_default())
    }

    /// A message without what only history carries.
    fn content(&self, message: &Xml) -> String {
        canonical(&message.edited(&[], |child| child.attribute("from") != Some(self.room), &[]))
    }

    fn wanted<'b>(&self, past: &'b [(u64, Xml)], wish: Wish) -> impl Iterator<Item = &'b Xml> {
        let (limit, since) = match wish {
            Wish::All => (usize::MAX, 0),
            Wish::None => (0, 0),
            Wish::Stanzas(limit) => (usize::from(limit), 0),
            Wish::Seconds(seconds) => (usize::MAX, self.now - u64::from(seconds) * 1_000),
            Wish::Since(ago) => (usize::MAX, since_of(ago)),
        };
        let limit = limit.min(self.history_size);
        let young: Vec<&Xml> =
            past.iter().filter(|(at, _)| *at >= since).map(|(_, message)| message).collect();
        let skipped = young.len().saturating_sub(limit);
        young.into_iter().skip(skipped)
    }

    fn self_presence(&self, own: &Xml, id: &str, wanted: &str) -> Result<(), String> {
        let room = self.known.own.as_ref().ok_or("I4: a self-presence that the room never sent")?;
        let (is, said) = (Item::of(own), Item::of(room));
        same("I2: the self-presence repeats the id", stanza::id(own), Some(id))?;
        same("I2: the own nick", stanza::nick(own), stanza::nick(room))?;
        same("I2: the own role", (&is.role, &is.affiliation), (&said.role, &said.affiliation))?;
        let jid = said.jid.as_ref().map(|_| self.jid);
        same("I6: the own address", is.jid.as_deref(), jid)?;
        same("I2: 110 marks the self-presence", is.has(110), true)?;
        if is.has(201) && !self.known.creation.is_locked {
            return Err(format!("I2: 201, but the room is open: {own}"));
        }
        let anonymous = !self.known.is_non_anonymous;
        same("I2: 100 says that addresses are shown", is.has(100), !anonymous)?;
        same(
            "I2: 210 says that it got another nick",
            is.has(210),
            Some(wanted) != stanza::nick(own),
        )
    }
}

/// The moment that `Wish::Since` names.
pub fn since_of(ago: u8) -> u64 {
    crate::world::BEGIN + u64::from(ago) * 4_000
}

fn contents(others: &BTreeMap<String, Xml>) -> Vec<String> {
    others.values().map(canonical).collect()
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: is {is:?}, expected {expected:?}")) }
}
