%% The account has one nick in a room, whatever its sessions want.
-module(nick_SUITE).

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2]).
-export([
    a_new_nick_is_every_sessions/1,
    a_taken_nick_is_told_to_who_asked/1,
    a_forbidden_nick_change_is_told_to_who_asked/1,
    two_changes_at_once_end_the_same_for_all/1,
    a_stanza_to_the_old_nick_arrives/1,
    a_leave_during_a_change_follows_it/1,
    who_comes_during_a_change_sees_it/1,
    sessions_with_other_nicks_in_mind_do_not_fight/1,
    the_nick_of_another_is_seen_to_change/1,
    the_nick_of_another_may_be_taken_over/1
]).
-export([
    another_nick_is_answered_with_the_accounts/1,
    the_nick_that_was_not_given_is_no_nick_change/1,
    sessions_that_join_at_once_share_the_first_nick/1,
    a_nick_in_another_form_is_the_same_nick/1
]).
-export([another_nick_is_everybodys/1, another_nick_that_is_taken_changes_nothing/1]).

-include("support/mmx.hrl").

all() ->
    [{group, assign}, {group, change}].

groups() ->
    Change = [another_nick_is_everybodys, another_nick_that_is_taken_changes_nothing],
    Assign = [
        another_nick_is_answered_with_the_accounts,
        the_nick_that_was_not_given_is_no_nick_change,
        sessions_that_join_at_once_share_the_first_nick,
        a_nick_in_another_form_is_the_same_nick
    ],
    Both = cases(?MODULE) -- (Assign ++ Change),
    [{assign, Both ++ Assign}, {change, Both ++ Change}].

init_per_suite(Config) ->
    Config.

end_per_suite(_Config) ->
    ok.

