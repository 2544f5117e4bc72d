//! The dumb host: executes what the core decided and decides nothing itself. It does what the
//! executor and the hooks in `erlang/src` do, with a clock of its own.

use std::collections::{HashMap, VecDeque};

use minimix::{
    Account, Archived, Config, Environment, Input, Millis, Nick, Record, Room, RoomJid, SessionId,
    Standing, Xml,
};

use crate::execute::InHand;
use crate::stream::{Mail, Stream};
use crate::words::address;

/// 2026-01-01T10:00:00Z.
const MORNING: u64 = 1_767_261_600_000;
/// So many inputs that cause each other cannot be meant.
const ENDLESS: usize = 10_000;
/// What the host draws by lot.
const SECRET: u128 = 0xa11c;

/// What cannot be done is a bug of the core, or of the transcript.
pub type Done = Result<(), String>;

/// One server with the module, and one room somewhere.
pub struct Host {
    /// The options.
    pub config: Config,
    /// In how many other rooms each account is.
    pub other_rooms: usize,
    /// What the room was sent.
    pub room_got: VecDeque<Xml>,
    /// What the server handles as without the module.
    pub server_got: VecDeque<Xml>,
    /// All streams that ever were.
    pub streams: Vec<Stream>,
    /// The accounts whose stanzas are brought to the core.
    pub managed: HashMap<Account, u64>,
    /// In how many other rooms late stanzas of each account are answered.
    pub other_tombs: usize,
    /// Whether the accounts are not to be occupants of the room.
    pub declines: bool,
    /// Whether the room's service is known to refuse bare JIDs.
    pub needs_resource: bool,
    /// Which of them the account can leave for this one.
    pub longest_detached: Option<RoomJid>,
    /// What is stored of each account.
    pub records: HashMap<Account, Record>,
    /// Who waits for its turn, which comes at once unless `turns_wait`.
    pub turns: VecDeque<Account>,
    /// Whether the service is busy.
    pub turns_wait: bool,
    /// Nicks written into the bookmark.
    pub bookmarked: VecDeque<Nick>,
    /// Rooms that the account is to leave.
    pub dismissed: VecDeque<RoomJid>,
    /// The archives, in the order of their ids.
    pub archives: HashMap<Account, Vec<Archived>>,
    /// The archive's id of the stanza in hand, by account.
    pub fresh: HashMap<Account, u64>,
    /// How often the devices without a session are to be woken.
    pub woken: usize,
    /// When the core is told the time.
    pub wakes_at: Option<Millis>,
    /// What was numbered so far.
    pub numbers: u64,
    room: Room,
    /// The time.
    pub now: Millis,
}

impl Host {
    /// An empty one.
    pub fn new() -> Host {
        Host {
            config: Config::default(),
            other_rooms: 0,
            room_got: VecDeque::new(),
            server_got: VecDeque::new(),
            streams: Vec::new(),
            managed: HashMap::new(),
            other_tombs: 0,
            declines: false,
            needs_resource: false,
            longest_detached: None,
            records: HashMap::new(),
            turns: VecDeque::new(),
            turns_wait: false,
            bookmarked: VecDeque::new(),
            dismissed: VecDeque::new(),
            archives: HashMap::new(),
            woken: 0,
            fresh: HashMap::new(),
            wakes_at: None,
            numbers: 0,
            room: Room::new(room(), Millis(MORNING)),
            now: Millis(MORNING),
        }
    }

    /// The session of this name; it connects if there is none.
    pub fn stream(&mut self, name: &str) -> &mut Stream {
        let at = self.streams.iter().position(|stream| stream.is_alive && stream.name == name);
        let at = at.unwrap_or_else(|| {
            let new = self.connect(name);
            self.streams.push(new);
            self.streams.len() - 1
        });
        // `at` was found or has just been added.
        #[allow(clippy::indexing_slicing)]
        &mut self.streams[at]
    }

    /// What waited for a stream that ended is routed again, to whoever has the resource now.
    fn connect(&mut self, name: &str) -> Stream {
        self.numbers += 1;
        let (account, resource) = name.split_once('/').unwrap_or(("alice", name));
        let account = Account::from(address(account).as_str());
        let mut new = Stream::new(name, SessionId(self.numbers), account, resource);
        for old in self.streams.iter_mut().filter(|old| old.name == name) {
            let mail = old.mailbox.drain(..);
            new.mailbox.extend(mail.filter(|mail| matches!(mail, Mail::Delivery { .. })));
            new.shown.append(&mut old.shown);
        }
        new
    }

