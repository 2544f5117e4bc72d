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
    pub password: bool,
    pub wish: Wish,
    pub since: u64,
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
    /// Ids of all joins that no error has answered.
    pub asked: Vec<String>,
    /// It became unavailable to its server.
    pub is_hidden: bool,
    /// Its last leave waits for an answer, since then.
    pub leaving: Option<u64>,
    /// Presences that it sent though it was out, in the core's view, and that were answered.
    pub strays: usize,
    /// Ids of its nick changes.
    pub renames: Vec<String>,
    /// Ids of its messages.
    pub messages: Vec<Option<String>>,
    /// Requests of occupants that it has not answered.
    pub questions: Vec<(String, String)>,
    pub own: Option<Xml>,
    pub wish: Option<Wish>,
    pub others: BTreeMap<String, Xml>,
    pub subject: String,
    /// What it was told of the account's log.
    pub cursor: usize,
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

    /// The conversation is over, by what was sent at that time: what the session has asked for
    /// since stands.
    pub fn ends(&mut self, at: u64) {
        let is_kept = |ask: &Ask| ask.since > at || self.leaving.is_some();
        let ask = self.ask.take().filter(is_kept);
        *self = Chat {
            leaving: self.leaving.filter(|since| *since > at && ask.is_some()),
            ask,
            asked: std::mem::take(&mut self.asked),
            renames: std::mem::take(&mut self.renames),
            messages: std::mem::take(&mut self.messages),
            is_hidden: self.is_hidden,
            strays: self.strays,
            ..Chat::default()
        };
    }

    /// Whether anything may tell it that it is out.
    fn may_be_told_out(&self) -> bool {
        self.is_attached() || self.leaving.is_some() || self.ask.is_some() || self.is_hidden
    }

    /// The session gets a stanza of the room, or one in its name.
    pub fn gets(&mut self, stanza: &Xml, known: &Known, around: &Around<'_>) -> Result<(), String> {
        if stanza::kind(stanza) == Some("error") {
            return self.refused(stanza, around.at);
        }
        if stanza.root().name() == "iq" {
            let (from, id) = (stanza::nick(stanza), stanza::id(stanza));
            self.questions.extend(from.zip(id).map(|(from, id)| (from.to_owned(), id.to_owned())));
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

    /// Whether it is the next thing that the room said (I3) and how it said it (I6).
    fn follows(&mut self, stanza: &Xml, known: &Known, jid: &str) -> Result<(bool, Scope), String> {
        let is = stanza::canonical(stanza);
        while let Some(entry) = known.log.get(self.cursor) {
            let original = match entry.own {
                true => stanza::with_own_jid(&entry.stanza, jid),
                false => entry.stanza.clone(),
            };
            let is_out = entry.scope == Scope::Out;
            if stanza::canonical(&original) == is
                && (entry.due != Due::None || self.leaving.is_some())
            {
                self.cursor += 1;
                return Ok((entry.own, entry.scope));
            }
            // A session that has asked to leave may be spared the rest.
            let is_spared = (self.leaving.is_some() && !is_out) || self.stage == Stage::Out;
            if entry.due == Due::All && !is_spared {
                return Err(format!(
                    "I3/I6: a gap, a double or a change: expected {original}, but got {stanza}"
                ));
            }
            self.cursor += 1;
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
                let shown = self.others.remove(nick).is_some();
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

    fn refused(&mut self, stanza: &Xml, at: u64) -> Result<(), String> {
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
        if let Some(ask) = self.ask.take_if(|ask| ask.id == id) {
            let from = stanza::nick(stanza);
            self.must(from == Some(ask.nick.as_str()), "an error with another's nick", stanza)?;
            self.ends(at);
        }
        self.leaving = None;
        Ok(())
    }

    /// A stanza of the room itself, by us: it is gone, or was never in.
    pub fn gets_ours(&mut self, stanza: &Xml, at: u64) -> Result<(), String> {
        if stanza::kind(stanza) == Some("error") {
            return self.refused(stanza, at);
        }
        let item = Item::of(stanza);
        let nick = stanza::nick(stanza).unwrap_or_default();
        self.must(stanza::kind(stanza) == Some("unavailable"), "I2: a presence of ours", stanza)?;
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
