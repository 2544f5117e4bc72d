//! Presences in both directions (XEP-0045 §7.2, §7.6, §7.7, §7.14).

use crate::attachments::{Attachment, Audience};
use crate::author;
use crate::control::{Asker, Control, Kind, NickChange};
use crate::effect::{Effect, Gate, StanzaError, StanzaId, Target};
use crate::entering::TOO_LARGE;
use crate::membership::{Cx, FILLING, Membership};
use crate::muc_user::{self, MucUser, code};
use crate::names::{Millis, Nick, Session};
use crate::request;
use crate::state::{State, Step};
use crate::xml::Xml;

impl Membership {
    /// A presence of a session to the room or an occupant.
    pub fn presence_from_session(
        &mut self,
        cx: &mut Cx<'_>,
        session: Session,
        nick: Option<Nick>,
        stanza: Xml,
    ) {
        let root = stanza.root();
        match root.attribute("type") {
            None if request::is_join(root) && !self.is_renamed_by(&session, nick.as_ref()) => {
                self.join(cx, session, nick, stanza);
            }
            None => self.update_from_session(cx, &session, nick, stanza),
            Some("unavailable") if self.is_foreign(&session) => cx.push(Effect::Pass),
            Some("unavailable") => self.leave(cx, &session, stanza),
            // A room expels whoever sends it an error.
            Some("error") => {}
            Some(_) => cx.push(Effect::Pass),
        }
    }

    /// A presence without `<x/>`: an update or a nick change. From a session that has not joined
    /// it must not reach the room, which might take it for a join (XEP-0045 §7.2.18).
    fn update_from_session(
        &mut self,
        cx: &mut Cx<'_>,
        session: &Session,
        nick: Option<Nick>,
        presence: Xml,
    ) {
        let is_attached = self.attachments.attached(session.id).is_some();
        let Some(nick) = nick.or_else(|| is_attached.then(|| self.nick.clone())) else {
            return match self.is_foreign(session) {
                true => cx.push(Effect::Pass),
                false => cx.reject(StanzaError::JidMalformed),
            };
        };
        let is_own = self.is_meant_as_own(&nick, session.id);
        let Some(attachment) = self.attachments.get_mut(session.id) else {
            // Behind what waits in its mailbox, which may be the presence that tells it why.
            let target = Target {
                session: session.id,
                resource: session.resource.clone(),
                gate: Gate::Nothing,
                last: false,
            };
            let codes = [code::KICKED, code::TECHNICAL];
            let jid = cx.full_jid(&session.resource);
            let stanza = author::unavailable(cx.room, &nick, &jid, None, None, &codes);
            return cx.push(Effect::Deliver { target, stanza });
        };
        attachment.presence = author::shown(&presence);
        if nick == self.nick {
            attachment.refused_nick = None;
        }
        self.queue.update = true;
        if !attachment.is_attached() {
            return;
        }
        let (by, id) = (attachment.target(false), presence.root().attribute("id"));
        let id = id.map(String::from);
        match is_own || attachment.refused_nick.as_ref() == Some(&nick) {
            true => self.queue.asker = Some(Asker { by, id }),
            false => {
                self.intent.regain = None;
                self.queue.nick = Some(NickChange { nick, by: Some(by), id });
            }
        }
    }

    /// Whether the only session of the account asks to enter under another nick than it has: then
    /// it wants that nick (XEP-0045 §7.6).
    fn is_renamed_by(&self, session: &Session, nick: Option<&Nick>) -> bool {
        let is_only = self.attachments.len() == 1;
        let known = self.attachments.attached(session.id);
        let is_attached = known.is_some_and(|attachment| !attachment.is_waiting());
        is_only && is_attached && nick.is_some_and(|nick| *nick != self.nick)
    }

