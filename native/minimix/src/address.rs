//! By which address a room knows the account (XEP-0045 §7.2.1).
//!
//! It is the bare JID. A service that knows only full JIDs refuses that with `jid-malformed`, as it
//! does with a bad nick. So such a join is tried once more with a resource, and only when that succeeds
//! is it known what the matter was.

use crate::config::OccupantAddress;
use crate::membership::{Cx, Membership};
use crate::names::Resource;

/// The condition of the error by which services refuse bare JIDs.
const MALFORMED: &str = "jid-malformed";

/// The account's address as an occupant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// Its resource, where it has one. No session has it.
    pub resource: Option<Resource>,
    /// Whether it has one since the room refused the bare JID.
    pub is_trial: bool,
}

impl Address {
    /// What the account joins by.
    pub fn chosen(&self, cx: &Cx<'_>) -> Address {
        let is_wanted = cx.config.occupant_address == OccupantAddress::Resource;
        match is_wanted || cx.needs_resource || self.is_trial {
            true => Address { resource: Some(self.or_new(cx)), ..*self },
            false => Address::default(),
        }
    }

    fn trial(&self, cx: &Cx<'_>) -> Address {
        Address { resource: Some(self.or_new(cx)), is_trial: true }
    }

    fn or_new(&self, cx: &Cx<'_>) -> Resource {
        let new = || Resource::from(format!("{:032x}", cx.secret).as_str());
        self.resource.clone().unwrap_or_else(new)
    }
}

impl Membership {
    /// Whether an error may mean the bare JID; then the next join goes by another address.
    pub fn has_another_address(&mut self, cx: &Cx<'_>, condition: &str) -> bool {
        if condition == MALFORMED && self.address.resource.is_none() {
            self.address = self.address.trial(cx);
            return true;
        }
        if condition == MALFORMED && self.address.is_trial {
            // Then it is the nick.
            self.address = Address::default();
        }
        false
    }

    /// Whether the room has shown that it refuses bare JIDs and nothing else.
    pub fn shows_need_of_resource(&self) -> bool {
        self.address.is_trial && self.is_established()
    }

    /// Whether a JID is the account's as an occupant.
    pub fn is_own_address(&self, cx: &Cx<'_>, jid: &str) -> bool {
        match &self.address.resource {
            Some(resource) => jid == cx.full_jid(resource),
            None => jid == cx.account.as_str(),
        }
    }
}
