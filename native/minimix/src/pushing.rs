//! Which messages wake a device (XEP-0357, XEP-0492).

use unicode_normalization::UnicodeNormalization;

use crate::config::Push;
use crate::effect::Effect;
use crate::history;
use crate::membership::{Cx, Membership};
use crate::names::{Account, Nick, RoomJid, SessionId};
use crate::record::Notify;
use crate::xml::{Element, Xml};

const NS_OMEMO: [&str; 2] = ["urn:xmpp:omemo:2", "eu.siacs.conversations.axolotl"];
const NS_REFERENCE: &str = "urn:xmpp:reference:0";

/// Bytes of a text in which a nick is looked for: whoever is named further on reads it later.
const LOOKED_AT: usize = 4 * 1024;

/// The text of the last message as nicks are looked for in it: one account after the other is sent the
/// same.
#[derive(Debug, Default)]
pub struct Folded {
    last: Option<(Xml, String)>,
}

impl Folded {
    fn text(&mut self, message: &Xml) -> &str {
        if self.last.as_ref().is_none_or(|(known, _)| !known.is_same(message)) {
            let body = message.root().inner("body");
            let text = folded(&body.map(|body| body.beginning(LOOKED_AT)).unwrap_or_default());
            self.last = Some((message.clone(), text));
        }
        self.last.as_ref().map_or("", |(_, text)| text)
    }
}

impl Membership {
    /// Wakes the devices without a session when nobody is there who could read this.
    pub fn push(&self, cx: &mut Cx<'_>, message: &Xml) {
        let is_read = self.attachments.iter().any(|one| one.is_attached() && !one.is_asleep);
        if !is_read && self.wakes(cx.account, cx.room, cx.config.push, message, cx.folded) {
            cx.push(Effect::Push);
        }
    }

    /// Whether the person wants to be woken for it, as far as rooms go.
    pub fn wakes(
        &self,
        account: &Account,
        room: &RoomJid,
        push: Push,
        stanza: &Xml,
        folded: &mut Folded,
    ) -> bool {
        let message = stanza.root();
        let own = room.occupant(&self.nick);
        let is_ordinary = message.attribute("type") == Some("groupchat")
            && message.attribute("from").is_some_and(|from| from != own && from.contains('/'))
            && history::delay_of(message, room).is_none()
            && has_text(message);
        if !is_ordinary {
            return false;
        }
        let notify = self.intent.bookmark.as_ref().and_then(|bookmark| bookmark.notify);
        match (notify, push) {
            (Some(Notify::Never), _) | (None, Push::None) => false,
            (Some(Notify::Always), _) | (None, Push::All) => true,
            (Some(Notify::OnMention), _) | (None, Push::Mentions) => {
                refers_to(message, account, &own) || mentions(folded.text(stanza), &self.nick)
            }
        }
    }

    /// A session does not answer for the time being, or does again.
    pub fn set_asleep(&mut self, session: SessionId, is_asleep: bool) {
        if self.attachments.get(session).is_some_and(|known| known.is_asleep != is_asleep)
            && let Some(attachment) = self.attachments.get_mut(session)
        {
            attachment.is_asleep = is_asleep;
        }
    }
}

/// What people read, encrypted or not.
fn has_text(message: Element<'_>) -> bool {
    let is_encrypted =
        || NS_OMEMO.iter().any(|namespace| message.child("encrypted", namespace).is_some());
    message.inner("body").is_some_and(|body| body.has_text()) || is_encrypted()
}

/// Whether it names the account or its occupant (XEP-0372 §3.2).
fn refers_to(message: Element<'_>, account: &Account, occupant: &str) -> bool {
    let names = |uri: &str| {
        let jid = uri.strip_prefix("xmpp:").map(|rest| rest.split('?').next().unwrap_or(rest));
        jid.is_some_and(|jid| {
            jid.eq_ignore_ascii_case(account.as_str()) || decoded(jid) == occupant
        })
    };
    message.children().any(|child| {
        child.is("reference", NS_REFERENCE)
            && child.attribute("type") == Some("mention")
            && child.attribute("uri").is_some_and(names)
    })
}

