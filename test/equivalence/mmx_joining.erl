%% Conversations about getting into a room and out of it.
-module(mmx_joining).

-export([
    a_join_of_a_room_with_others/0,
    a_new_room_is_opened_as_it_is/0,
    a_new_room_is_configured/0,
    a_new_room_is_given_up/0,
    a_join_without_a_namespace/0,
    a_join_without_a_nick/0,
    a_taken_nick/0,
    a_password/0,
    a_room_for_members/0,
    a_banned_account/0,
    a_full_room/0,
    a_room_that_hides_nobody/0,
    history_of_a_room/0,
    no_history_is_wished/0,
    a_little_history_is_wished/0,
    no_characters_of_history_are_wished/0,
    history_since_a_time/0,
    history_of_the_last_hour/0,
    a_join_again/0,
    a_join_again_under_another_nick/0,
    a_leave_with_a_word/0,
    a_leave_with_much_to_say/0,
    a_leave_without_an_id/0,
    a_join_without_an_id/0,
    two_rooms/0,
    a_session_that_shows_itself_to_nobody_joins/0,
    a_session_of_negative_priority_joins/0,
    a_leave_of_nobody/0,
    in_and_out_and_in/0,
    out_and_in_at_once/0,
    a_join_with_much_to_say/0
]).

-import(mmx_script, [
    join/1, join/2, leave/1, nick/1, say/1, subject/1, message/3, iq/3, query/3, ping/1, affiliation/2,
    configure/1, instant/0, open_room/0, room_with/1, both/0, everybody/0
]).

%% B1.5, B1.6, B6.47 (XEP-0045 §7.2.2, §7.14)
a_join_of_a_room_with_others() ->
    open_room() ++ [{carol, join("carol")}, {bob, say("hello")}, {phone, join("alice")}, {phone, leave("alice")}].

%% B1.7 (XEP-0045 §10.1.2)
a_new_room_is_opened_as_it_is() ->
    [{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}, {phone, say("hello")}].

%% B1.7, B17.119 (XEP-0045 §10.1.3)
a_new_room_is_configured() ->
    [
        {phone, join("alice")},
        {phone, query("$room", "get", "http://jabber.org/protocol/muc#owner")},
        {phone, configure([{"roomname", "tea"}, {"whois", "anyone"}])},
        {bob, join("bob")},
        {phone, say("hello")}
    ].

%% B1.12 (XEP-0045 §10.1.3)
a_new_room_is_given_up() ->
    [
        {phone, join("alice")},
        {phone, iq("$room", "set", [
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query>"
        ])},
        {bob, join("bob")}
    ].

%% B1.3 (XEP-0045 §7.2.1, before there was a namespace)
a_join_without_a_namespace() ->
    open_room() ++ [{carol, nick("carol")}, {carol, say("hello")}].

%% B1.4 (XEP-0045 §7.2.1)
a_join_without_a_nick() ->
    {allowing, [{error_by_the_server, [3]}],
        open_room() ++ [{phone, "<presence to='$room'><x xmlns='http://jabber.org/protocol/muc'/></presence>"}]}.

%% B1.10, B1.11 (XEP-0045 §7.2.8)
a_taken_nick() ->
    open_room() ++ [{phone, join("bob")}, {phone, join("alice")}, {carol, join("alice")}].

%% B1.10, B1.11 (XEP-0045 §7.2.5)
a_password() ->
    room_with([{"passwordprotectedroom", "1"}, {"roomsecret", "tea"}]) ++
        [
            {phone, join("alice")},
            {phone, join("alice", "<password>coffee</password>")},
            {phone, join("alice", "<password>tea</password>")},
            {phone, say("hello")}
        ].

%% B1.10 (XEP-0045 §7.2.6)
a_room_for_members() ->
    room_with([{"membersonly", "1"}]) ++
        [
            {phone, join("alice")},
            {bob, affiliation("$alice", "member")},
            {phone, join("alice")},
            {bob, affiliation("$alice", "none")}
        ].

%% B1.10 (XEP-0045 §7.2.7)
a_banned_account() ->
    open_room() ++
        [
            {bob, affiliation("$alice", "outcast")},
            {phone, join("alice")},
            {bob, affiliation("$alice", "none")},
            {phone, join("alice")}
        ].

%% B1.10 (XEP-0045 §7.2.9)
a_full_room() ->
    room_with([{"maxusers", "1"}]) ++
        [
            {phone, join("alice")},
            {bob, configure([{"maxusers", "5"}])},
            {phone, join("alice")}
        ].

%% B1.7 (XEP-0045 §7.2.3, §7.2.12)
a_room_that_hides_nobody() ->
    room_with([{"whois", "anyone"}]) ++
        [
            {carol, join("carol")},
            {phone, join("alice")},
            {dan, join("dan")},
            {phone, leave("alice")}
        ].

%% B2.20, B2.21, B2.22 (XEP-0045 §7.2.13)
history_of_a_room() ->
    open_room() ++ [{bob, say(Text)} || Text <- ["one", "two", "three"]] ++
        [
            {bob, subject("tea")},
            {phone, join("alice")}
        ].

%% B2.20 (XEP-0045 §7.2.14)
no_history_is_wished() ->
    open_room() ++ [{bob, say("one")}, {phone, join("alice", "<history maxstanzas='0'/>")}].

