//! B2.21, I3 (XEP-0045 §7.2.14): what a device has missed comes from the archive as far as it is not
//! remembered, and meets what is said from then on without a gap or a double.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use minimix::{
    Account, Archived, Config, Effect, Environment, Input, Millis, Nick, Room, RoomJid, Session,
    SessionId, Xml,
};
use proptest::prelude::*;

const START: u64 = 1_767_261_600_000;
const PHONE: u64 = 1;
const DESK: u64 = 2;

/// What tells one message from another.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The room's id.
    Named,
    /// Its own id.
    Unnamed,
    /// Nothing.
    Alike,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Named), Just(Kind::Unnamed), Just(Kind::Alike)]
}

/// One account in one room, with its archive and what the desk sees.
struct Host {
    room: Room,
    config: Config,
    now: u64,
    last_id: u64,
    said: Vec<(u64, String)>,
    archive: Vec<Archived>,
    desk: Vec<String>,
    /// An id that was given out before the desk came, and is used after.
    early_id: Option<u64>,
}

impl Host {
    fn new(history_size: usize) -> Host {
        let config = Config { history_size, archive: true, ..Config::default() };
        let room = Room::new(RoomJid::from("room@rooms.example"), Millis(START));
        let mut host = Host {
            room,
            config,
            now: START,
            last_id: START * 1_000,
            said: Vec::new(),
            archive: Vec::new(),
            desk: Vec::new(),
            early_id: None,
        };
        host.joins(PHONE, None);
        host.room_says(
            "<presence xmlns='jabber:client' from='room@rooms.example/alice'>\
            <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>",
        );
        host.room_says(
            "<message xmlns='jabber:client' from='room@rooms.example' type='groupchat'>\
            <subject/></message>",
        );
        host
    }

    fn joins(&mut self, session: u64, since: Option<u64>) {
        let history = since.map_or_else(String::new, |since| {
            let time = chrono::DateTime::from_timestamp_millis(since as i64).unwrap();
            format!("<history since='{}'/>", time.to_rfc3339())
        });
        let stanza = format!(
            "<presence xmlns='jabber:client'>\
             <x xmlns='http://jabber.org/protocol/muc'>{history}</x></presence>"
        );
        let session = Session { id: SessionId(session), resource: "device".into() };
        let (nick, stanza) = (Some(Nick::from("alice")), stanza.parse().unwrap());
        self.bring(Input::FromSession { session, nick, stanza });
    }

    fn id(&mut self) -> u64 {
        self.last_id = (self.last_id + 1).max(self.now * 1_000);
        self.last_id
    }

    fn says(&mut self, kind: Kind) {
        let number = self.said.len();
        let (text, id, added) = match kind {
            Kind::Named => {
                let by = "xmlns='urn:xmpp:sid:0' by='room@rooms.example'";
                let stanza_id = format!("<stanza-id {by} id='s{number}'/>");
                (number.to_string(), format!("id='m{number}'"), stanza_id)
            }
            Kind::Unnamed => (number.to_string(), format!("id='m{number}'"), String::new()),
            Kind::Alike => ("ok".to_owned(), String::new(), String::new()),
        };
        self.room_says(&format!(
            "<message xmlns='jabber:client' from='room@rooms.example/bob' type='groupchat' {id}>\
             <body>{text}</body>{added}</message>"
        ));
        self.said.push((self.now, text));
    }

    fn room_says(&mut self, text: &str) {
        let stanza: Xml = text.parse().unwrap();
        let nick = stanza.root().attribute("from").and_then(|from| from.split_once('/'));
        let nick = nick.map(|(_, nick)| Nick::from(nick));
        let id = self.early_id.take().unwrap_or_else(|| self.id());
        let effects =
            self.handle(Input::FromRoom { nick, stanza: stanza.clone(), archive_id: Some(id) });
        self.execute(effects, Some(&stanza));
    }

    fn bring(&mut self, input: Input) {
        let effects = self.handle(input);
        self.execute(effects, None);
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        let around = Environment::new(Millis(self.now), &self.config);
        self.room.handle(&Account::from("alice@home"), input, around).into_iter().collect()
    }

    fn execute(&mut self, effects: Vec<Effect>, in_hand: Option<&Xml>) {
        for effect in effects {
            match effect {
                Effect::Archive { archive_id, is_past: false, .. } => {
                    let message = in_hand.unwrap().clone();
                    self.archive.push(Archived { id: archive_id, message });
                }
                Effect::Fork { targets, .. } => {
                    let is_for_desk = targets.iter().any(|to| to.session == SessionId(DESK));
                    self.desk.extend(in_hand.filter(|_| is_for_desk).and_then(body));
                }
                Effect::Replay { stanzas } => self.desk.extend(stanzas.iter().filter_map(body)),
                Effect::Recall { recall } => {
                    let since = recall.since().unwrap().0 * 1_000;
                    let found = self.archive.iter().filter(|known| known.id >= since);
                    self.desk
                        .extend(recall.choose(found.cloned().collect()).iter().filter_map(body));
                }
                Effect::Invite { session } => {
                    let session = Session { id: session, resource: "device".into() };
                    self.bring(Input::CatchUp { session });
                }
                _ => {}
            }
        }
    }
}

fn body(message: &Xml) -> Option<String> {
    message.root().inner("body").map(|body| body.text())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_archive_and_what_is_remembered_meet(
        history_size in 0..6usize,
        before in proptest::collection::vec((0..3u64, kind()), 0..20),
        since in 0..40u64,
        is_early in any::<bool>(),
        after in proptest::collection::vec((0..3u64, kind()), 0..5),
    ) {
        let mut host = Host::new(history_size);
        let since = START + since;
        for (pause, kind) in before {
            host.now += pause;
            host.says(kind);
        }
        host.now += 1;
        if is_early {
            host.early_id = Some(host.id());
        }
        let came_at = host.said.len();
        host.joins(DESK, Some(since));
        for (pause, kind) in after {
            host.now += pause;
            host.says(kind);
        }
        let missed = |(number, (at, _)): &(usize, &(u64, String))| *number >= came_at || *at >= since;
        let all = host.said.iter().enumerate().filter(missed);
        let expected: Vec<String> = all.map(|(_, (_, text))| text.clone()).collect();
        prop_assert_eq!(&host.desk, &expected);
    }
}
