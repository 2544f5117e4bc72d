//! Requests of sessions that the room has not answered yet (XEP-0045 §17.4).
//!
//! They go out from the account under ids of ours, so that two sessions may use the same id, and
//! a resumed stream finds its answers.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::author;
use crate::effect::{Gate, Target};
use crate::names::{Millis, Nick, Session, SessionId};

/// Requests remembered per account and room.
const MAX_REQUESTS: usize = 256;
/// Bytes of their ids.
const MAX_BYTES: usize = 64 * 1024;
/// How long an answer may take. Clients give up earlier.
const PATIENCE: u64 = 60_000;

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asks.
    pub by: Session,
    /// The asked occupant, or none for the room itself.
    pub to: Option<Nick>,
    /// What the session called it.
    pub id: String,
    /// Whether it configures a new room (XEP-0045 §10.1).
    pub configures: bool,
    number: u64,
    until: Millis,
}

/// The requests on their way, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Pending(Arc<VecDeque<Question>>);

impl Pending {
    /// Remembers one; its id on the way, and the oldest ones that had to make room.
    pub fn add(
        &mut self,
        by: Session,
        to: Option<Nick>,
        id: &str,
        configures: bool,
        number: u64,
        now: Millis,
    ) -> (String, Vec<Question>) {
        let until = now.after(PATIENCE);
        let questions = Arc::make_mut(&mut self.0);
        questions.push_back(Question { by, to, id: id.to_owned(), configures, number, until });
        let mut given_up = Vec::new();
        let bytes = |all: &VecDeque<Question>| all.iter().map(|one| one.id.len()).sum::<usize>();
        while questions.len() > MAX_REQUESTS || bytes(questions) > MAX_BYTES {
            given_up.extend(questions.pop_front());
        }
        (author::own_id(number), given_up)
    }

    /// An answer came: only from whom was asked it counts, and once.
    pub fn take(&mut self, from: Option<&Nick>, id: &str) -> Option<Question> {
        let is_meant = |one: &Question| author::own_id(one.number) == id && one.to.as_ref() == from;
        let at = self.0.iter().position(is_meant)?;
        Arc::make_mut(&mut self.0).remove(at)
    }

    /// Gives up those whose time is over.
    pub fn expire(&mut self, now: Millis) -> Vec<Question> {
        let late = self.0.iter().take_while(|one| one.until <= now).count();
        match late {
            0 => Vec::new(),
            late => Arc::make_mut(&mut self.0).drain(..late).collect(),
        }
    }

    /// Takes them all.
    pub fn take_all(&mut self) -> Vec<Question> {
        match self.0.is_empty() {
            true => Vec::new(),
            false => std::mem::take(Arc::make_mut(&mut self.0)).into(),
        }
    }

    /// When the next one is given up.
    pub fn next(&self) -> Option<Millis> {
        self.0.front().map(|one| one.until)
    }

    /// A stream was resumed by another.
    pub fn resumed(&mut self, old: SessionId, new: SessionId) {
        if self.0.iter().any(|one| one.by.id == old) {
            for one in Arc::make_mut(&mut self.0).iter_mut().filter(|one| one.by.id == old) {
                one.by.id = new;
            }
        }
    }
}

impl Question {
    /// Where its answer goes.
    pub fn asker(&self) -> Target {
        Target {
            session: self.by.id,
            resource: self.by.resource.clone(),
            gate: Gate::Whatever,
            last: false,
        }
    }
}
