//! Sessions that go, and the ends of a membership (XEP-0045 §7.14, §8.2, §9, §10.9).

use crate::attachments::{Attachment, Phase};
use crate::author;
use crate::config::LeavePolicy;
use crate::control::{Kind, Leave};
use crate::effect::{Effect, Gate, StanzaError, StanzaId, Target};
use crate::membership::{Cx, Membership};
use crate::muc_user::code;
use crate::names::{Session, SessionId};
use crate::state::State;
use crate::xml::Xml;

impl Membership {
    /// A session leaves. The account follows when it was the last one.
    pub fn leave(&mut self, cx: &mut Cx<'_>, session: &Session, words: Xml) {
        let Some(gone) = self.attachments.remove(session.id) else {
            return;
        };
        self.promote_creator(cx, session.id);
        let stays = match cx.config.leave {
            LeavePolicy::Never => true,
            LeavePolicy::Auto if self.intent.is_bookmarked() => true,
            LeavePolicy::Auto | LeavePolicy::LastSession => !self.attachments.is_empty(),
        };
        if stays || self.state == State::Leaving || self.queue.leave.is_some() {
            let nick = if gone.is_attached() { &self.nick } else { &gone.request.nick };
            let own = self.own.as_ref();
            let jid = cx.full_jid(&session.resource);
            let stanza = author::unavailable(cx.room, nick, &jid, own, Some(&words), &[]);
            cx.push(Effect::Replay { stanzas: vec![stanza] });
            cx.push(Effect::Detached);
            self.queue.update = true;
            self.wonder(cx);
            return;
        }
        self.queue.leave = Some(Leave { by: gone.target(true), words });
        if self.is_established() {
            self.state = State::Leaving;
        }
    }

    /// A session is gone: that is no leave. For a while others see the account as if it were
    /// still there. Who became unavailable hears what the room would answer.
    pub fn detach(&mut self, cx: &mut Cx<'_>, session: SessionId, words: Option<&Xml>) {
        let Some(gone) = self.attachments.remove(session) else {
            return;
        };
        if let Some(words) = words.filter(|_| gone.is_attached()) {
            let (own, jid) = (self.own.as_ref(), cx.full_jid(&gone.session.resource));
            let stanza = author::unavailable(cx.room, &self.nick, &jid, own, Some(words), &[]);
            let target = Target { gate: Gate::Nothing, ..gone.target(false) };
            cx.push(Effect::Deliver { target, stanza });
        }
        self.lost.add(gone, cx.now.after(cx.config.offline_delay));
        self.excuse(cx, session);
        self.promote_creator(cx, session);
        self.wonder(cx);
    }

    /// Whom a session still owes an answer learns that there will be none.
    fn excuse(&mut self, cx: &mut Cx<'_>, gone: SessionId) {
        for (nick, id) in self.asked.forget(gone) {
            let to = nick.map_or_else(|| cx.room.to_string(), |nick| cx.occupant(&nick));
            let stanza = author::iq_error("to", &to, &id, StanzaError::ServiceUnavailable);
            cx.push(Effect::Send { stanza });
        }
    }

    /// When the creator of a locked room goes, the next one may configure it.
    fn promote_creator(&mut self, cx: &mut Cx<'_>, gone: SessionId) {
        if self.locked_by == Some(gone) {
            self.locked_by = self.attachments.iter().next().map(|next| next.session.id);
            self.invite(cx);
        }
    }

    /// The room says that the account is out.
    pub fn out(&mut self, cx: &mut Cx<'_>) {
        let last = |attachment: &Attachment| attachment.target(true);
        let mut targets: Vec<Target> = self.leaver().into_iter().collect();
        if self.state != State::Leaving {
            targets.extend(self.attachments.take(|_| true).iter().map(last));
        }
        cx.fork(targets, StanzaId::Keep, true);
        self.control = None;
        self.end(cx);
    }

    /// The room believes the account in, though it is out: it has taken a presence that crossed
    /// the removal for a join, or answers late.
    pub fn leave_again(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Leaving;
        let stanza = author::leave(&cx.occupant(&self.nick), None, None);
        self.send(cx, Kind::Leave, None, None, stanza);
    }

    fn leaver(&mut self) -> Option<Target> {
        let in_flight = self.control.take().and_then(|control| control.by);
        let queued = self.queue.leave.take().map(|leave| leave.by);
        queued.or(in_flight.filter(|by| by.last))
    }

