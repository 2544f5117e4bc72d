%% Rooms on another server that no one here wrote, over real federation. bob has his account there.
-module(federation_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    an_account_joins_a_remote_room_once/1,
    sessions_that_join_at_once_make_one_occupant/1,
    a_new_room_is_made_by_its_first_session/1,
    both_sides_talk/1,
    history_is_what_a_session_asks_for/1,
    a_subject_is_everybodys/1,
    a_new_nick_is_every_sessions/1,
    a_taken_nick_is_told_to_who_asked/1,
    a_nick_that_the_room_prepares_is_the_accounts/1,
    one_session_leaves_and_nobody_notices/1,
    the_last_session_takes_the_account_out/1
]).
-export([
    a_self_ping_is_answered_for_each_session/1,
    a_reconnect_is_seen_by_nobody/1,
    the_account_stays_without_any_session/1,
    private_messages_go_both_ways/1,
    invitations_go_both_ways/1,
    requests_go_both_ways/1,
    what_a_session_asks_the_room_is_answered/1,
    the_vcard_of_an_occupant_is_shown/1,
    a_new_avatar_is_seen/1,
    a_request_without_any_session_is_answered/1,
    an_unknown_server_is_told_to_who_asked/1,
    a_silent_service_is_told_to_who_asked/1
]).

-include("support/mmx.hrl").
-import(mmx_far, [beside_bob/2, bob/1, unseen/3, heard/1]).

-define(NS_VERSION, <<"jabber:iq:version">>).
-define(NS_VCARD, <<"vcard-temp">>).
-define(NS_VCARD_UPDATE, <<"vcard-temp:x:update">>).
-define(NS_MAM, <<"urn:xmpp:mam:2">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    mmx_far:start(Config).

end_per_suite(Config) ->
    mmx_far:stop(Config).

%% B1.1, B1.2, B1.5, B1.6, B2.17, B2.18, B2.22, B2.24, B15.103, I1 (XEP-0045 §7.1, §7.2)
an_account_joins_a_remote_room_once(Config) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        subject(Bob, Room, <<"tea">>),
        _ = take(Bob, fun mmx_stanza:is_subject/1),
        [told(Bob, Room, Text, [Bob]) || Text <- [<<"one">>, <<"two">>]],
        First = join(Phone, Room, <<"alice">>),
        ?assertEqual([<<"presence">>, <<"presence">>, <<"message">>, <<"message">>, <<"message">>], names(First)),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(First)),
        ?assertEqual([110], status_codes(own(First))),
        ?assertEqual([<<"one">>, <<"two">>], bodies(First)),
        ?assertEqual(<<"tea">>, cdata(child(lists:last(First), subject))),
        ?assertEqual([<<"alice">>], nicks(seen(Bob, Room))),
        _ = heard(Phone),
        Second = join(Desk, Room, <<"alice">>),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(Second)),
        ?assertMatch([<<"one">>, <<"two">> | _], bodies(Second)),
        ?assertEqual(jid(Desk), maps:get(jid, item(own(Second)))),
        ?assertEqual(<<"tea">>, cdata(child(lists:last(Second), subject))),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B1.2, B2.25, I1 (XEP-0045 §7.2.1)