    /// Whether a session addresses what never said that it is a room, and did not join it: it may
    /// mean a contact.
    fn is_foreign(&self, session: &Session) -> bool {
        let is_out = matches!(self.state, State::Ended { .. });
        is_out && !self.is_room && self.attachments.get(session.id).is_none()
    }

    /// A presence of the room or an occupant; or of a contact that somebody took for a room.
    pub fn presence_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: Xml) {
        let root = stanza.root();
        self.is_room |= root.child("x", muc_user::NS).is_some();
        let is_contact = !self.is_room && nick.as_ref().is_some_and(|nick| *nick != self.nick);
        match root.attribute("type") {
            None | Some("unavailable") if is_contact => cx.push(Effect::Pass),
            None => self.available(cx, nick, stanza),
            Some("unavailable") => self.unavailable(cx, nick, &stanza),
            Some("error") => self.refused(cx, nick.as_ref(), &stanza),
            Some(_) => cx.push(Effect::Pass),
        }
    }

    fn available(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: Xml) {
        match (self.state, &nick) {
            (State::Ended { .. }, Some(nick)) if !self.has_said_goodbye => {
                if self.is_self_presence(cx, nick, &stanza) {
                    self.nick = nick.clone();
                }
                return self.leave_again(cx);
            }
            (State::Ended { .. } | State::Out | State::Over, _) => return,
            // A presence of an earlier time has become a nick change: the room knows the account.
            (State::Away(absence), Some(nick)) if self.is_renamed_only(nick) => {
                return self.ask_by_nick(cx, absence, nick.clone());
            }
            // What a room says that was not asked is asked anew.
            (State::Away(absence), _) if absence.step != Step::Asking => return,
            (State::Leaving, Some(nick)) if self.is_self_presence(cx, nick, &stanza) => {
                self.answered(nick.clone(), &stanza, cx.now);
                self.own = Some(cx.interned.share(author::lasting(stanza)));
                return;
            }
            (State::Leaving, _) => return,
            _ => {}
        }
        let stanza = cx.interned.share(stanza);
        let Some(nick) = nick else {
            // Some rooms give each of them a new id.
            let state = stanza.edited(&[("id", None)], |_| true, &[]);
            let known = self.room_presence.replace(state.clone()).as_ref() == Some(&state);
            if !(known && self.burst.is_some()) {
                self.fork_presence(cx, &stanza, false);
            }
            return;
        };
        if self.is_self_presence(cx, &nick, &stanza) {
            return match self.state {
                State::Joining => self.established(cx, nick, stanza),
                State::Away(_) => self.returned(cx, nick, &stanza, true),
                _ => self.own_available(cx, nick, stanza),
            };
        }
        self.other_available(cx, nick, stanza);
    }

    /// Code 110 tells; without it only our own address or, in an established membership, our
    /// nick does: a room that rewrites nicks may show the other owner of the nick asked for.
    fn is_self_presence(&self, cx: &Cx<'_>, nick: &Nick, stanza: &Xml) -> bool {
        let user = MucUser::of(stanza.root());
        if user.has(code::SELF) || user.jid.is_some_and(|jid| self.is_own_address(cx, &jid)) {
            return true;
        }
        let is_ours = *nick == self.nick || self.renaming.as_ref() == Some(nick);
        !self.is_entering() && is_ours
    }

    fn own_available(&mut self, cx: &mut Cx<'_>, nick: Nick, stanza: Xml) {
        let renamed = self.renaming.is_some();
        let answered = self.answered(nick, &stanza, cx.now);
        let resynced = matches!(answered, Some(Kind::Resync));
        // The sessions have not asked, and the id is none of theirs.
        let stanza = match resynced {
            true => stanza.edited(&[("id", None)], |_| true, &[]),
            false => stanza,
        };
        if let Some(Kind::Nick(shown)) = answered {
            self.shown = Some(shown);
            self.intent.regain.take_if(|lost| *lost == self.nick);
            self.write_bookmark(cx);
        }
        let saw = self.sees_addresses();
        let before = self.own.replace(cx.interned.share(author::lasting(stanza.clone())));
        self.sight_changed(cx, saw);
        let nameless = |own: &Xml| own.edited(&[("id", None)], |_| true, &[]);
        let known = before.as_ref().map(nameless) == Some(nameless(&stanza));
        match (resynced, known) {
            (true, true) => self.resynced(cx),
            (true, false) => {
                self.resynced(cx);
                self.fork_nameless(cx, &stanza);
            }
            (false, _) => self.fork_presence(cx, &stanza, true),
        }
        if renamed {
            self.invite(cx);
        }
    }

    fn other_available(&mut self, cx: &mut Cx<'_>, nick: Nick, stanza: Xml) {
        let is_taker = nick == self.nick;
        let state = cx.interned.share(author::lasting(stanza.clone()));
        if let Some(burst) = &mut self.burst {
            burst.apply(nick.clone(), state.clone());
            if burst.exceeds(cx.config.max_occupants, TOO_LARGE) {
                return self.stop_the_burst(cx);
            }
            if self.roster.get(&nick) == Some(&state) {
                return;
            }
        }
        if !self.roster.is_forgotten() {
            self.roster.apply(nick, state);
        }
        if self.state == State::Joining {
            self.refuse_if_far_too_large(cx);
            return;
        }
        if matches!(self.state, State::Away(_)) {
            // Who has taken the nick is shown when the account has another one.
            if !is_taker {
                self.fork_presence(cx, &stanza, false);
            }
            return;
        }
        self.unlock(cx);
        // Nobody knows whether one is new who is not remembered. Who joins again is about to be shown all.
        let audience = match self.burst.is_some() && self.roster.is_forgotten() {
            true => Audience::Settled,
            false => Audience::Presences,
        };
        self.fork_to(cx, audience, &stanza);
        if self.attachments.waiting().next().is_none()
            && self.roster.exceeds(cx.config.max_occupants, 1)
        {
            self.roster.forget();
        }
    }

    /// Nobody waits for a list without an end.
    fn stop_the_burst(&mut self, cx: &mut Cx<'_>) {
        self.burst = None;
        self.control = None;
        self.turn_away(cx, StanzaError::ResourceConstraint);
        self.try_later(cx);
    }

    /// A resync has told everything: who was not in it is gone.
    pub fn resynced(&mut self, cx: &mut Cx<'_>) {
        let Some(burst) = self.burst.take() else {
            return;
        };
        let before = std::mem::replace(&mut self.roster, burst);
        for (nick, last) in before.iter().filter(|(nick, _)| self.roster.get(nick).is_none()) {
            let stanza = author::gone(&cx.occupant(nick), last);
            for target in self.attachments.audience(Audience::Presences, &stanza, None) {
                cx.push(Effect::Deliver { target, stanza: stanza.clone() });
            }
        }
        self.repeats_until = cx.now.after(FILLING);
        self.invite(cx);
        self.forget_if_too_large(cx);
    }

    fn unavailable(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: &Xml) {
        if self.is_out() {
            self.has_said_goodbye = false;
            return;
        }
        let user = MucUser::of(stanza.root());
        let Some(nick) = nick else {
            return match user.destroyed {
                true => self.out(cx),
                // It precedes a removal at some services and says nothing itself.
                false if self.state == State::Leaving => {
                    self.fork_presence(cx, stanza, false);
                    self.fork_to_leaver(cx);
                }
                false => {
                    let targets = self.attachments.audience(Audience::Presences, stanza, None);
                    self.farewell = Some((stanza.clone(), targets));
                }
            };
        };
        let own = nick == self.nick && self.state != State::Joining;
        if own || user.has(code::SELF) || user.destroyed {
            return match user.nick {
                Some(new) if user.has(code::NICK_CHANGED) => {
                    self.renaming = Some(Nick::from(new.as_str()));
                    // Else the room knew the account under another nick, and takes its join for a change.
                    if !self.is_entering() {
                        self.fork_presence(cx, stanza, true);
                    }
                }
                _ if !user.is_meant() && matches!(self.state, State::Away(_)) => {}
                _ if !user.is_meant() && self.is_established() => self.lost(cx),
                _ => {
                    self.comes_back &= !user.is_meant();
                    self.out(cx);
                }
            };
        }
        self.roster.remove(&nick);
        self.regain(&nick);
        self.wonder(cx);
        if let Some(burst) = &mut self.burst {
            burst.remove(&nick);
        }
        if self.is_established() {
            self.fork_presence(cx, stanza, false);
        }
    }

    /// Whether this ends a nick change. Some rooms tell all of their occupants with it.
    fn is_renamed_only(&mut self, nick: &Nick) -> bool {
        let is_renamed = self.renaming.take_if(|new| new == nick).is_some();
        is_renamed && self.burst.as_ref().is_none_or(|burst| burst.len() == 0)
    }

    fn is_entering(&self) -> bool {
        matches!(self.state, State::Joining | State::Away(_))
    }

    fn fork_to(&mut self, cx: &mut Cx<'_>, audience: Audience, stanza: &Xml) {
        let targets = self.attachments.audience(audience, stanza, None);
        cx.fork(targets, StanzaId::Keep, false);
        self.drop_the_stuck(cx);
    }

    pub fn fork_presence(&mut self, cx: &mut Cx<'_>, stanza: &Xml, own: bool) {
        let account = own.then_some(cx.account);
        let targets = self.attachments.audience(Audience::Presences, stanza, account);
        cx.fork(targets, StanzaId::Keep, own);
        self.drop_the_stuck(cx);
    }

    /// The sessions see the own presence without the id, by which the account has asked.
    pub fn fork_nameless(&mut self, cx: &mut Cx<'_>, own: &Xml) {
        let targets = self.attachments.audience(Audience::Presences, own, Some(cx.account));
        cx.fork(targets, StanzaId::Remove, true);
    }

    /// Who waits for the end hears what comes before it.
    fn fork_to_leaver(&self, cx: &mut Cx<'_>) {
        let leave = self.control.as_ref().filter(|control| matches!(control.kind, Kind::Leave));
        let by = leave.and_then(|leave| leave.by.clone());
        if let Some(by) = by.filter(|by| by.gate != Gate::Nothing) {
            let targets = vec![Target { last: false, ..by }];
            cx.fork(targets, StanzaId::Keep, false);
        }
    }

    /// The room refused the control presence in flight, or something that nobody asked for.
    fn refused(&mut self, cx: &mut Cx<'_>, nick: Option<&Nick>, error: &Xml) {
        let id = error.root().attribute("id");
        let Some(control) = self.control.as_ref().filter(|control| id == control.id.as_deref())
        else {
            if !self.is_room && nick != Some(&self.nick) {
                cx.push(Effect::Pass);
            }
            return;
        };
        match control.kind {
            Kind::Join(_) => self.join_refused(cx, error),
            Kind::Leave => self.out_of_nowhere(cx),
            Kind::Return => self.return_refused(cx, error),
            Kind::Resync => {
                self.control = None;
                self.burst = None;
                self.shown = None;
                for asker in self.attachments.take(Attachment::is_waiting) {
                    self.hand_error(cx, &asker, error);
                }
            }
            Kind::Nick(_) | Kind::Update => {
                match control.kind {
                    Kind::Update => self.shown = None,
                    _ => self.queue.update = true,
                }
                let by = self.control.take().and_then(|control| control.by);
                if let Some(target) = by {
                    cx.fork(vec![target], StanzaId::Keep, false);
                }
            }
        }
    }

    /// The leave was refused: whatever the reason, the room does not know the account.
    fn out_of_nowhere(&mut self, cx: &mut Cx<'_>) {
        if let Some(target) = self.control.take().and_then(|control| control.by) {
            self.tell_out(cx, target, &[]);
        }
        self.end(cx);
    }

    /// A self-presence answers the control presence in flight, unless that asks for another nick
    /// or for the end.
    fn answered(&mut self, nick: Nick, own: &Xml, now: Millis) -> Option<Kind> {
        let renamed = nick != self.nick;
        let control = self.control.as_ref().filter(|control| matches!(control.kind, Kind::Nick(_)));
        let changed_by = control.and_then(|control| Some(control.by.as_ref()?.session));
        let told = !self.echoes_ids && self.burst.as_ref().is_some_and(|burst| burst.len() > 0);
        let id = own.root().attribute("id");
        // A role that changes meanwhile is told with the presence as it was.
        let tells_role = self.own.as_ref().is_some_and(|before| {
            author::shown(before) == author::shown(own) && item_of(before) != item_of(own)
        });
        self.renaming = None;
        self.set_nick(nick, changed_by, now);
        let answers = |control: &mut Control| match control.kind {
            // A room may take the nick asked for, rewritten, for the one that it is.
            Kind::Nick(_) => renamed || !tells_role,
            Kind::Update => !tells_role,
            // It comes last: before any other it speaks of something else, a role for instance.
            Kind::Resync => told || id == control.id.as_deref(),
            Kind::Join(_) | Kind::Leave | Kind::Return => false,
        };
        self.control.take_if(answers).map(|control| control.kind)
    }

    /// When a burst has ended that shows our nick and does not say whose it is: when the room
    /// has been silent for a while.
    pub fn end_of_burst(&self) -> Option<Millis> {
        let is_shown = match self.state {
            State::Joining => self.roster.get(&self.nick).is_some(),
            State::Away(_) => self.shown_unmarked().is_some(),
            _ => false,
        };
        is_shown.then(|| self.heard.after(FILLING))
    }

    /// The self-presence of a room that does not mark it: at the end of the burst the presence
    /// with the nick asked for must be ours.
    pub fn establish_unmarked(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Away(_)) {
            if let Some((nick, own)) = self.shown_unmarked() {
                self.returned(cx, nick, &own, false);
            }
            return;
        }
        let nick = self.nick.clone();
        if let Some(own) = self.roster.remove(&nick) {
            self.established(cx, nick, own);
        }
    }

    /// What a burst shows under the nick that was asked for.
    fn shown_unmarked(&self) -> Option<(Nick, Xml)> {
        let nick = self.variant.as_ref().unwrap_or(&self.nick);
        let own = self.burst.as_ref()?.get(nick)?;
        Some((nick.clone(), own.clone()))
    }

    /// What the room said of itself is passed on when it was no beginning of a removal.
    pub fn pass_farewell(&mut self, cx: &mut Cx<'_>, next: &Xml) {
        let Some((farewell, targets)) = self.farewell.take() else {
            return;
        };
        let root = next.root();
        let user = MucUser::of(root);
        let ends = root.name() == "presence" && root.attribute("type") == Some("unavailable");
        if ends && !user.is_meant() && user.has(code::SELF) {
            return;
        }
        for target in targets {
            cx.push(Effect::Deliver { target, stanza: farewell.clone() });
        }
    }

    /// A nick that a session chose belongs into the bookmark.
    fn write_bookmark(&mut self, cx: &mut Cx<'_>) {
        let Some(bookmark) = &mut self.intent.bookmark else {
            return;
        };
        if bookmark.nick.as_ref() != Some(&self.nick) && self.intent.regain.is_none() {
            bookmark.nick = Some(self.nick.clone());
            cx.push(Effect::Bookmark { nick: self.nick.clone() });
        }
    }
}

/// Role, affiliation and address, as a room tells them.
fn item_of(presence: &Xml) -> Option<Xml> {
    presence.root().child("x", muc_user::NS)?.inner("item").map(|item| item.to_xml())
}
