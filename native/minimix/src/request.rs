//! What a session asks for when it joins.

use crate::author;
use crate::history::Wishes;
use crate::names::Nick;
use crate::xml::{Element, Xml};

/// The namespace of a join (XEP-0045 §7.2.1).
pub const NS_MUC: &str = "http://jabber.org/protocol/muc";

/// Whether a presence asks to join: available and with `<x/>` of `muc`.
pub fn is_join(presence: Element<'_>) -> bool {
    presence.attribute("type").is_none() && presence.child("x", NS_MUC).is_some()
}

/// A join presence of a session.
#[derive(Clone, Debug)]
pub struct Request {
    /// The presence as it came.
    pub presence: Xml,
    /// Its id, which answers carry.
    pub id: Option<String>,
    /// The nick asked for.
    pub nick: Nick,
    /// The room's password.
    pub password: Option<String>,
    /// The wanted history.
    pub wishes: Wishes,
}

impl Request {
    /// Reads one.
    pub fn new(presence: Xml, nick: Nick) -> Request {
        let root = presence.root();
        Request {
            id: root.attribute("id").map(String::from),
            password: root
                .child("x", NS_MUC)
                .and_then(|x| x.inner("password"))
                .map(|password| password.text()),
            wishes: Wishes::of(root),
            nick,
            presence,
        }
    }

    /// Whether a room that refuses one would refuse the other.
    pub fn same_as(&self, other: &Request) -> bool {
        self.nick == other.nick && self.password == other.password
    }

    /// The join of an account that is in the room: to be told everything, and nobody notices.
    pub fn again(&self, shown: &Xml, to: &str, id: &str) -> Xml {
        let presence = author::update(shown, to, Some(id));
        author::join(&presence, to, self.password.as_deref(), 0)
    }

    /// The join of the account.
    pub fn upstream(&self, to: &str, history: usize) -> Xml {
        author::join(&self.presence, to, self.password.as_deref(), history)
    }
}
