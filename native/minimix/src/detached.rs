//! An account without sessions in a room (XEP-0045 knows none such; it is an occupant like others).

use crate::author;
use crate::config::{Config, LeavePolicy};
use crate::control::NickChange;
use crate::effect::{Effect, StanzaError};
use crate::input::Command;
use crate::intent::Intent;
use crate::membership::{Cx, Membership};
use crate::names::{Millis, Nick};
use crate::record::{Bookmark, Cause, Place, Record};
use crate::state::State;
use crate::xml::Element;

const NS_DISCO: &str = "http://jabber.org/protocol/disco#info";

/// Whether the room is one that exists for nobody.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    due: Option<Millis>,
    asked: Option<u64>,
}

impl Probe {
    /// When to look.
    pub fn at(&self) -> Option<Millis> {
        self.due
    }

    /// Whether it matters who else is in the room.
    pub fn is_active(&self) -> bool {
        self.due.is_some() || self.asked.is_some()
    }
}

impl Membership {
    /// What was stored: the room may know the account or not.
    pub fn restore(&mut self, cx: &mut Cx<'_>, record: Record) {
        if self.state != State::Over {
            return;
        }
        self.nick = record.nick.clone();
        self.address.resource.clone_from(&record.resource);
        self.is_room = true;
        let place = record.place;
        self.intent = Intent::of(record);
        match place {
            Place::Joining | Place::Joined => {
                self.set_out(cx);
                // What is stored says the same; after a restart very many would be stored again.
                self.intent.detached_at.get_or_insert(cx.now);
                self.intent.is_stored(self.record());
            }
            Place::Out => self.state = State::Out,
        }
    }

    /// The bookmark of the room has changed (XEP-0402 §4).
    pub fn bookmarked(&mut self, cx: &mut Cx<'_>, bookmark: Option<Bookmark>) {
        let before = std::mem::replace(&mut self.intent.bookmark, bookmark);
        let was_wanted = before.as_ref().is_some_and(|before| before.autojoin);
        let is_wanted = self.intent.is_bookmarked();
        match self.state {
            State::Out | State::Over | State::Ended { .. } if is_wanted && !was_wanted => {
                self.enter_bookmarked(cx);
            }
            State::Out if !is_wanted => self.state = State::Over,
            State::Out | State::Over | State::Ended { .. } => {}
            State::Leaving => self.comes_back = is_wanted && (!was_wanted || self.comes_back),
            _ if is_wanted && !was_wanted => self.queue.goodbye = false,
            _ if was_wanted && !is_wanted => self.leave_if_detached(cx),
            _ => self.follow_nick(before.and_then(|before| before.nick)),
        }
    }

    fn leave_if_detached(&mut self, cx: &mut Cx<'_>) {
        if cx.config.leave == LeavePolicy::Auto && self.attachments.is_empty() {
            self.dismiss(cx);
        }
    }

    /// Whoever changes the nick in the bookmark wants that nick.
    fn follow_nick(&mut self, before: Option<Nick>) {
        let now = self.intent.bookmark.as_ref().and_then(|bookmark| bookmark.nick.clone());
        let (Some(before), Some(now)) = (before, now) else {
            return;
        };
        if now != before && now != self.nick {
            self.intent.regain = None;
            self.queue.nick = Some(NickChange { nick: now, by: None, id: None });
        }
    }

    /// As the bookmark says.
    pub fn enter_bookmarked(&mut self, cx: &mut Cx<'_>) {
        let Bookmark { nick, password, .. } = self.intent.bookmark.clone().unwrap_or_default();
        self.enter_alone(cx, nick, password, Cause::Bookmark);
    }

    fn enter_alone(
        &mut self,
        cx: &mut Cx<'_>,
        nick: Option<Nick>,
        password: Option<String>,
        cause: Cause,
    ) {
        let nick = nick.unwrap_or_else(|| {
            let local = cx.account.as_str().split('@').next();
            Nick::from(local.unwrap_or_default())
        });
        let intent = std::mem::take(&mut self.intent).begun(cause, password);
        let address = self.address.chosen(cx);
        *self = Membership { intent, address, arrivals: self.arrivals, ..Membership::new(nick) };
        self.set_out(cx);
    }

    /// An admin's word.
    pub fn commanded(&mut self, cx: &mut Cx<'_>, command: Command) {
        match command {
            Command::Join { nick, password } if self.is_out() => {
                self.enter_alone(cx, Some(nick), password, Cause::Command);
            }
            Command::Join { .. } => {}
            Command::Leave => {
                self.turn_away(cx, StanzaError::ServiceUnavailable);
                for attachment in self.attachments.take(|_| true) {
                    self.tell_out(cx, attachment.target(true), &[]);
                }
                self.dismiss(cx);
            }
            Command::Rejoin if self.is_established() => {
                // This is no relapse.
                self.stable_at = Millis::default();
                self.lost(cx);
            }
            Command::Rejoin => self.hurry(cx),
        }
    }

    /// The account leaves, and nobody waits for it.
    pub fn dismiss(&mut self, _cx: &mut Cx<'_>) {
        let waits = !self.attachments.is_empty();
        if !waits && !self.is_out() && self.state != State::Leaving {
            self.queue.goodbye = true;
        }
    }

    /// When an account without sessions leaves.
    pub fn dismissed_at(&self, config: &Config) -> Option<Millis> {
        Some(self.idle_since()?.after(config.detached_ttl))
    }

    /// Since when it could leave: no session is there, and no bookmark wants it.
    pub fn idle_since(&self) -> Option<Millis> {
        let stays = self.intent.is_bookmarked() || self.queue.goodbye;
        let is_here = self.is_established() || matches!(self.state, State::Away(_));
        self.intent.detached_at.filter(|_| is_here && !stays)
    }

    /// Time has passed without sessions.
    pub fn tick_detached(&mut self, cx: &mut Cx<'_>) {
        if self.dismissed_at(cx.config).is_some_and(|at| at <= cx.now) {
            self.dismiss(cx);
        }
        if self.probe.due.is_some_and(|due| due <= cx.now) {
            self.probe.due = None;
            if cx.is_deserted && self.is_idle() {
                let number = cx.fresh();
                self.probe.asked = Some(number);
                let stanza = author::question(&cx.room.to_string(), number, NS_DISCO);
                cx.push(Effect::Send { stanza });
            }
        }
    }

    /// Somebody has gone: perhaps nobody is left who needs the room.
    pub fn wonder(&mut self, cx: &Cx<'_>) {
        if self.is_idle() && self.probe.due.is_none() {
            self.probe.due = Some(cx.now.after(cx.config.offline_delay));
        }
    }

    /// In the room without anybody who would notice.
    pub fn is_idle(&self) -> bool {
        self.is_established() && self.attachments.is_empty()
    }

    /// An answer of the room; whether it was to this question. A room that lasts only as long as
    /// somebody is there is not kept alive (XEP-0045 §4.2).
    pub fn is_answer_to_probe(&mut self, cx: &mut Cx<'_>, answer: Element<'_>) -> bool {
        let id = answer.attribute("id").unwrap_or_default();
        if self.probe.asked.is_none_or(|number| author::own_id(number) != id) {
            return false;
        }
        self.probe.asked = None;
        let is_temporary = answer.child("query", NS_DISCO).is_some_and(|query| {
            query.children().any(|child| child.attribute("var") == Some("muc_temporary"))
        });
        if is_temporary && cx.is_deserted && self.is_idle() {
            self.dismiss(cx);
        }
        true
    }
}