    /// A session sends a stanza.
    pub fn session_sends(&mut self, name: &str, stanza: &Xml) -> Done {
        let stream = self.stream(name);
        let (id, session, jid) = (stream.id, stream.session(), stream.jid());
        let account = stream.account.clone();
        let stanza = &stanza.edited(&[("from", Some(&jid))], |_| true, &[]);
        let root = stanza.root();
        let is_join = root.name() == "presence"
            && root.attribute("type").is_none()
            && root.child("x", "http://jabber.org/protocol/muc").is_some();
        if !is_join && !self.managed.contains_key(&account) {
            return self.room_gets(stanza.clone());
        }
        let nick = nick(root.attribute("to").ok_or("a session's stanza needs a `to`")?);
        let input = Input::FromSession { session, nick, stanza: without_to(stanza) };
        self.bring(input, &InHand { account: &account, stanza: Some(stanza), stream: Some(id) })
    }

    /// The room or an occupant sends a stanza to an account.
    pub fn room_sends(&mut self, stanza: &Xml) -> Done {
        let root = stanza.root();
        let from = root.attribute("from").ok_or("the room's stanza needs a `from`")?;
        let to = root.attribute("to").map_or_else(|| address("alice"), String::from);
        let account = Account::from(to.as_str());
        let stanza = &stanza.edited(&[("to", Some(&to))], |_| true, &[]);
        if !self.managed.contains_key(&account) {
            self.server_got.push_back(stanza.clone());
            return Ok(());
        }
        let nick = nick(from);
        let archive_id = Some(self.now.0 * 1_000);
        let input = Input::FromRoom { nick, stanza: without_to(stanza), archive_id };
        self.fresh.clear();
        self.bring(input, &InHand { account: &account, stanza: Some(stanza), stream: None })
    }

    /// Something else happens to a session, whose stream goes on or not.
    pub fn session_event(
        &mut self,
        name: &str,
        goes_on: bool,
        event: fn(SessionId) -> Input,
    ) -> Done {
        let stream = self.stream(name);
        stream.is_alive = goes_on;
        stream.generation = None;
        let (id, account) = (stream.id, stream.account.clone());
        self.bring(event(id), &InHand { account: &account, stanza: None, stream: None })
    }

    /// A stream takes over from the one of the same name, with all that waits for it.
    pub fn resumes(&mut self, name: &str) -> Done {
        let mut new = self.connect(name);
        let old = self.stream(name);
        old.is_alive = false;
        new.generation = old.generation;
        new.mailbox.append(&mut old.mailbox);
        new.shown.append(&mut old.shown);
        let (old, new_id, account) = (old.id, new.id, new.account.clone());
        self.streams.push(new);
        let input = Input::Resumed { old, new: new_id };
        self.bring(input, &InHand { account: &account, stanza: None, stream: None })
    }

    /// The module stops.
    pub fn stops(&mut self) -> Done {
        let mut accounts: Vec<Account> = self.room.accounts().cloned().collect();
        accounts.sort();
        accounts.iter().try_for_each(|account| {
            self.bring(Input::Stop, &InHand { account, stanza: None, stream: None })
        })
    }

    /// Something happens to alice in the room.
    pub fn happens(&mut self, input: Input) -> Done {
        let account = Account::from(address("alice").as_str());
        self.bring(input, &InHand { account: &account, stanza: None, stream: None })
    }

    /// Nothing is left of the server but what is stored.
    pub fn restarts(&mut self) -> Done {
        for stream in &mut self.streams {
            stream.is_alive = false;
            stream.mailbox.clear();
        }
        self.managed.clear();
        self.turns.clear();
        self.wakes_at = None;
        self.room = Room::new(room(), self.now);
        let mut records: Vec<(Account, Record)> = self.records.clone().into_iter().collect();
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        records.into_iter().try_for_each(|(account, record)| {
            let in_hand = InHand { account: &account, stanza: None, stream: None };
            self.bring(Input::Restore { record }, &in_hand)
        })
    }

