%% Conversations about what everybody hears.
-module(mmx_talking).

-export([
    messages_to_all/0,
    a_message_with_much_in_it/0,
    a_message_that_says_what_only_rooms_say/0,
    a_message_without_an_id/0,
    the_same_id_twice/0,
    many_messages_at_once/0,
    subjects/0,
    a_subject_with_a_body_is_a_message/0,
    a_subject_that_is_not_ones_to_change/0,
    no_voice/0,
    a_refusal_of_one_of_two_with_the_same_id/0,
    a_correction/0,
    a_reaction/0,
    a_retraction/0,
    a_moderation/0,
    chat_states/0,
    markers/0,
    a_message_of_nothing/0,
    a_long_message/0,
    a_message_from_outside/0,
    a_message_that_is_no_groupchat/0,
    an_error_to_the_room_from_outside/0
]).

-compile({no_auto_import, [error/2]}).
-import(mmx_script, [
    join/1, say/1, subject/1, message/3, iq/3, error/2, role/2, configure/1, open_room/0, room_with/1, both/0,
    everybody/0
]).

%% B15.95, B15.96 (XEP-0045 §7.4)
messages_to_all() ->
    everybody() ++
        [
            {phone, say("hello")},
            {bob, say("hello alice")},
            {carol, say("hello both")},
            {phone, say("and on")}
        ].

%% B15.103 (XEP-0045 §7.4)
a_message_with_much_in_it() ->
    both() ++
        [{Session, rich()} || Session <- [phone, bob]].

rich() ->
    [
        "<message to='$room' type='groupchat' xml:lang='de' id='mine'>",
        "<body>hallo</body><body xml:lang='en'>hello</body>",
        "<origin-id xmlns='urn:xmpp:sid:0' id='origin'/><thread parent='p'>t</thread>",
        "<html xmlns='http://jabber.org/protocol/xhtml-im'>",
        "<body xmlns='http://www.w3.org/1999/xhtml'><b>hello</b></body></html>",
        "<odd xmlns='urn:odd' a='&amp;&lt;&apos;'><deep/>text</odd></message>"
    ].

%% B15.103 (XEP-0359 §3, XEP-0421 §4, XEP-0203)
a_message_that_says_what_only_rooms_say() ->
    both() ++
        [
            {phone, message("$room", "groupchat", [
                "<body>hello</body><stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='$room'/>",
                "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged-too'/>",
                "<delay xmlns='urn:xmpp:delay' from='$room' stamp='2001-01-01T00:00:00Z'/>"
            ])}
        ].

%% B15.100 (XEP-0045 §7.4)
a_message_without_an_id() ->
    {allowing, [{id_is_added, [4, 5]}],
        both() ++ [{phone, {no_id, say("hello")}}, {bob, {no_id, say("hello")}}]}.

%% B15.99 (XEP-0045 §7.4)
the_same_id_twice() ->
    both() ++ [{phone, {burst, [same("one"), same("two")]}}, {bob, same("three")}, {phone, same("four")}].

same(Text) ->
    ["<message to='$room' type='groupchat' id='same'><body>", Text, "</body></message>"].

%% B15.96 (XEP-0045 §7.4)
many_messages_at_once() ->
    everybody() ++ [{phone, {burst, [say(Text) || Text <- ["one", "two", "three", "four"]]}}].

%% B15.105 (XEP-0045 §8.1)
subjects() ->
    everybody() ++ [{phone, subject("tea")}, {bob, subject("coffee")}, {bob, subject("")}, {dan, join("dan")}].

%% B15.105 (XEP-0045 §8.1)
a_subject_with_a_body_is_a_message() ->
    both() ++
        [
            {phone, message("$room", "groupchat", "<subject>tea</subject><body>hello</body>")},
            {carol, join("carol")}
        ].

%% B15.98 (XEP-0045 §8.1)
a_subject_that_is_not_ones_to_change() ->
    room_with([{"changesubject", "0"}]) ++
        [
            {phone, join("alice")},
            {phone, subject("tea")},
            {bob, subject("coffee")}
        ].

