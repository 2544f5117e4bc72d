//! What of a room's messages the account's own archive keeps (XEP-0313 §6.1).

use crate::effect::{Effect, StanzaId};
use crate::history;
use crate::membership::{Cx, Membership};
use crate::xml::Element;

const NS_HINTS: &str = "urn:xmpp:hints";
/// Hints against any copy that lasts (XEP-0334 §4.2, §4.3), with names of older versions.
const AGAINST: [&str; 4] = ["no-store", "no-storage", "no-permanent-store", "no-permanent-storage"];

/// Bytes of what a room calls a message: longer ones no index of a database takes.
const LONGEST_ID: usize = 1_000;

impl Membership {
    /// What the archive holds already comes before all that the room will say.
    pub fn begin_to_archive(&mut self, cx: &Cx<'_>) {
        if !self.is_established() {
            self.archived = self.archived.max(cx.now.0.saturating_mul(1_000));
        }
    }

    /// Has the host keep the message in hand, and forget what it takes back. The room repeats a
    /// past one, which may have been kept before. Under which id a live one is kept, if it is.
    pub fn archive(
        &mut self,
        cx: &mut Cx<'_>,
        message: Element<'_>,
        id: &StanzaId,
        is_past: bool,
    ) -> Option<u64> {
        // What was kept is taken back also where nothing is kept any more.
        if cx.config.archive
            && let Some(room_id) = history::retracted(message)
        {
            cx.push(Effect::Retract { room_id: room_id.to_owned() });
        }
        let offered = cx.archive_id?;
        if !is_worth_archiving(message) {
            return None;
        }
        // Ids are in the order in which the messages were told, whoever was given one first.
        let archive_id = offered.max(self.archived + 1);
        self.archived = archive_id;
        let room_id = history::stanza_id(message, cx.room);
        let room_id = room_id.filter(|id| id.len() <= LONGEST_ID).map(String::from);
        let size = message.size();
        cx.push(Effect::Archive { archive_id, room_id, id: id.clone(), size, is_past });
        Some(archive_id).filter(|_| !is_past)
    }
}

/// What people read, unless somebody objects, and what is meant to be kept without a text
/// (XEP-0334 §4.4).
fn is_worth_archiving(message: Element<'_>) -> bool {
    let has_hint =
        |names: &[&str]| names.iter().any(|name| message.child(name, NS_HINTS).is_some());
    let has_text = |name| message.inner(name).is_some_and(|child| child.has_text());
    has_hint(&["store"]) || (!has_hint(&AGAINST) && (has_text("body") || has_text("subject")))
}
