//! The rooms of one virtual host behind sharded locks.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use minimix::{Account, Config, Effects, Environment, Input, Millis, Room, RoomJid, Standing};
use parking_lot::{Mutex, RwLock};

const SHARDS: usize = 128;

/// All rooms in which accounts of a host are, and an index from account to rooms.
pub struct Core {
    config: RwLock<Arc<Config>>,
    rooms: Shards<RoomJid, Room>,
    accounts: Shards<Account, HashMap<RoomJid, Standing>>,
}

// A panic cannot leave a room half-changed: `Room::handle` computes an account's next state apart
// and puts it in place as a whole when everything is computed.
impl RefUnwindSafe for Core {}

#[rustler::resource_impl]
impl rustler::Resource for Core {}

/// Counters over everything.
pub struct Overview {
    /// Rooms with accounts.
    pub rooms: usize,
    /// Pairs of account and room.
    pub memberships: usize,
    /// Sessions in them.
    pub sessions: usize,
    /// Bytes of remembered stanzas.
    pub bytes: usize,
}

impl Core {
    /// Without any room.
    pub fn new(config: Config) -> Core {
        Core {
            config: RwLock::new(Arc::new(config)),
            rooms: Shards::new(),
            accounts: Shards::new(),
        }
    }

    /// Other options from now on.
    pub fn configure(&self, config: Config) {
        *self.config.write() = Arc::new(config);
    }

    /// Brings one input to an account in a room.
    pub fn handle(&self, account: &Account, room: &RoomJid, input: Input, now: Millis) -> Effects {
        let config = self.config.read().clone();
        let other_rooms = self.active_rooms(account, room);
        let around = Environment { now, config: &config, other_rooms };
        let (effects, standing) = {
            let mut rooms = self.rooms.of(room).lock();
            let found = rooms.entry(room.clone()).or_insert_with(|| Room::new(room.clone(), now));
            let before = found.standing(account);
            let effects = found.handle(account, input, around);
            let after = found.standing(account);
            if found.is_empty() {
                rooms.remove(room);
            }
            (effects, (before != after).then_some(after))
        };
        if let Some(standing) = standing {
            self.note(account, room, standing);
        }
        effects
    }

    /// Brings the time to the accounts of a room that wait for it.
    pub fn tick(&self, room: &RoomJid, now: Millis) -> Vec<(Account, Effects)> {
        let config = self.config.read().clone();
        let around = Environment { now, config: &config, other_rooms: 0 };
        let all = {
            let mut rooms = self.rooms.of(room).lock();
            let Some(found) = rooms.get_mut(room) else {
                return Vec::new();
            };
            let all: Vec<_> = found
                .tick(around)
                .into_iter()
                .map(|(account, effects)| (found.standing(&account), account, effects))
                .collect();
            if found.is_empty() {
                rooms.remove(room);
            }
            all
        };
        all.into_iter()
            .map(|(standing, account, effects)| {
                self.note(&account, room, standing);
                (account, effects)
            })
            .collect()
    }

    /// The rooms that know an account.
    pub fn rooms(&self, account: &Account) -> Vec<RoomJid> {
        let accounts = self.accounts.of(account).lock();
        accounts.get(account).map(|rooms| rooms.keys().cloned().collect()).unwrap_or_default()
    }

    /// The accounts that any room knows.
    pub fn accounts(&self) -> Vec<Account> {
        self.accounts
            .all()
            .flat_map(|shard| shard.lock().keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Counts everything; takes one lock after the other.
    pub fn overview(&self) -> Overview {
        let mut all = Overview { rooms: 0, memberships: 0, sessions: 0, bytes: 0 };
        for shard in self.rooms.all() {
            for room in shard.lock().values() {
                all.rooms += 1;
                all.memberships += room.accounts().count();
                all.sessions +=
                    room.accounts().map(|account| room.sessions(account)).sum::<usize>();
                all.bytes += room.bytes();
            }
        }
        all
    }

    fn active_rooms(&self, account: &Account, but: &RoomJid) -> usize {
        let accounts = self.accounts.of(account).lock();
        accounts.get(account).map_or(0, |rooms| {
            rooms
                .iter()
                .filter(|(room, standing)| *room != but && **standing == Standing::Active)
                .count()
        })
    }

    fn note(&self, account: &Account, room: &RoomJid, standing: Standing) {
        let mut accounts = self.accounts.of(account).lock();
        if standing != Standing::None {
            accounts.entry(account.clone()).or_default().insert(room.clone(), standing);
        } else if let Some(rooms) = accounts.get_mut(account) {
            rooms.remove(room);
            if rooms.is_empty() {
                accounts.remove(account);
            }
        }
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
