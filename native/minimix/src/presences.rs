//! Presences in both directions (XEP-0045 §7.2, §7.6, §7.7, §7.14).

use crate::attachments::{Attachment, Audience};
use crate::author;
use crate::control::{Control, Kind, NickChange};
use crate::effect::{Effect, StanzaError, StanzaId, Target};
use crate::membership::{Cx, FILLING, Membership, State};
use crate::muc_user::{self, MucUser, code};
use crate::names::{Millis, Nick, Session};
use crate::request;
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
            None if request::is_join(root) => self.join(cx, session, nick, stanza),
            None => self.update_from_session(cx, &session, nick, stanza),
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
        let Some(nick) = nick else {
            return cx.reject(StanzaError::JidMalformed);
        };
        let is_own = self.is_own_nick(&nick);
        let Some(attachment) = self.attachments.get_mut(session.id) else {
            // Behind what waits in its mailbox, which may be the presence that tells it why.
            let target = Target {
                session: session.id,
                resource: session.resource.clone(),
                generation: None,
                last: false,
            };
            let codes = [code::KICKED, code::TECHNICAL];
            let stanza = author::unavailable(cx.room, &nick, None, None, &codes);
            return cx.push(Effect::Deliver { target, stanza });
        };
        attachment.presence = author::shown(&presence);
        if nick == self.nick {
            attachment.refused_nick = None;
        }
        self.queue.update = true;
        if !is_own && !attachment.is_waiting() && attachment.refused_nick.as_ref() != Some(&nick) {
            let id = presence.root().attribute("id").map(String::from);
            self.queue.nick = Some(NickChange { nick, by: attachment.target(false), id });
        }
    }

    /// A presence of the room or an occupant.
    pub fn presence_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: Xml) {
        match stanza.root().attribute("type") {
            None => self.available(cx, nick, stanza),
            Some("unavailable") => self.unavailable(cx, nick, &stanza),
            Some("error") => self.refused(cx, &stanza),
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
            (State::Ended { .. } | State::Over, _) => return,
            (State::Leaving, Some(nick)) if self.is_self_presence(cx, nick, &stanza) => {
                self.answered(nick.clone(), &stanza, cx.now);
                return;
            }
            (State::Leaving, _) => return,
            _ => {}
        }
        let stanza = cx.interned.share(stanza);
        let Some(nick) = nick else {
            let known = self.room_presence.replace(stanza.clone()).as_ref() == Some(&stanza);
            if !(known && self.burst.is_some()) {
                self.fork_presence(cx, &stanza, false);
            }
            return;
        };
        if self.is_self_presence(cx, &nick, &stanza) {
            return match self.state {
                State::Joining => self.established(cx, nick, stanza),
                _ => self.own_available(cx, nick, stanza),
            };
        }
        self.other_available(cx, nick, stanza);
    }

    /// Code 110 tells; without it only our own address or, in an established membership, our
    /// nick does: a room that rewrites nicks may show the other owner of the nick asked for.
    fn is_self_presence(&self, cx: &Cx<'_>, nick: &Nick, stanza: &Xml) -> bool {
        let user = MucUser::of(stanza.root());
        if user.has(code::SELF) || user.jid.as_deref() == Some(cx.account.as_str()) {
            return true;
        }
        let is_ours = *nick == self.nick || self.renaming.as_ref() == Some(nick);
        self.state != State::Joining && is_ours
    }

    fn own_available(&mut self, cx: &mut Cx<'_>, nick: Nick, stanza: Xml) {
        let renamed = self.renaming.is_some();
        let answered = self.answered(nick, &stanza, cx.now);
        let resynced = matches!(answered, Some(Kind::Resync));
        if let Some(Kind::Nick(shown)) = answered {
            self.shown = Some(shown);
        }
        let moderates = MucUser::of(stanza.root()).moderates;
        let before = self.own.replace(stanza.clone());
        let moderated = before.as_ref().is_some_and(|own| MucUser::of(own.root()).moderates);
        if moderates != moderated && !self.non_anonymous {
            // Now the room shows others differently; only it can tell how.
            self.roster.forget();
        }
        let known = before.as_ref() == Some(&stanza);
        if resynced {
            self.resynced(cx);
        }
        if !(known && resynced) {
            self.fork_presence(cx, &stanza, true);
        }
        if renamed {
            self.invite(cx);
        }
    }

    fn other_available(&mut self, cx: &mut Cx<'_>, nick: Nick, stanza: Xml) {
        if let Some(burst) = &mut self.burst {
            burst.apply(nick.clone(), stanza.clone());
            if self.roster.get(&nick) == Some(&stanza) {
                return;
            }
        }
        if !self.roster.is_forgotten() {
            self.roster.apply(nick, stanza.clone());
        }
        if self.state == State::Joining {
            self.refuse_if_far_too_large(cx);
            return;
        }
        self.unlock(cx);
        self.fork_presence(cx, &stanza, false);
        if self.attachments.waiting().next().is_none()
            && self.roster.exceeds(cx.config.max_occupants, 1)
        {
            self.roster.forget();
        }
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
        if matches!(self.state, State::Ended { .. } | State::Over) {
            self.has_said_goodbye = false;
            return;
        }
        let user = MucUser::of(stanza.root());
        let Some(nick) = nick else {
            return match user.destroyed {
                true => self.out(cx),
                // It precedes a removal at some services and says nothing itself.
                false => self.fork_presence(cx, stanza, false),
            };
        };
        let own = nick == self.nick && self.state != State::Joining;
        if own || user.has(code::SELF) || user.destroyed {
            return match user.nick {
                Some(new) if user.has(code::NICK_CHANGED) => {
                    self.renaming = Some(Nick::from(new.as_str()));
                    self.fork_presence(cx, stanza, true);
                }
                _ => self.out(cx),
            };
        }
        self.roster.remove(&nick);
        if let Some(burst) = &mut self.burst {
            burst.remove(&nick);
        }
        if self.is_established() {
            self.fork_presence(cx, stanza, false);
        }
    }

    fn fork_presence(&mut self, cx: &mut Cx<'_>, stanza: &Xml, own: bool) {
        let account = own.then_some(cx.account);
        let targets = self.attachments.audience(Audience::Presences, stanza, account);
        if !targets.is_empty() {
            cx.push(Effect::Fork { targets, id: StanzaId::Keep, own });
        }
        self.drop_the_stuck(cx);
    }

    /// The room refused the control presence in flight, or something that nobody asked for.
    fn refused(&mut self, cx: &mut Cx<'_>, error: &Xml) {
        let id = error.root().attribute("id");
        let Some(control) = &self.control else { return };
        if id != control.id.as_deref() {
            return;
        }
        match control.kind {
            Kind::Join(_) => self.join_refused(cx, error),
            Kind::Leave => self.out_of_nowhere(cx),
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
                    cx.push(Effect::Fork { targets: vec![target], id: StanzaId::Keep, own: false });
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
        let told = !self.echoes_ids && self.burst.as_ref().is_some_and(|burst| burst.len() > 0);
        let id = own.root().attribute("id");
        // A role that changes meanwhile is told with the presence as it was.
        let tells_role = self.own.as_ref().is_some_and(|before| {
            author::shown(before) == author::shown(own) && item_of(before) != item_of(own)
        });
        self.renaming = None;
        self.set_nick(nick, now);
        let answers = |control: &mut Control| match control.kind {
            // A room may take the nick asked for, rewritten, for the one that it is.
            Kind::Nick(_) => renamed || !tells_role,
            Kind::Update => !tells_role,
            // It comes last: before any other it speaks of something else, a role for instance.
            Kind::Resync => told || id == control.id.as_deref(),
            Kind::Join(_) | Kind::Leave => false,
        };
        self.control.take_if(answers).map(|control| control.kind)
    }

    /// When a burst has ended that shows our nick and does not say whose it is: when the room
    /// has been silent for a while.
    pub fn end_of_burst(&self) -> Option<Millis> {
        let is_shown = self.state == State::Joining && self.roster.get(&self.nick).is_some();
        is_shown.then(|| self.heard.after(FILLING))
    }

    /// The self-presence of a room that does not mark it: at the end of the burst the presence
    /// with the nick asked for must be ours.
    pub fn establish_unmarked(&mut self, cx: &mut Cx<'_>) {
        let nick = self.nick.clone();
        if let Some(own) = self.roster.remove(&nick) {
            self.established(cx, nick, own);
        }
    }
}

/// Role, affiliation and address, as a room tells them.
fn item_of(presence: &Xml) -> Option<Xml> {
    presence.root().child("x", muc_user::NS)?.inner("item").map(|item| item.to_xml())
}
