//! Everything that can happen: a closed list, and how it is drawn.
//!
//! Numbers name things modulo how many there are, so that every transition is possible at any
//! time; one that makes no sense changes nothing.

use proptest::prelude::*;

use crate::room::Style;

pub const ACCOUNTS: usize = 2;
/// Of each account.
pub const DEVICES: usize = 3;
pub const ROOMS: usize = 2;
pub const NATIVES: usize = 3;
/// For which everybody competes.
pub const NICKS: [&str; 4] = ["an", "bo", "cy", "di"];
pub const SHOWS: [Option<&str>; 4] = [None, Some("away"), Some("dnd"), Some("chat")];

/// Options and the nature of the rooms.
#[derive(Clone, Debug)]
pub struct Setup {
    pub changes_nick: bool,
    pub never_leaves: bool,
    pub history_size: usize,
    pub max_occupants: usize,
    pub max_rooms: usize,
    pub styles: [Style; ROOMS],
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            changes_nick: false,
            never_leaves: false,
            history_size: 50,
            max_occupants: 5_000,
            max_rooms: 200,
            styles: [Style::default(), Style::default()],
        }
    }
}

/// Which history a session wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    All,
    None,
    Stanzas(u8),
    Seconds(u8),
    Since(u8),
}

#[derive(Clone, Debug)]
pub enum Transition {
    /// A device opens a stream, if it has none.
    Connect {
        device: u8,
    },
    /// A device opens a stream while the server still holds its old one.
    Replace {
        device: u8,
    },
    /// The server notices that a replaced stream is over.
    Bury {
        which: u8,
    },
    /// A stream is lost for good.
    Lose {
        device: u8,
    },
    /// A stream is lost and resumed.
    Resume {
        device: u8,
    },
    /// General unavailable presence.
    Hide {
        device: u8,
    },
    Join {
        device: u8,
        room: u8,
        nick: u8,
        password: bool,
        wish: Wish,
    },
    Update {
        device: u8,
        room: u8,
        show: u8,
    },
    Rename {
        device: u8,
        room: u8,
        nick: u8,
    },
    Leave {
        device: u8,
        room: u8,
    },
    Say {
        device: u8,
        room: u8,
        id: Option<u8>,
    },
    Whisper {
        device: u8,
        room: u8,
        nick: u8,
        id: Option<u8>,
    },
    SetTopic {
        device: u8,
        room: u8,
    },
    Ping {
        device: u8,
        room: u8,
    },
    /// A client answers with an error what came from the room.
    Fail {
        device: u8,
        room: u8,
        presence: bool,
    },
    /// The owner of a room accepts its configuration.
    Configure {
        device: u8,
        room: u8,
    },
    /// A stream takes the next item from its mailbox.
    Receive {
        which: u8,
    },
    /// The next stanza of a process arrives at a room.
    ToRoom {
        which: u8,
    },
    /// The next stanza of a room arrives at an account.
    FromRoom {
        which: u8,
    },
    /// The next stanza of a process never arrives.
    Vanish {
        which: u8,
    },
    /// Everything under way arrives.
    Settle,
    /// Time passes.
    Wait {
        how: u8,
    },
    /// The account is removed from the server.
    Stop {
        account: u8,
    },
    InRoom {
        room: u8,
        event: Event,
    },
}

/// What others do in a room.
#[derive(Clone, Debug)]
pub enum Event {
    Enter {
        native: u8,
    },
    Exit {
        native: u8,
    },
    Talk {
        native: u8,
        id: u8,
    },
    Rename {
        native: u8,
        nick: u8,
    },
    Show {
        native: u8,
        show: u8,
    },
    Whisper {
        native: u8,
        account: u8,
    },
    Ask {
        native: u8,
        account: u8,
    },
    Topic {
        native: u8,
    },
    Kick {
        whom: u8,
    },
    Ban {
        whom: u8,
    },
    /// A technical removal: nothing but 110, where the room says that.
    Eject {
        whom: u8,
    },
    /// Nobody is banned any more.
    Pardon,
    Role {
        whom: u8,
        role: u8,
    },
    Destroy,
    /// The room shows or hides addresses from now on.
    Anonymity,
    /// The room asks for a password, or no longer.
    Password,
    /// The room refuses the next stanza of an account.
    Refuse {
        account: u8,
    },
}

fn device() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0..3u8, 1 => 3..6u8]
}

fn room() -> impl Strategy<Value = u8> {
    prop_oneof![5 => Just(0u8), 1 => Just(1u8)]
}

fn nick() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0u8), 1 => 1..4u8]
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::All),
        1 => Just(Wish::None),
        1 => (0..3u8).prop_map(Wish::Stanzas),
        1 => (0..9u8).prop_map(Wish::Seconds),
        1 => (0..9u8).prop_map(Wish::Since),
    ]
}

