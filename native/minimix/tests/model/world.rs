//! All that there is: accounts with sessions, rooms, the core, and what is on its way between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minimix::{
    Account, Config, Gate, LeavePolicy, Millis, NickPolicy, Record, Room as Core, RoomJid, Xml,
};

use crate::chat::Chat;
use crate::known::Known;
use crate::room::{Down, JIDS, Room, Up};
use crate::transition::{ACCOUNTS, DEVICES, ROOMS, Setup};

pub const BEGIN: u64 = 1_700_000_000_000;
pub const TIMEOUT: u64 = 60_000;

/// Which process sent something: only what one process sends keeps its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Clock,
    Room,
    Stream(u64),
}

/// What waits in the mailbox of a stream.
#[derive(Clone, Debug)]
pub enum Mail {
    Delivery { room: usize, gate: Gate, last: bool, is_ours: bool, stanza: Xml, at: u64 },
    Invitation { room: usize },
    JoinAgain { room: usize, stanza: Xml },
}

#[derive(Debug)]
pub struct Stream {
    pub id: u64,
    pub device: usize,
    pub jid: String,
    pub mailbox: VecDeque<Mail>,
    pub chats: [Chat; ROOMS],
}

impl Stream {
    pub fn account(&self) -> usize {
        self.device / DEVICES
    }

    pub fn resource(&self) -> String {
        resource(self.device)
    }
}

pub fn resource(device: usize) -> String {
    format!("device{}", device % DEVICES)
}

/// A stanza that the core sent or let through, until the room has answered it.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Whose stanza it was, where it was one session's.
    pub stream: Option<u64>,
    /// The id that its session gave it.
    pub id: Option<String>,
    pub stanza: Xml,
}

/// A control presence that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    pub ticket: u64,
    pub since: u64,
}

/// An account in a room.
#[derive(Debug, Default)]
pub struct Pair {
    pub known: Known,
    /// From the room, in its order.
    pub down: VecDeque<Down>,
    /// Whether the host brings everything to the core.
    pub managed: Option<u64>,
    /// What is stored.
    pub record: Option<Record>,
    pub flight: Option<Flight>,
    /// Something was lost: only time can tell the core.
    pub is_doubtful: bool,
    pub archive: Archive,
}

/// What the account's archive was given of a room.
#[derive(Debug, Default)]
pub struct Archive {
    last: u64,
    room_ids: BTreeSet<String>,
}

impl Archive {
    /// B21.147: each message once. The archive itself leaves out what the room repeats and it has.
    pub fn files(
        &mut self,
        id: u64,
        room_id: Option<&String>,
        is_past: bool,
    ) -> Result<(), String> {
        if id <= self.last {
            return Err(format!("B21.148: the archive is given {id} after {}", self.last));
        }
        self.last = id;
        match room_id {
            Some(room_id) if !self.room_ids.insert(room_id.clone()) && !is_past => {
                Err(format!("B21.147: the archive is given {room_id} twice"))
            }
            _ => Ok(()),
        }
    }
}

pub struct World {
    pub now: u64,
    /// Since when something may have been under way.
    pub busy_since: u64,
    pub config: Config,
    pub cores: Vec<Option<Core>>,
    pub rooms: Vec<Room>,
    pub pairs: Vec<Vec<Pair>>,
    pub streams: BTreeMap<u64, Stream>,
    /// The stream of each device; older ones may linger.
    pub current: [Option<u64>; ACCOUNTS * DEVICES],
    pub up: BTreeMap<(Source, usize), VecDeque<Up>>,
    /// The account that asks, the room, and the id.
    pub requests: VecDeque<(usize, usize, String)>,
    pub wakes: [BTreeSet<u64>; ROOMS],
    /// A room has lost an account, which repairs that: the model does not know how.
    pub is_repairing: bool,
    /// Who waits for a turn in which room.
    pub turns: VecDeque<(usize, usize)>,
    pub tickets: BTreeMap<u64, Ticket>,
    /// Which stream asked for another nick, by the id.
    pub renamers: BTreeMap<(usize, String), u64>,
    pub numbers: u64,
    pub trace: Vec<String>,
}

impl World {
    pub fn new(setup: &Setup) -> World {
        let jids = ["room@rooms.example", "den@rooms.example"];
        let rooms =
            jids.iter().zip(&setup.styles).map(|(jid, style)| Room::new(jid, style.clone()));
        let mut world = World {
            now: BEGIN,
            busy_since: BEGIN,
            config: Config {
                nick: if setup.changes_nick { NickPolicy::Change } else { NickPolicy::Assign },
                leave: if setup.never_leaves { LeavePolicy::Never } else { LeavePolicy::Auto },
                history_size: setup.history_size,
                archive: true,
                max_occupants: setup.max_occupants,
                max_rooms: setup.max_rooms,
                join_timeout: TIMEOUT,
                ..Config::default()
            },
            cores: (0..ROOMS).map(|_| None).collect(),
            rooms: rooms.collect(),
            pairs: (0..ACCOUNTS).map(|_| (0..ROOMS).map(|_| Pair::default()).collect()).collect(),
            streams: BTreeMap::new(),
            current: [None; ACCOUNTS * DEVICES],
            up: BTreeMap::new(),
            requests: VecDeque::new(),
            wakes: std::array::from_fn(|_| BTreeSet::new()),
            is_repairing: false,
            turns: VecDeque::new(),
            tickets: BTreeMap::new(),
            renamers: BTreeMap::new(),
            numbers: 0,
            trace: Vec::new(),
        };
        for device in 0..ACCOUNTS * DEVICES {
            world.connect(device);
        }
        world
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.trace.push(format!("{:>7} {}", self.now - BEGIN, what()));
    }

    /// A number never used before.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn connect(&mut self, device: usize) -> u64 {
        let id = self.number();
        let jid = format!("{}/{}", JIDS[device / DEVICES], resource(device));
        let stream = Stream {
            id,
            device,
            jid,
            mailbox: VecDeque::new(),
            chats: std::array::from_fn(|_| Chat::default()),
        };
        self.streams.insert(id, stream);
        self.current[device] = Some(id);
        id
    }

    pub fn room_jid(&self, room: usize) -> RoomJid {
        RoomJid::from(self.rooms[room].jid.as_str())
    }

    pub fn account(account: usize) -> Account {
        Account::from(JIDS[account])
    }

    pub fn now(&self) -> Millis {
        Millis(self.now)
    }

    pub fn pair(&mut self, account: usize, room: usize) -> &mut Pair {
        &mut self.pairs[account][room]
    }

    /// What the room has said goes on its way.
    pub fn collect(&mut self, room: usize) {
        let said = std::mem::take(&mut self.rooms[room].out);
        for down in said {
            self.note(|| {
                format!("room {room} to {}: {:?} {}", down.account, down.scope, down.stanza)
            });
            self.pairs[down.account][room].down.push_back(down);
        }
    }

    /// Streams of the account that have something to do with the room.
    pub fn streams_of(&self, account: usize) -> impl Iterator<Item = &Stream> {
        self.streams.values().filter(move |stream| stream.account() == account)
    }
}
