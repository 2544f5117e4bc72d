//! The options that decide, as the admin set them.

use serde::{Deserialize, Serialize};

/// The options of one virtual host. Durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// What an attaching session gets that asks for another nick than the account has.
    pub nick: NickPolicy,
    /// By which address rooms know the account.
    pub occupant_address: OccupantAddress,
    /// When the account leaves.
    pub leave: LeavePolicy,
    /// What others see of an account without any attached session.
    pub offline_presence: OfflinePresence,
    /// How long a lost session still counts for the presence that others see.
    pub offline_delay: u64,
    /// How long an account without sessions stays in a room that no bookmark wants.
    pub detached_ttl: u64,
    /// How long a room may be silent before the account pings itself there.
    pub ping_interval: u64,
    /// Messages kept per account and room for replays.
    pub history_size: usize,
    /// Whether groupchat is kept in the account's own archive.
    pub archive: bool,
    /// For which messages devices are woken.
    pub push: Push,
    /// How long a room may be silent about a control presence.
    pub join_timeout: u64,
    /// Rooms that one account may be in.
    pub max_rooms: usize,
    /// Occupants remembered per account and room.
    pub max_occupants: usize,
}

/// Values of the option `nick`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NickPolicy {
    /// The account's nick, with status 210.
    Assign,
    /// The nick asked for, for all sessions.
    Change,
}

/// Values of the option `occupant_address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OccupantAddress {
    /// The account's bare JID, unless the service refuses that.
    Bare,
    /// A full JID whose resource no session has.
    Resource,
}

/// Values of the option `leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavePolicy {
    /// When the last attached session leaves explicitly, unless a bookmark says stay.
    Auto,
    /// When the last attached session leaves explicitly.
    LastSession,
    /// Never: sessions only detach.
    Never,
}

/// Values of the option `offline_presence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflinePresence {
    /// Extended away.
    Xa,
    /// Away.
    Away,
    /// What the last session showed.
    Keep,
}

/// Values of the option `push`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Push {
    /// For none.
    None,
    /// For those that name the account.
    Mentions,
    /// For all.
    All,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            nick: NickPolicy::Assign,
            occupant_address: OccupantAddress::Bare,
            leave: LeavePolicy::Auto,
            offline_presence: OfflinePresence::Xa,
            offline_delay: 5 * 60_000,
            detached_ttl: 30 * 24 * 60 * 60_000,
            ping_interval: 15 * 60_000,
            history_size: 50,
            archive: false,
            push: Push::Mentions,
            join_timeout: 60_000,
            max_rooms: 200,
            max_occupants: 5_000,
        }
    }
}
