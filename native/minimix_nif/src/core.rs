//! The rooms of one virtual host behind sharded locks.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minimix::{
    Account, Config, Counters, Effects, Environment, Facts, Input, Millis, Nick, Room, RoomJid,
    Standing, Tally, Xml,
};
use parking_lot::{Mutex, RwLock};

const SHARDS: usize = 128;
/// Services that are remembered for refusing bare JIDs; what is forgotten is found out again.
const SERVICES: usize = 10_000;

/// All rooms in which accounts of a host are, and an index from account to rooms. A shard of rooms
/// is locked before one of accounts, never after it.
pub struct Core {
    config: RwLock<Arc<Config>>,
    rooms: Shards<RoomJid, Room>,
    accounts: Shards<Account, Standings>,
    /// The services that refuse bare JIDs.
    needy: RwLock<HashSet<Box<str>>>,
    secrets: Secrets,
    /// What has happened in rooms that nobody is in any more.
    past: Mutex<Counters>,
}

// A panic cannot leave a room half-changed: `Room::handle` computes an account's next state apart
// and puts it in place as a whole when everything is computed.
impl RefUnwindSafe for Core {}

#[rustler::resource_impl]
impl rustler::Resource for Core {}

/// How many there are.
pub struct Counts {
    /// Accounts that any room knows.
    pub accounts: usize,
    /// Rooms with accounts.
    pub rooms: usize,
    /// Pairs of both, and sessions in them.
    pub tally: Tally,
    /// Bytes of remembered stanzas.
    pub bytes: usize,
    /// What has happened since the core is there.
    pub counters: Counters,
}

impl Core {
    /// Without any room.
    pub fn new(config: Config) -> Core {
        Core {
            config: RwLock::new(Arc::new(config)),
            rooms: Shards::new(),
            accounts: Shards::new(),
            needy: RwLock::default(),
            secrets: Secrets::new(),
            past: Mutex::default(),
        }
    }

    /// Other options from now on.
    pub fn configure(&self, config: Config) {
        *self.config.write() = Arc::new(config);
    }

    /// Brings one input to an account in a room.
    pub fn handle(&self, account: &Account, room: &RoomJid, input: Input, now: Millis) -> Effects {
        let config = self.config.read().clone();
        let mut rooms = self.rooms.of(room).lock();
        let found = rooms.entry(room.clone()).or_insert_with(|| Room::new(room.clone(), now));
        let longest = self.longest_detached(account, room, &config);
        let around = Environment {
            longest_detached: longest.as_ref(),
            ..self.around(account, found, &config, now)
        };
        let effects = found.handle(account, input, around);
        self.note(account, found);
        self.learn(found);
        if found.is_empty() {
            self.drop_room(&mut rooms, room);
        }
        effects
    }

    /// Brings what a room says to all of these accounts, each with the id under which its archive can
    /// keep it.
    pub fn tell(
        &self,
        room: &RoomJid,
        nick: Option<Nick>,
        stanza: &Xml,
        accounts: &[(Account, Option<u64>)],
        now: Millis,
    ) -> Vec<Effects> {
        let config = self.config.read().clone();
        let mut rooms = self.rooms.of(room).lock();
        let found = rooms.entry(room.clone()).or_insert_with(|| Room::new(room.clone(), now));
        let all = accounts.iter().map(|(account, archive_id)| {
            let before = found.standing(account);
            let (nick, stanza, archive_id) = (nick.clone(), stanza.clone(), *archive_id);
            let input = Input::FromRoom { nick, stanza, archive_id };
            let effects = found.handle(account, input, self.around(account, found, &config, now));
            if found.standing(account) != before {
                self.note(account, found);
            }
            effects
        });
        let all = all.collect();
        self.learn(found);
        if found.is_empty() {
            self.drop_room(&mut rooms, room);
        }
        all
    }

    /// Brings the time to the accounts of a room that wait for it.
    pub fn tick(&self, room: &RoomJid, now: Millis) -> Vec<(Account, Effects)> {
        let config = self.config.read().clone();
        let mut rooms = self.rooms.of(room).lock();
        let Some(found) = rooms.get_mut(room) else {
            return Vec::new();
        };
        let all = found.tick(now, |room, account| self.around(account, room, &config, now));
        for (account, _) in &all {
            self.note(account, found);
        }
        self.learn(found);
        if found.is_empty() {
            self.drop_room(&mut rooms, room);
        }
        all
    }

