//! Whether the room still knows the account: it pings itself there after a silence (XEP-0410).

use crate::author;
use crate::effect::{Effect, StanzaError};
use crate::held;
use crate::membership::{Cx, Membership};
use crate::names::{Millis, Nick, Session};
use crate::repairing;
use crate::state::State;
use crate::xml::{Element, Xml};

/// How long an answer may take.
const PATIENCE: u64 = 30_000;
/// How soon it is asked again that has not answered.
const AGAIN: u64 = 60_000;
/// Over how much time the pings are spread that one broken link causes.
const SPREAD: u64 = 10_000;
/// Errors that only those get who are in the room (XEP-0410 §3.2). There item-not-found is one, for
/// a nick that has just been changed; but rooms that have been restarted give it to strangers.
const FROM_OCCUPANTS: [&str; 2] = ["service-unavailable", "feature-not-implemented"];
/// Errors that say nothing.
const FROM_ELSEWHERE: [&str; 2] = ["remote-server-not-found", "remote-server-timeout"];

/// The doubts of one account about one room.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    /// The ping under way, and when its answer is late.
    asked: Option<(u64, Millis)>,
    /// When to ask at the latest.
    due: Option<Millis>,
    /// The link broke, and what was on its way then may be lost.
    broken_at: Option<Millis>,
    /// What the room said may not have arrived.
    has_gap: bool,
}

impl Doubt {
    /// Whether this is the answer.
    fn is_answer(&self, id: &str) -> bool {
        self.asked.is_some_and(|(number, _)| author::own_id(number) == id)
    }

    fn is_open(&self) -> bool {
        self.asked.is_some() || self.due.is_some()
    }

    /// It has an answer.
    pub fn close(&mut self) {
        self.asked = None;
        self.due = None;
        self.has_gap = false;
    }
}

impl Membership {
    /// The link to the service broke, or is back.
    pub fn link_broke(&mut self, cx: &Cx<'_>) {
        self.doubt.broken_at = Some(cx.now);
        // That answer may be lost, too.
        self.doubt.asked = None;
        self.doubt(cx);
    }

    /// The service has lost a link to this server, with what was on its way.
    pub fn suspect_a_gap(&mut self, cx: &Cx<'_>) {
        self.doubt.has_gap = true;
        self.doubt(cx);
    }

    /// The room has said that it knows the account.
    fn is_certain(&mut self, cx: &mut Cx<'_>) {
        self.queue.gap |= std::mem::take(&mut self.doubt.has_gap);
        self.repeat_what_is_lost(cx);
    }

    /// Something happened that may have cost the account its place.
    pub fn doubt(&mut self, cx: &Cx<'_>) {
        let soon = cx.now.after(repairing::jitter(cx, 0, SPREAD));
        self.doubt.due = Some(self.doubt.due.map_or(soon, |due| due.min(soon)));
    }

    /// What was said before the link broke and has not come back is said again, once.
    pub fn repeat_what_is_lost(&mut self, cx: &mut Cx<'_>) {
        let Some(broken_at) = self.doubt.broken_at.take() else {
            return;
        };
        let said_later = self.held.take();
        // What has no body, a typing notification for instance, is out of date.
        let is_due = |stanza: &Xml| stanza.root().inner("body").is_some();
        let lost = self.sent.take_said_until(broken_at).into_iter().filter_map(|taken| {
            let stanza = taken.stanza.filter(is_due)?;
            Some(held::Message { session: taken.session, stanza })
        });
        for message in lost.chain(said_later) {
            if let Err(message) = self.held.add(message) {
                self.refuse(cx, &message);
            }
        }
        self.send_held(cx);
    }

    /// Whether nobody knows at the moment if the room knows the account.
    pub fn is_in_doubt(&self) -> bool {
        match self.state {
            State::Away(_) => true,
            _ => self.is_established() && self.doubt.is_open(),
        }
    }

    /// A session asks what the account asks itself: it waits for the same answer.
    pub fn share_the_doubt(&mut self, cx: &mut Cx<'_>, session: Session, nick: Nick, id: &str) {
        let given_up = self.pings.add(session, Some(nick), id, false, 0, cx.now).1;
        if self.is_established() && self.doubt.asked.is_none() {
            self.doubt.due = Some(cx.now);
        }
        for question in given_up {
            self.give_up(cx, &question);
        }
    }

    /// Sessions that ping themselves get a result when it is certain that they are in the room.
    pub fn answer_pings(&mut self, cx: &mut Cx<'_>) {
        if self.is_in_doubt() {
            return;
        }
        for ping in self.pings.take_all() {
            let from = cx.occupant(ping.to.as_ref().unwrap_or(&self.nick));
            let stanza = match self.attachments.attached(ping.by.id) {
                Some(_) => author::iq_result(&from, &ping.id),
                None => author::iq_error("from", &from, &ping.id, StanzaError::NotAcceptable),
            };
            cx.push(Effect::Deliver { target: ping.asker(), stanza });
        }
    }

    fn give_up_pings(&mut self, cx: &mut Cx<'_>) {
        for ping in self.pings.take_all() {
            self.give_up(cx, &ping);
        }
    }

    /// When the next ping is due, or the answer late.
    pub fn doubts_at(&self, silence: u64) -> Option<Millis> {
        if !self.is_established() {
            return None;
        }
        let late = self.doubt.asked.map(|(_, until)| until);
        late.or(self.doubt.due).or(Some(self.heard.after(silence)))
    }

    /// Pings when the time has come.
    pub fn ping_if_due(&mut self, cx: &mut Cx<'_>) {
        if self.doubts_at(cx.silence()).is_none_or(|at| at > cx.now) {
            return;
        }
        if self.doubt.asked.take().is_some() {
            let again = cx.now.after(AGAIN.min(cx.config.ping_interval));
            self.doubt.due = Some(self.doubt.due.map_or(again, |due| due.min(again)));
            return self.give_up_pings(cx);
        }
        let number = cx.fresh();
        self.doubt.asked = Some((number, cx.now.after(PATIENCE)));
        self.doubt.due = None;
        let stanza = author::ping(&cx.occupant(&self.nick), number);
        cx.push(Effect::Send { stanza });
    }

    /// An answer of the room; whether it was to such a ping.
    pub fn is_answer_to_doubt(
        &mut self,
        cx: &mut Cx<'_>,
        nick: Option<&Nick>,
        answer: Element<'_>,
    ) -> bool {
        let id = answer.attribute("id").unwrap_or_default();
        if !nick.is_some_and(|nick| self.is_own_nick(nick)) || !self.doubt.is_answer(id) {
            return false;
        }
        self.doubt.asked = None;
        match author::condition(answer) {
            None => self.is_certain(cx),
            Some(condition) if FROM_OCCUPANTS.contains(&condition) => self.is_certain(cx),
            Some(condition) if FROM_ELSEWHERE.contains(&condition) || is_for_now(answer) => {
                self.doubt.due = Some(cx.now.after(AGAIN.min(cx.config.ping_interval)));
                self.give_up_pings(cx);
            }
            Some(_) if self.is_established() => self.lost(cx),
            Some(_) => {}
        }
        true
    }
}

/// An error that asks to try again later says nothing of the membership (RFC 6120 §8.3.2).
fn is_for_now(error: Element<'_>) -> bool {
    error.inner("error").is_some_and(|error| error.attribute("type") == Some("wait"))
}
