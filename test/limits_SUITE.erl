%% Rooms that limit rates, and how little an account asks of them.
-module(limits_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    devices_share_the_budget_of_one_occupant/1,
    presences_under_a_limit_come_one_after_the_other/1,
    a_presence_for_five_rooms_is_one_stanza_for_each/1,
    a_flood_of_requests_is_bounded/1
]).

-include("support/mmx.hrl").

-define(NS_VERSION, <<"jabber:iq:version">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Slow = #{min_message_interval => 2, min_presence_interval => 1},
    [{server, mmx_server:start(beside_plain(#{}))}, {slow, mmx_server:start((beside_plain(#{}))#{muc => Slow})} | Config].

end_per_suite(Config) ->
    [mmx_server:stop(?config(Server, Config)) || Server <- [server, slow]].

%% B15.98 (XEP-0045 §7.4: the room's limit is one occupant's, whatever device speaks)
devices_share_the_budget_of_one_occupant(Config) ->
    with_two(slow(Config), fun(Room, Bob, Phone, Desk) ->
        say(Phone, Room, <<"first">>),
        [hears(Client, <<Room/binary, "/alice">>, <<"first">>) || Client <- [Bob, Phone, Desk]],
        %% ejabberd lets one message wait, whoever sent it, and refuses the next.
        say(Desk, Room, <<"second">>),
        ?assertEqual([], sync(Desk)),
        say(Phone, Room, <<"third">>),
        Refused = recv(Phone),
        ?assertEqual({<<"error">>, <<"resource-constraint">>}, {type(Refused), error_condition(Refused)}),
        [hears(Client, <<Room/binary, "/alice">>, <<"second">>) || Client <- [Bob, Phone, Desk]],
        [?assertEqual([], sync(Client, Room)) || Client <- [Bob, Phone, Desk]]
    end).

%% T5 B5.40 (XEP-0045 §7.7: ejabberd forgets a presence that a second one overtakes)
presences_under_a_limit_come_one_after_the_other(Config) ->
    with_two(slow(Config), fun(Room, Bob, Phone, Desk) ->
        Show = fun(Session, What) -> send(Session, presence(<<Room/binary, "/alice">>, [el(show, [], [What])])) end,
        Show(Phone, <<"away">>),
        Show(Phone, <<"dnd">>),
        Show(Phone, <<"xa">>),
        Show(Desk, <<"xa">>),
        Last = fun(Stanza) -> cdata(child(Stanza, show)) =:= <<"xa">> end,
        [mmx_client:take(Client, Last) || Client <- [Bob, Phone, Desk]],
        leave(Desk, Room),
        leave(Phone, Room),
        Gone = fun(Stanza) -> type(Stanza) =:= <<"unavailable">> andalso from_nick(Stanza) =:= <<"alice">> end,
        mmx_client:take(Bob, Gone),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(slow(Config), Room))
    end).

%% B5.40 B5.42 (XEP-0045 §7.7)
a_presence_for_five_rooms_is_one_stanza_for_each(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk", "alice/pad"], fun(_, Bob, Phone, Desk, Pad) ->
        Server = ?config(server, Config),
        Rooms = [mmx_server:fresh_room(Server) || _ <- lists:seq(1, 5)],
        Sessions = [Phone, Desk, Pad],
        [enter(Room, [{Bob, <<"bob">>} | [{Session, <<"alice">>} || Session <- Sessions]]) || Room <- Rooms],
        [User, Host] = binary:split(account(Phone), <<"@">>),
        ok = mmx_count:start(Server, User, Host),
        [
            send(Session, presence(To, [el(show, [], [Show])]))
         || {Session, Show} <- [{Phone, <<"away">>}, {Desk, <<"dnd">>}, {Pad, <<"xa">>}],
            To <- [none | [<<Room/binary, "/alice">> || Room <- Rooms]]
        ],
        [sync(Session) || Session <- Sessions],
        ?assertEqual([<<"alice">> || _ <- Rooms], lists:append([nicks(sync(Bob, Room)) || Room <- Rooms])),
        {ToRooms, _} = mmx_count:read(Server),
        %% Others see no difference until nobody is fully available any more.
        ?assertEqual(length(Rooms), ToRooms),
        [
            begin
                send(Pad, presence(To, [el(show, [], [<<"xa">>]), el(status, [], [<<"asleep">>])])),
                ?assertEqual([], [Stanza || Stanza <- sync(Phone), type(Stanza) =:= <<"error">>])
            end
         || To <- [none | [<<Room/binary, "/alice">> || Room <- Rooms]]
        ],
        sync(Pad),
        ?assertEqual({0, 0}, mmx_count:read(Server))
    end).

%% I10 B17.123 (XEP-0045 §17.4)
a_flood_of_requests_is_bounded(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone]),
        Ids = [integer_to_binary(N) || N <- lists:seq(1, 1_000)],
        [
            send(Phone, ["<iq type='get' id='", Id, "' to='", Room, "/bob'><query xmlns='", ?NS_VERSION, "'/></iq>"])
         || Id <- Ids
        ],
        {GivenUp, Kept} = lists:split(744, Ids),
        ?assertEqual(GivenUp, [attr(error_of(recv(Phone)), id) || _ <- GivenUp]),
        Asked = [mmx_puppet:takes(Puppet) || _ <- Ids],
        [
            begin
                Answer = el(iq, [{type, result}, {id, attr(Request, id)}, {to, account(Phone)}], []),
                mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, Answer)
            end
         || Request <- Asked
        ],
        ?assertEqual([{Id, <<"result">>} || Id <- Kept], [{attr(Got, id), attr(Got, type)} || Got <- [recv(Phone) || _ <- Kept]]),
        ?assertEqual([], sync(Phone))
    end).

error_of(Iq) ->
    ?assertEqual(<<"remote-server-timeout">>, error_condition(Iq)),
    Iq.

slow(Config) ->
    lists:keystore(server, 1, Config, {server, ?config(slow, Config)}).
