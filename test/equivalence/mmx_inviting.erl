%% Conversations about invitations and voice.
-module(mmx_inviting).

-export([
    an_invitation/0,
    an_invitation_with_a_password/0,
    an_invitation_that_is_not_ones_to_make/0,
    an_invitation_from_outside/0,
    an_invitation_to_nobody/0,
    an_invitation_is_received/0,
    an_invitation_to_a_room_for_members/0,
    direct_invitations/0,
    two_are_invited_at_once/0,
    voice_is_asked_for/0,
    voice_is_given/0,
    voice_is_given_by_others/0,
    voice_is_not_to_be_asked_for/0
]).

-import(mmx_script, [
    join/1, join/2, say/1, message/3, role/2, configure/1, form/2, open_room/0, room_with/1, both/0
]).

invite(Whom) ->
    message("$room", "normal", [
        "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='", Whom, "'><reason>tea</reason></invite></x>"
    ]).

decline(Whom) ->
    message("$room", "normal", [
        "<x xmlns='http://jabber.org/protocol/muc#user'><decline to='", Whom, "'><reason>no tea</reason></decline></x>"
    ]).

%% alice in a room where everybody may invite.
inviting() ->
    room_with([{"allowinvites", "1"}]) ++ [{phone, join("alice")}].

%% B18.126 (XEP-0045 §7.8.2)
an_invitation() ->
    inviting() ++
        [
            {phone, invite("$carol")},
            {carol, decline("$alice")},
            {bob, invite("$carol")},
            {carol, join("carol")}
        ].

%% B18.126 (XEP-0045 §7.8.2)
an_invitation_with_a_password() ->
    room_with([{"passwordprotectedroom", "1"}, {"roomsecret", "tea"}, {"allowinvites", "1"}]) ++
        [
            {phone, join("alice", "<password>tea</password>")},
            {phone, invite("$carol")},
            {carol, join("carol", "<password>tea</password>")}
        ].

%% B18.126 (XEP-0045 §7.8.2)
an_invitation_that_is_not_ones_to_make() ->
    room_with([{"allowinvites", "0"}]) ++
        [
            {phone, join("alice")},
            {phone, invite("$carol")},
            {bob, invite("$carol")}
        ].

%% B18.126 (XEP-0045 §7.8.2)
an_invitation_from_outside() ->
    open_room() ++ [{phone, invite("$carol")}, {phone, decline("$bob")}].

%% B18.126 (XEP-0045 §7.8.2)
an_invitation_to_nobody() ->
    inviting() ++
        [
            {phone, message("$room", "normal", "<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>")},
            {phone, say("hello")}
        ].

%% B18.128, B18.129 (XEP-0045 §7.8.2)
an_invitation_is_received() ->
    open_room() ++
        [
            {bob, invite("$alice")},
            {phone, decline("$bob")},
            {phone, join("alice")},
            {bob, invite("$alice")}
        ].

%% B18.126, B10.73 (XEP-0045 §7.8.2)
an_invitation_to_a_room_for_members() ->
    [
        {phone, join("alice")},
        {phone, configure([{"membersonly", "1"}])},
        {phone, invite("$carol")},
        {carol, join("carol")}
    ].

%% B18.127, B18.128 (XEP-0249)
direct_invitations() ->
    both() ++
        [
            {Session, message(To, "normal", "<x xmlns='jabber:x:conference' jid='$room' reason='tea'/>")}
         || {Session, To} <- [{phone, "$carol"}, {bob, "$alice"}]
        ] ++ [{carol, join("carol")}].

%% B18.126 (XEP-0045 §7.8.2)
two_are_invited_at_once() ->
    inviting() ++
        [
            {phone, message("$room", "normal", [
                "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='$carol'/><invite to='$dan'/></x>"
            ])},
            {carol, join("carol")},
            {dan, join("dan")}
        ].

voice() ->
    message("$room", "normal", form("http://jabber.org/protocol/muc#request", [{"muc#role", "participant"}])).

allow(Nick) ->
    Fields = [{"muc#role", "participant"}, {"muc#jid", "$asker"}, {"muc#roomnick", Nick}, {"muc#request_allow", "true"}],
    message("$room", "normal", form("http://jabber.org/protocol/muc#request", Fields)).

%% B15.102 (XEP-0045 §7.13)
voice_is_asked_for() ->
    room_with([{"moderatedroom", "1"}, {"members_by_default", "0"}]) ++
        [
            {phone, join("alice")},
            {phone, say("hello")},
            {phone, voice()},
            {bob, role("alice", "participant")},
            {phone, say("hello")},
            {phone, voice()}
        ].

%% B18.130 (XEP-0045 §8.6)
voice_is_given() ->
    [
        {phone, join("alice")},
        {phone, {done, configure([{"moderatedroom", "1"}, {"members_by_default", "0"}])}},
        {bob, join("bob")},
        {bob, voice()},
        {phone, allow("bob")},
        {bob, say("hello")}
    ].

%% B15.102 (XEP-0045 §8.6)
voice_is_given_by_others() ->
    room_with([{"moderatedroom", "1"}, {"members_by_default", "0"}]) ++
        [{phone, join("alice")}, {carol, join("carol")}, {carol, voice()}, {bob, allow("carol")}].

%% B15.102 (XEP-0045 §7.13)
voice_is_not_to_be_asked_for() ->
    room_with([{"moderatedroom", "1"}, {"members_by_default", "0"}, {"allow_voice_requests", "0"}]) ++
        [
            {phone, join("alice")},
            {phone, voice()}
        ].
