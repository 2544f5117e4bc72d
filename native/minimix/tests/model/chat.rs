//! A session's side of its conversation with one room: whether it is one that XEP-0045 allows,
//! and whether it is all that the room said.

use std::collections::BTreeMap;

use minimix::Xml;

use crate::known::{Due, Known};
use crate::room::Scope;
use crate::stanza::{self, Item};
use crate::transition::Wish;

/// A join that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub id: String,
    pub nick: String,
    pub wish: Wish,
    pub since: u64,
}

/// A leave, and the join before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    left: u64,
    joined: u64,
    /// The id of that join, if it had no answer.
    asked: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Out,
    /// It was shown the occupants.
    Inside,
    /// And history and subject.
    In,
}

#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// What the stream knows: the attachment that it is in.
    pub generation: Option<u64>,
    pub stage: Stage,
    /// The last join that has no answer: its answer is one to all before it.
    pub ask: Option<Ask>,
    /// Ids of all joins that no error has answered, and when the last one was.
    pub asked: Vec<String>,
    pub asked_at: u64,
    /// How often it has joined.
    pub joins: u64,
    /// It is out by an answer that may have overtaken others.
    pub is_away: bool,
    /// Its leaves that wait for an answer.
    pub leaves: Vec<Parting>,
    /// Presences that it sent though it was out, in the core's view, and that were answered.
    pub strays: usize,
    /// Ids of its nick changes.
    pub renames: Vec<String>,
    /// Ids of its messages.
    pub messages: Vec<Option<String>>,
    /// It was told that the room was created.
    pub is_creator: bool,
    pub own: Option<Xml>,
    pub wish: Option<Wish>,
    pub others: BTreeMap<String, Xml>,
    pub subject: String,
    /// What it was told of the account's log.
    pub cursor: usize,
    /// What it was told though it need not have been: the same may be due once more later.
    pub spare: Vec<String>,
}

/// What surrounds a delivery.
pub struct Around<'a> {
    /// The session's own address.
    pub jid: &'a str,
    /// When it was put on its way.
    pub at: u64,
    /// Whether the room marks self-presences.
    pub marks_self: bool,
}

impl Chat {
    pub fn is_attached(&self) -> bool {
        self.stage != Stage::Out
    }

    /// It is out; what it has asked for stands.
    pub fn is_out(&mut self) {
        *self = Chat {
            ask: self.ask.take(),
            asked: std::mem::take(&mut self.asked),
            asked_at: self.asked_at,
            joins: self.joins,
            leaves: std::mem::take(&mut self.leaves),
            renames: std::mem::take(&mut self.renames),
            messages: std::mem::take(&mut self.messages),
            is_away: self.is_away,
            strays: self.strays,
            ..Chat::default()
        };
    }

    /// The conversation is over, by what was sent at that time: what the session has asked for
    /// since stands.
    fn ends(&mut self, at: u64) {
        let is_first = self.leaves.first().is_some_and(|leave| leave.joined <= at);
        let left = is_first.then(|| self.leaves.remove(0).left);
        self.ask.take_if(|ask| ask.since <= at && left.is_none_or(|left| ask.since <= left));
        self.is_out();
    }

    pub fn joins(&mut self, ask: Ask) {
        self.asked.push(ask.id.clone());
        self.asked_at = ask.since;
        self.joins += 1;
        self.ask = Some(ask);
        self.is_away = false;
    }

    pub fn leaves(&mut self, now: u64) {
        let asked = self.ask.take().map(|ask| ask.id);
        if asked.is_some() || self.is_in() {
            self.leaves.push(Parting { left: now, joined: self.asked_at, asked });
        }
    }

    /// Whether anything may tell it that it is out.
    fn may_be_told_out(&self) -> bool {
        self.is_attached() || !self.leaves.is_empty() || self.ask.is_some() || self.is_away
    }

    /// Whether it takes part and means to stay.
    pub fn is_in(&self) -> bool {
        self.is_attached() && self.leaves.is_empty()
    }

