//! A naive room: who is in it, and what it tells whom (XEP-0045 as ejabberd understands it).

use std::collections::{BTreeMap, VecDeque};

use minimix::Xml;

use crate::stanza::{self, NS_USER, element, stanza as build};

/// The accounts under test, by the bare JIDs that are their occupant addresses.
pub const JIDS: [&str; 2] = ["alice@home.example", "bob@home.example"];
pub const PASSWORD: &str = "secret";

/// The nature of a room.
#[derive(Clone, Debug)]
pub struct Style {
    /// Self-presences carry 110.
    pub marks_self: bool,
    /// An occupant is always shown its own address.
    pub tells_self_jid: bool,
    /// Only moderators see addresses.
    pub is_anonymous: bool,
    /// Nicks become upper case, which 210 tells.
    pub rewrites_nicks: bool,
    /// It does not exist before somebody enters, and must be configured then.
    pub is_new: bool,
    /// Any available presence is a join (groupchat 1.0).
    pub lets_in_anybody: bool,
    /// A removal is preceded by an unavailable presence of the room itself.
    pub says_bare_unavailable: bool,
    /// The id of a presence comes back.
    pub echoes_ids: bool,
    /// The subject follows the history.
    pub tells_subject: bool,
    /// Messages for who enters.
    pub keeps: usize,
    /// The room has a presence of its own.
    pub has_presence: bool,
    /// Who has no affiliation has no voice.
    pub is_moderated: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style {
            marks_self: true,
            tells_self_jid: true,
            is_anonymous: true,
            rewrites_nicks: false,
            is_new: false,
            lets_in_anybody: false,
            says_bare_unavailable: true,
            echoes_ids: true,
            tells_subject: true,
            keeps: 3,
            has_presence: false,
            is_moderated: false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Occupant {
    pub jid: String,
    pub nick: String,
    pub role: &'static str,
    pub affiliation: &'static str,
    /// What the presence carries besides what the room says.
    pub presence: Xml,
}

/// What a stanza of the room is to the account that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Presence of the room or another occupant for who enters.
    Greeting,
    /// The self-presence that ends those.
    Entered,
    /// History for who enters.
    Past,
    /// The subject for who enters.
    Subject,
    /// It happened now.
    Live,
    /// The account is no longer an occupant.
    Out,
    /// An error.
    Refusal,
    /// The answer to a ping of itself.
    Pong,
    /// A request of an occupant.
    Request,
    /// An answer to the account.
    Answer,
}

/// A stanza on its way from the room to an account.
#[derive(Clone, Debug)]
pub struct Down {
    pub account: usize,
    pub stanza: Xml,
    pub scope: Scope,
    /// It is about the account's own occupant.
    pub own: bool,
    /// The stanza that it finally answers.
    pub answers: Option<u64>,
}

/// A stanza on its way to the room.
#[derive(Clone, Debug)]
pub struct Up {
    pub from: String,
    pub nick: Option<String>,
    pub stanza: Xml,
    pub ticket: u64,
}

/// What the room says in a presence.
#[derive(Default)]
pub struct Says<'a> {
    pub unavailable: bool,
    pub codes: &'a [u16],
    pub self_codes: &'a [u16],
    pub new_nick: Option<&'a str>,
    pub id: Option<&'a str>,
}

#[derive(Debug)]
pub struct Room {
    pub jid: String,
    pub style: Style,
    pub exists: bool,
    pub is_locked: bool,
    pub password: bool,
    pub occupants: Vec<Occupant>,
    pub affiliations: BTreeMap<String, &'static str>,
    pub history: VecDeque<(u64, Xml)>,
    pub subject: Option<Xml>,
    pub refuses: [bool; JIDS.len()],
    pub out: Vec<Down>,
    pub numbers: u64,
}

impl Room {
    pub fn new(jid: &str, style: Style) -> Room {
        let exists = !style.is_new;
        Room {
            jid: jid.to_owned(),
            style,
            exists,
            is_locked: false,
            password: false,
            occupants: Vec::new(),
            affiliations: BTreeMap::new(),
            history: VecDeque::new(),
            subject: None,
            refuses: [false; JIDS.len()],
            out: Vec::new(),
            numbers: 0,
        }
    }

