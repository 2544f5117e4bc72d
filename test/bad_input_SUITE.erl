%% Rooms and clients that say anything at all.
-module(bad_input_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_room_that_answers_nonsense_is_survived/1,
    a_room_without_codes_and_subject_can_be_joined/1,
    what_a_room_says_reaches_the_session_untouched/1,
    ten_thousand_occupants_are_replayed_in_order/1,
    a_silent_room_times_out/1,
    nicks_of_every_plane_come_through/1,
    huge_and_deep_stanzas_are_survived/1,
    nothing_that_nobody_asked_for_is_delivered/1,
    a_client_cannot_make_the_account_send_an_error/1,
    only_who_was_asked_can_answer/1,
    an_answer_counts_only_from_whom_was_asked/1
]).

-include("support/mmx.hrl").

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= init_per_suite, Name =/= end_per_suite, Name =/= module_info].

init_per_suite(Config) ->
    [{server, mmx_server:start(#{minimix => #{join_timeout => <<"2 seconds">>, max_occupants => 20_000}})} | Config].

end_per_suite(Config) ->
    Server = ?config(server, Config),
    Complaints = mmx_server:complaints(Server),
    mmx_server:stop(Server),
    ?assertEqual([], [Line || Line <- Complaints, binary:match(Line, <<"minimix">>) =/= nomatch]).

%% I5 (XEP-0045 §7.2: a room that answers nonsense)
a_room_that_answers_nonsense_is_survived(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        asks_to_join(Alice, Room),
        mmx_puppet:takes(Service),
        To = [" to='", account(Alice), "' from='", Room],
        Nonsense = [
            ["<presence", To, "/x'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='bob@example'/>"
             "<item jid='@@@' role='king' affiliation='jester'/><status code='999'/><status code='many'/><status/></x></presence>"],
            ["<presence", To, "/y'>stray<x xmlns='http://jabber.org/protocol/muc#user'>text</x><x/><x xmlns=''/></presence>"],
            ["<presence", To, "'><destroy/></presence>"],
            ["<message", To, "/x' type='groupchat'><body>one</body><body>two</body></message>"],
            ["<message", To, "/x' type='groupchat'><delay xmlns='urn:xmpp:delay' stamp='never' from='", Room, "'/><body>when?</body></message>"],
            ["<iq", To, "/x' type='result' id='unasked'/>"],
            ["<iq", To, "/x' type='error' id='unasked'/>"],
            ["<message", To, "/x' type='error' id='unasked'><error/></message>"],
            ["<presence", To, "/x' type='error' id='unasked'><error/></presence>"]
        ],
        [puts(Service, Text) || Text <- Nonsense],
        confirms(Service, Room, Alice),
        Stanzas = mmx_client:recv_until(Alice, fun mmx_stanza:is_self_presence/1),
        ?assertEqual([Room, <<Room/binary, "/x">>, <<Room/binary, "/y">>, <<Room/binary, "/alice">>],
                     [from(Stanza) || #xmlel{name = <<"presence">>} = Stanza <- Stanzas])
    end).

%% T3 B1.9 (XEP-0045 §7.2.2: neither code 110 nor a subject)
a_room_without_codes_and_subject_can_be_joined(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        asks_to_join(Alice, Room),
        mmx_puppet:takes(Service),
        To = [" to='", account(Alice), "' from='", Room],
        X = "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x>",
        puts(Service, ["<presence", To, "/bob'>", X, "</presence>"]),
        puts(Service, ["<presence", To, "/alice'>", X, "</presence>"]),
        puts(Service, ["<message", To, "/bob' type='groupchat'><body>hello</body></message>"]),
        [Bob, Self] = [recv(Alice), recv(Alice)],
        ?assertEqual({<<"bob">>, []}, {from_nick(Bob), status_codes(Bob)}),
        ?assertEqual({<<"alice">>, [110]}, {from_nick(Self), status_codes(Self)}),
        ?assertEqual(<<"hello">>, body(mmx_client:take(Alice, fun(Stanza) -> body(Stanza) =/= undefined end)))
    end).

%% I6 (XEP-0359 §3)
what_a_room_says_reaches_the_session_untouched(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        joins(Service, Room, Alice),
        Odd = ["<message to='", account(Alice), "' from='", Room, "/bob' type='groupchat' id='a b' xml:lang='tlh' odd='1'>"
               "<odd xmlns='urn:odd' a='1' b=''><odder/> text </odd><body>one</body><body>two</body><subject>s</subject>"
               "<body xml:lang='de'>drei</body><stanza-id xmlns='urn:xmpp:sid:0' id='7' by='", Room, "'/></message>"],
        puts(Service, Odd),
        Got = recv(Alice),
        Sent = fxml_stream:parse_element(iolist_to_binary(Odd)),
        ?assertEqual([<<"one">>, <<"two">>, <<"drei">>], [cdata(Body) || Body <- children(Got, body)]),
        ?assertEqual(child(Sent, odd), child(Got, odd)),
        ?assertEqual(child(Sent, <<"stanza-id">>), child(Got, <<"stanza-id">>)),
        ?assertEqual({<<"a b">>, <<"tlh">>}, {attr(Got, id), attr(Got, <<"xml:lang">>)})
    end).

%% B24.180 I9 (10,000 occupants)
ten_thousand_occupants_are_replayed_in_order(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        asks_to_join(Alice, Room),
        mmx_puppet:takes(Service),
        Nicks = [iolist_to_binary(io_lib:format("n~5..0B", [N])) || N <- lists:seq(1, 10_000)],
        X = "<x xmlns='http://jabber.org/protocol/muc#user'><item role='participant'/></x>",
        [puts(Service, ["<presence to='", account(Alice), "' from='", Room, "/", Nick, "'>", X, "</presence>"]) || Nick <- Nicks],
        confirms(Service, Room, Alice),
        Stanzas = mmx_client:recv_until(Alice, fun mmx_stanza:is_self_presence/1),
        ?assertEqual(Nicks ++ [<<"alice">>], [from_nick(Stanza) || Stanza <- Stanzas]),
        Desk = connect(?config(server, Config), [account_user(Alice), "/desk"]),
        asks_to_join(Desk, Room),
        Again = mmx_client:recv_until(Desk, fun mmx_stanza:is_self_presence/1),
        ?assertEqual(Nicks ++ [<<"alice">>], [from_nick(Stanza) || #xmlel{name = <<"presence">>} = Stanza <- Again, from_nick(Stanza) =/= undefined, bare(from(Stanza)) =:= Room])
    end).

%% B1.13 (XEP-0410 §3.2)
a_silent_room_times_out(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        asks_to_join(Alice, Room),
        mmx_puppet:takes(Service),
        Error = recv(Alice),
        ?assertEqual(<<"remote-server-timeout">>, error_condition(Error)),
        ?assertEqual(<<"unavailable">>, type(mmx_puppet:takes(Service)))
    end).

%% B1.5 (XEP-0045 §7.2.2: nicks of every Unicode plane)
nicks_of_every_plane_come_through(Config) ->
    Nicks = [<<"日本"/utf8>>, <<"𐐀"/utf8>>, <<"ñ"/utf8>>, <<"a b/c@d"/utf8>>, <<"𠀀"/utf8>>, <<"<&'>"/utf8>>, <<"ع"/utf8>>],
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        join(Phone, Room, <<"alice">>),
        [
            begin
                rename(Phone, Room, Nick),
                Stanzas = join(Desk, Room, Nick),
                Self = [Stanza || Stanza <- Stanzas, is_self_presence(Stanza)],
                ?assertEqual([<<Room/binary, "/", Nick/binary>>], [from(Stanza) || Stanza <- Self]),
                leave(Desk, Room)
            end
         || Nick <- Nicks
        ]
    end).

%% B24.180 (huge and deeply nested stanzas)
huge_and_deep_stanzas_are_survived(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Bob, Room, <<"bob">>),
        join(Alice, Room, <<"alice">>),
        drain(Bob),
        Deep = lists:foldl(fun(_, Inner) -> el(deep, [{xmlns, <<"urn:deep">>}], [Inner]) end, <<"end">>, lists:seq(1, 1_000)),
        send(Alice, message(Room, groupchat, [el(body, [], [<<"deep">>]), Deep])),
        ?assertEqual(<<"deep">>, body(recv(Bob))),
        Huge = binary:copy(<<"x">>, 400_000),
        say(Alice, Room, Huge),
        ?assertEqual(Huge, body(recv(Bob)))
    end).

%% B17.124 I3 (answers that nobody asked for)
nothing_that_nobody_asked_for_is_delivered(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        joins(Service, Room, Alice),
        To = [" to='", account(Alice), "' from='", Room, "/bob'"],
        puts(Service, ["<iq", To, " type='result' id='1'/>"]),
        puts(Service, ["<iq", To, " type='error' id='2'><error type='cancel'/></iq>"]),
        puts(Service, ["<message", To, " type='error' id='3'><error type='cancel'/></message>"]),
        puts(Service, ["<presence", To, " type='error' id='4'><error type='cancel'/></presence>"]),
        puts(Service, ["<message", To, " type='groupchat'><body>marker</body></message>"]),
        ?assertEqual(<<"marker">>, body(recv(Alice)))
    end).

%% B13.89 I5 (XEP-0045 §18.1.2)
a_client_cannot_make_the_account_send_an_error(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        joins(Service, Room, Alice),
        [send(Alice, [Start, " to='", Room, To, "' type='error' id='9'><error type='cancel'/></", End, ">"])
         || {Start, End} <- [{"<message", "message"}, {"<presence", "presence"}, {"<iq", "iq"}], To <- ["/bob"]],
        send(Alice, ["<message to='", Room, "' type='error'><error type='cancel'/></message>"]),
        say(Alice, Room, <<"marker">>),
        ?assertEqual(<<"marker">>, body(mmx_puppet:takes(Service)))
    end).

%% B17.121 T13 (XEP-0045 §17.4)
only_who_was_asked_can_answer(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        joins(Service, Room, Alice),
        puts(Service, ["<iq to='", account(Alice), "' from='", Room, "/bob' type='get' id='42'><query xmlns='jabber:iq:version'/></iq>"]),
        ?assertEqual(<<"42">>, attr(recv(Alice), id)),
        send(Alice, ["<iq to='", Room, "/eve' type='result' id='42'/>"]),
        send(Alice, ["<iq to='", Room, "/bob' type='result' id='42'/>"]),
        send(Alice, ["<iq to='", Room, "/bob' type='result' id='42'/>"]),
        say(Alice, Room, <<"marker">>),
        Answer = mmx_puppet:takes(Service),
        ?assertEqual({account(Alice), <<Room/binary, "/bob">>}, {from(Answer), attr(Answer, to)}),
        ?assertEqual(<<"marker">>, body(mmx_puppet:takes(Service)))
    end).

%% B17.117 T13 (XEP-0045 §17.4)
an_answer_counts_only_from_whom_was_asked(Config) ->
    with_service(Config, fun(Service, Room, Alice) ->
        joins(Service, Room, Alice),
        Ask = fun() ->
            send(Alice, ["<iq to='", Room, "/bob' type='get' id='mine'><query xmlns='jabber:iq:version'/></iq>"]),
            attr(mmx_puppet:takes(Service), id)
        end,
        Answer = fun(Id, Nick, What) ->
            puts(Service, [
                "<iq to='", account(Alice), "' from='", Room, "/", Nick, "' type='result' id='", Id, "'><", What, "/></iq>"
            ])
        end,
        Id = Ask(),
        Answer(Id, "eve", "forged"),
        Answer("minimix-1", "bob", "guessed"),
        Answer(Id, "bob", "true"),
        Answer(Id, "bob", "doubled"),
        Got = recv(Alice),
        ?assertEqual(
            {<<Room/binary, "/bob">>, <<"mine">>, <<"result">>}, {from(Got), attr(Got, id), type(Got)}
        ),
        ?assertMatch([_], children(Got, <<"true">>)),
        ?assertEqual([], sync(Alice))
    end).

with_service(Config, Fun) ->
    story(Config, ["alice/phone"], fun(_, Alice) ->
        {Service, Room} = mmx_puppet:open(?config(server, Config)),
        drain(Alice),
        Fun(Service, Room, Alice)
    end).

%% Says what is written, from where it is written.
puts(Service, Text) ->
    #xmlel{} = Stanza = fxml_stream:parse_element(iolist_to_binary(Text)),
    mmx_puppet:says(Service, from(Stanza), Stanza).

asks_to_join(Client, Room) ->
    send(Client, presence(<<Room/binary, "/alice">>, [el(x, [{xmlns, ?NS_MUC}])])).

confirms(Service, Room, Client) ->
    puts(Service, ["<presence to='", account(Client), "' from='", Room, "/alice'>"
        "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/><status code='110'/></x></presence>"]),
    puts(Service, ["<message to='", account(Client), "' from='", Room, "' type='groupchat'><subject/></message>"]).

joins(Service, Room, Client) ->
    asks_to_join(Client, Room),
    mmx_puppet:takes(Service),
    confirms(Service, Room, Client),
    mmx_client:recv_until(Client, fun mmx_stanza:is_subject/1).

account_user(Client) ->
    hd(binary:split(account(Client), <<"@">>)).
