//! The one control presence in flight.
//!
//! Effects leave from different processes, so two presences could swap places on their way and
//! put core and room apart for good. Hence at most one join, nick change, update, leave or resync
//! is under way per account and room; the next one waits for its reflection, error or timeout and
//! is merged with what else waits.

use crate::effect::Target;
use crate::names::{Millis, Nick};
use crate::request::Request;
use crate::xml::Xml;

/// What is under way.
#[derive(Clone, Debug)]
pub struct Control {
    /// What it asks for.
    pub kind: Kind,
    /// The id of the presence, which an error repeats.
    pub id: Option<String>,
    /// The session that asked for it, if one did.
    pub by: Option<Target>,
    /// When we stop waiting.
    pub until: Millis,
}

/// What a control presence asks for.
#[derive(Clone, Debug)]
pub enum Kind {
    /// To enter (XEP-0045 §7.2).
    Join(Box<Request>),
    /// Another nick (§7.6), and to be shown like this under it.
    Nick(Xml),
    /// To be shown differently (§7.7).
    Update,
    /// To exit (§7.14).
    Leave,
    /// To be told everything again (§7.2.1, the last paragraph).
    Resync,
    /// To enter again, as the room may have lost the account.
    Return,
}

/// What waits for its turn.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// To exit.
    pub leave: Option<Leave>,
    /// To exit, with nobody to tell.
    pub goodbye: bool,
    /// To be told everything again.
    pub resync: bool,
    /// To be told what was missed.
    pub gap: bool,
    /// Another nick; the last wish counts.
    pub nick: Option<NickChange>,
    /// To compare what others see with what they should see.
    pub update: bool,
    /// Who showed something else last.
    pub asker: Option<Asker>,
}

/// The leave of the last session.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Who left.
    pub by: Target,
    /// Its presence, with its words.
    pub words: Xml,
}

/// A session that shows something else.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub by: Target,
    /// The id of its presence.
    pub id: Option<String>,
}

/// A nick change.
#[derive(Clone, Debug)]
pub struct NickChange {
    /// The wanted nick.
    pub nick: Nick,
    /// Who wants it, if a session does.
    pub by: Option<Target>,
    /// The id of its presence.
    pub id: Option<String>,
}
