//! Which session was given which request of the room, so that only its answer goes back, once
//! (XEP-0045 §17.4).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::names::{Nick, SessionId};

/// Requests remembered per account and room.
const MAX_REQUESTS: usize = 64;
/// Bytes of their ids.
const MAX_BYTES: usize = 64 * 1024;

/// Who was given it, who sent it, and its id.
type Question = (SessionId, Option<Nick>, String);

/// The requests that wait for a session's answer, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<VecDeque<Question>>);

impl Asked {
    /// A session was given a request of this occupant.
    pub fn add(&mut self, session: SessionId, nick: Option<Nick>, id: String) {
        let asked = Arc::make_mut(&mut self.0);
        asked.push_back((session, nick, id));
        let bytes = |all: &VecDeque<Question>| all.iter().map(|(.., id)| id.len()).sum::<usize>();
        while asked.len() > MAX_REQUESTS || bytes(asked) > MAX_BYTES {
            asked.pop_front();
        }
    }

    /// A session is gone: what it owes an answer to, by occupant and id.
    pub fn forget(&mut self, session: SessionId) -> Vec<(Option<Nick>, String)> {
        if !self.0.iter().any(|(who, ..)| *who == session) {
            return Vec::new();
        }
        let asked = std::mem::take(Arc::make_mut(&mut self.0));
        let (gone, kept): (Vec<Question>, Vec<Question>) =
            asked.into_iter().partition(|(who, ..)| *who == session);
        self.0 = Arc::new(kept.into());
        gone.into_iter().map(|(_, nick, id)| (nick, id)).collect()
    }

    /// A session answers: whether it was asked.
    pub fn take(&mut self, session: SessionId, nick: Option<&Nick>, id: &str) -> bool {
        let at = self
            .0
            .iter()
            .position(|(who, from, what)| *who == session && from.as_ref() == nick && what == id);
        at.and_then(|at| Arc::make_mut(&mut self.0).remove(at)).is_some()
    }

    /// A stream was resumed by another.
    pub fn resumed(&mut self, old: SessionId, new: SessionId) {
        if self.0.iter().any(|(session, ..)| *session == old) {
            for (session, ..) in Arc::make_mut(&mut self.0).iter_mut().filter(|(s, ..)| *s == old) {
                *session = new;
            }
        }
    }
}