fn message_id() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 4 => (0..2u8).prop_map(Some)]
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..3u8).prop_map(|native| Event::Enter { native }),
        2 => (0..3u8).prop_map(|native| Event::Exit { native }),
        4 => (0..3u8, 0..2u8).prop_map(|(native, id)| Event::Talk { native, id }),
        2 => (0..3u8, 0..4u8).prop_map(|(native, nick)| Event::Rename { native, nick }),
        2 => (0..3u8, 0..4u8).prop_map(|(native, show)| Event::Show { native, show }),
        1 => (0..3u8, 0..2u8).prop_map(|(native, account)| Event::Whisper { native, account }),
        1 => (0..3u8, 0..2u8).prop_map(|(native, account)| Event::Ask { native, account }),
        1 => (0..3u8).prop_map(|native| Event::Topic { native }),
        2 => (0..5u8).prop_map(|whom| Event::Kick { whom }),
        1 => (0..5u8).prop_map(|whom| Event::Ban { whom }),
        1 => (0..5u8).prop_map(|whom| Event::Eject { whom }),
        1 => Just(Event::Pardon),
        2 => (0..5u8, 0..3u8).prop_map(|(whom, role)| Event::Role { whom, role }),
        1 => Just(Event::Destroy),
        1 => Just(Event::Anonymity),
        1 => Just(Event::Password),
        2 => (0..2u8).prop_map(|account| Event::Refuse { account }),
    ]
}

pub fn transition() -> impl Strategy<Value = Transition> {
    let at = || (device(), room());
    prop_oneof![
        12 => (device(), room(), nick(), prop::bool::weighted(0.2), wish()).prop_map(
            |(device, room, nick, password, wish)| Transition::Join { device, room, nick, password, wish }
        ),
        4 => (device(), room(), 0..4u8)
            .prop_map(|(device, room, show)| Transition::Update { device, room, show }),
        3 => (device(), room(), 0..4u8)
            .prop_map(|(device, room, nick)| Transition::Rename { device, room, nick }),
        5 => at().prop_map(|(device, room)| Transition::Leave { device, room }),
        6 => (device(), room(), message_id())
            .prop_map(|(device, room, id)| Transition::Say { device, room, id }),
        1 => (device(), room(), 0..4u8, message_id())
            .prop_map(|(device, room, nick, id)| Transition::Whisper { device, room, nick, id }),
        1 => at().prop_map(|(device, room)| Transition::SetTopic { device, room }),
        1 => at().prop_map(|(device, room)| Transition::Ping { device, room }),
        1 => (device(), room(), any::<bool>())
            .prop_map(|(device, room, presence)| Transition::Fail { device, room, presence }),
        2 => at().prop_map(|(device, room)| Transition::Configure { device, room }),
        2 => device().prop_map(|device| Transition::Connect { device }),
        1 => device().prop_map(|device| Transition::Replace { device }),
        1 => (0..3u8).prop_map(|which| Transition::Bury { which }),
        1 => device().prop_map(|device| Transition::Lose { device }),
        2 => device().prop_map(|device| Transition::Resume { device }),
        1 => device().prop_map(|device| Transition::Hide { device }),
        14 => (0..6u8).prop_map(|which| Transition::Receive { which }),
        16 => (0..6u8).prop_map(|which| Transition::ToRoom { which }),
        20 => (0..4u8).prop_map(|which| Transition::FromRoom { which }),
        1 => (0..6u8).prop_map(|which| Transition::Vanish { which }),
        5 => Just(Transition::Settle),
        3 => (0..5u8).prop_map(|how| Transition::Wait { how }),
        1 => (0..2u8).prop_map(|account| Transition::Stop { account }),
        16 => (room(), event()).prop_map(|(room, event)| Transition::InRoom { room, event }),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let often = |probability| prop::bool::weighted(probability);
    (
        (often(0.8), often(0.5), often(0.7), often(0.2), often(0.4), often(0.3)),
        (often(0.6), often(0.5), often(0.8), 0..4usize, often(0.5), often(0.2)),
    )
        .prop_map(|((marks, self_jid, anonymous, rewrites, locks, lax), more)| {
            let (quirk, echoes, subjects, keeps, caps, moderated) = more;
            Style {
                marks_self: marks || rewrites || lax,
                tells_self_jid: self_jid,
                is_anonymous: anonymous,
                rewrites_nicks: rewrites,
                is_new: locks,
                lets_in_anybody: lax,
                says_bare_unavailable: quirk,
                echoes_ids: echoes,
                // Where nothing ends a burst nobody can tell its end.
                tells_subject: subjects || !(marks || rewrites || lax) || !echoes,
                keeps,
                has_presence: caps,
                is_moderated: moderated,
            }
        })
}

pub fn setup() -> impl Strategy<Value = Setup> {
    (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::sample::select(vec![50usize, 50, 2, 0]),
        prop::sample::select(vec![5_000usize, 5_000, 2, 1]),
        prop::sample::select(vec![200usize, 200, 200, 1]),
        [style(), style()],
    )
        .prop_map(
            |(changes_nick, never_leaves, history_size, max_occupants, max_rooms, styles)| Setup {
                changes_nick,
                never_leaves,
                history_size,
                max_occupants,
                max_rooms,
                styles,
            },
        )
}
