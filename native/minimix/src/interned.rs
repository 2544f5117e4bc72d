//! One copy of what many accounts were sent.

use std::collections::HashSet;

use crate::xml::Xml;

/// Stanzas by their content.
#[derive(Debug, Default)]
pub struct Interned {
    stanzas: HashSet<Xml>,
    /// What was shared last: one account after the other is sent the same.
    last: Option<Xml>,
    bytes: usize,
    sweep_at: usize,
}

/// Not worth a sweep.
const SMALL: usize = 256;

impl Interned {
    /// The one copy of this content.
    pub fn share(&mut self, stanza: Xml) -> Xml {
        if self.last.as_ref().is_some_and(|last| last.is_same(&stanza)) {
            return stanza;
        }
        let shared = self.find_or_keep(stanza);
        self.last = Some(shared.clone());
        shared
    }

    fn find_or_keep(&mut self, stanza: Xml) -> Xml {
        if let Some(known) = self.stanzas.get(&stanza) {
            return known.clone();
        }
        if self.stanzas.len() >= self.sweep_at.max(SMALL) {
            self.sweep();
        }
        self.bytes += stanza.size();
        self.stanzas.insert(stanza.clone());
        stanza
    }

    /// Drops what nobody needs any more.
    pub fn sweep(&mut self) {
        self.last = None;
        self.stanzas.retain(Xml::is_shared);
        self.bytes = self.stanzas.iter().map(Xml::size).sum();
        self.sweep_at = self.stanzas.len().saturating_mul(2);
    }

    /// Bytes of all copies, of those included that are no longer needed and not yet dropped.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