    /// The session gets a stanza of the room, or one in its name.
    pub fn gets(&mut self, stanza: &Xml, known: &Known, around: &Around<'_>) -> Result<(), String> {
        let is_iq = stanza.root().name() == "iq";
        if is_iq && stanza::id(stanza) == Some("p") {
            return Ok(());
        }
        if stanza::kind(stanza) == Some("error") {
            return self.refused(stanza);
        }
        if is_iq {
            return self.must(
                self.is_attached(),
                "I2: a request for a session that is out",
                stanza,
            );
        }
        let (own, scope) = self.follows(stanza, known, around.jid)?;
        match stanza.root().name() {
            "presence" => self.sees(stanza, own, scope, around),
            _ => self.reads(stanza),
        }
    }

    fn must(&self, holds: bool, what: &str, stanza: &Xml) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what}: {stanza}")) }
    }

    /// Whether it was told this when it need not have been.
    fn had(&mut self, said: &str) -> bool {
        let at = self.spare.iter().position(|spare| spare == said);
        at.map(|at| self.spare.remove(at)).is_some()
    }

    /// What it should have been told and was not.
    pub fn misses<'a>(&self, known: &'a Known, jid: &str) -> Option<&'a Xml> {
        let mut rest = self.clone();
        let due = known.log.iter().skip(self.cursor).filter(|entry| entry.due == Due::All);
        due.map(|entry| (&entry.stanza, stanza::canonical(&entry.as_told_to(jid))))
            .find(|(_, said)| !rest.had(said))
            .map(|(stanza, _)| stanza)
    }

    /// Whether it is the next thing that the room said (I3) and how it said it (I6).
    fn follows(&mut self, stanza: &Xml, known: &Known, jid: &str) -> Result<(bool, Scope), String> {
        let is = stanza::canonical(stanza);
        // A removal need not wait until the session has come for history and subject.
        let own = |own: &Option<Xml>| own.as_ref().and_then(stanza::nick).map(String::from);
        let nick = stanza::nick(stanza).map(String::from);
        let is_own = nick.is_some() && (nick == own(&self.own) || nick == own(&known.own));
        let aborts = self.stage == Stage::Inside && is_own;
        while let Some(entry) = known.log.get(self.cursor) {
            let original = entry.as_told_to(jid);
            let said = stanza::canonical(&original);
            self.cursor += 1;
            if said == is && (entry.due != Due::None || !self.leaves.is_empty()) {
                self.spare.extend((entry.due == Due::Any).then_some(said));
                return Ok((entry.own, entry.scope));
            }
            // A session that has asked to leave may be spared the rest.
            let is_out = entry.scope == Scope::Out;
            // Who asks to be shown all occupants may be shown them then.
            let is_asked = self.ask.is_some() && !entry.own && original.root().name() == "presence";
            let is_spared = is_asked
                || ((!self.leaves.is_empty() || aborts) && !is_out)
                || self.stage == Stage::Out;
            if entry.due == Due::All && !is_spared && !self.had(&said) {
                return Err(format!(
                    "I3/I6: a gap, a double or a change: expected {original}, but got {stanza}"
                ));
            }
        }
        Err(format!("I3/I7: nothing that the room said to the account: {stanza}"))
    }

    fn sees(
        &mut self,
        stanza: &Xml,
        own: bool,
        scope: Scope,
        around: &Around<'_>,
    ) -> Result<(), String> {
        let item = Item::of(stanza);
        let is_gone = stanza::kind(stanza) == Some("unavailable");
        let Some(nick) = stanza::nick(stanza) else {
            return self.must(
                self.is_attached(),
                "I2: a presence of the room for who is out",
                stanza,
            );
        };
        if scope == Scope::Out {
            self.must(self.may_be_told_out(), "I2: a self-unavailable for who is out", stanza)?;
            self.ends(around.at);
            return Ok(());
        }
        self.must(self.is_attached(), "I2: a presence for who is out", stanza)?;
        self.must(
            item.has(110) == (own && around.marks_self),
            "I2: 110 marks self-presences",
            stanza,
        )?;
        match (own, is_gone) {
            (true, true) => {}
            (true, false) => self.own = Some(stanza.clone()),
            (false, false) => _ = self.others.insert(nick.to_owned(), stanza.clone()),
            (false, true) => {
                // One who comes and goes while it is shown all anew need not have been.
                let shown = self.others.remove(nick).is_some() || self.ask.is_some();
                return self.must(shown, "I2: unavailable, but never shown", stanza);
            }
        }
        Ok(())
    }

    fn reads(&mut self, stanza: &Xml) -> Result<(), String> {
        self.must(self.is_attached(), "I2: a message for who is out", stanza)?;
        if stanza::is_groupchat(stanza) {
            self.must(self.stage == Stage::In, "I2: groupchat before the subject", stanza)?;
            if stanza::is_subject(stanza) {
                self.subject = stanza::subject(stanza);
            }
        }
        Ok(())
    }

    fn refused(&mut self, stanza: &Xml) -> Result<(), String> {
        let id = stanza::id(stanza);
        if stanza.root().name() == "message" {
            let at = self.messages.iter().position(|asked| asked.as_deref() == id);
            let at = at.ok_or_else(|| format!("an error for another's message: {stanza}"))?;
            self.messages.remove(at);
            return Ok(());
        }
        if let Some(at) = self.renames.iter().position(|asked| Some(asked.as_str()) == id) {
            self.renames.remove(at);
            return Ok(());
        }
        let at_id = self.asked.iter().position(|asked| Some(asked.as_str()) == id);
        let at_id = at_id.ok_or_else(|| format!("an error for another's join: {stanza}"))?;
        let id = self.asked.remove(at_id);
        match self.ask.take_if(|ask| ask.id == id) {
            Some(ask) => {
                let from = stanza::nick(stanza);
                self.must(from == Some(ask.nick.as_str()), "an error with another's nick", stanza)?;
                self.is_out();
            }
            None => self.leaves.retain(|leave| leave.asked.as_ref() != Some(&id)),
        }
        Ok(())
    }

    /// Its leave is answered at once.
    pub fn is_let_go(&mut self, answer: &Xml) -> Result<(), String> {
        let item = Item::of(answer);
        let has_left = self.leaves.pop().is_some();
        if self.generation.is_some() {
            // The answer to an earlier leave belongs to the attachment that ends here.
            self.leaves.clear();
        }
        self.must(has_left, "I4: told out, but did not leave", answer)?;
        self.must(item.has(110) && item.role == "none", "I2: out, but how", answer)?;
        self.is_out();
        // What told it the same before may wait for it still.
        self.is_away = true;
        Ok(())
    }

    /// A stanza of the room itself, by us: it is gone, or was never in.
    pub fn gets_ours(&mut self, stanza: &Xml, at: u64) -> Result<(), String> {
        if stanza::kind(stanza) == Some("error") {
            return self.refused(stanza);
        }
        let item = Item::of(stanza);
        let nick = stanza::nick(stanza).unwrap_or_default();
        if stanza::kind(stanza).is_none() {
            // It showed what others see of the account anyway.
            return self.must(
                item.has(110) && self.is_attached(),
                "I2: a presence of ours",
                stanza,
            );
        }
        if item.has(307) && item.has(333) && self.strays > 0 {
            self.strays -= 1;
            return self.must(!self.is_attached(), "I2: told out, but is in", stanza);
        }
        if item.has(110) {
            self.must(self.may_be_told_out(), "I2: told out, but was not in", stanza)?;
            self.must(item.role == "none", "I2: out, but with a role", stanza)?;
            self.ends(at);
            return Ok(());
        }
        let shown = self.others.remove(nick).is_some();
        self.must(shown, "I2: gone, but never shown", stanza)
    }
}