init_per_group(Nick, Config) ->
    [{server, mmx_server:start(beside_plain(#{nick => Nick}))} | Config].

end_per_group(_, Config) ->
    mmx_server:stop(?config(server, Config)).

%% B4.33, B4.34, B4.35 (XEP-0045 §7.6)
a_new_nick_is_every_sessions(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        send(Phone, presence(<<Room/binary, "/lissy">>, [el(show, [], [<<"chat">>])])),
        [
            begin
                [Gone, Come] = [recv(Session), recv(Session)],
                ?assertEqual({<<"alice">>, [110, 303]}, {from_nick(Gone), status_codes(Gone)}),
                ?assertMatch(#{nick := <<"lissy">>}, item(Gone)),
                ?assertEqual({<<"lissy">>, [110]}, {from_nick(Come), status_codes(Come)}),
                ?assertEqual([jid(Session), jid(Session)], [maps:get(jid, item(Stanza)) || Stanza <- [Gone, Come]])
            end
         || Session <- [Phone, Desk]
        ],
        ?assertEqual([<<"alice">>, <<"lissy">>], nicks(seen(Bob, Room))),
        [hears_marker(Session) || Session <- [Phone, Desk]],
        told(Desk, Room, <<"it is me">>, [Bob, Phone, Desk]),
        ?assertEqual([{<<"bob">>, jid(Bob)}, {<<"lissy">>, account(Phone)}], in_room(Config, Room))
    end).

%% B4.36 (XEP-0045 §7.6)
a_taken_nick_is_told_to_who_asked(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Change = presence(<<Room/binary, "/bob">>, []),
        send(Desk, Change#xmlel{attrs = [{<<"id">>, <<"change">>} | Change#xmlel.attrs]}),
        Refusal = recv(Desk),
        ?assertEqual({<<"change">>, <<"conflict">>}, {attr(Refusal, id), error_condition(Refusal)}),
        ?assertEqual(<<Room/binary, "/bob">>, from(Refusal)),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]],
        marker(Bob, Bob, Room),
        [hears_marker(Session) || Session <- [Phone, Desk]],
        told(Desk, Room, <<"still here">>, [Bob, Phone, Desk])
    end).

%% B4.36 (XEP-0045 §7.6)
a_forbidden_nick_change_is_told_to_who_asked(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        room_option(Config, Room, <<"allow_visitor_nickchange">>, <<"false">>),
        set_role(Bob, Room, <<"alice">>, visitor),
        Visitor = fun(Stanza) -> mmx_stanza:is_self_presence(Stanza) end,
        [?assertMatch(#{role := <<"visitor">>}, item(take(Session, Visitor))) || Session <- [Phone, Desk]],
        settle(Room, [Bob, Phone, Desk]),
        Refusal = rename(Phone, Room, <<"lissy">>),
        ?assertEqual(<<"not-allowed">>, error_condition(Refusal)),
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]],
        marker(Bob, Bob, Room)
    end).

%% B4.33, T5 (XEP-0045 §7.6)
two_changes_at_once_end_the_same_for_all(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        paused(Config, Room, fun() ->
            [
                begin
                    send(Session, presence(<<Room/binary, "/", Nick/binary>>, [])),
                    drain(Session)
                end
             || {Session, Nick} <- [{Phone, <<"one">>}, {Desk, <<"two">>}, {Phone, <<"three">>}]
            ]
        end),
        Settled = fun(Stanza) -> mmx_stanza:is_self_presence(Stanza) andalso from_nick(Stanza) =:= <<"three">> end,
        [recv_until(Session, Settled) || Session <- [Phone, Desk]],
        told(Desk, Room, <<"done">>, [Phone, Desk]),
        ?assertEqual([{<<"bob">>, jid(Bob)}, {<<"three">>, account(Phone)}], in_room(Config, Room))
    end).

%% B4.37, B19.136 (XEP-0410 §4)
a_stanza_to_the_old_nick_arrives(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        rename(Phone, Room, <<"lissy">>),
        settle(Room, [Bob, Phone, Desk]),
        [
            begin
                Ping = iq(<<Room/binary, "/", Nick/binary>>, get, [el(ping, [{xmlns, ?NS_PING}])]),
                ?assertEqual(<<"result">>, type(request(Desk, Ping)))
            end
         || Nick <- [<<"alice">>, <<"lissy">>]
        ],
        send(Desk, presence(<<Room/binary, "/alice">>, unavailable, [])),
        ?assertEqual([110], status_codes(removed(Desk, Room, <<"lissy">>))),
        marker(Bob, Bob, Room)
    end).

%% B4.37, B7.53, T5 (XEP-0045 §7.6, §7.14)
a_leave_during_a_change_follows_it(Config) ->
    [
        story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
            enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
            paused(Config, Room, fun() ->
                send(Phone, presence(<<Room/binary, "/", Wanted/binary>>, [])),
                send(Phone, presence(<<Room/binary, "/", Wanted/binary>>, unavailable, [])),
                drain(Phone)
            end),
            Out = fun(Stanza) -> type(Stanza) =:= <<"unavailable">> andalso status_codes(Stanza) =:= [110] end,
            ?assertEqual(Given, from_nick(lists:last(recv_until(Phone, Out)))),
            ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
        end)
     || {Wanted, Given} <- [{<<"lissy">>, <<"lissy">>}, {<<"bob">>, <<"alice">>}]
    ].

%% B2.23, B4.34 (XEP-0045 §7.6)
who_comes_during_a_change_sees_it(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        paused(Config, Room, fun() ->
            send(Phone, presence(<<Room/binary, "/lissy">>, [])),
            drain(Phone),
            ?assertEqual(<<"alice">>, from_nick(own(join(Desk, Room, <<"alice">>))))
        end),
        [Gone, Come] = [recv(Desk), recv(Desk)],
        ?assertEqual([[110, 303], [110]], [status_codes(Stanza) || Stanza <- [Gone, Come]]),
        ?assertEqual([{<<"bob">>, jid(Bob)}, {<<"lissy">>, account(Phone)}], in_room(Config, Room))
    end).

%% B4.37, T6 (XEP-0045 §7.6, §7.7)
sessions_with_other_nicks_in_mind_do_not_fight(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        rename(Phone, Room, <<"lissy">>),
        settle(Room, [Bob, Phone, Desk]),
        Presence = fun(Stanza) -> Stanza#xmlel.name =:= <<"presence">> end,
        [
            begin
                send(Session, presence(<<Room/binary, "/", Nick/binary>>, [el(show, [], [Show])])),
                Seen = [take(Client, Presence) || Client <- [Bob, Phone, Desk]],
                ?assertEqual([{<<"lissy">>, Best} || _ <- Seen], [{from_nick(S), cdata(child(S, show))} || S <- Seen])
            end
         || {Session, Nick, Show, Best} <- [
                {Desk, <<"alice">>, <<"chat">>, <<"chat">>},
                {Desk, <<"alice">>, <<"away">>, undefined},
                {Phone, <<"lissy">>, <<"dnd">>, <<"away">>}
            ]
        ],
        [?assertEqual([], sync(Session, Room)) || Session <- [Phone, Desk]],
        marker(Bob, Bob, Room)
    end).

%% B4.38 (XEP-0045 §7.6)
the_nick_of_another_is_seen_to_change(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        rename(Bob, Room, <<"robert">>),
        [
            begin
                [Gone, Come] = [recv(Session), recv(Session)],
                ?assertEqual({<<"bob">>, [303]}, {from_nick(Gone), status_codes(Gone)}),
                ?assertMatch(#{nick := <<"robert">>}, item(Gone)),
                ?assertEqual({<<"robert">>, []}, {from_nick(Come), status_codes(Come)})
            end
         || Session <- [Phone, Desk]
        ],
        ?assertEqual([undefined, <<"robert">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
    end).

%% B4.34, B4.38 (XEP-0045 §7.6)
the_nick_of_another_may_be_taken_over(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        rename(Bob, Room, <<"robert">>),
        rename(Desk, Room, <<"bob">>),
        rename(Bob, Room, <<"alice">>),
        Settled = fun(Stanza) -> from_nick(Stanza) =:= <<"alice">> andalso type(Stanza) =:= <<"available">> end,
        [recv_until(Session, Settled) || Session <- [Phone, Desk]],
        Stanzas = join(Phone, Room, <<"bob">>),
        ?assertEqual({<<"bob">>, [undefined, <<"alice">>, <<"bob">>]}, {from_nick(own(Stanzas)), nicks(Stanzas)}),
        ?assertEqual([{<<"alice">>, jid(Bob)}, {<<"bob">>, account(Phone)}], in_room(Config, Room))
    end).

%% B3.29 (XEP-0045 §7.2.2)
another_nick_is_answered_with_the_accounts(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Self = own(join(Desk, Room, <<"lissy">>)),
        ?assertEqual({<<"alice">>, [110, 210]}, {from_nick(Self), status_codes(Self)}),
        ?assertEqual([], sync(Phone, Room)),
        marker(Bob, Bob, Room)
    end).

%% B3.29, T6 (XEP-0045 §7.2.2)
the_nick_that_was_not_given_is_no_nick_change(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"lissy">>}]),
        [send(Desk, presence(<<Room/binary, "/lissy">>, [el(show, [], [Show])])) || Show <- [<<"away">>, <<"dnd">>]],
        ?assertEqual([<<"alice">>, <<"alice">>], nicks(sync(Desk, Room))),
        ?assertEqual([], sync(Phone, Room)),
        marker(Bob, Bob, Room),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B2.25, B3.29 (XEP-0045 §7.2.2)
sessions_that_join_at_once_share_the_first_nick(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Config, Room, fun() ->
            [
                begin ask(Session, Room, Nick), drain(Session) end
             || {Session, Nick} <- [{Phone, <<"alice">>}, {Desk, <<"lissy">>}]
            ]
        end),
        Selves = [own(entered(Session, Room)) || Session <- [Phone, Desk]],
        ?assertEqual([<<"alice">>, <<"alice">>], nicks(Selves)),
        ?assertEqual([[110], [110, 210]], [status_codes(Self) || Self <- Selves]),
        ?assertEqual([<<"alice">>], nicks(seen(Bob, Room)))
    end).

%% B3.32 (XEP-0045 §17.1)
a_nick_in_another_form_is_the_same_nick(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        FullWidth = <<"ａlice"/utf8>>,
        ?assertEqual([110], status_codes(own(join(Desk, Room, FullWidth))))
    end).

%% B3.30, B4.34 (option nick: change)
another_nick_is_everybodys(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        join(Desk, Room, <<"lissy">>),
        Settled = fun(Stanza) -> mmx_stanza:is_self_presence(Stanza) andalso from_nick(Stanza) =:= <<"lissy">> end,
        [take(Session, Settled) || Session <- [Phone, Desk]],
        ?assertEqual([<<"alice">>, <<"lissy">>], nicks(seen(Bob, Room))),
        ?assertEqual([<<"lissy">>, <<"lissy">>], [nick(Session, Room) || Session <- [Phone, Desk]]),
        ?assertEqual([{<<"bob">>, jid(Bob)}, {<<"lissy">>, account(Phone)}], in_room(Config, Room))
    end).

%% B3.30, B4.36 (option nick: change)
another_nick_that_is_taken_changes_nothing(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        Self = own(join(Desk, Room, <<"bob">>)),
        ?assertEqual({<<"alice">>, [110, 210]}, {from_nick(Self), status_codes(Self)}),
        ?assertEqual(<<"conflict">>, error_condition(take(Desk, fun(Stanza) -> type(Stanza) =:= <<"error">> end))),
        ?assertEqual([], sync(Phone, Room)),
        marker(Bob, Bob, Room),
        [hears_marker(Session) || Session <- [Phone, Desk]],
        told(Desk, Room, <<"still here">>, [Bob, Phone, Desk])
    end).

%% What bob said to mark an end is heard by all, and nothing else was.
hears_marker(Session) ->
    Marker = recv(Session),
    ?assertMatch(<<"marker ", _/binary>>, body(Marker)).