    /// The first one that waits may ask the service.
    pub fn turn_comes(&mut self) -> Done {
        let account = self.turns.pop_front().ok_or("nobody waits for a turn")?;
        self.bring(Input::Turn, &InHand { account: &account, stanza: None, stream: None })
    }

    /// Time passes; whoever wanted to be woken is.
    pub fn wait(&mut self, milliseconds: u64) -> Done {
        let end = self.now.after(milliseconds);
        for _ in 0..ENDLESS {
            match self.wakes_at {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.wakes_at = None;
                    self.tick()?;
                }
                _ => {
                    self.now = end;
                    return Ok(());
                }
            }
        }
        Err("the core wants to be woken for ever".to_owned())
    }

    fn tick(&mut self) -> Done {
        let (config, now, other_tombs) = (self.config.clone(), self.now, self.other_tombs);
        let around = Environment { other_tombs, secret: SECRET, ..Environment::new(now, &config) };
        for (account, effects) in self.room.tick(now, |_, _| around) {
            let in_hand = InHand { account: &account, stanza: None, stream: None };
            self.execute(effects, &in_hand)?;
            self.check(&account)?;
        }
        self.drain()
    }

    fn bring(&mut self, input: Input, in_hand: &InHand<'_>) -> Done {
        self.bring_one(input, in_hand)?;
        self.drain()
    }

    fn bring_one(&mut self, input: Input, in_hand: &InHand<'_>) -> Done {
        let config = self.config.clone();
        let longest_detached = self.longest_detached.clone();
        let around = Environment {
            longest_detached: longest_detached.as_ref(),
            other_rooms: self.other_rooms,
            other_tombs: self.other_tombs,
            needs_resource: self.needs_resource,
            secret: SECRET,
            ..Environment::new(self.now, &config)
        };
        let effects = self.room.handle(in_hand.account, input, around);
        self.execute(effects, in_hand)?;
        self.check(in_hand.account)
    }

    /// The host brings exactly what the core knows of.
    fn check(&mut self, account: &Account) -> Done {
        let is_known = !matches!(self.room.standing(account), Standing::None | Standing::Out);
        if is_known != self.managed.contains_key(account) {
            return Err(format!("known to the core: {is_known}, managed: {}", !is_known));
        }
        if self.room.is_empty() {
            self.room = Room::new(room(), self.now);
        }
        Ok(())
    }

    /// All streams that are not busy read their mailboxes.
    pub fn drain(&mut self) -> Done {
        for _ in 0..ENDLESS {
            let ready = |stream: &&mut Stream| {
                stream.is_alive && !stream.is_busy && !stream.mailbox.is_empty()
            };
            let Some(stream) = self.streams.iter_mut().find(ready) else {
                return self.drain_wakes();
            };
            let (id, session, account) = (stream.id, stream.session(), stream.account.clone());
            let in_hand = InHand { account: &account, stanza: None, stream: Some(id) };
            match stream.mailbox.pop_front() {
                Some(Mail::Delivery { stanza, gate, last }) => stream.receive(&stanza, gate, last),
                Some(Mail::CatchUp) => self.bring_one(Input::CatchUp { session }, &in_hand)?,
                Some(Mail::JoinAlone { stanza }) => {
                    let jid = stream.jid();
                    self.room_gets(stanza.edited(&[("from", Some(&jid))], |_| true, &[]))?;
                }
                Some(Mail::Declined { epoch }) => {
                    let in_hand = InHand { stream: None, ..in_hand };
                    self.bring_one(Input::Declined { epoch }, &in_hand)?;
                }
                None => {}
            }
        }
        Err("the streams are never done".to_owned())
    }

    fn drain_wakes(&mut self) -> Done {
        if !self.turns_wait && !self.turns.is_empty() {
            return self.turn_comes();
        }
        match self.wakes_at {
            Some(at) if at <= self.now => self.wait(0),
            _ => Ok(()),
        }
    }
}

fn room() -> RoomJid {
    RoomJid::from(address("room").as_str())
}

fn nick(occupant: &str) -> Option<Nick> {
    occupant.split_once('/').map(|(_, nick)| Nick::from(nick))
}

/// The core gets stanzas without it.
pub fn without_to(stanza: &Xml) -> Xml {
    stanza.edited(&[("to", None)], |_| true, &[])
}
