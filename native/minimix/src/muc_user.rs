//! What a room says of an occupant: `<x/>` of `muc#user` (XEP-0045 §7, registrar's status codes).
//!
//! Read tolerantly: rooms put bare JIDs, unknown codes and strange children there.

use crate::xml::Element;

/// The namespace.
pub const NS: &str = "http://jabber.org/protocol/muc#user";

/// Status codes that decide something.
pub mod code {
    /// The room shows full JIDs to everybody.
    pub const NON_ANONYMOUS: u16 = 100;
    /// This presence is the recipient's own.
    pub const SELF: u16 = 110;
    /// The room is logged.
    pub const LOGGED: u16 = 170;
    /// The room is no longer logged.
    pub const NOT_LOGGED: u16 = 171;
    /// The room has become non-anonymous.
    pub const NOW_NON_ANONYMOUS: u16 = 172;
    /// The room has become semi-anonymous.
    pub const NOW_SEMI_ANONYMOUS: u16 = 173;
    /// The room was created and awaits its configuration.
    pub const CREATED: u16 = 201;
    /// The room assigned another nick.
    pub const NICK_ASSIGNED: u16 = 210;
    /// The occupant takes another nick.
    pub const NICK_CHANGED: u16 = 303;
    /// Kicked.
    pub const KICKED: u16 = 307;
    /// Banned.
    pub const BANNED: u16 = 301;
    /// Removed because its affiliation has changed.
    pub const AFFILIATION_LOST: u16 = 321;
    /// Removed because only members may be there from now on.
    pub const MEMBERS_ONLY: u16 = 322;
    /// Removed because the service shuts down.
    pub const SHUTDOWN: u16 = 332;
    /// Removed because of a technical problem.
    pub const TECHNICAL: u16 = 333;
}

/// The element, as far as it decides something.
#[derive(Clone, Debug, Default)]
pub struct MucUser {
    codes: Vec<u16>,
    /// `item/@nick`: the new nick with code 303.
    pub nick: Option<String>,
    /// `item/@jid`: the occupant's address.
    pub jid: Option<String>,
    /// Whether it is a moderator, who is shown the addresses of all (XEP-0045 §4.1).
    pub moderates: bool,
    /// Whether the room was destroyed (XEP-0045 §10.9).
    pub destroyed: bool,
}

impl MucUser {
    /// Reads the one of a presence or message, or the default where it has none.
    pub fn of(stanza: Element<'_>) -> MucUser {
        let mut read = MucUser::default();
        let Some(x) = stanza.child("x", NS) else {
            return read;
        };
        let mut seen_item = false;
        for child in x.children() {
            if child.inherits("status", &x) {
                read.codes
                    .extend(child.attribute("code").and_then(|code| code.parse::<u16>().ok()));
            } else if child.inherits("item", &x) && !seen_item {
                read.nick = child.attribute("nick").map(String::from);
                read.jid = child.attribute("jid").map(String::from);
                read.moderates = child.attribute("role") == Some("moderator");
                seen_item = true;
            } else if child.inherits("destroy", &x) {
                read.destroyed = true;
            }
        }
        read
    }

    /// Whether somebody wanted the removal that it tells: not the service's own trouble
    /// (XEP-0045 §9.1 to §9.4, §10.9 against §17.3).
    pub fn is_meant(&self) -> bool {
        let wishes = [code::KICKED, code::BANNED, code::AFFILIATION_LOST, code::MEMBERS_ONLY];
        let trouble = self.has(code::SHUTDOWN) || self.has(code::TECHNICAL);
        self.destroyed || (!trouble && wishes.iter().any(|code| self.has(*code)))
    }

    /// Whether it has this code.
    pub fn has(&self, code: u16) -> bool {
        self.codes.contains(&code)
    }

    /// The codes in their order.
    pub fn codes(&self) -> &[u16] {
        &self.codes
    }
}
