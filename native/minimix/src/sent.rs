//! Which session sent which message, so that a room's error reaches its sender alone
//! (XEP-0045 §7.4, §7.5).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::effect::StanzaId;
use crate::names::{Millis, SessionId};
use crate::xml::{Element, Xml};

/// Messages remembered per account and room.
const MAX_MESSAGES: usize = 256;
/// Bytes of their ids.
const MAX_BYTES: usize = 64 * 1024;
/// Bytes of the messages themselves.
const MAX_KEPT: usize = 256 * 1024;
/// How long an error may take.
const REMEMBERED: u64 = 5 * 60_000;

/// The messages that the room may still refuse, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<VecDeque<Message>>);

#[derive(Clone, Debug)]
struct Message {
    session: SessionId,
    /// What it is called on its way.
    id: String,
    /// What its session called it.
    original: Option<String>,
    /// As its session sent it, where it may have to be sent again.
    stanza: Option<Xml>,
    at: Millis,
}

/// A message that is through, or refused.
#[derive(Debug)]
pub struct Taken {
    /// Who sent it.
    pub session: SessionId,
    /// The id that its session gave it.
    pub id: StanzaId,
    /// As its session sent it, if it was kept.
    pub stanza: Option<Xml>,
}

impl Message {
    fn taken(self) -> Taken {
        let id = match self.original {
            Some(original) if original == self.id => StanzaId::Keep,
            Some(original) => StanzaId::Set(original),
            None => StanzaId::Remove,
        };
        Taken { session: self.session, id, stanza: self.stanza }
    }

    fn bytes(&self) -> usize {
        self.id.len() + self.original.as_ref().map_or(0, String::len)
    }
}

impl Sent {
    /// Remembers a message; what its id must be on the way. It stays as it is unless there is
    /// none or another session uses the same: `fresh` names it then.
    pub fn add(
        &mut self,
        session: SessionId,
        id: Option<&str>,
        fresh: impl FnOnce() -> String,
        now: Millis,
    ) -> StanzaId {
        let taken = |id: &str| self.0.iter().any(|sent| sent.id == id && sent.session != session);
        let (on_the_way, change) = match id {
            Some(id) if !taken(id) => (id.to_owned(), StanzaId::Keep),
            _ => {
                let fresh = fresh();
                (fresh.clone(), StanzaId::Set(fresh))
            }
        };
        let sent = Arc::make_mut(&mut self.0);
        let original = id.map(String::from);
        sent.push_back(Message { session, id: on_the_way, original, stanza: None, at: now });
        let bytes = |all: &VecDeque<Message>| all.iter().map(Message::bytes).sum::<usize>();
        while sent.len() > MAX_MESSAGES
            || bytes(sent) > MAX_BYTES
            || sent.front().is_some_and(|first| first.at.after(REMEMBERED) < now)
        {
            sent.pop_front();
        }
        change
    }

    /// Keeps the message that was added last, as it came.
    pub fn keep(&mut self, stanza: &Xml) {
        let kept = self.0.iter().filter_map(|sent| sent.stanza.as_ref()).map(Xml::size);
        if kept.sum::<usize>() + stanza.size() > MAX_KEPT {
            return;
        }
        if let Some(last) = Arc::make_mut(&mut self.0).back_mut() {
            last.stanza = Some(stanza.clone());
        }
    }

    /// The message is through, or refused.
    pub fn take(&mut self, id: Option<&str>) -> Option<Taken> {
        let at = match id {
            Some(id) => self.0.iter().position(|sent| sent.id == id)?,
            None => self.0.len().checked_sub(1)?,
        };
        let message = Arc::make_mut(&mut self.0).remove(at)?;
        Some(message.taken())
    }

    /// The message is through, as a room shows that gives messages ids of its own.
    pub fn take_said(&mut self, body: Option<Element<'_>>) {
        let Some(text) = body.map(|body| body.text()) else {
            return;
        };
        let is_meant = |sent: &Message| {
            let said = sent.stanza.as_ref().and_then(|stanza| stanza.root().inner("body"));
            said.is_some_and(|said| said.text() == text)
        };
        if let Some(at) = self.0.iter().position(is_meant) {
            Arc::make_mut(&mut self.0).remove(at);
        }
    }

    /// Takes what was said until a moment and is kept.
    pub fn take_said_until(&mut self, then: Millis) -> Vec<Taken> {
        let is_meant = |sent: &Message| sent.at <= then && sent.stanza.is_some();
        if !self.0.iter().any(is_meant) {
            return Vec::new();
        }
        let all = std::mem::take(Arc::make_mut(&mut self.0));
        let (taken, others): (VecDeque<Message>, _) = all.into_iter().partition(is_meant);
        self.0 = Arc::new(others);
        taken.into_iter().map(Message::taken).collect()
    }

    /// A stream was resumed by another.
    pub fn resumed(&mut self, old: SessionId, new: SessionId) {
        if self.0.iter().any(|sent| sent.session == old) {
            for message in Arc::make_mut(&mut self.0).iter_mut().filter(|m| m.session == old) {
                message.session = new;
            }
        }
    }
}