    /// The rooms that know an account.
    pub fn rooms(&self, account: &Account) -> Vec<RoomJid> {
        let accounts = self.accounts.of(account).lock();
        accounts
            .get(account)
            .map(|standings| standings.rooms.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The accounts that any room knows.
    pub fn accounts(&self) -> Vec<Account> {
        self.accounts
            .all()
            .flat_map(|shard| shard.lock().keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// What is to tell of an account, room by room; takes one lock after the other.
    pub fn facts(&self, account: &Account) -> Vec<(RoomJid, Facts)> {
        let rooms = self.rooms(account).into_iter();
        rooms
            .filter_map(|room| {
                let facts = self.rooms.of(&room).lock().get(&room)?.facts(account)?;
                Some((room, facts))
            })
            .collect()
    }

    /// Whether a device is to be woken for a message that it was given and cannot read.
    pub fn wakes(&self, account: &Account, room: &RoomJid, message: &Xml) -> bool {
        let push = self.config.read().push;
        let rooms = self.rooms.of(room).lock();
        rooms.get(room).is_some_and(|known| known.wakes(account, message, push))
    }

    /// Counts without a look at each account; takes one lock after the other.
    pub fn counts(&self) -> Counts {
        let accounts = self.accounts.all().map(|shard| shard.lock().len()).sum();
        let (tally, counters) = (Tally::default(), *self.past.lock());
        let mut counts = Counts { accounts, rooms: 0, tally, bytes: 0, counters };
        for shard in self.rooms.all() {
            let rooms = shard.lock();
            counts.rooms += rooms.len();
            for room in rooms.values() {
                counts.tally = counts.tally.plus(room.tally());
                counts.counters = counts.counters.plus(room.counters());
                counts.bytes += room.bytes();
            }
        }
        counts
    }

    fn around<'a>(
        &self,
        account: &Account,
        room: &Room,
        config: &'a Config,
        now: Millis,
    ) -> Environment<'a> {
        let accounts = self.accounts.of(account).lock();
        let (active, ended, outs) = accounts.get(account).map_or((0, 0, 0), Standings::count);
        let here = room.standing(account);
        Environment {
            now,
            config,
            other_rooms: active.saturating_sub(usize::from(here.is_active())),
            other_tombs: ended.saturating_sub(usize::from(here == Standing::Ended)),
            other_outs: outs.saturating_sub(usize::from(here == Standing::Out)),
            longest_detached: None,
            needs_resource: room.needs_resource() || self.is_needy(room.jid()),
            secret: self.secrets.next(),
        }
    }

    /// Which other room the account can leave first, where it is in too many.
    fn longest_detached(
        &self,
        account: &Account,
        room: &RoomJid,
        config: &Config,
    ) -> Option<RoomJid> {
        let accounts = self.accounts.of(account).lock();
        let standings = accounts.get(account)?;
        if standings.active < config.max_rooms {
            return None;
        }
        let others = standings.rooms.iter().filter(|(other, _)| *other != room);
        let detached = others.filter_map(|(other, standing)| match standing {
            Standing::Active { idle_since: Some(at) } => Some((at, other)),
            _ => None,
        });
        detached.min().map(|(_, other)| other.clone())
    }

    fn drop_room(&self, rooms: &mut HashMap<RoomJid, Room>, room: &RoomJid) {
        if let Some(dropped) = rooms.remove(room) {
            let mut past = self.past.lock();
            *past = past.plus(dropped.counters());
        }
    }

    /// What one room of a service has shown is true of the others.
    fn learn(&self, room: &Room) {
        if room.needs_resource() && !self.is_needy(room.jid()) {
            let mut needy = self.needy.write();
            if needy.len() < SERVICES {
                needy.insert(service(room.jid()).into());
            }
        }
    }

    fn is_needy(&self, room: &RoomJid) -> bool {
        let needy = self.needy.read();
        !needy.is_empty() && needy.contains(service(room))
    }

    /// Under the room's lock, so that what is noted last is what is true.
    fn note(&self, account: &Account, room: &Room) {
        let mut accounts = self.accounts.of(account).lock();
        let standings = accounts.entry(account.clone()).or_default();
        standings.set(room.jid(), room.standing(account));
        if standings.rooms.is_empty() {
            accounts.remove(account);
        }
    }
}

fn service(room: &RoomJid) -> &str {
    room.as_str().split_once('@').map_or(room.as_str(), |(_, service)| service)
}

/// Numbers that nobody can guess who does not know the keys, which the system makes at random.
struct Secrets {
    keys: [RandomState; 2],
    count: AtomicU64,
}

impl Secrets {
    fn new() -> Secrets {
        Secrets { keys: [RandomState::new(), RandomState::new()], count: AtomicU64::new(0) }
    }

    fn next(&self) -> u128 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.keys.each_ref().map(|key| u128::from(key.hash_one(count)));
        high << 64 | low
    }
}

/// How an account stands with all its rooms.
#[derive(Default)]
struct Standings {
    rooms: HashMap<RoomJid, Standing>,
    active: usize,
    ended: usize,
    outs: usize,
}

impl Standings {
    fn set(&mut self, room: &RoomJid, standing: Standing) {
        let before = match standing {
            Standing::None => self.rooms.remove(room),
            _ if self.rooms.get(room) == Some(&standing) => return,
            _ => self.rooms.insert(room.clone(), standing),
        };
        let is_active = |standing| matches!(standing, Some(Standing::Active { .. }));
        let is_ended = |standing| standing == Some(Standing::Ended);
        let is_out = |standing| standing == Some(Standing::Out);
        self.active += usize::from(is_active(Some(standing)));
        self.active -= usize::from(is_active(before));
        self.ended += usize::from(is_ended(Some(standing)));
        self.ended -= usize::from(is_ended(before));
        self.outs += usize::from(is_out(Some(standing)));
        self.outs -= usize::from(is_out(before));
    }

    /// Those where it is, those where late stanzas are still answered, and those of bookmarks.
    fn count(&self) -> (usize, usize, usize) {
        (self.active, self.ended, self.outs)
    }
}

/// A map in parts that are locked apart.
struct Shards<K, V> {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: Hash + Eq, V> Shards<K, V> {
    fn new() -> Shards<K, V> {
        Shards {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    fn of(&self, key: &K) -> &Mutex<HashMap<K, V>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // `at` is smaller than the number of shards, which never changes.
        #[allow(clippy::indexing_slicing)]
        &self.shards[at]
    }

    fn all(&self) -> impl Iterator<Item = &Mutex<HashMap<K, V>>> {
        self.shards.iter()
    }
}
