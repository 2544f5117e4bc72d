//! Many accounts in one room, each told of all others as a room tells them.

use minimix::{
    Account, Config, Environment, Input, Millis, Nick, Room, RoomJid, Session, SessionId, Xml,
};

use crate::{JOIN, SUBJECT, occupant, presence, xml};

const NOW: Millis = Millis(1_795_401_088_000);

/// A room with accounts of this server and occupants from elsewhere.
pub struct Crowd {
    room: Room,
    config: Config,
    accounts: Vec<(Account, Nick)>,
    others: Vec<Nick>,
}

impl Crowd {
    /// Nobody is in the room yet.
    pub fn new() -> Crowd {
        Crowd {
            room: Room::new(RoomJid::from("room@rooms.example"), NOW),
            config: Config { max_occupants: 100_000, ..Config::default() },
            accounts: Vec::new(),
            others: Vec::new(),
        }
    }

    /// So many occupants and then so many accounts enter, one after the other.
    pub fn enter(&mut self, others: usize, accounts: usize) {
        let first = self.others.len() + self.accounts.len();
        let mut nicks = (first..first + others + accounts).map(|number| occupant(number).0);
        self.others.extend(nicks.by_ref().take(others));
        for nick in nicks {
            let account = Account::from(format!("{}@home.example", nick.as_str()).as_str());
            self.joins(&account, &nick);
            for (other, own) in std::mem::take(&mut self.accounts) {
                self.hears(&other, &nick, presence(nick.as_str(), ""));
                self.accounts.push((other, own));
            }
            self.accounts.push((account, nick));
        }
    }

    /// An occupant from elsewhere shows a status, which all accounts are told.
    pub fn shows(&mut self, other: &Nick, status: &str) {
        let stanza = presence(other.as_str(), &format!("<status>{status}</status>"));
        for (account, own) in std::mem::take(&mut self.accounts) {
            self.hears(&account, other, stanza.clone());
            self.accounts.push((account, own));
        }
    }

    /// One of the occupants from elsewhere.
    pub fn other(&self) -> Option<Nick> {
        self.others.last().cloned()
    }

    fn joins(&mut self, account: &Account, nick: &Nick) {
        let session = Session { id: SessionId(1), resource: "device".into() };
        let stanza = xml(JOIN);
        self.handle(account, Input::FromSession { session, nick: Some(nick.clone()), stanza });
        let there = self.others.iter().chain(self.accounts.iter().map(|(_, nick)| nick));
        for other in there.cloned().collect::<Vec<_>>() {
            self.hears(account, &other, presence(other.as_str(), ""));
        }
        self.hears(account, nick, presence(nick.as_str(), "<status code='110'/>"));
        let subject = Input::FromRoom { nick: None, stanza: xml(SUBJECT), archive_id: None };
        self.handle(account, subject);
    }

    fn hears(&mut self, account: &Account, nick: &Nick, stanza: Xml) {
        let input = Input::FromRoom { nick: Some(nick.clone()), stanza, archive_id: None };
        self.handle(account, input);
    }

    fn handle(&mut self, account: &Account, input: Input) {
        let _ = self.room.handle(account, input, Environment::new(NOW, &self.config));
    }
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd::new()
    }
}
