//! Sessions that come: join, attach, replay (XEP-0045 §7.2).

use crate::attachments::{Attachment, Phase};
use crate::author;
use crate::config::NickPolicy;
use crate::control::{Kind, NickChange};
use crate::effect::{Effect, StanzaError, Target};
use crate::history::{History, Wishes};
use crate::membership::{Cx, FILLING, LOCKED, Membership};
use crate::muc_user::{MucUser, code};
use crate::names::{Nick, Session, SessionId};
use crate::request::Request;
use crate::state::State;
use crate::xml::Xml;

/// How many times larger than remembered a room may be that is shown at all.
pub(crate) const TOO_LARGE: usize = 4;
/// What a greeting says that may have changed since, or differs for who asked differently.
const FACTS: [u16; 4] = [code::NON_ANONYMOUS, code::LOGGED, code::CREATED, code::NICK_ASSIGNED];

impl Membership {
    /// A session joins: it makes the account join, waits for that, or is attached at once.
    pub fn join(&mut self, cx: &mut Cx<'_>, session: Session, nick: Option<Nick>, stanza: Xml) {
        let Some(nick) = nick else {
            return cx.reject(StanzaError::JidMalformed);
        };
        let request = Request::new(stanza, nick);
        let was_attached = self.attachments.attached(session.id).is_some();
        let until = cx.now.after(cx.config.join_timeout);
        let live = self.attachments.get(session.id).and_then(Attachment::live);
        let phase = match live.filter(|_| self.is_established()) {
            Some(generation) => Phase::Returning { generation, until },
            None => Phase::Waiting { until },
        };
        let order = match self.attachments.get(session.id) {
            Some(known) => known.order,
            None => self.lost.take(&session.resource).unwrap_or_else(|| {
                self.arrivals += 1;
                self.arrivals
            }),
        };
        self.attachments.put(Attachment {
            session: session.clone(),
            presence: author::shown(&request.presence),
            request,
            order,
            phase,
            refused_nick: None,
            is_asleep: false,
        });
        match self.state {
            State::Over | State::Out | State::Ended { .. } => self.begin(cx),
            State::Away(_) => {
                if let Some(password) = self.attachments.get(session.id).and_then(asked_password) {
                    self.intent.password = Some(password);
                }
                self.hurry(cx);
            }
            State::Joining | State::Leaving => {}
            State::Filling { .. } | State::Joined => self.serve(cx, &session),
        }
        if was_attached && self.attachments.attached(session.id).is_none() {
            // What it was attached to is over; its answer belongs to no attachment.
            cx.push(Effect::Detached);
        }
    }

    /// Gives a session, in its own stream, what it is due.
    pub fn serve(&mut self, cx: &mut Cx<'_>, session: &Session) {
        if !self.is_established() {
            return;
        }
        let Some(attachment) = self.attachments.get(session.id) else {
            return;
        };
        let is_early = self.is_locked_for(session.id)
            || self.renaming.is_some()
            || (attachment.is_attached() && self.state != State::Joined);
        match &attachment.phase {
            Phase::Waiting { .. } | Phase::Returning { .. } if is_early => {}
            Phase::Waiting { .. } | Phase::Returning { .. } if self.roster.is_forgotten() => {
                self.queue.resync = true;
            }
            Phase::Waiting { .. } | Phase::Returning { .. } => {
                let attachment = attachment.clone();
                self.admit(cx, attachment);
                self.forget_if_too_large(cx);
            }
            Phase::Presences { generation, backlog: Some(backlog) } => {
                let (generation, backlog) = (*generation, backlog.clone());
                cx.replay(Vec::new(), Some(*backlog));
                if let Some(attachment) = self.attachments.get_mut(session.id) {
                    attachment.phase = Phase::Live { generation };
                }
            }
            Phase::Presences { .. } | Phase::Live { .. } => {}
        }
    }

    /// Others with their last presence, then self, then history, and the subject last
    /// (XEP-0045 §7.1); the room's own presence before all, as rooms send it.
    fn admit(&mut self, cx: &mut Cx<'_>, mut attachment: Attachment) {
        let generation = cx.fresh();
        let mut stanzas: Vec<Xml> = Vec::with_capacity(self.roster.len() + 3);
        stanzas.extend(self.room_presence.clone());
        stanzas.extend(self.roster.iter().map(|(_, presence)| presence.clone()));
        stanzas.extend(self.own.as_ref().map(|own| {
            let id = attachment.request.id.as_deref();
            let codes = self.codes_for(&attachment);
            author::self_presence(own, &codes, cx.account, &attachment.session.resource, id)
        }));
        let mut past = None;
        attachment.phase = match self.state {
            State::Joined => {
                past = Some(self.recall(cx, attachment.request.wishes.clone()));
                Phase::Live { generation }
            }
            _ => Phase::Presences { generation, backlog: None },
        };
        cx.push(Effect::Attached { generation, occupant: cx.occupant(&self.nick) });
        cx.replay(stanzas, past);
        self.settle_nick(cx, &mut attachment);
        self.greeting.take_if(|(greeted, _)| *greeted == attachment.session.id);
        self.queue.update = true;
        if let Some(known) = self.attachments.get_mut(attachment.session.id) {
            *known = attachment;
        }
    }

