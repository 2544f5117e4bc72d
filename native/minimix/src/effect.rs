//! What the host is to do: the closed list of everything that the core can cause.
//!
//! Effects never carry the stanza that caused them: the host has it *in hand*. When no effect
//! says what becomes of it, it is consumed.

use crate::names::{Millis, Nick, Resource, RoomJid, SessionId};
use crate::recall::Recall;
use crate::record::Record;
use crate::xml::Xml;

/// What a session must be attached to when a delivery arrives, or it drops the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// This attachment.
    Attachment(u64),
    /// Nothing: it was not attached when this was sent.
    Nothing,
    /// Whatever: it asked for this as a session, not as an occupant.
    Whatever,
}

/// A session to deliver to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The stream.
    pub session: SessionId,
    /// Its resource.
    pub resource: Resource,
    /// What the delivery belongs to.
    pub gate: Gate,
    /// Whether this delivery ends the attachment.
    pub last: bool,
}

/// What to do with the `id` of the stanza in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StanzaId {
    /// Leave it.
    Keep,
    /// Replace it.
    Set(String),
    /// Remove it.
    Remove,
}

/// One thing to do. The host executes them in their order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The stanza in hand is none of ours: go on as without the module.
    Pass,
    /// Send the stanza in hand on to the room, from the account.
    AsAccount {
        /// Its id on the way.
        id: StanzaId,
    },
    /// Send this to the room, from the account. It carries its `to`.
    Send {
        /// The stanza.
        stanza: Xml,
    },
    /// Send this join to the room, from the account; or bring
    /// [`Input::Declined`](crate::Input::Declined) when the account is not to be an occupant.
    Join {
        /// The management that it begins; the join is void when that is over.
        epoch: u64,
        /// The stanza. It carries its `to`.
        stanza: Xml,
    },
    /// Send this leave to the room, from the account. It carries its `to`.
    Leave {
        /// The stanza.
        stanza: Xml,
    },
    /// Store this of the account in the room, or forget what is stored. No later
    /// [`Effect::Join`] or [`Effect::Leave`] leaves before that has outlived a crash.
    Store {
        /// The record.
        record: Option<Record>,
    },
    /// Bring [`Input::Turn`](crate::Input::Turn) when the room's service may be asked: services
    /// are not flooded with those who come back.
    AwaitTurn {
        /// Whether a session waits for it.
        urgent: bool,
    },
    /// Write this nick into the account's bookmark of the room (XEP-0402 §3).
    Bookmark {
        /// The nick.
        nick: Nick,
    },
    /// Bring [`Input::Dismiss`](crate::Input::Dismiss) to the account in another room.
    Dismiss {
        /// The room.
        room: RoomJid,
    },
    /// Let a session join by itself, as without the module.
    JoinAlone {
        /// The session.
        session: SessionId,
        /// Its join. It carries its `to`.
        stanza: Xml,
    },
    /// Keep the message in hand in the account's archive (XEP-0313 §6.1). Forks that follow carry
    /// the archive's id, unless it is past.
    Archive {
        /// Its id there; larger than that of what was told before.
        archive_id: u64,
        /// What the room calls it (XEP-0359).
        room_id: Option<String>,
        /// Its own id.
        id: StanzaId,
        /// How large it is, in bytes.
        size: usize,
        /// Whether the room has said it before, so that it may be there.
        is_past: bool,
    },
    /// The message in hand takes back what the room calls this: if it is in the account's archive
    /// and who says so may, a [`tombstone`](crate::tombstone) takes its place (XEP-0424 §5).
    Retract {
        /// What the room calls it.
        room_id: String,
    },
    /// Wake the devices that have no session at all for the message in hand (XEP-0357).
    Push,
    /// Deliver to the session in hand what this chooses of the account's archive.
    Recall {
        /// What it is to choose.
        recall: Box<Recall>,
    },
    /// Deliver the stanza in hand to these sessions.
    Fork {
        /// The sessions.
        targets: Vec<Target>,
        /// Its id.
        id: StanzaId,
        /// Whether it speaks of the account's own occupant: then `item/@jid`, where the room
        /// gave one, becomes the full JID of each session.
        own: bool,
    },
    /// Deliver the private message in hand to these sessions; go on with it as without the module
    /// when none of them is there any more.
    Private {
        /// The sessions.
        targets: Vec<Target>,
    },
    /// Deliver this to one session.
    Deliver {
        /// The session.
        target: Target,
        /// The stanza, without its `to`.
        stanza: Xml,
    },
    /// Deliver these to the session in hand, at once and in their order (XEP-0045 §7.1).
    Replay {
        /// The stanzas, without their `to`.
        stanzas: Vec<Xml>,
    },
    /// The session in hand is attached.
    Attached {
        /// The attachment.
        generation: u64,
        /// The account's occupant JID.
        occupant: String,
    },
    /// The session in hand is no longer attached.
    Detached,
    /// Answer the stanza in hand with an error.
    Reject {
        /// Why.
        error: StanzaError,
    },
    /// Answer the request in hand with an empty result.
    Result,
    /// Tell a session's stream that it may come with [`Input::CatchUp`](crate::Input::CatchUp).
    Invite {
        /// The session.
        session: SessionId,
    },
    /// From now on the host brings everything between account and room: what comes to the bare JID,
    /// and what comes to the occupant address. Said again when that becomes another one.
    Manage {
        /// Names this management, so that the end of an older one does not end this one.
        epoch: u64,
    },
    /// The host need no longer bring anything.
    Unmanage {
        /// The management that ends.
        epoch: u64,
    },
    /// Bring [`Input::Tick`](crate::Input::Tick) at this time.
    Wake {
        /// When.
        at: Millis,
    },
}

/// The stanza errors that we author (RFC 6120 §8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StanzaError {
    /// The nick is missing (XEP-0045 §7.2.1).
    JidMalformed,
    /// The session has not joined (XEP-0045 §7.4, XEP-0410 §3.2).
    NotAcceptable,
    /// The room did not answer (XEP-0410 §3.2).
    RemoteServerTimeout,
    /// A limit of this server is reached.
    ResourceConstraint,
    /// Nobody is there to answer (XEP-0045 §17.4).
    ServiceUnavailable,
}

impl StanzaError {
    /// The error's `type` and the name of its condition.
    pub fn parts(self) -> (&'static str, &'static str) {
        match self {
            StanzaError::JidMalformed => ("modify", "jid-malformed"),
            StanzaError::NotAcceptable => ("cancel", "not-acceptable"),
            StanzaError::RemoteServerTimeout => ("wait", "remote-server-timeout"),
            StanzaError::ResourceConstraint => ("wait", "resource-constraint"),
            StanzaError::ServiceUnavailable => ("cancel", "service-unavailable"),
        }
    }
}

/// What one input caused.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Effects {
    effects: Vec<Effect>,
    resource: Option<Resource>,
}

impl Effects {
    /// Adds one.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Adds one before all others.
    pub fn push_first(&mut self, effect: Effect) {
        self.effects.insert(0, effect);
    }

    /// All of them in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Effect> {
        self.effects.iter()
    }

    /// The resource of the account's occupant address, where that has one: "from the account"
    /// means from there.
    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// The account goes by this address.
    pub fn set_resource(&mut self, resource: Option<Resource>) {
        self.resource = resource;
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = std::vec::IntoIter<Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.effects.into_iter()
    }
}
