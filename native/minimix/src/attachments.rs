//! The sessions that are in a room with the account, or on their way.

use std::sync::Arc;

use crate::author;
use crate::effect::{Gate, Target};
use crate::names::{Account, Millis, Nick, Session, SessionId};
use crate::recall::Recall;
use crate::request::Request;
use crate::xml::Xml;

/// Stanzas that may wait for a session which was invited and does not come.
const MAX_BACKLOG: usize = 1_000;
/// Bytes that may wait likewise.
const MAX_BACKLOG_BYTES: usize = 4 * 1024 * 1024;

/// One session in the room.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The session.
    pub session: Session,
    /// What it asked for when it joined.
    pub request: Request,
    /// Its presence as the room may see it.
    pub presence: Xml,
    /// Counts up: who came first is preferred among equals.
    pub order: u64,
    /// How far it is.
    pub phase: Phase,
    /// The nick that it asked for and did not get (XEP-0045 §7.2.2, code 210).
    pub refused_nick: Option<Nick>,
    /// Whether its stream waits for it to come back (XEP-0198 §5).
    pub is_asleep: bool,
}

/// How far a session has come on its way into the room.
///
/// ```text
/// Waiting ──catch up──► Presences ──end of filling──► (backlog) ──catch up──► Live
///    └───────────────── catch up when all is known ───────────────────────────▲│
///                                       Returning ──catch up────────────────┘└─► joins again
/// ```
#[derive(Clone, Debug)]
pub enum Phase {
    /// It was sent nothing yet.
    Waiting {
        /// Then it gets a timeout error.
        until: Millis,
    },
    /// It was sent the occupants; history, subject and messages are due.
    Presences {
        /// The attachment.
        generation: u64,
        /// What waits for its [`CatchUp`](crate::Input::CatchUp), presences too: order is kept.
        backlog: Option<Box<Recall>>,
    },
    /// It gets everything as it comes.
    Live {
        /// The attachment.
        generation: u64,
    },
    /// It gets everything as it comes, and has joined again to be shown all anew.
    Returning {
        /// The attachment.
        generation: u64,
        /// Then it gets a timeout error.
        until: Millis,
    },
}

/// Whom a stanza of the room is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Sessions that were shown the occupants.
    Presences,
    /// Of these, those that are not about to be shown them all anew.
    Settled,
    /// Sessions that were given history and subject.
    Live,
}

impl Attachment {
    /// Whether it has asked to be let in and was not answered yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. } | Phase::Returning { .. })
    }

    /// Whether it takes part in the room.
    pub fn is_attached(&self) -> bool {
        !matches!(self.phase, Phase::Waiting { .. })
    }

    /// What it gets now belongs to this, if it gets all.
    pub fn live(&self) -> Option<u64> {
        match self.phase {
            Phase::Live { generation } | Phase::Returning { generation, .. } => Some(generation),
            Phase::Waiting { .. } | Phase::Presences { .. } => None,
        }
    }

    /// When it will have waited for too long.
    pub fn waits_until(&self) -> Option<Millis> {
        match self.phase {
            Phase::Waiting { until } | Phase::Returning { until, .. } => Some(until),
            Phase::Presences { .. } | Phase::Live { .. } => None,
        }
    }

    /// Whether something may be due to it that it has to come for.
    pub fn is_due(&self) -> bool {
        self.is_waiting() || matches!(self.phase, Phase::Presences { backlog: Some(_), .. })
    }

    /// Whether more waits for it than may wait.
    pub fn is_stuck(&self) -> bool {
        let Phase::Presences { backlog: Some(backlog), .. } = &self.phase else {
            return false;
        };
        let stanzas = &backlog.since_then;
        stanzas.len() >= MAX_BACKLOG
            || stanzas.iter().map(Xml::size).sum::<usize>() > MAX_BACKLOG_BYTES
    }

    /// Where a delivery to it goes.
    pub fn target(&self, last: bool) -> Target {
        let gate = match self.phase {
            Phase::Waiting { .. } => Gate::Nothing,
            Phase::Presences { generation, .. }
            | Phase::Live { generation }
            | Phase::Returning { generation, .. } => Gate::Attachment(generation),
        };
        Target { session: self.session.id, resource: self.session.resource.clone(), gate, last }
    }
}

/// All sessions of one account in one room, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Attachments(Arc<Vec<Attachment>>);

impl Attachments {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Attachment> {
        self.0.iter()
    }

    /// All of them, to change.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Attachment> {
        Arc::make_mut(&mut self.0).iter_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One, whatever its phase.
    pub fn get(&self, session: SessionId) -> Option<&Attachment> {
        self.0.iter().find(|attachment| attachment.session.id == session)
    }

    /// One, to change.
    pub fn get_mut(&mut self, session: SessionId) -> Option<&mut Attachment> {
        self.get(session)?;
        self.iter_mut().find(|attachment| attachment.session.id == session)
    }

    /// One that takes part in the room.
    pub fn attached(&self, session: SessionId) -> Option<&Attachment> {
        self.get(session).filter(|attachment| attachment.is_attached())
    }

    /// Those that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &Attachment> {
        self.iter().filter(|attachment| attachment.is_waiting())
    }

    /// Adds one, in place of the session's earlier one.
    pub fn put(&mut self, attachment: Attachment) {
        self.remove(attachment.session.id);
        Arc::make_mut(&mut self.0).push(attachment);
    }

    /// Takes one out.
    pub fn remove(&mut self, session: SessionId) -> Option<Attachment> {
        let at = self.0.iter().position(|attachment| attachment.session.id == session)?;
        Some(Arc::make_mut(&mut self.0).remove(at))
    }

    /// Takes out those that `wanted` names.
    pub fn take(&mut self, wanted: impl Fn(&Attachment) -> bool) -> Vec<Attachment> {
        if !self.0.iter().any(&wanted) {
            return Vec::new();
        }
        Arc::make_mut(&mut self.0).extract_if(.., |attachment| wanted(attachment)).collect()
    }

    /// Who gets a stanza of the room now. It joins the backlog of those who have one.
    pub fn audience(
        &mut self,
        audience: Audience,
        stanza: &Xml,
        own: Option<&Account>,
    ) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut kept = false;
        for attachment in self.0.iter() {
            match (&attachment.phase, audience) {
                (Phase::Waiting { .. }, _) | (Phase::Returning { .. }, Audience::Settled) => {}
                (Phase::Presences { backlog: Some(_), .. }, _) => kept = true,
                (Phase::Presences { backlog: None, .. }, Audience::Live) => {}
                (
                    Phase::Presences { backlog: None, .. },
                    Audience::Presences | Audience::Settled,
                )
                | (Phase::Live { .. } | Phase::Returning { .. }, _) => {
                    targets.push(attachment.target(false))
                }
            }
        }
        if kept {
            self.keep(stanza, own);
        }
        targets
    }

    fn keep(&mut self, stanza: &Xml, own: Option<&Account>) {
        for attachment in self.iter_mut() {
            let resource = &attachment.session.resource;
            if let Phase::Presences { backlog: Some(backlog), .. } = &mut attachment.phase {
                backlog.since_then.push(match own {
                    Some(account) => author::with_own_jid(stanza, account, resource),
                    None => stanza.clone(),
                });
            }
        }
    }
}
