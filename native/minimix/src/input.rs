//! What can happen to an account in a room.

use crate::names::{Nick, Session, SessionId};
use crate::xml::Xml;

/// One event. A stanza comes without its `to`; `nick` is the resource of the JID that the stanza
/// was addressed to (from a session) or came from (from the room).
#[derive(Clone, Debug)]
pub enum Input {
    /// A session sent a stanza to the room or to an occupant.
    FromSession {
        /// Who sent it.
        session: Session,
        /// The addressed occupant, or none for the room itself.
        nick: Option<Nick>,
        /// The stanza.
        stanza: Xml,
    },
    /// The room or an occupant sent a stanza to the account.
    FromRoom {
        /// The sending occupant, or none for the room itself.
        nick: Option<Nick>,
        /// The stanza.
        stanza: Xml,
    },
    /// A session comes for what [`Effect::Invite`](crate::Effect::Invite) promised.
    CatchUp {
        /// The session, in whose stream the effects are executed.
        session: Session,
    },
    /// A request of [`Effect::Request`](crate::Effect::Request) that asked to be told has its
    /// answer.
    Answered {
        /// Who had asked.
        session: SessionId,
        /// Whether the room did what was asked.
        granted: bool,
    },
    /// The session's stream ended, or it became unavailable to its server.
    Detach {
        /// The session that is gone.
        session: SessionId,
    },
    /// A stream was resumed by another one (XEP-0198 §5).
    Resumed {
        /// The stream that ended.
        old: SessionId,
        /// The stream that goes on.
        new: SessionId,
    },
    /// The module stops: tell everybody and leave.
    Stop,
    /// A time has come that [`Effect::Wake`](crate::Effect::Wake) asked for.
    Tick,
}
