//! What can happen to an account in a room.

use crate::names::{Nick, Session, SessionId};
use crate::record::{Bookmark, Record};
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
        /// The id under which the account's archive can keep it, if that is to keep anything:
        /// microseconds since the epoch of Unix.
        archive_id: Option<u64>,
    },
    /// A session comes for what [`Effect::Invite`](crate::Effect::Invite) promised.
    CatchUp {
        /// The session, in whose stream the effects are executed.
        session: Session,
    },
    /// The account is not to be an occupant: [`Effect::Join`](crate::Effect::Join) was not sent.
    Declined {
        /// The management that the join would have begun.
        epoch: u64,
    },
    /// The session's stream ended, or it became unavailable to its server.
    Detach {
        /// The session that is gone.
        session: SessionId,
        /// The presence by which it became unavailable, if it did.
        words: Option<Xml>,
    },
    /// A session believes to be in the room, as an earlier core has told it.
    Stranded {
        /// The session.
        session: Session,
        /// Under which nick.
        nick: Nick,
    },
    /// A stream was resumed by another one (XEP-0198 §5).
    Resumed {
        /// The stream that ended.
        old: SessionId,
        /// The stream that goes on.
        new: SessionId,
    },
    /// A session's connection is lost, and its stream waits for it to come back (XEP-0198 §5).
    Asleep {
        /// The session.
        session: SessionId,
    },
    /// What was stored of the account in the room, after a restart.
    Restore {
        /// The record.
        record: Record,
    },
    /// The account's bookmark of the room is this now, or is gone (XEP-0402 §4).
    Bookmark {
        /// The bookmark.
        bookmark: Option<Bookmark>,
    },
    /// An admin wants something.
    Command {
        /// What.
        command: Command,
    },
    /// The room may be asked now, as [`Effect::AwaitTurn`](crate::Effect::AwaitTurn) wished.
    Turn,
    /// Something happened that may have cost the account its place, as a broken link.
    Doubt,
    /// The room may have said what has not arrived: the service has made a new link to this server
    /// and had not closed the one before.
    Gap,
    /// The account is in too many rooms; this one has been without sessions for the longest time.
    Dismiss,
    /// The module stops, or the account is removed: tell everybody and leave.
    Stop,
    /// A time has come that [`Effect::Wake`](crate::Effect::Wake) asked for.
    Tick,
}

/// What an admin can want.
#[derive(Clone, Debug)]
pub enum Command {
    /// The account is to be in the room.
    Join {
        /// Under which nick.
        nick: Nick,
        /// With which password.
        password: Option<String>,
    },
    /// The account is to leave the room, whoever is there.
    Leave,
    /// The account is to ask the room for everything again.
    Rejoin,
}
