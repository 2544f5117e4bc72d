//! What others in the room see of the account: the presence of its best session
//! (XEP-0045 §7.7).

use std::cmp::Reverse;

use crate::attachments::{Attachment, Attachments};
use crate::names::{Millis, Resource};
use crate::xml::{Element, Xml};

const NS_IDLE: &str = "urn:xmpp:idle:1";
const NS_LAST: &str = "jabber:iq:last";
/// Lost sessions that are remembered per account and room.
const MAX_LOST: usize = 8;

/// A session whose stream was lost. For a while it counts as if it were still there, so that a
/// device that reconnects shows nothing to anybody.
#[derive(Clone, Debug)]
pub struct Lost {
    resource: Resource,
    presence: Xml,
    order: u64,
    until: Millis,
}

/// The lost sessions.
#[derive(Clone, Debug, Default)]
pub struct LostSessions(Vec<Lost>);

impl LostSessions {
    /// Remembers one.
    pub fn add(&mut self, attachment: Attachment, until: Millis) {
        if self.0.len() >= MAX_LOST {
            self.0.remove(0);
        }
        self.0.push(Lost {
            resource: attachment.session.resource,
            presence: attachment.presence,
            order: attachment.order,
            until,
        });
    }

    /// A session with this resource is back: its place among the others.
    pub fn take(&mut self, resource: &Resource) -> Option<u64> {
        let at = self.0.iter().position(|lost| lost.resource == *resource)?;
        Some(self.0.remove(at).order)
    }

    /// Forgets those whose time is over; whether there were any.
    pub fn expire(&mut self, now: Millis) -> bool {
        let before = self.0.len();
        self.0.retain(|lost| lost.until > now);
        self.0.len() < before
    }

    /// When the next one is forgotten.
    pub fn next(&self) -> Option<Millis> {
        self.0.iter().map(|lost| lost.until).min()
    }
}

/// The presence that speaks for the account: highest priority, then most available, then first
/// come. It stays with one session as long as none is better, so that others see no flapping.
pub fn best<'a>(attachments: &'a Attachments, lost: &'a LostSessions) -> Option<&'a Xml> {
    let present = attachments.iter().map(|attachment| (&attachment.presence, attachment.order));
    let gone = lost.0.iter().map(|lost| (&lost.presence, lost.order));
    present
        .chain(gone)
        .max_by_key(|(presence, order)| (rank(presence), Reverse(*order)))
        .map(|(presence, _)| presence)
}

/// Whether they say the same but for how long somebody has been idle, which each session tells
/// from its own point of view. How many seconds that is (XEP-0256 §3) clients repeat whenever they
/// come back; since when (XEP-0319 §3) they tell the room that they mean to tell.
pub fn is_alike(one: &Xml, other: &Xml, is_meant: bool) -> bool {
    let without_idle = |presence: &Xml| {
        let is_idle = |child: Element<'_>| {
            child.is("query", NS_LAST) || (!is_meant && child.is("idle", NS_IDLE))
        };
        presence.edited(&[], |child| !is_idle(child), &[])
    };
    one == other || without_idle(one) == without_idle(other)
}

/// The session that answers for the account: the one whose presence, with its capabilities,
/// others see.
pub fn speaker<'a>(among: impl Iterator<Item = &'a Attachment>) -> Option<&'a Attachment> {
    among.max_by_key(|attachment| (rank(&attachment.presence), Reverse(attachment.order)))
}

/// Priority and availability (RFC 6121 §4.7.2).
fn rank(presence: &Xml) -> (i8, u8) {
    let root = presence.root();
    let priority = root.inner("priority").and_then(|priority| priority.text().trim().parse().ok());
    let show = root.inner("show").map(|show| show.text());
    let availability = match show.as_deref() {
        Some("chat") => 4,
        None => 3,
        Some("away") => 2,
        Some("dnd") => 1,
        Some(_) => 0,
    };
    (priority.unwrap_or(0), availability)
}
