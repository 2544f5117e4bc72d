//! What an account was shown of the others in a room.

use imbl::OrdMap;

use crate::names::Nick;
use crate::xml::Xml;

/// Bytes that a remembered occupant may take on average.
const BYTES_PER_OCCUPANT: usize = 2_048;

/// Presences of occupants in the order of their nicks. A clone costs nothing and shares what does not
/// differ.
pub type Presences = OrdMap<Nick, Xml>;

/// The last presence of each occupant but the own one.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    presences: Presences,
    /// A presence among them that the account was not shown: its own, as others were.
    hidden: Option<Nick>,
    bytes: usize,
    forgotten: bool,
}

impl Roster {
    /// Remembers an occupant's presence; returns the one that it replaces.
    pub fn apply(&mut self, nick: Nick, presence: Xml) -> Option<Xml> {
        let was_hidden = self.hidden.take_if(|hidden| *hidden == nick).is_some();
        self.bytes += presence.size();
        let old = self.presences.insert(nick, presence).filter(|_| !was_hidden);
        self.bytes -= old.as_ref().map_or(0, Xml::size);
        old
    }

    /// Forgets an occupant who is gone.
    pub fn remove(&mut self, nick: &Nick) -> Option<Xml> {
        let was_hidden = self.hidden.take_if(|hidden| hidden == nick).is_some();
        let old = self.presences.remove(nick).filter(|_| !was_hidden);
        self.bytes -= old.as_ref().map_or(0, Xml::size);
        old
    }

    /// The presence of an occupant.
    pub fn get(&self, nick: &Nick) -> Option<&Xml> {
        self.presences.get(nick).filter(|_| self.hidden.as_ref() != Some(nick))
    }

    /// All of them in the order of the nicks.
    pub fn iter(&self) -> impl Iterator<Item = (&Nick, &Xml)> {
        self.presences.iter().filter(|(nick, _)| self.hidden.as_ref() != Some(*nick))
    }

    /// How many occupants it knows.
    pub fn len(&self) -> usize {
        self.presences.len() - usize::from(self.hidden.is_some())
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

    /// What it is made of, with what is hidden.
    pub fn presences(&self) -> &Presences {
        &self.presences
    }

    /// What is hidden.
    pub fn hidden(&self) -> Option<&Nick> {
        self.hidden.as_ref()
    }

    /// The same made of others, which differ from these by no more than what `hidden` names.
    pub fn rest_on(&mut self, presences: Presences, hidden: Option<Nick>) {
        self.presences = presences;
        self.hidden = hidden;
    }
}