    /// The module stops: nobody may believe to be in the room. What the room still says is
    /// awaited, so that it reaches nobody.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        let leave_in_flight = self.control.as_mut().filter(|c| matches!(c.kind, Kind::Leave));
        let is_leaving = leave_in_flight.is_some();
        let leaver = match self.queue.leave.take() {
            Some(leave) => Some(leave.by),
            None => leave_in_flight.and_then(|leave| leave.by.take()),
        };
        if let Some(leaver) = leaver {
            self.tell_out(cx, leaver, &[]);
        }
        self.turn_away(cx, StanzaError::ServiceUnavailable);
        for attachment in self.attachments.take(|_| true) {
            self.tell_out(cx, attachment.target(true), &[code::TECHNICAL]);
        }
        self.is_stopping = true;
        match self.state {
            State::Out => self.state = State::Over,
            State::Ended { .. } | State::Over => self.forget(cx),
            State::Joining => {}
            State::Away(_) => {
                self.control = None;
                self.queue.goodbye = true;
            }
            State::Filling { .. } | State::Joined | State::Leaving => {
                self.state = State::Leaving;
                self.queue.goodbye = !is_leaving;
            }
        }
    }

    /// A session that does not fetch its backlog is not there.
    pub fn drop_the_stuck(&mut self, cx: &mut Cx<'_>) {
        let stuck = self.attachments.take(Attachment::is_stuck);
        for attachment in stuck {
            self.tell_out(cx, attachment.target(true), &[code::TECHNICAL]);
        }
    }

    pub fn tell_out(&self, cx: &mut Cx<'_>, target: Target, codes: &[u16]) {
        let (own, jid) = (self.own.as_ref(), cx.full_jid(&target.resource));
        let stanza = author::unavailable(cx.room, &self.nick, &jid, own, None, codes);
        cx.push(Effect::Deliver { target, stanza });
    }

    /// Time has passed.
    pub fn tick(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            State::Ended { until } if until <= cx.now => return self.forget(cx),
            State::Filling { until } if until <= cx.now => self.filled(cx),
            State::Away(absence) => self.tick_away(cx, absence),
            _ => {}
        }
        self.ping_if_due(cx);
        self.tick_detached(cx);
        if self.end_of_burst().is_some_and(|end| end <= cx.now) {
            self.establish_unmarked(cx);
        }
        if self.locked_until <= cx.now {
            self.unlock(cx);
        }
        if self.lost.expire(cx.now) {
            self.queue.update = true;
        }
        if self.burst.is_some() || self.state == State::Joining {
            self.be_patient(cx);
        }
        let late = self
            .attachments
            .take(|attachment| attachment.waits_until().is_some_and(|until| until <= cx.now));
        for asker in late {
            self.turn_one_away(cx, &asker, StanzaError::RemoteServerTimeout);
        }
        for question in self.pending.expire(cx.now).into_iter().chain(self.pings.expire(cx.now)) {
            self.give_up(cx, &question);
        }
        if self.control.as_ref().is_some_and(|control| control.until <= cx.now) {
            self.unanswered(cx);
        }
    }

    /// While a room still tells its occupants nobody's time is over.
    fn be_patient(&mut self, cx: &Cx<'_>) {
        let patience = self.heard.after(cx.config.join_timeout);
        if patience <= cx.now {
            return;
        }
        if let Some(control) = &mut self.control {
            control.until = control.until.max(patience);
        }
        for attachment in self.attachments.iter_mut() {
            if let Phase::Waiting { until } | Phase::Returning { until, .. } = &mut attachment.phase
            {
                *until = patience.max(*until);
            }
        }
    }

    /// The room said nothing about the control presence in flight.
    fn unanswered(&mut self, cx: &mut Cx<'_>) {
        let Some(control) = self.control.take() else {
            return;
        };
        match control.kind {
            Kind::Join(_) => {
                if let Some(leave) = self.queue.leave.take() {
                    self.tell_out(cx, leave.by, &[]);
                }
                self.turn_away(cx, StanzaError::RemoteServerTimeout);
                let stanza = author::leave(&cx.occupant(&self.nick), None, None);
                cx.push(Effect::Send { stanza });
                self.end(cx);
                self.has_said_goodbye = true;
            }
            Kind::Leave => {
                if let Some(leaver) = control.by {
                    self.tell_out(cx, leaver, &[]);
                }
                self.end(cx);
            }
            Kind::Resync => {
                self.burst = None;
                self.turn_away(cx, StanzaError::RemoteServerTimeout);
            }
            Kind::Return => self.try_later(cx),
            Kind::Nick(_) | Kind::Update => self.doubt(cx),
        }
    }
}
