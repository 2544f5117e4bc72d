//! Which session was given which request of the room, so that only its answer goes back, once
//! (XEP-0045 §17.4).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::names::{Nick, SessionId};

/// Requests remembered per account and room.
const MAX_REQUESTS: usize = 64;
/// Bytes of an id that is remembered; a longer one gets no answer through us.
const MAX_ID: usize = 1_024;

/// The requests that wait for a session's answer, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<VecDeque<(SessionId, Option<Nick>, String)>>);

impl Asked {
    /// A session was given a request of this occupant.
    pub fn add(&mut self, session: SessionId, nick: Option<Nick>, id: String) {
        if id.len() > MAX_ID {
            return;
        }
        let asked = Arc::make_mut(&mut self.0);
        if asked.len() >= MAX_REQUESTS {
            asked.pop_front();
        }
        asked.push_back((session, nick, id));
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