sessions_that_join_at_once_make_one_occupant(Config) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        mmx_prosody:paused(?config(prosody, Config), fun() ->
            [ask(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
            [?assertEqual([], sync(Session)) || Session <- [Phone, Desk]]
        end),
        [?assertEqual([<<"bob">>, <<"alice">>], nicks(entered(Session, Room))) || Session <- [Phone, Desk]],
        ?assertEqual([<<"alice">>], nicks(seen(Bob, Room)))
    end).

%% B1.7, B1.12, T12 (XEP-0045 §10.1.2)
a_new_room_is_made_by_its_first_session(Config) ->
    story(Config, [bob(Config), "alice/phone", "alice/desk"], fun(Room0, Bob, Phone, Desk) ->
        Room = mmx_prosody:room_of(<<"archive">>, Room0),
        ask(Phone, Room, <<"alice">>),
        Own = take(Phone, fun mmx_stanza:is_self_presence/1),
        ?assertEqual([110, 201], status_codes(Own)),
        ?assertEqual(<<"result">>, type(configure(Phone, Room, #{}))),
        ?assertEqual([110], status_codes(own(join(Desk, Room, <<"alice">>)))),
        ?assertEqual([<<"alice">>, <<"bob">>], nicks(join(Bob, Room, <<"bob">>))),
        [_ = take(Session, fun(Stanza) -> from_nick(Stanza) =:= <<"bob">> end) || Session <- [Phone, Desk]],
        told(Bob, Room, <<"thanks">>, [Bob]),
        [hears(Session, <<Room/binary, "/bob">>, <<"thanks">>) || Session <- [Desk]]
    end).

%% B15.95, B15.96, B15.103, I3, I6 (XEP-0045 §7.4)
both_sides_talk(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        told(Phone, Room, <<"hello bob">>, [Bob, Phone, Desk]),
        told(Desk, Room, <<"and from here">>, [Phone, Desk, Bob]),
        say(Phone, Room, <<"the same to all">>),
        Heard = [heard(Client) || Client <- [Bob, Phone, Desk]],
        [_] = lists:usort([sorted(without_to(Stanza)) || Stanza <- Heard]),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B2.20, B2.21 (XEP-0045 §7.2.14)
history_is_what_a_session_asks_for(Config) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        [told(Bob, Room, Text, [Bob]) || Text <- [<<"one">>, <<"two">>, <<"three">>]],
        ?assertEqual([<<"three">>], bodies(join(Phone, Room, <<"alice">>, #{history => [{maxstanzas, 1}]}))),
        ?assertEqual([<<"two">>, <<"three">>], bodies(join(Desk, Room, <<"alice">>, #{history => [{maxstanzas, 2}]}))),
        ?assertEqual([<<"one">>, <<"two">>, <<"three">>], bodies(join(Desk, Room, <<"alice">>))),
        Past = [{since, <<"2020-01-01T00:00:00Z">>}],
        ?assertEqual([<<"one">>, <<"two">>, <<"three">>], bodies(join(Desk, Room, <<"alice">>, #{history => Past}))),
        ?assertEqual([], bodies(join(Desk, Room, <<"alice">>, #{history => [{since, <<"2100-01-01T00:00:00Z">>}]})))
    end).

%% B15.95, B2.22 (XEP-0045 §8.1)
a_subject_is_everybodys(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_changesubject">> => <<"1">>}))),
        settle(Room, [Bob, Phone, Desk]),
        subject(Desk, Room, <<"tea">>),
        Heard = [take(Client, fun mmx_stanza:is_subject/1) || Client <- [Bob, Phone, Desk]],
        [?assertEqual({<<"alice">>, <<"tea">>}, {from_nick(Told), cdata(child(Told, subject))}) || Told <- Heard],
        ?assertEqual(<<"tea">>, cdata(child(lists:last(join(Phone, Room, <<"alice">>)), subject))),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B4.33, B4.34, B4.35 (XEP-0045 §7.6)
a_new_nick_is_every_sessions(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        send(Phone, presence(<<Room/binary, "/lissy">>, [])),
        [
            begin
                [Gone, Come] = [recv(Session), recv(Session)],
                ?assertEqual({<<"alice">>, [110, 303]}, {from_nick(Gone), status_codes(Gone)}),
                ?assertEqual(<<"lissy">>, maps:get(nick, item(Gone))),
                ?assertEqual({<<"lissy">>, [110]}, {from_nick(Come), status_codes(Come)}),
                ?assertEqual([jid(Session), jid(Session)], [maps:get(jid, item(Stanza)) || Stanza <- [Gone, Come]])
            end
         || Session <- [Phone, Desk]
        ],
        ?assertEqual([<<"alice">>, <<"lissy">>], nicks(seen(Bob, Room))),
        [heard(Session) || Session <- [Phone, Desk]],
        told(Desk, Room, <<"it is me">>, [Bob, Phone, Desk]),
        ?assertEqual([<<"bob">>, <<"lissy">>], nicks(join(Phone, Room, <<"lissy">>)))
    end).

%% B4.36 (XEP-0045 §7.6)
a_taken_nick_is_told_to_who_asked(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        send(Desk, with_id(<<"change">>, presence(<<Room/binary, "/bob">>, []))),
        Refusal = recv(Desk),
        ?assertEqual({<<"change">>, <<"conflict">>}, {attr(Refusal, id), error_condition(Refusal)}),
        ?assertEqual({<<Room/binary, "/bob">>, jid(Desk)}, {from(Refusal), attr(Refusal, to)}),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B3.32 (XEP-0045 §17.1)
a_nick_that_the_room_prepares_is_the_accounts(Config) ->
    beside_bob(Config, fun(Room, _Bob, Phone, Desk) ->
        %% A full-width letter, which preparation makes an ordinary one.
        First = join(Phone, Room, <<"alic", 16#ff45/utf8>>),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(First)),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>))),
        told(Desk, Room, <<"here">>, [Phone, Desk])
    end).

%% B6.46, B6.47, B6.49 (XEP-0045 §7.14)
one_session_leaves_and_nobody_notices(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual([110], status_codes(leave(Desk, Room))),
        unseen(Room, Bob, [Phone]),
        ?assertEqual([], sync(Desk, Room))
    end).

%% B7.53, B7.55 (XEP-0045 §7.14)
the_last_session_takes_the_account_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        _ = leave(Desk, Room),
        send(Phone, presence(<<Room/binary, "/alice">>, unavailable, [el(status, [], [<<"bye">>])])),
        Out = removed(Phone, Room, <<"alice">>),
        ?assertEqual({[110], <<"bye">>}, {status_codes(Out), cdata(child(Out, status))}),
        ?assertMatch(#{role := <<"none">>}, item(Out)),
        [Gone] = seen(Bob, Room),
        ?assertEqual({<<"unavailable">>, <<"bye">>}, {type(Gone), cdata(child(Gone, status))}),
        ?assertEqual([{<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]],
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
    end).

%% B19.132, B19.133 (XEP-0410 §3.2)
a_self_ping_is_answered_for_each_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [?assertEqual(<<"result">>, type(ping(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        _ = leave(Desk, Room),
        ?assertEqual(<<"not-acceptable">>, error_condition(ping(Desk, Room, <<"alice">>))),
        ?assertEqual(<<"result">>, type(ping(Phone, Room, <<"alice">>))),
        unseen(Room, Bob, [Phone])
    end).

%% B8.58, B8.59, B2.17 (XEP-0045 §7.14)
a_reconnect_is_seen_by_nobody(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        kill(Phone),
        unseen(Room, Bob, [Desk])
    end),
    story(Config, [bob(Config), "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Account = account(Phone),
        kill(Phone),
        told(Bob, Room, <<"meanwhile">>, [Bob]),
        Back = connect(?config(server, Config), [hd(string:split(Account, "@")), "/phone"]),
        Stanzas = join(Back, Room, <<"alice">>),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(Stanzas)),
        ?assertEqual([<<"meanwhile">>], bodies(Stanzas)),
        unseen(Room, Bob, [Back]),
        mmx_client:abandon(Back)
    end).

%% B8.58, B5.44, B13.90, I5 (XEP-0045 §7.14)
the_account_stays_without_any_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [going_offline(Session) || Session <- [Phone, Desk]],
        [told(Bob, Room, Text, [Bob]) || Text <- [<<"one">>, <<"two">>]],
        whisper(Bob, Room, <<"alice">>, <<"are you there?">>),
        subject(Bob, Room, <<"tea">>),
        _ = take(Bob, fun mmx_stanza:is_subject/1),
        Away = recv(Bob),
        ?assertEqual({<<"alice">>, <<"xa">>}, {from_nick(Away), cdata(child(Away, show))}),
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)),
        send(Phone, presence(none, [])),
        Stanzas = join(Phone, Room, <<"alice">>),
        ?assertMatch([<<"one">>, <<"two">> | _], bodies([S || S <- Stanzas, type(S) =:= <<"groupchat">>])),
        ?assertEqual(<<"tea">>, cdata(child(lists:last(Stanzas), subject))),
        Again = recv(Bob),
        ?assertEqual({<<"alice">>, undefined}, {from_nick(Again), child(Again, show)})
    end).

%% B16.108, B16.111, B16.114 (XEP-0045 §7.5)
private_messages_go_both_ways(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        whisper(Bob, Room, <<"alice">>, <<"psst">>),
        [hears(Session, <<Room/binary, "/bob">>, <<"psst">>) || Session <- [Phone, Desk]],
        whisper(Desk, Room, <<"bob">>, <<"what?">>),
        hears(Bob, <<Room/binary, "/alice">>, <<"what?">>),
        whisper(Desk, Room, <<"nobody">>, <<"psst">>),
        Refusal = take(Desk, fun(Stanza) -> type(Stanza) =:= <<"error">> end),
        ?assertEqual({<<Room/binary, "/nobody">>, <<"item-not-found">>}, {from(Refusal), error_condition(Refusal)}),
        ?assertEqual([], [S || S <- sync(Phone, Room), type(S) =:= <<"error">>])
    end).

%% B18.126, B18.128 (XEP-0045 §7.8.2)
invitations_go_both_ways(Config) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        Invitation = fun(To) -> message(Room, normal, [el(x, [{xmlns, ?NS_MUC_USER}], [el(invite, [{to, To}])])]) end,
        Invites = fun(Stanza) -> child(Stanza, x, ?NS_MUC_USER) =/= undefined andalso Stanza#xmlel.name =:= <<"message">> end,
        send(Bob, Invitation(account(Phone))),
        ?assertEqual(Room, from(take(Phone, Invites))),
        _ = join(Desk, Room, <<"alice">>),
        send(Desk, Invitation(account(Bob))),
        Invite = child(child(take(Bob, Invites), x, ?NS_MUC_USER), invite),
        %% Prosody tells who it came from.
        ?assertEqual(account(Desk), as_account(from(Invite)))
    end).

%% B17.117, B17.121, B17.124 (XEP-0045 §17.4)
requests_go_both_ways(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [
            begin
                ask_version(Session, Room, <<"bob">>),
                answer_version(Bob, <<Room/binary, "/alice">>),
                version(Session, <<Room/binary, "/bob">>)
            end
         || Session <- [Phone, Desk]
        ],
        ask_version(Bob, Room, <<"alice">>),
        answer_version(Phone, <<Room/binary, "/bob">>),
        version(Bob, <<Room/binary, "/alice">>),
        ?assertEqual(<<"item-not-found">>, error_condition(ping(Desk, Room, <<"nobody">>))),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B17.120 (XEP-0045 §6, XEP-0313 §4)
what_a_session_asks_the_room_is_answered(Config) ->
    story(Config, [bob(Config), "alice/phone", "alice/desk"], fun(Room0, Bob, Phone, Desk) ->
        Room = mmx_prosody:room_of(<<"archive">>, Room0),
        _ = join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"result">>, type(configure(Bob, Room, #{}))),
        enter(Room, [{Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        settle(Room, [Bob, Phone, Desk]),
        told(Bob, Room, <<"remember">>, [Bob, Phone, Desk]),
        Info = request(Desk, iq(Room, get, [el(query, [{xmlns, ?NS_DISCO_INFO}])])),
        Features = [attr(Feature, var) || Feature <- children(child(Info, query), feature)],
        ?assert(lists:member(?NS_MAM, Features)),
        send(Phone, el(iq, [{to, Room}, {type, set}, {id, <<"mam">>}], [el(query, [{xmlns, ?NS_MAM}])])),
        Found = recv_until(Phone, fun(Stanza) -> attr(Stanza, id) =:= <<"mam">> end),
        Forwarded = [child(child(child(Stanza, result), forwarded), message) || Stanza <- lists:droplast(Found)],
        ?assert(lists:member(<<"remember">>, bodies(Forwarded))),
        ?assertEqual(<<"result">>, type(lists:last(Found))),
        ?assertEqual([], sync(Desk, Room))
    end).

%% B17.122 (XEP-0054 §3.3)
the_vcard_of_an_occupant_is_shown(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Card = fun(Name) -> iq(none, set, [el('vCard', [{xmlns, ?NS_VCARD}], [el('FN', [], [Name])])]) end,
        [?assertEqual(<<"result">>, type(request(Client, Card(Name)))) || {Client, Name} <- [{Phone, <<"A">>}, {Bob, <<"B">>}]],
        Ask = fun(Client, Nick) ->
            Answer = request(Client, iq(<<Room/binary, "/", Nick/binary>>, get, [el('vCard', [{xmlns, ?NS_VCARD}])])),
            cdata(child(child(Answer, 'vCard'), 'FN'))
        end,
        ?assertEqual([<<"A">>, <<"B">>, <<"B">>, <<"A">>], [
            Ask(Bob, <<"alice">>), Ask(Phone, <<"bob">>), Ask(Desk, <<"bob">>), Ask(Desk, <<"alice">>)
        ]),
        unseen(Room, Bob, [Phone, Desk])
    end).

%% B5.40, B5.42 (XEP-0153 §4.3)
a_new_avatar_is_seen(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Update = fun(Hash) -> el(x, [{xmlns, ?NS_VCARD_UPDATE}], [el(photo, [], [Hash])]) end,
        Shows = fun(Nick, Hash) ->
            fun(Stanza) ->
                Shown = child(Stanza, x, ?NS_VCARD_UPDATE),
                from_nick(Stanza) =:= Nick andalso Shown =/= undefined andalso cdata(child(Shown, photo)) =:= Hash
            end
        end,
        send(Bob, presence(<<Room/binary, "/bob">>, [Update(<<"b0b">>)])),
        [_ = take(Client, Shows(<<"bob">>, <<"b0b">>)) || Client <- [Bob, Phone, Desk]],
        [send(Session, presence(<<Room/binary, "/alice">>, [Update(<<"a11ce">>)])) || Session <- [Phone, Desk]],
        [_ = take(Client, Shows(<<"alice">>, <<"a11ce">>)) || Client <- [Bob, Phone, Desk]]
    end).

%% B17.121, T13 (XEP-0045 §17.4)
a_request_without_any_session_is_answered(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [going_offline(Session) || Session <- [Phone, Desk]],
        ask_version(Bob, Room, <<"alice">>),
        Answer = take(Bob, fun(Stanza) -> attr(Stanza, id) =:= <<"version">> end),
        ?assertEqual(<<"service-unavailable">>, error_condition(Answer)),
        ?assertEqual(<<"result">>, type(ping(Bob, Room, <<"alice">>))),
        ?assertMatch([{<<"alice">>, _}, _], mmx_prosody:occupants(Bob, Room))
    end).

%% B1.10, B13.83 (RFC 6120 §8.3.3.16)
an_unknown_server_is_told_to_who_asked(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        Room = <<"room@rooms.nowhere.example">>,
        [
            begin
                {error, Refusal} = try_join(Session, Room, <<"alice">>, #{id => Id}),
                ?assertEqual({Id, <<"remote-server-not-found">>}, {attr(Refusal, id), error_condition(Refusal)}),
                ?assertEqual({<<Room/binary, "/alice">>, jid(Session)}, {from(Refusal), attr(Refusal, to)})
            end
         || {Session, Id} <- [{Phone, <<"first">>}, {Desk, <<"second">>}, {Phone, <<"third">>}]
        ],
        [?assertEqual([], sync(Session)) || Session <- [Phone, Desk]]
    end).

%% B1.13, B1.10, B2.25 (XEP-0410 §3.2)
a_silent_service_is_told_to_who_asked(Config) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        Asking = [{Phone, <<"of the phone">>}, {Desk, <<"of the desk">>}],
        mmx_prosody:paused(?config(prosody, Config), fun() ->
            [ask(Session, Room, <<"alice">>, #{id => Id}) || {Session, Id} <- Asking],
            [
                begin
                    {error, Refusal} = answered(Session, Room),
                    ?assertEqual({Id, <<"remote-server-timeout">>}, {attr(Refusal, id), error_condition(Refusal)}),
                    ?assertEqual(jid(Session), attr(Refusal, to))
                end
             || {Session, Id} <- Asking
            ]
        end),
        %% What was on its way has arrived: the join, and the leave that undid it.
        ?assertEqual([<<"available">>, <<"unavailable">>], [type(Stanza) || Stanza <- [recv(Bob), recv(Bob)]]),
        ?assertEqual([{<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)),
        [?assertEqual([], sync(Session, Room)) || {Session, _} <- Asking],
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
    end).

names(Stanzas) ->
    [Name || #xmlel{name = Name} <- Stanzas].

without_to(#xmlel{attrs = Attrs} = Stanza) ->
    Stanza#xmlel{attrs = lists:keydelete(<<"to">>, 1, Attrs)}.

%% Servers write attributes in an order of their own, and Prosody what it adds.
sorted(#xmlel{attrs = Attrs, children = Children} = Stanza) ->
    Stanza#xmlel{attrs = lists:sort(Attrs), children = lists:sort(Children)}.

with_id(Id, #xmlel{attrs = Attrs} = Stanza) ->
    Stanza#xmlel{attrs = [{<<"id">>, Id} | Attrs]}.

ping(Session, Room, Nick) ->
    request(Session, iq(<<Room/binary, "/", Nick/binary>>, get, [el(ping, [{xmlns, ?NS_PING}])])).

ask_version(Session, Room, Nick) ->
    To = <<Room/binary, "/", Nick/binary>>,
    send(Session, el(iq, [{to, To}, {type, get}, {id, <<"version">>}], [el(query, [{xmlns, ?NS_VERSION}])])).

answer_version(Client, From) ->
    Asked = recv(Client),
    ?assertEqual({<<"get">>, From}, {type(Asked), from(Asked)}),
    Name = el(query, [{xmlns, ?NS_VERSION}], [el(name, [], [<<"test">>])]),
    send(Client, el(iq, [{to, From}, {type, result}, {id, attr(Asked, id)}], [Name])).

version(Client, From) ->
    Answer = recv(Client),
    ?assertEqual({<<"result">>, <<"version">>, From}, {type(Answer), attr(Answer, id), from(Answer)}),
    ?assertEqual(<<"test">>, cdata(child(child(Answer, query), name))).
