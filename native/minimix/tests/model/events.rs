//! What the others do in the naive room.

use minimix::Xml;

use crate::room::{JIDS, Occupant, Room, Says, Scope};
use crate::stanza::{self, NS_MODEL, NS_PING, NS_USER, element, stanza as build, text};
use crate::transition::{Event, NATIVES, NICKS, SHOWS};

impl Room {
    pub fn happens(&mut self, event: &Event, now: u64) {
        match *event {
            Event::Enter { native } => self.native_enters(native),
            Event::Exit { native } => self.goes(&native_jid(native), &[], Goes::Itself),
            Event::Talk { native, id } => {
                let body = text("body", &format!("native {native}"));
                self.native_publishes(native, Some(id), body, now);
            }
            Event::Topic { native } => {
                let number = self.number();
                self.native_publishes(
                    native,
                    None,
                    text("subject", &format!("topic {number}")),
                    now,
                );
            }
            Event::Rename { native, nick } => self.native_renames(native, nick),
            Event::Show { native, show } => {
                if let Some(occupant) = self.occupant_mut(&native_jid(native)) {
                    occupant.presence = shown(show);
                    let changed = occupant.clone();
                    self.tell_all(&changed, &Says::default(), Scope::Live, None);
                }
            }
            Event::Whisper { native, account } => self.native_whispers(native, account),
            Event::Ask { native, account } => self.native_asks(native, account),
            Event::Kick { whom } => self.removed(whom, &[307]),
            // For a reason of the room, so that the account stays out.
            Event::Eject { whom } => self.removed(whom, &[321]),
            Event::Ban { whom } => {
                if let Some(jid) = self.at(whom) {
                    self.affiliations.insert(crate::room::bare(&jid).to_owned(), "outcast");
                    self.removed(whom, &[301]);
                }
            }
            Event::Pardon => self.affiliations.retain(|_, affiliation| *affiliation != "outcast"),
            Event::Role { whom, role } => self.role_changes(whom, role),
            Event::Destroy => self.destroyed(),
            Event::Anonymity => {
                self.style.is_anonymous = !self.style.is_anonymous;
                let code = if self.style.is_anonymous { "173" } else { "172" };
                let status = element("status", &[("code", code)], &[]);
                let x = element("x", &[("xmlns", NS_USER)], &[status]);
                let from = self.jid.clone();
                let attributes = [("from", Some(from.as_str())), ("type", Some("groupchat"))];
                self.message_to_all(&build("message", &attributes, &[x]), None);
            }
            Event::Password => self.password = !self.password,
            Event::Refuse { account } => self.refuses[usize::from(account) % JIDS.len()] = true,
        }
    }

    fn at(&self, whom: u8) -> Option<String> {
        let at = usize::from(whom).checked_rem(self.occupants.len())?;
        self.occupants.get(at).map(|occupant| occupant.jid.clone())
    }

    fn native_enters(&mut self, native: u8) {
        let jid = native_jid(native);
        let free = NICKS
            .iter()
            .cycle()
            .skip(1 + usize::from(native) % NATIVES)
            .take(NICKS.len())
            .map(|nick| self.accepted_nick(nick))
            .find(|nick| !self.is_taken(nick, &jid));
        let (None, Some(nick), false) = (self.occupant(&jid), free, self.is_locked) else { return };
        self.exists = true;
        let occupant = Occupant {
            role: self.role_on_entering(&jid),
            affiliation: self.affiliation(&jid),
            presence: shown(0),
            jid,
            nick,
        };
        if occupant.affiliation != "outcast" {
            self.occupants.push(occupant.clone());
            self.tell_all(&occupant, &Says::default(), Scope::Live, None);
        }
    }

    fn native_publishes(&mut self, native: u8, id: Option<u8>, content: Xml, now: u64) {
        let Some(sender) = self.occupant(&native_jid(native)).cloned() else { return };
        let id = id.map(|id| format!("m{id}"));
        let unknown = element("unknown", &[("xmlns", NS_MODEL), ("a", "b")], &[text("c", "<&'")]);
        let attributes =
            [("type", Some("groupchat")), ("id", id.as_deref()), ("xml:lang", Some("de"))];
        self.publish(&sender.nick, &build("message", &attributes, &[content, unknown]), None, now);
    }

