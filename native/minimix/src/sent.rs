//! Which session sent which message, so that a room's error reaches its sender alone
//! (XEP-0045 §7.4, §7.5).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::effect::StanzaId;
use crate::names::{Millis, SessionId};

/// Messages remembered per account and room.
const MAX_MESSAGES: usize = 256;
/// Bytes of an id that is remembered; no client needs more.
const MAX_ID: usize = 1_024;
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
    at: Millis,
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
        if id.is_some_and(|id| id.len() > MAX_ID) {
            return StanzaId::Keep;
        }
        let taken = |id: &str| self.0.iter().any(|sent| sent.id == id && sent.session != session);
        let (on_the_way, change) = match id {
            Some(id) if !taken(id) => (id.to_owned(), StanzaId::Keep),
            _ => {
                let fresh = fresh();
                (fresh.clone(), StanzaId::Set(fresh))
            }
        };
        let sent = Arc::make_mut(&mut self.0);
        while sent.len() >= MAX_MESSAGES
            || sent.front().is_some_and(|first| first.at.after(REMEMBERED) < now)
        {
            sent.pop_front();
        }
        sent.push_back(Message {
            session,
            id: on_the_way,
            original: id.map(String::from),
            at: now,
        });
        change
    }

    /// The message is through: who sent it, and the id that its session gave it.
    pub fn take(&mut self, id: Option<&str>) -> Option<(SessionId, StanzaId)> {
        let at = match id {
            Some(id) => self.0.iter().position(|sent| sent.id == id)?,
            None => self.0.len().checked_sub(1)?,
        };
        let message = Arc::make_mut(&mut self.0).remove(at)?;
        let change = match message.original {
            Some(original) if original == message.id => StanzaId::Keep,
            Some(original) => StanzaId::Set(original),
            None => StanzaId::Remove,
        };
        Some((message.session, change))
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
