%% A room loses the account by accident, and the account comes back before its sessions notice.
-module(repairing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_message_to_a_crashed_room_arrives/1,
    a_crashed_room_is_found_by_pings/1,
    a_service_that_shuts_down_is_entered_again/1,
    a_technical_removal_is_repaired/1,
    what_a_session_missed_is_given_once/1,
    a_kick_is_not_repaired/1,
    a_ban_meanwhile_ends_it/1,
    nobody_is_kept_in_a_temporary_room/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    Options = #{ping_interval => <<"5 s">>, offline_delay => <<"1 s">>, join_timeout => <<"20 s">>},
    [{server, mmx_server:start(beside_plain(Options))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

persist(Bob, Room) ->
    ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}))).

crash(Config, Room) ->
    Server = ?config(server, Config),
    Pid = mmx_server:room_pid(Server, Room),
    ok = mmx_server:kill_process(Server, Pid),
    %% What is sent to the room until then is lost.
    IsForgotten = fun() -> mmx_server:room_pid(Server, Room) =/= Pid end,
    mmx_server:wait_until("the service knows that its room is dead", IsForgotten).

%% B13.88, B12.82, I3 (XEP-0410 §3.2)
a_message_to_a_crashed_room_arrives(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        persist(Bob, Room),
        [drain(Client) || Client <- [Bob, Phone, Desk]],
        crash(Config, Room),
        _ = join(Bob, Room, <<"bob">>),
        say(Phone, Room, <<"does anybody hear?">>),
        [?assertEqual([<<"does anybody hear?">>], until(Client, <<"does anybody hear?">>)) || Client <- [Bob, Phone, Desk]],
        told(Bob, Room, <<"yes">>, [Bob, Phone, Desk])
    end).

%% B13.86, B12.82 (XEP-0410 §3.2)
a_crashed_room_is_found_by_pings(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        persist(Bob, Room),
        [drain(Client) || Client <- [Bob, Phone, Desk]],
        crash(Config, Room),
        _ = join(Bob, Room, <<"bob">>),
        _ = recv_until(Bob, fun(Stanza) -> from_nick(Stanza) =:= <<"alice">> end),
        told(Bob, Room, <<"back again">>, [Bob, Phone, Desk])
    end).

%% The puppet is a room that does what the test says.
with_puppet(Config, Fun) ->
    story(Config, ["alice/phone", "alice/desk"], fun(_, Phone, Desk) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone, Desk]),
        [drain(Client) || Client <- [Phone, Desk]],
        Fun(Puppet, Room, Phone, Desk)
    end).

removes(Puppet, Room, Account, Codes) ->
    Status = [el(status, [{code, integer_to_binary(Code)}]) || Code <- Codes],
    X = el(x, [{xmlns, ?NS_MUC_USER}], [el(item, [{affiliation, none}, {role, none}]) | Status]),
    mmx_puppet:says(Puppet, <<Room/binary, "/alice">>, presence(Account, unavailable, [X])).

is_join(Stanza) ->
    Stanza#xmlel.name =:= <<"presence">> andalso child(Stanza, x, ?NS_MUC) =/= undefined.

next_join(Puppet) ->
    case mmx_puppet:takes(Puppet) of
        #xmlel{name = <<"presence">>} = Stanza ->
            case is_join(Stanza) of
                true -> Stanza;
                false -> next_join(Puppet)
            end;
        _ ->
            next_join(Puppet)
    end.

repaired(Config, Codes) ->
    with_puppet(Config, fun(Puppet, Room, Phone, Desk) ->
        ok = removes(Puppet, Room, account(Phone), Codes),
        Join = next_join(Puppet),
        ?assertEqual(account(Phone), from(Join)),
        ok = mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), [110]),
        ok = mmx_puppet:says(Puppet, <<Room/binary, "/bob">>, message(account(Phone), groupchat, [el(body, [], [<<"still here">>])])),
        [?assertEqual([<<"still here">>], until(Client, <<"still here">>)) || Client <- [Phone, Desk]]
    end).

%% B12.79, B12.80 (XEP-0045 §11.2)
a_service_that_shuts_down_is_entered_again(Config) ->
    repaired(Config, [110, 332]).

%% B13.84, B13.85 (XEP-0045 §11.1)
a_technical_removal_is_repaired(Config) ->
    repaired(Config, [110, 307, 333]),
    repaired(Config, [110]).

%% B12.81, I3 (XEP-0045 §7.2.14)
what_a_session_missed_is_given_once(Config) ->
    with_puppet(Config, fun(Puppet, Room, Phone, Desk) ->
        Text = fun(Body, Extra) -> message(account(Phone), groupchat, [el(body, [], [Body]) | Extra]) end,
        Delay = el(delay, [{xmlns, <<"urn:xmpp:delay">>}, {from, Room}, {stamp, <<"2026-01-01T00:00:00Z">>}]),
        Bob = <<Room/binary, "/bob">>,
        Known = Text(<<"known">>, []),
        ok = mmx_puppet:says(Puppet, Bob, Known),
        ok = removes(Puppet, Room, account(Phone), [110, 332]),
        _ = next_join(Puppet),
        ok = mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), [110]),
        ok = mmx_puppet:says(Puppet, Bob, Known#xmlel{children = Known#xmlel.children ++ [Delay]}),
        ok = mmx_puppet:says(Puppet, Bob, Text(<<"missed">>, [Delay])),
        ok = mmx_puppet:says(Puppet, Bob, Text(<<"live">>, [])),
        [
            ?assertEqual([<<"known">>, <<"missed">>, <<"live">>], until(Client, <<"live">>))
         || Client <- [Phone, Desk]
        ]
    end).

%% B9.65 (XEP-0045 §8.2)
a_kick_is_not_repaired(Config) ->
    with_puppet(Config, fun(Puppet, Room, Phone, Desk) ->
        ok = removes(Puppet, Room, account(Phone), [110, 307]),
        [?assertEqual([110, 307], status_codes(removed(Client, Room, <<"alice">>))) || Client <- [Phone, Desk]]
    end).

%% B12.79, B10.71 (XEP-0045 §9.1)
a_ban_meanwhile_ends_it(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        persist(Bob, Room),
        [drain(Client) || Client <- [Bob, Phone, Desk]],
        crash(Config, Room),
        _ = join(Bob, Room, <<"bob">>),
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), outcast))),
        say(Phone, Room, <<"does anybody hear?">>),
        [?assertEqual([110, 333], status_codes(removed(Client, Room, <<"alice">>))) || Client <- [Desk]]
    end).

%% B15.107, I10 (XEP-0045 §4.2)
nobody_is_kept_in_a_temporary_room(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        kill(Phone),
        _ = leave(Bob, Room),
        mmx_server:wait_until("the room is gone", fun() -> mmx_server:room_pid(Server, Room) =:= none end)
    end).

%% What was said until this was.
until(Client, Text) ->
    bodies(recv_until(Client, fun(Stanza) -> body(Stanza) =:= Text end)).