%% B2.20 (XEP-0045 §7.2.14)
a_little_history_is_wished() ->
    open_room() ++ [{bob, say(Text)} || Text <- ["one", "two", "three"]] ++ [{phone, join("alice", "<history maxstanzas='2'/>")}].

%% B2.20 (XEP-0045 §7.2.14)
no_characters_of_history_are_wished() ->
    open_room() ++ [{bob, say("one")}, {phone, join("alice", "<history maxchars='0'/>")}].

%% B2.20 (XEP-0045 §7.2.14)
history_since_a_time() ->
    open_room() ++
        [
            {bob, say("one")},
            {phone, join("alice", "<history since='2001-01-01T00:00:00Z'/>")},
            {carol, join("carol", "<history since='2099-01-01T00:00:00Z'/>")}
        ].

%% B2.20 (XEP-0045 §7.2.14)
history_of_the_last_hour() ->
    open_room() ++ [{bob, say("one")}, {phone, join("alice", "<history seconds='3600'/>")}].

%% B2.26 (XEP-0045 §7.2.1, §17.3)
a_join_again() ->
    {allowing, [{history_as_it_was_sent, [7]}, {seen_only_by_who_asked, [7]}],
        everybody() ++
            [
                {bob, say("hello")},
                {bob, subject("tea")},
                {phone, join("alice")},
                {phone, say("still here")}
            ]}.

%% B2.26, B4.33 (XEP-0045 §7.6)
a_join_again_under_another_nick() ->
    both() ++ [{bob, say("hello")}, {phone, join("ally")}].

%% B7.53 (XEP-0045 §7.14)
a_leave_with_a_word() ->
    {allowing, [{error_by_the_server, [5, 6]}],
        both() ++
            [
                {phone, "<presence type='unavailable' to='$room/alice'><status>tea time</status></presence>"},
                {phone, say("gone?")},
                {phone, ping("alice")}
            ]}.

%% B7.53, I6 (XEP-0045 §7.14)
a_leave_with_much_to_say() ->
    everybody() ++
        [
            {phone, [
                "<presence type='unavailable' to='$room/alice' xml:lang='de' id='mine'><status>tee</status><status xml:lang='en'>tea</status>",
                "<odd xmlns='urn:odd'><deep/></odd><x xmlns='vcard-temp:x:update'/></presence>"
            ]}
        ].

%% B7.53 (XEP-0045 §7.14)
a_leave_without_an_id() ->
    both() ++ [{phone, {no_id, leave("alice")}}].

%% B1.5 (XEP-0045 §7.2.1)
a_join_without_an_id() ->
    open_room() ++ [{phone, {no_id, join("alice")}}, {carol, join("carol")}].

%% B1.5, I7 (XEP-0045 §7.2.2)
two_rooms() ->
    both() ++
        [
            {phone, "<presence to='$other/ally'><x xmlns='http://jabber.org/protocol/muc'/></presence>"},
            {bob, "<presence to='$other/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>"},
            {phone, say("here")},
            {phone, message("$other", "groupchat", "<body>there</body>")},
            {bob, message("$other/ally", "chat", "<body>psst</body>")},
            {phone, leave("alice")},
            {bob, message("$other", "groupchat", "<body>still there?</body>")}
        ].

%% B15.104 (XEP-0045 §7.2.2)
a_session_that_shows_itself_to_nobody_joins() ->
    open_room() ++
        [
            {phone, "<presence type='unavailable'/>"},
            {phone, join("alice")},
            {bob, say("hello")},
            {bob, mmx_script:whisper("alice", "psst")},
            {phone, say("hello")},
            {phone, leave("alice")}
        ].

%% B15.104 (XEP-0045 §7.2.2)
a_session_of_negative_priority_joins() ->
    open_room() ++
        [
            {phone, "<presence><priority>-1</priority></presence>"},
            {phone, join("alice")},
            {bob, say("hello")},
            {bob, mmx_script:whisper("alice", "psst")},
            {bob, ping("alice")},
            {phone, {answer, result, ""}}
        ].

%% B6.50 (XEP-0045 §17.3)
a_leave_of_nobody() ->
    open_room() ++
        [
            {phone, leave("alice")},
            {phone, join("alice")},
            {phone, leave("alice")},
            {phone, leave("alice")}
        ].

%% B7.53, B7.55 (XEP-0045 §7.14)
in_and_out_and_in() ->
    open_room() ++
        [
            {phone, join("alice")},
            {bob, say("one")},
            {phone, leave("alice")},
            {bob, say("two")},
            {phone, join("alice")}
        ].

%% B7.55 (XEP-0045 §7.14)
out_and_in_at_once() ->
    both() ++ [{phone, {burst, [leave("alice"), join("alice")]}}, {phone, say("hello")}].

%% B1.5 (XEP-0045 §7.2.1)
a_join_with_much_to_say() ->
    open_room() ++
        [
            {phone, [
                "<presence to='$room/alice' xml:lang='de' id='mine'><show>away</show><status>tea</status><priority>5</priority>",
                "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='abc='/>",
                "<x xmlns='vcard-temp:x:update'><photo>abc</photo></x>",
                "<odd xmlns='urn:odd'/><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            ]},
            {carol, join("carol")}
        ].
