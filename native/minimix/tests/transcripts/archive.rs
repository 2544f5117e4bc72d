//! The archives of accounts: what the host does for the core's effects, as `minimix_archive` does.

use minimix::xml::Builder;
use minimix::{Account, Archived, Recall, RoomJid, Xml, tombstone};

use crate::host::Host;
use crate::words::address;

impl Host {
    /// Keeps a message, unless the room repeats one that is there.
    pub fn file(
        &mut self,
        account: &Account,
        id: u64,
        room_id: Option<&str>,
        stanza: Xml,
        is_past: bool,
    ) {
        let archive = self.archives.entry(account.clone()).or_default();
        let is_known = archive.iter().any(|known| names(&known.message, room_id));
        if !(is_past && is_known) {
            archive.push(Archived { id, message: with_archive_id(account, &stanza, id) });
        }
        if !is_past {
            self.fresh.insert(account.clone(), id);
        }
    }

    /// Puts a tombstone in the place of what the stanza in hand takes back.
    pub fn take_back(&mut self, account: &Account, room_id: &str, retraction: &Xml) {
        let (room, now) = (RoomJid::from(address("room").as_str()), self.now);
        let archive = self.archives.entry(account.clone()).or_default();
        for known in archive.iter_mut().filter(|known| names(&known.message, Some(room_id))) {
            if let Some(stone) = tombstone(&known.message, retraction, &room, now) {
                known.message = stone;
            }
        }
    }

    /// What a replay asks for.
    pub fn found(&self, account: &Account, recall: &Recall) -> Vec<Archived> {
        let Some(since) = recall.since() else { return Vec::new() };
        let archive = self.archives.get(account).into_iter().flatten();
        let wanted =
            archive.filter(|known| known.id >= since.0 * 1_000 && known.id <= recall.last());
        wanted.cloned().collect()
    }

    /// The stanza in hand with the archive's id, where it has one.
    pub fn filed(&self, account: &Account, stanza: Xml) -> Xml {
        match self.fresh.get(account) {
            Some(id) => with_archive_id(account, &stanza, *id),
            None => stanza,
        }
    }
}

fn names(message: &Xml, room_id: Option<&str>) -> bool {
    let room = address("room");
    let mut ids = message.root().children().filter(|child| child.name() == "stanza-id");
    room_id.is_some()
        && ids.any(|id| id.attribute("by") == Some(&room) && id.attribute("id") == room_id)
}

fn with_archive_id(account: &Account, stanza: &Xml, id: u64) -> Xml {
    let mut element = Builder::default();
    element.open("stanza-id");
    element.attribute("xmlns", "urn:xmpp:sid:0");
    element.attribute("by", account.as_str());
    element.attribute("id", &id.to_string());
    stanza.edited(&[], |_| true, &[element.finish()])
}