/// Without the escapes of a URI (RFC 5122 §2.2).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            after.split_at_checked(2).filter(|_| *first == b'%').and_then(|(hex, after)| {
                let hex = std::str::from_utf8(hex).ok()?;
                Some((u8::from_str_radix(hex, 16).ok()?, after))
            });
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the folded text has the nick in it as a word, however it is written.
fn mentions(text: &str, nick: &Nick) -> bool {
    let nick = folded(nick.as_str());
    if nick.is_empty() {
        return false;
    }
    let is_word = |beside: Option<char>, edge: Option<char>| {
        beside.is_some_and(is_of_a_word) && edge.is_some_and(is_of_a_word)
    };
    text.match_indices(&nick).any(|(at, found)| {
        let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let after = rest.strip_prefix(found).unwrap_or_default();
        !is_word(before.chars().next_back(), nick.chars().next())
            && !is_word(after.chars().next(), nick.chars().next_back())
    })
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Letters alike but for case and composition become the same.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    lower.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Xml;

    fn is_mentioned(nick: &str, text: &str) -> bool {
        let message = format!("<message xmlns='jabber:client'><body>{text}</body></message>");
        mentions(Folded::default().text(&message.parse().unwrap()), &Nick::from(nick))
    }

    /// I9: a text of any length takes no longer than a long one.
    #[test]
    fn a_nick_far_into_a_text_is_not_looked_for() {
        assert!(is_mentioned("alice", &format!("{} alice", "ä".repeat(2_000))));
        assert!(!is_mentioned("alice", &format!("{} alice", "ä".repeat(500_000))));
        assert!(!is_mentioned("alice", &format!("x{}", "€".repeat(500_000))));
    }

    #[test]
    fn each_message_has_its_own_text() {
        let message =
            |text| format!("<message xmlns='jabber:client'><body>{text}</body></message>");
        let [one, other]: [Xml; 2] = ["One", "Other"].map(|text| message(text).parse().unwrap());
        let mut folded = Folded::default();
        assert_eq!(
            [&one, &other, &one].map(|xml| folded.text(xml).to_owned()),
            ["one", "other", "one"]
        );
    }

    /// B22.159: N in the body, word-bounded.
    #[test]
    fn a_nick_is_found_as_a_word() {
        for text in
            ["alice", "hi Alice!", "ALICE: tea?", "(alice)", "alice's", "@alice", "x, alice"]
        {
            assert!(is_mentioned("alice", text), "{text}");
        }
        for text in ["malice", "alices", "alice2", "my_alice", "ali ce", ""] {
            assert!(!is_mentioned("alice", text), "{text}");
        }
    }

    #[test]
    fn letters_are_not_only_those_of_english() {
        assert!(is_mentioned("Ömer", "hallo ÖMER"));
        assert!(is_mentioned("Ömer", "hallo O\u{308}mer"));
        assert!(is_mentioned("Ἀλέξης", "ἈΛΈΞΗΣ, τσάι;"));
        assert!(is_mentioned("Straße", "STRASSE frei"));
        assert!(!is_mentioned("мир", "мира"));
        assert!(is_mentioned("小明", "小明 来吗"));
        assert!(is_mentioned("*star*", "the *star* shines"));
        assert!(is_mentioned("*", "*"));
    }

    #[test]
    fn a_nick_may_stand_beside_what_is_no_letter() {
        assert!(is_mentioned("[x]", "a[x]b"));
        assert!(is_mentioned("al", "al-al"));
        assert!(is_mentioned("aa", "aaa aa"));
    }

    #[test]
    fn escapes_of_uris_are_read() {
        assert_eq!(decoded("room@x/a%20b%C3%A4"), "room@x/a bä");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