    /// The one who joined is greeted as the room greeted the account; the others with what is
    /// true now (XEP-0045 §7.2.2, §7.2.3, §7.2.12).
    fn codes_for(&self, attachment: &Attachment) -> Vec<u16> {
        let session = attachment.session.id;
        let facts = [
            (code::NON_ANONYMOUS, self.non_anonymous),
            (code::LOGGED, self.logged),
            (code::CREATED, self.locked_by == Some(session)),
            (code::NICK_ASSIGNED, attachment.request.nick != self.nick),
        ];
        let greeted = match &self.greeting {
            Some((greeted, codes)) if *greeted == session => codes.as_slice(),
            _ => &[],
        };
        let holds = |code: &u16| facts.contains(&(*code, true));
        let is_new = |code: &u16| !greeted.contains(code);
        let mut news: Vec<u16> =
            FACTS.into_iter().filter(holds).chain([code::SELF]).filter(is_new).collect();
        news.sort_unstable();
        let kept = greeted.iter().copied().filter(|code| !FACTS.contains(code) || holds(code));
        kept.chain(news).collect()
    }

    fn settle_nick(&mut self, cx: &Cx<'_>, attachment: &mut Attachment) {
        let wanted = attachment.request.nick.clone();
        if wanted == self.nick {
            return;
        }
        match cx.config.nick {
            NickPolicy::Assign => attachment.refused_nick = Some(wanted),
            NickPolicy::Change => {
                self.queue.nick = Some(NickChange {
                    nick: wanted,
                    by: Some(attachment.target(false)),
                    id: attachment.request.id.clone(),
                });
            }
        }
    }

    /// While a new room is locked only its creator may enter (XEP-0045 §10.1).
    fn is_locked_for(&self, session: SessionId) -> bool {
        self.locked_by.is_some_and(|creator| creator != session)
    }

    /// Lets in who waited for the configuration of a new room.
    pub fn unlock(&mut self, cx: &mut Cx<'_>) {
        if self.locked_by.take().is_some() {
            self.invite(cx);
        }
    }

    /// Tells the sessions that something is due to them that they may come for it.
    pub fn invite(&mut self, cx: &mut Cx<'_>) {
        if !self.is_established() {
            return;
        }
        if self.roster.is_forgotten() {
            let mut waiting = self.attachments.waiting();
            self.queue.resync |= waiting.any(|asker| !self.is_locked_for(asker.session.id));
            return;
        }
        for attachment in self.attachments.waiting() {
            if !self.is_locked_for(attachment.session.id) {
                cx.push(Effect::Invite { session: attachment.session.id });
            }
        }
    }

    /// The room confirmed the account as an occupant.
    pub fn established(&mut self, cx: &mut Cx<'_>, nick: Nick, own: Xml) {
        let user = MucUser::of(own.root());
        let asked = self.control.as_ref().and_then(|control| control.id.as_deref());
        self.echoes_ids = asked.is_some() && asked == own.root().attribute("id");
        let joined_by = match self.control.take() {
            Some(control) => control.by.map(|by| by.session),
            None => None,
        };
        if self.renaming.take().is_some() && self.roster.len() == 0 {
            // It has changed the nick, and told nothing else.
            self.queue.resync = true;
        }
        self.nick = nick;
        self.own = Some(cx.interned.share(own));
        self.state = State::Filling { until: cx.now.after(FILLING) };
        self.non_anonymous = user.has(code::NON_ANONYMOUS);
        self.logged = user.has(code::LOGGED);
        self.intent.joined_at = Some(cx.now);
        if user.has(code::CREATED) {
            let creator = joined_by.filter(|session| self.attachments.get(*session).is_some());
            self.locked_until = cx.now.after(LOCKED.min(cx.config.join_timeout / 2));
            self.locked_by =
                creator.or_else(|| self.attachments.iter().next().map(|a| a.session.id));
        }
        self.greeting = joined_by.map(|session| (session, user.codes().to_vec()));
        self.invite(cx);
    }

