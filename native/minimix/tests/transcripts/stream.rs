//! A session's stream as the host has it: a mailbox, what the client was sent, and the
//! attachment that the stream knows of.

use std::collections::VecDeque;

use minimix::{Account, Gate, Resource, Session, SessionId, Xml};

/// What waits in a stream's mailbox.
pub enum Mail {
    /// A stanza of an attachment.
    Delivery { stanza: Xml, gate: Gate, last: bool },
    /// An invitation.
    CatchUp,
    /// The session is to join by itself.
    JoinAlone { stanza: Xml },
    /// The account is not to be an occupant.
    Declined { epoch: u64 },
}

/// A stream.
pub struct Stream {
    /// `alice/phone`.
    pub name: String,
    /// The core's handle.
    pub id: SessionId,
    /// Whose it is.
    pub account: Account,
    /// Its resource.
    pub resource: Resource,
    /// Whether it has not ended.
    pub is_alive: bool,
    /// Whether it does not read its mailbox.
    pub is_busy: bool,
    /// Its attachment to the room.
    pub generation: Option<u64>,
    /// What it has not read.
    pub mailbox: VecDeque<Mail>,
    /// What its client was sent.
    pub shown: VecDeque<Xml>,
}

impl Stream {
    /// A new one.
    pub fn new(name: &str, id: SessionId, account: Account, resource: &str) -> Stream {
        Stream {
            name: name.to_owned(),
            id,
            account,
            resource: Resource::from(resource),
            is_alive: true,
            is_busy: false,
            generation: None,
            mailbox: VecDeque::new(),
            shown: VecDeque::new(),
        }
    }

    /// The session.
    pub fn session(&self) -> Session {
        Session { id: self.id, resource: self.resource.clone() }
    }

    /// Its address.
    pub fn jid(&self) -> String {
        format!("{}/{}", self.account, self.resource)
    }

    /// Sends a stanza to the client.
    pub fn show(&mut self, stanza: &Xml) {
        let jid = self.jid();
        self.shown.push_back(stanza.edited(&[("to", Some(&jid))], |_| true, &[]));
    }

    /// A delivery arrives. What belongs to another attachment, or to none while there is one, is
    /// dropped.
    pub fn receive(&mut self, stanza: &Xml, gate: Gate, last: bool) {
        let is_open = match gate {
            Gate::Attachment(generation) => self.generation == Some(generation),
            Gate::Nothing => self.generation.is_none(),
            Gate::Whatever => true,
        };
        if is_open {
            self.show(stanza);
            self.generation.take_if(|_| last);
        }
    }
}

/// Presence and messages of a room with the session's address in the own item, where the room
/// gave the account's.
pub fn own(stanza: &Xml, jid: &str) -> Xml {
    const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
    let changed: Vec<Xml> = stanza
        .root()
        .children()
        .map(|child| match child.is("x", MUC_USER) {
            true => with_jid(&child.to_xml(), jid),
            false => child.to_xml(),
        })
        .collect();
    stanza.edited(&[], |_| false, &changed)
}

fn with_jid(x: &Xml, jid: &str) -> Xml {
    let changed: Vec<Xml> = x
        .root()
        .children()
        .map(|child| match child.name() == "item" && child.attribute("jid").is_some() {
            true => child.to_xml().edited(&[("jid", Some(jid))], |_| true, &[]),
            false => child.to_xml(),
        })
        .collect();
    x.edited(&[], |_| false, &changed)
}
