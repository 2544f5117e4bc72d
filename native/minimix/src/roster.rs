//! What an account was shown of the others in a room.

use imbl::OrdMap;

use crate::names::Nick;
use crate::xml::Xml;

/// Bytes that a remembered occupant may take on average.
const BYTES_PER_OCCUPANT: usize = 2_048;

/// The last presence of each occupant but the own one, in the order of the nicks. A clone costs
/// nothing and shares what does not differ.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    presences: OrdMap<Nick, Xml>,
    bytes: usize,
    forgotten: bool,
}

impl Roster {
    /// Remembers an occupant's presence; returns the one that it replaces.
    pub fn apply(&mut self, nick: Nick, presence: Xml) -> Option<Xml> {
        self.bytes += presence.size();
        let old = self.presences.insert(nick, presence);
        self.bytes -= old.as_ref().map_or(0, Xml::size);
        old
    }

    /// Forgets an occupant who is gone.
    pub fn remove(&mut self, nick: &Nick) -> Option<Xml> {
        let old = self.presences.remove(nick);
        self.bytes -= old.as_ref().map_or(0, Xml::size);
        old
    }

    /// The presence of an occupant.
    pub fn get(&self, nick: &Nick) -> Option<&Xml> {
        self.presences.get(nick)
    }

    /// All of them in the order of the nicks.
    pub fn iter(&self) -> impl Iterator<Item = (&Nick, &Xml)> {
        self.presences.iter()
    }

    /// How many occupants it knows.
    pub fn len(&self) -> usize {
        self.presences.len()
    }

    /// Whether it is larger than `factor` times what may be kept.
    pub fn exceeds(&self, max_occupants: usize, factor: usize) -> bool {
        let limit = max_occupants.saturating_mul(factor);
        self.len() > limit || self.bytes > limit.saturating_mul(BYTES_PER_OCCUPANT)
    }

    /// Drops everything: too large to keep. Only the room can tell who is there then.
    pub fn forget(&mut self) {
        *self = Roster { forgotten: true, ..Roster::default() };
    }

    /// Whether it was dropped.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten
    }
}
