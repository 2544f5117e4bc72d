//! The addresses of XMPP as the core tells them apart.
//!
//! All arrive prepared (nodeprep, nameprep, resourceprep) by the host, so that equality of the
//! bytes is equality of the names (XEP-0045 §17.1.1).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(Arc::from(name))
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The bare JID of an account: the occupant's address that a room sees.
    Account
}

name! {
    /// The bare JID of a room.
    RoomJid
}

name! {
    /// The nick of an occupant: the resource of the occupant JID.
    Nick
}

name! {
    /// The resource of a session's full JID.
    Resource
}

impl RoomJid {
    /// The occupant JID of a nick.
    pub fn occupant(&self, nick: &Nick) -> String {
        format!("{self}/{nick}")
    }
}

/// The host's handle of a session's stream. Opaque; never reused while anybody remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A connected resource of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The stream.
    pub id: SessionId,
    /// Its resource.
    pub resource: Resource,
}

/// Milliseconds since the epoch of Unix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This much later.
    pub fn after(self, milliseconds: u64) -> Millis {
        Millis(self.0.saturating_add(milliseconds))
    }
}