    pub fn occupant(&self, jid: &str) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.jid == jid)
    }

    pub fn occupant_mut(&mut self, jid: &str) -> Option<&mut Occupant> {
        self.occupants.iter_mut().find(|occupant| occupant.jid == jid)
    }

    pub fn is_taken(&self, nick: &str, by_other_than: &str) -> bool {
        self.occupants.iter().any(|o| o.nick == nick && bare(&o.jid) != bare(by_other_than))
    }

    pub fn address(&self, nick: &str) -> String {
        format!("{}/{nick}", self.jid)
    }

    pub fn accepted_nick(&self, wanted: &str) -> String {
        match self.style.rewrites_nicks {
            true => wanted.to_uppercase(),
            false => wanted.to_owned(),
        }
    }

    pub fn affiliation(&self, jid: &str) -> &'static str {
        self.affiliations.get(bare(jid)).copied().unwrap_or("none")
    }

    pub fn role_on_entering(&self, jid: &str) -> &'static str {
        match self.affiliation(jid) {
            "owner" => "moderator",
            "none" if self.style.is_moderated => "visitor",
            _ => "participant",
        }
    }

    pub fn send(&mut self, to: &str, scope: Scope, own: bool, answers: Option<u64>, stanza: Xml) {
        if let Some(account) = JIDS.iter().position(|jid| *jid == to) {
            self.out.push(Down { account, stanza, scope, own, answers });
        }
    }

    /// The presence of an occupant as another one is shown it.
    pub fn presence(&self, of: &Occupant, to: &Occupant, says: &Says<'_>) -> Xml {
        let is_self = of.jid == to.jid;
        let mut item = vec![("affiliation", of.affiliation)];
        item.push((
            "role",
            if says.unavailable && says.new_nick.is_none() { "none" } else { of.role },
        ));
        let shows = !self.style.is_anonymous
            || to.role == "moderator"
            || (is_self && self.style.tells_self_jid);
        item.extend(shows.then_some(("jid", of.jid.as_str())));
        item.extend(says.new_nick.map(|nick| ("nick", nick)));
        let mut codes = says.codes.to_vec();
        if is_self {
            codes.extend(says.self_codes);
            codes.extend(self.style.marks_self.then_some(110));
        }
        let mut inside = vec![element("item", &item, &[])];
        inside.extend(
            codes.iter().map(|code| element("status", &[("code", &code.to_string())], &[])),
        );
        let x = element("x", &[("xmlns", NS_USER)], &inside);
        let from = self.address(&of.nick);
        let id = says.id.filter(|_| is_self && self.style.echoes_ids);
        let base = match says.unavailable {
            true => build("presence", &[("type", Some("unavailable"))], &[]),
            false => of.presence.clone(),
        };
        base.edited(&[("from", Some(&from)), ("id", id)], |_| true, &[x])
    }

    /// Tells everybody about one; to the one itself it is `scope`.
    pub fn tell_all(&mut self, of: &Occupant, says: &Says<'_>, scope: Scope, answers: Option<u64>) {
        let told: Vec<(Occupant, Xml)> =
            self.occupants.iter().map(|to| (to.clone(), self.presence(of, to, says))).collect();
        for (to, stanza) in told {
            let is_self = to.jid == of.jid;
            let scope = if is_self { scope } else { Scope::Live };
            self.send(&to.jid, scope, is_self, answers.filter(|_| is_self), stanza);
        }
    }

    pub fn message_to_all(&mut self, message: &Xml, by: Option<(&str, u64)>) {
        let to: Vec<String> = self.occupants.iter().map(|occupant| occupant.jid.clone()).collect();
        for jid in to {
            let answers = by.filter(|(sender, _)| *sender == jid).map(|(_, ticket)| ticket);
            self.send(&jid, Scope::Live, false, answers, message.clone());
        }
    }

    pub fn remember(&mut self, message: &Xml, now: u64) {
        self.history.push_back((now, message.clone()));
        while self.history.len() > self.style.keeps {
            self.history.pop_front();
        }
    }

    /// The last one has gone, or the room is destroyed.
    pub fn vanish(&mut self) {
        self.occupants.clear();
        self.history.clear();
        self.subject = None;
        self.password = false;
        self.is_locked = false;
        self.exists = false;
        self.affiliations.clear();
    }

    pub fn remove(&mut self, jid: &str) {
        self.occupants.retain(|occupant| occupant.jid != jid);
        if self.occupants.is_empty() && self.style.is_new {
            self.vanish();
        }
    }

    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn refuse(&mut self, up: &Up, kind: &str, condition: &str) {
        let from = match &up.nick {
            Some(nick) => self.address(nick),
            None => self.jid.clone(),
        };
        let error = stanza::error(&up.stanza, &from, kind, condition);
        self.send(&up.from, Scope::Refusal, false, Some(up.ticket), error);
    }
}

pub fn bare(jid: &str) -> &str {
    jid.split('/').next().unwrap_or_default()
}
