%% The room takes the account out, and all its sessions with it.
-module(removal_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
%% What is known not to work in the module of another server that had the idea first.
-export([an_account_can_leave/1, everybody_who_leaves_is_seen_leaving/1, a_kick_reaches_every_session/1]).
-export([
    a_kick_looks_as_it_does_to_a_native_session/1,
    who_was_kicked_is_out/1,
    who_was_kicked_does_not_slip_back/1,
    who_was_kicked_may_come_back/1,
    a_ban_reaches_every_session/1,
    who_loses_its_membership_is_out/1,
    who_is_no_member_of_a_closed_room_is_out/1,
    a_destroyed_room_says_why_and_where_to_go/1,
    a_session_destroys_its_own_room/1,
    a_destroyed_room_can_be_made_again/1,
    who_comes_at_the_moment_of_a_kick_is_out_too/1,
    who_leaves_at_the_moment_of_a_kick_is_out_once/1,
    a_kick_without_any_session_is_final/1,
    the_kick_of_another_is_seen/1,
    a_lost_voice_is_no_removal/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B7.53 (XEP-0045 §7.14)
an_account_can_leave(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [?assertEqual([110], status_codes(leave(Session, Room))) || Session <- [Phone, Desk]],
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        [Gone] = seen(Bob, Room),
        ?assertEqual({<<"alice">>, <<"unavailable">>}, {from_nick(Gone), type(Gone)})
    end).

%% B9.67 (XEP-0045 §7.14, §8.2, §9.1)
everybody_who_leaves_is_seen_leaving(Config) ->
    Ways = [
        fun(Room, _, Carol) -> send(Carol, presence(<<Room/binary, "/carol">>, unavailable, [])) end,
        fun(_, _, Carol) -> kill(Carol) end,
        fun(Room, Bob, _) -> set_role(Bob, Room, <<"carol">>, none) end,
        fun(Room, Bob, Carol) -> set_affiliation(Bob, Room, account(Carol), outcast) end
    ],
    [
        story(Config, ["bob/desk", "carol/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Carol, Phone, Desk) ->
            enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
            Goes(Room, Bob, Carol),
            Gone = [removed(Session, Room, <<"carol">>) || Session <- [Phone, Desk]],
            [?assertMatch(#{role := <<"none">>}, item(Stanza)) || Stanza <- Gone],
            ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
        end)
     || Goes <- Ways
    ].

%% B9.65, B9.69 (XEP-0045 §8.2)
a_kick_reaches_every_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
        [
            begin
                Out = removed(Session, Room, <<"alice">>),
                ?assertEqual([110, 307], status_codes(Out)),
                ?assertMatch(#{role := <<"none">>, reason := <<"a test">>}, item(Out)),
                ?assertEqual(jid(Session), attr(Out, to))
            end
         || Session <- [Phone, Desk]
        ],
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B9.65, I2, I6 (XEP-0045 §8.2)
a_kick_looks_as_it_does_to_a_native_session(Config) ->
    story(Config, ["bob/desk", "alice/phone", "carol/phone"], fun(Room, Bob, Phone, Carol) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Carol, <<"carol">>}]),
        settle(Room, [Phone]),
        set_role(Bob, Room, <<"carol">>, none),
        Native = recv_until(Carol, fun(Stanza) -> from_nick(Stanza) =:= <<"carol">> end),
        removed(Phone, Room, <<"carol">>),
        set_role(Bob, Room, <<"alice">>, none),
        Ours = recv_until(Phone, fun(Stanza) -> from_nick(Stanza) =:= <<"alice">> end),
        ?assertEqual([anonymous(Stanza, Carol) || Stanza <- Native], [anonymous(Stanza, Phone) || Stanza <- Ours])
    end).

anonymous(Stanza, Session) ->
    User = hd(binary:split(account(Session), <<"@">>)),
    [Name, _] = binary:split(User, <<"-">>),
    Id = [Id || Id <- [attr(Stanza, id)], Id =/= undefined],
    Texts = Id ++ [User, Name],
    lists:foldl(fun(Text, Acc) -> binary:replace(Acc, Text, <<"whoever">>, [global]) end, to_text(Stanza), Texts).

%% B9.68, B9.65, I4 (XEP-0045 §7.4, §8.2, XEP-0410 §3.2)
who_was_kicked_is_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        kicked(Room, Bob, [Phone, Desk]),
        [
            begin
                say(Session, Room, <<"hello?">>),
                ?assertEqual(<<"not-acceptable">>, error_condition(recv(Session))),
                Answer = request(Session, iq(<<Room/binary, "/alice">>, get, [el(ping, [{xmlns, ?NS_PING}])])),
                ?assertEqual(<<"not-acceptable">>, error_condition(Answer))
            end
         || Session <- [Phone, Desk]
        ],
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B5.41, T11 (XEP-0045 §7.2.18)
who_was_kicked_does_not_slip_back(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        kicked(Room, Bob, [Phone, Desk]),
        [
            begin
                send(Session, presence(<<Room/binary, "/alice">>, [el(show, [], [<<"away">>])])),
                Out = recv(Session),
                ?assertEqual({<<"unavailable">>, [110, 307, 333]}, {type(Out), status_codes(Out)}),
                send(Session, presence(<<Room/binary, "/alice">>, unavailable, []))
            end
         || Session <- [Phone, Desk]
        ],
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B9.65, B1.1 (XEP-0045 §8.2)
who_was_kicked_may_come_back(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        kicked(Room, Bob, [Phone, Desk]),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>))),
        ?assertMatch([#xmlel{name = <<"presence">>}], seen(Bob, Room)),
        ?assertEqual([], sync(Phone, Room)),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>))),
        ?assertEqual([{<<"alice">>, account(Desk)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B10.71, B1.10 (XEP-0045 §9.1)
a_ban_reaches_every_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), outcast))),
        [
            begin
                Out = removed(Session, Room, <<"alice">>),
                ?assertEqual([110, 301], status_codes(Out)),
                ?assertMatch(#{affiliation := <<"outcast">>, reason := <<"a test">>}, item(Out)),
                {error, Refusal} = try_join(Session, Room, <<"alice">>),
                ?assertEqual(<<"forbidden">>, error_condition(Refusal))
            end
         || Session <- [Phone, Desk]
        ],
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B10.71 (XEP-0045 §9.4)
who_loses_its_membership_is_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        set_affiliation(Bob, Room, account(Phone), member),
        configure(Bob, Room, #{<<"muc#roomconfig_membersonly">> => <<"1">>}),
        set_affiliation(Bob, Room, account(Phone), none),
        [?assertEqual([110, 321], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        _ = seen(Bob, Room),
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B10.71 (XEP-0045 §10.2)
who_is_no_member_of_a_closed_room_is_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        configure(Bob, Room, #{<<"muc#roomconfig_membersonly">> => <<"1">>}),
        [?assertEqual([110, 322], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        _ = seen(Bob, Room),
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B11.76, B11.77, B9.69 (XEP-0045 §10.9)
a_destroyed_room_says_why_and_where_to_go(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Venue = <<"elsewhere@rooms.example">>,
        ?assertEqual(<<"result">>, type(destroyed(Bob, Room, Venue))),
        gone_for_good(Config, Room),
        [
            begin
                Destroy = child(child(removed(Session, Room, <<"alice">>), x, ?NS_MUC_USER), destroy),
                ?assertEqual({Venue, <<"too late">>}, {attr(Destroy, jid), cdata(child(Destroy, reason))}),
                say(Session, Room, <<"hello?">>),
                ?assertEqual(<<"item-not-found">>, error_condition(recv(Session)))
            end
         || Session <- [Phone, Desk]
        ]
    end).

%% B11.76, B17.119 (XEP-0045 §10.9)
a_session_destroys_its_own_room(Config) ->
    story(Config, ["alice/phone", "bob/desk", "alice/desk"], fun(Room, Phone, Bob, Desk) ->
        enter(Room, [{Phone, <<"alice">>}, {Bob, <<"bob">>}, {Desk, <<"alice">>}]),
        ?assertEqual(<<"result">>, type(destroyed(Desk, Room, <<"elsewhere@rooms.example">>))),
        [removed(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        removed(Bob, Room, <<"bob">>)
    end).

%% What is sent to a room is lost until its service knows that it is dead.
gone_for_good(Config, Room) ->
    Server = ?config(server, Config),
    mmx_server:wait_until("the room is gone", fun() -> mmx_server:room_pid(Server, Room) =:= none end).

destroyed(Owner, Room, Venue) ->
    Destroy = el(destroy, [{jid, Venue}], [el(reason, [], [<<"too late">>])]),
    request(Owner, iq(Room, set, [el(query, [{xmlns, ?NS_MUC_OWNER}], [Destroy])])).

%% B11.78 (XEP-0045 §10.9)
a_destroyed_room_can_be_made_again(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        destroy(Bob, Room),
        [removed(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        gone_for_good(Config, Room),
        ?assertEqual([110, 201], status_codes(own(join(Phone, Room, <<"alice">>)))),
        ?assertEqual([{<<"alice">>, account(Phone)}], in_room(Config, Room))
    end).

%% B9.70, I3 (XEP-0045 §8.2)
who_comes_at_the_moment_of_a_kick_is_out_too(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        paused(Config, Room, fun() ->
            send(Bob, kick(Room, <<"alice">>)),
            drain(Bob),
            join(Desk, Room, <<"alice">>)
        end),
        [?assertEqual([110, 307], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        _ = seen(Bob, Room),
        out(Config, Room, Bob, [Phone, Desk])
    end).

%% B7.55, B9.65 (XEP-0045 §7.14, §8.2)
who_leaves_at_the_moment_of_a_kick_is_out_once(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        paused(Config, Room, fun() ->
            send(Bob, kick(Room, <<"alice">>)),
            drain(Bob),
            send(Phone, presence(<<Room/binary, "/alice">>, unavailable, [])),
            drain(Phone)
        end),
        ?assertEqual([110, 307], status_codes(removed(Phone, Room, <<"alice">>))),
        _ = seen(Bob, Room),
        out(Config, Room, Bob, [Phone]),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>)))
    end).

%% B9.65, T11 (XEP-0045 §8.2)
a_kick_without_any_session_is_final(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [begin going_offline(Session), removed(Session, Room, <<"alice">>) end || Session <- [Phone, Desk]],
        set_role(Bob, Room, <<"alice">>, none),
        _ = seen(Bob, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>)))
    end).

%% B9.67 (XEP-0045 §8.2)
the_kick_of_another_is_seen(Config) ->
    story(Config, ["bob/desk", "carol/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        set_role(Bob, Room, <<"carol">>, none),
        Gone = [removed(Session, Room, <<"carol">>) || Session <- [Phone, Desk]],
        ?assertEqual([[307], [307]], [status_codes(Stanza) || Stanza <- Gone]),
        _ = seen(Bob, Room),
        [take(Session, fun(Stanza) -> body(Stanza) =/= undefined end) || Session <- [Phone, Desk]],
        told(Phone, Room, <<"who is next?">>, [Bob, Phone, Desk]),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
    end).

%% B10.73 (XEP-0045 §8.3)
a_lost_voice_is_no_removal(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        set_role(Bob, Room, <<"alice">>, visitor),
        [?assertMatch(#{role := <<"visitor">>}, item(recv(Session))) || Session <- [Phone, Desk]],
        ?assertMatch(#{role := <<"visitor">>}, item(own(join(Desk, Room, <<"alice">>)))),
        ?assertEqual(2, length(in_room(Config, Room)))
    end).

kick(Room, Nick) ->
    iq(Room, set, [el(query, [{xmlns, ?NS_MUC_ADMIN}], [el(item, [{nick, Nick}, {role, none}])])]).

kicked(Room, Bob, Sessions) ->
    ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
    [removed(Session, Room, <<"alice">>) || Session <- Sessions],
    _ = seen(Bob, Room).

%% The account is out, stays out, and its sessions hear no more of the room.
out(Config, Room, Bob, Sessions) ->
    _ = [sync(Session, Room) || Session <- Sessions],
    _ = seen(Bob, Room),
    ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
    [?assertEqual([], sync(Session, Room)) || Session <- Sessions].