    /// History and subject are complete.
    pub fn filled(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Joined;
        self.repeats = History::default();
        let past = self.recall(cx, Wishes::default());
        for attachment in self.attachments.iter_mut() {
            match &mut attachment.phase {
                Phase::Presences { backlog, .. } => {
                    *backlog = Some(Box::new(past.wished(attachment.request.wishes.clone())));
                }
                Phase::Returning { .. } => {}
                Phase::Waiting { .. } | Phase::Live { .. } => continue,
            }
            cx.push(Effect::Invite { session: attachment.session.id });
        }
        self.repeat_what_is_lost(cx);
        self.send_held(cx);
        self.forget_if_too_large(cx);
    }

    /// Nobody but the room can tell the occupants of a room that is too large to remember.
    pub fn forget_if_too_large(&mut self, cx: &Cx<'_>) {
        let waits = self.attachments.waiting().next().is_some();
        if !waits && self.state == State::Joined && self.roster.exceeds(cx.config.max_occupants, 1)
        {
            self.roster.forget();
        }
    }

    /// Refuses to enter a room whose occupants cannot even be held until they are shown.
    pub fn refuse_if_far_too_large(&mut self, cx: &mut Cx<'_>) -> bool {
        if !self.roster.exceeds(cx.config.max_occupants, TOO_LARGE) {
            return false;
        }
        self.turn_away(cx, StanzaError::ResourceConstraint);
        let stanza = author::leave(&cx.occupant(&self.nick), None, None);
        cx.push(Effect::Send { stanza });
        self.control = None;
        self.end(cx);
        self.has_said_goodbye = true;
        true
    }

    /// The room refused the join: all who asked for the same get its error, with their own ids
    /// (XEP-0045 §7.2.17); who asked for something else has its own try.
    pub fn join_refused(&mut self, cx: &mut Cx<'_>, error: &Xml) {
        let Some(Kind::Join(refused)) = self.control.take().map(|control| control.kind) else {
            return;
        };
        let condition = author::condition(error.root()).unwrap_or_default();
        if self.queue.leave.is_none() && self.has_another_address(cx, condition) {
            return self.begin(cx);
        }
        if let Some(leave) = self.queue.leave.take() {
            self.tell_out(cx, leave.by, &[]);
        }
        for asker in self.attachments.take(|attachment| attachment.request.same_as(&refused)) {
            self.hand_error(cx, &asker, error);
        }
        if self.attachments.is_empty() {
            return self.forget(cx);
        }
        self.begin(cx);
    }

    /// The account is not to be an occupant of this room; each session is one by itself.
    pub fn declined(&mut self, cx: &mut Cx<'_>, epoch: u64) {
        if self.state != State::Joining || self.epoch != epoch {
            return;
        }
        if let Some(leave) = self.queue.leave.take() {
            self.tell_out(cx, leave.by, &[]);
        }
        self.let_join_alone(cx);
        self.forget(cx);
    }

    /// Those who wait join by themselves.
    pub fn let_join_alone(&mut self, cx: &mut Cx<'_>) {
        for asker in self.attachments.take(Attachment::is_waiting) {
            let to = cx.occupant(&asker.request.nick);
            let stanza = asker.request.presence.edited(&[("to", Some(&to))], |_| true, &[]);
            cx.push(Effect::JoinAlone { session: asker.session.id, stanza });
        }
    }

    /// One who waits gets the room's error.
    pub fn hand_error(&self, cx: &mut Cx<'_>, asker: &Attachment, error: &Xml) {
        let from = cx.occupant(&asker.request.nick);
        let stanza = author::error_for(error, &from, &asker.request.presence);
        cx.push(Effect::Deliver { target: asker.target(asker.is_attached()), stanza });
    }

    /// All who wait get an error of ours.
    pub fn turn_away(&mut self, cx: &mut Cx<'_>, error: StanzaError) {
        for asker in self.attachments.take(Attachment::is_waiting) {
            self.turn_one_away(cx, &asker, error);
        }
    }

    /// One who waits gets an error of ours.
    pub fn turn_one_away(&self, cx: &mut Cx<'_>, asker: &Attachment, error: StanzaError) {
        let from = cx.occupant(&asker.request.nick);
        let stanza = author::join_error(&from, asker.request.id.as_deref(), error);
        let target = Target { last: true, ..asker.target(false) };
        cx.push(Effect::Deliver { target, stanza });
    }
}

fn asked_password(attachment: &Attachment) -> Option<String> {
    attachment.request.password.clone()
}
