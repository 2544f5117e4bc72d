//! A room as the benchmarks know it: one account, some sessions, some occupants.

mod crowd;

pub use crowd::Crowd;

use minimix::{
    Account, Config, Effects, Environment, Input, Millis, Nick, Room, RoomJid, Session, SessionId,
    Xml,
};

const JOIN: &str = "<presence xmlns='jabber:client' from='alice@home.example/phone'>\
    <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='kvoNqpbXrzVmlUiGyPX31ba5gZI='/>\
    <x xmlns='http://jabber.org/protocol/muc'/></presence>";
const MESSAGE: &str = "<message xmlns='jabber:client' from='room@rooms.example/bob' type='groupchat' \
    id='d8e1b5e2-6f4c-4c5b-9a55-0d6a4f1d2c11' xml:lang='en'>\
    <stanza-id xmlns='urn:xmpp:sid:0' by='room@rooms.example' id='1795401088001729'/>\
    <origin-id xmlns='urn:xmpp:sid:0' id='d8e1b5e2-6f4c-4c5b-9a55-0d6a4f1d2c11'/>\
    <occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61bca202cd'/>\
    <active xmlns='http://jabber.org/protocol/chatstates'/>\
    <body>Shall I compare thee to a summer's day? Thou art more lovely and more temperate.</body></message>";
const SUBJECT: &str = "<message xmlns='jabber:client' from='room@rooms.example' type='groupchat'><subject/></message>";

/// One account in one room.
pub struct Bench {
    join: Xml,
    room: Room,
    account: Account,
    config: Config,
    now: u64,
}

impl Bench {
    /// A room that the account has joined with `sessions` sessions among `occupants` others.
    pub fn joined(sessions: u64, occupants: usize) -> Bench {
        let mut bench = Bench::empty();
        bench.config.max_occupants = occupants.max(bench.config.max_occupants);
        let _ = bench.join(1);
        for number in 0..occupants {
            let (nick, stanza) = occupant(number);
            let _ = bench.presence(&nick, &stanza);
        }
        let _ = bench.presence(&Nick::from("alice"), &presence("alice", "<status code='110'/>"));
        let _ = bench.message(&xml(SUBJECT));
        for session in 1..=sessions {
            let _ = bench.join(session);
        }
        bench
    }

    /// A room without accounts.
    pub fn empty() -> Bench {
        Bench {
            join: xml(JOIN),
            room: Room::new(RoomJid::from("room@rooms.example"), Millis(0)),
            account: Account::from("alice@home.example"),
            config: Config::default(),
            now: 1_795_401_088_000,
        }
    }

    /// A session joins.
    pub fn join(&mut self, session: u64) -> Effects {
        let session = Session {
            id: SessionId(session),
            resource: format!("device{session}").as_str().into(),
        };
        self.handle(Input::FromSession {
            session,
            nick: Some(Nick::from("alice")),
            stanza: self.join.clone(),
        })
    }

    /// An occupant shows a presence.
    pub fn presence(&mut self, nick: &Nick, stanza: &Xml) -> Effects {
        self.handle(Input::FromRoom {
            nick: Some(nick.clone()),
            stanza: stanza.clone(),
            archive_id: None,
        })
    }

    /// Somebody talks.
    pub fn message(&mut self, message: &Xml) -> Effects {
        self.handle(Input::FromRoom {
            nick: Some(Nick::from("bob")),
            stanza: message.clone(),
            archive_id: None,
        })
    }

    fn handle(&mut self, input: Input) -> Effects {
        self.now += 1;
        let around = Environment::new(Millis(self.now), &self.config);
        self.room.handle(&self.account, input, around)
    }
}

/// A groupchat message as rooms send it today, about 700 bytes.
pub fn message() -> Xml {
    xml(MESSAGE)
}

/// An occupant and its presence, about 500 bytes.
pub fn occupant(number: usize) -> (Nick, Xml) {
    let nick = format!("occupant{number:05}");
    (Nick::from(nick.as_str()), presence(&nick, ""))
}

fn presence(nick: &str, codes: &str) -> Xml {
    xml(&format!(
        "<presence xmlns='jabber:client' from='room@rooms.example/{nick}' xml:lang='en'>\
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='kvoNqpbXrzVmlUiGyPX31ba5gZI='/>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/>{codes}</x></presence>"
    ))
}

fn xml(text: &str) -> Xml {
    // The texts above are well-formed.
    #[allow(clippy::expect_used)]
    text.parse().expect("a well-formed stanza")
}
