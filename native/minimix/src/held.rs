//! Messages that a room has not taken, because it did not know the account: they are sent once it
//! does (XEP-0410 §3.2).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::names::SessionId;
use crate::xml::Xml;

/// Messages held per account and room.
const MAX_MESSAGES: usize = 32;
/// Bytes of them.
const MAX_BYTES: usize = 256 * 1024;

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who sent it.
    pub session: SessionId,
    /// As its session sent it.
    pub stanza: Xml,
}

/// The messages held, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<VecDeque<Message>>);

impl Held {
    /// Holds one; gives it back when there are too many.
    pub fn add(&mut self, message: Message) -> Result<(), Message> {
        let bytes = self.0.iter().map(|held| held.stanza.size()).sum::<usize>();
        if self.0.len() >= MAX_MESSAGES || bytes + message.stanza.size() > MAX_BYTES {
            return Err(message);
        }
        Arc::make_mut(&mut self.0).push_back(message);
        Ok(())
    }

    /// All of them.
    pub fn take(&mut self) -> VecDeque<Message> {
        match self.0.is_empty() {
            true => VecDeque::new(),
            false => std::mem::take(Arc::make_mut(&mut self.0)),
        }
    }

    /// A stream was resumed by another.
    pub fn resumed(&mut self, old: SessionId, new: SessionId) {
        if self.0.iter().any(|held| held.session == old) {
            for held in Arc::make_mut(&mut self.0).iter_mut().filter(|held| held.session == old) {
                held.session = new;
            }
        }
    }
}