%% B15.98 (XEP-0045 §7.5)
no_voice() ->
    room_with([{"moderatedroom", "1"}]) ++
        [
            {phone, join("alice")},
            {bob, role("alice", "visitor")},
            {phone, say("hello")},
            {bob, role("alice", "participant")},
            {phone, say("hello")}
        ].

%% B15.98 (XEP-0045 §7.4)
a_refusal_of_one_of_two_with_the_same_id() ->
    room_with([{"moderatedroom", "1"}]) ++
        [
            {phone, join("alice")},
            {bob, role("alice", "visitor")},
            {phone, {burst, [same("one"), same("two")]}},
            {phone, {no_id, say("three")}}
        ].

%% B15.96 (XEP-0308 §3)
a_correction() ->
    both() ++
        [
            {phone, say("helo")},
            {phone, message("$room", "groupchat", "<body>hello</body><replace xmlns='urn:xmpp:message-correct:0' id='step-4'/>")},
            {carol, join("carol")}
        ].

%% B15.96 (XEP-0444, XEP-0334)
a_reaction() ->
    both() ++
        [
            {bob, say("hello")},
            {phone, message("$room", "groupchat", [
                "<reactions xmlns='urn:xmpp:reactions:0' id='step-4'><reaction>x</reaction></reactions>",
                "<store xmlns='urn:xmpp:hints'/>"
            ])},
            {carol, join("carol")}
        ].

%% B15.106 (XEP-0424 §5)
a_retraction() ->
    both() ++
        [
            {phone, say("hello")},
            {phone, message("$room", "groupchat", [
                "<retract xmlns='urn:xmpp:message-retract:1' id='step-4'/><body>gone</body>",
                "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>"
            ])},
            {carol, join("carol")}
        ].

%% B15.106, B17.119 (XEP-0425 §5)
a_moderation() ->
    [{phone, join("alice")}, {phone, {done, configure([{"mam", "1"}])}}, {bob, join("bob")}, {bob, say("rude")}] ++
        [{Session, iq("$room", "set", Moderate)} || Moderate <- moderations(), Session <- [bob, phone]] ++ [{carol, join("carol")}].

moderations() ->
    [
        [
            "<apply-to xmlns='urn:xmpp:fasten:0' id='1'><moderate xmlns='urn:xmpp:message-moderate:0'>",
            "<retract xmlns='urn:xmpp:message-retract:0'/><reason>be kind</reason></moderate></apply-to>"
        ],
        [
            "<moderate xmlns='urn:xmpp:message-moderate:1' id='1'>",
            "<retract xmlns='urn:xmpp:message-retract:1'/><reason>be kind</reason></moderate>"
        ]
    ].

%% B15.96 (XEP-0085)
chat_states() ->
    both() ++
        [
            {Session, message("$room", "groupchat", ["<", State, " xmlns='http://jabber.org/protocol/chatstates'/>"])}
         || Session <- [phone, bob], State <- ["composing", "paused"]
        ] ++ [{carol, join("carol")}].

%% B22.162 (XEP-0333)
markers() ->
    both() ++
        [
            {bob, message("$room", "groupchat", "<body>hello</body><markable xmlns='urn:xmpp:chat-markers:0'/>")},
            {phone, message("$room", "groupchat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='step-4'/>")}
        ].

%% B15.96 (XEP-0045 §7.4)
a_message_of_nothing() ->
    both() ++ [{phone, message("$room", "groupchat", "")}, {bob, say("hello")}].

%% B15.96 (XEP-0045 §7.4)
a_long_message() ->
    both() ++ [{phone, say(lists:duplicate(30000, $x))}].

%% B15.97 (XEP-0045 §7.4)
a_message_from_outside() ->
    open_room() ++ [{phone, say("hello")}, {phone, subject("tea")}, {phone, join("alice")}, {phone, say("hello")}].

%% B15.102 (XEP-0045 §7.4)
a_message_that_is_no_groupchat() ->
    both() ++ [{phone, message("$room", Type, "<body>hello</body>")} || Type <- ["chat", "normal", "headline"]].

%% B13.89 (XEP-0045 §18.1.2)
an_error_to_the_room_from_outside() ->
    open_room() ++ [{phone, message("$room", "error", ["<body>hello</body>", error("cancel", "gone")])}].
