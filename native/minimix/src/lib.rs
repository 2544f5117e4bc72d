//! The pure core of mod_minimix: an *account* joins each room once, and all its *sessions* take
//! part in it, each in a conversation of its own that XEP-0045 allows.
//!
//! Every decision is made here and none is carried out. There is no clock, no lock, no log and no
//! input or output: a [`Room`] takes one [`Input`] and returns [`Effects`], a closed list that
//! the host executes. Time is an argument.
//!
//! ```text
//!   session ──stanza──►┐                              ┌──► Send, AsAccount ──► room
//!   room ─────stanza──►├─► Room::handle ──► Effects ──┤
//!   stream ends, time ─►┘   (one account               └──► Fork, Replay ───► sessions
//!                            changes as a whole)
//! ```
//!
//! # Example
//!
//! ```
//! use minimix::{Account, Config, Effect, Environment, Input, Millis, Nick, Room, RoomJid};
//! use minimix::{Session, SessionId, Xml};
//!
//! let config = Config::default();
//! let around = Environment::new(Millis(0), &config);
//! let mut room = Room::new(RoomJid::from("room@rooms.example"), Millis(0));
//! let phone = Session { id: SessionId(1), resource: "phone".into() };
//! let join = "<presence xmlns='jabber:client'><x xmlns='http://jabber.org/protocol/muc'/></presence>";
//! let effects = room.handle(
//!     &Account::from("alice@home.example"),
//!     Input::FromSession {
//!         session: phone,
//!         nick: Some(Nick::from("alice")),
//!         stanza: join.parse::<Xml>()?,
//!     },
//!     around,
//! );
//! assert!(effects.iter().any(|effect| matches!(effect, Effect::Join { .. })));
//! # Ok::<(), minidom::Error>(())
//! ```

#![forbid(unsafe_code)]

mod address;
mod archiving;
mod asked;
mod attachments;
mod author;
mod config;
mod control;
mod detached;
mod doubting;
mod effect;
mod entering;
mod facts;
mod held;
mod history;
mod input;
mod intent;
mod interned;
mod leaving;
mod log;
mod membership;
mod messages;
mod muc_user;
mod names;
mod pending;
mod presences;
mod pushing;
mod recall;
mod record;
mod repairing;
mod request;
mod requests;
mod room;
mod roster;
mod sent;
mod settling;
mod showing;
mod state;
mod tombstone;
mod versions;
pub mod xml;

pub use config::{Config, LeavePolicy, NickPolicy, OccupantAddress, OfflinePresence, Push};
pub use effect::{Effect, Effects, Gate, StanzaError, StanzaId, Target};
pub use facts::{Counters, Facts, Stage, Tally};
pub use input::{Command, Input};
pub use names::{Account, Millis, Nick, Resource, RoomJid, Session, SessionId};
pub use recall::{Archived, Recall};
pub use record::{Bookmark, Cause, Notify, Place, Record};
pub use room::{Environment, Room, Standing};
pub use tombstone::tombstone;
pub use xml::Xml;