    fn native_renames(&mut self, native: u8, nick: u8) {
        let jid = native_jid(native);
        let nick = self.accepted_nick(NICKS[usize::from(nick) % NICKS.len()]);
        if self.is_taken(&nick, &jid) {
            return;
        }
        if let Some(known) = self.occupant(&jid).filter(|known| known.nick != nick).cloned() {
            let presence = known.presence.clone();
            self.say_renamed(&known, &nick, presence, None, None);
        }
    }

    fn native_whispers(&mut self, native: u8, account: u8) {
        let to = JIDS[usize::from(account) % JIDS.len()];
        if self.occupant(to).is_some()
            && let Some(sender) = self.occupant(&native_jid(native))
        {
            let from = self.address(&sender.nick);
            let attributes = [("from", Some(from.as_str())), ("type", Some("chat"))];
            let number = self.number();
            let body = text("body", &format!("in private {number}"));
            let marked = element("x", &[("xmlns", NS_USER)], &[]);
            let message = build("message", &attributes, &[body, marked]);
            self.send(to, Scope::Live, false, None, message);
        }
    }

    fn native_asks(&mut self, native: u8, account: u8) {
        let to = JIDS[usize::from(account) % JIDS.len()];
        if self.occupant(to).is_some()
            && let Some(sender) = self.occupant(&native_jid(native))
        {
            let from = self.address(&sender.nick);
            let number = format!("q{}", self.number());
            let name = if account.is_multiple_of(2) { NS_PING } else { "jabber:iq:version" };
            let query = element("ping", &[("xmlns", name)], &[]);
            let attributes = [
                ("from", Some(from.as_str())),
                ("type", Some("get")),
                ("id", Some(number.as_str())),
            ];
            let request = build("iq", &attributes, &[query]);
            self.send(to, Scope::Request, false, None, request);
        }
    }

    fn removed(&mut self, whom: u8, codes: &[u16]) {
        if let Some(jid) = self.at(whom) {
            self.goes(&jid, codes, Goes::Removed);
        }
    }

    fn goes(&mut self, jid: &str, codes: &[u16], how: Goes) {
        let Some(gone) = self.occupant(jid).cloned() else { return };
        if matches!(how, Goes::Removed) && self.style.says_bare_unavailable {
            self.says_itself_unavailable(jid);
        }
        let says = Says { unavailable: true, codes, ..Says::default() };
        self.tell_all(&gone, &says, Scope::Out, None);
        self.remove(jid);
    }

    /// An error came back: the room takes it for a technical problem and says no more than 110.
    pub fn expels(&mut self, jid: &str) {
        self.goes(jid, &[], Goes::Itself);
    }

    fn says_itself_unavailable(&mut self, jid: &str) {
        let from = self.jid.clone();
        let attributes = [("from", Some(from.as_str())), ("type", Some("unavailable"))];
        self.send(jid, Scope::Live, false, None, build("presence", &attributes, &[]));
    }

    fn role_changes(&mut self, whom: u8, role: u8) {
        let role = ["moderator", "participant", "visitor"][usize::from(role) % 3];
        if let Some(jid) = self.at(whom)
            && let Some(occupant) = self.occupant_mut(&jid)
            && occupant.role != role
        {
            occupant.role = role;
            let changed = occupant.clone();
            self.tell_all(&changed, &Says::default(), Scope::Live, None);
        }
    }

    /// ejabberd's way: no 110.
    fn destroyed(&mut self) {
        for occupant in self.occupants.clone() {
            if self.style.says_bare_unavailable {
                self.says_itself_unavailable(&occupant.jid);
            }
            let item = element("item", &[("affiliation", "none"), ("role", "none")], &[]);
            let destroy = element("destroy", &[], &[text("reason", "no reason")]);
            let x = element("x", &[("xmlns", NS_USER)], &[item, destroy]);
            let from = self.address(&occupant.nick);
            let attributes = [("from", Some(from.as_str())), ("type", Some("unavailable"))];
            self.send(&occupant.jid, Scope::Out, true, None, build("presence", &attributes, &[x]));
        }
        let exists = !self.style.is_new;
        self.vanish();
        self.exists = exists;
    }
}

enum Goes {
    Itself,
    Removed,
}

pub fn native_jid(native: u8) -> String {
    format!("native{}@elsewhere.example/desk", usize::from(native) % NATIVES)
}

fn shown(show: u8) -> Xml {
    let show = SHOWS[usize::from(show) % SHOWS.len()].map(|show| text("show", show));
    let inside: Vec<Xml> = show.into_iter().collect();
    stanza::stanza("presence", &[], &inside)
}
