%% The server stops, or dies, and the accounts are back in their rooms.
-module(restarting_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([
    an_account_is_back_after_a_restart/1,
    an_account_is_back_after_a_crash/1,
    who_has_left_does_not_come_back/1,
    who_has_left_just_before_a_crash_does_not_come_back/1,
    who_joined_just_before_a_crash_is_back/1,
    what_was_said_meanwhile_is_there/1,
    a_session_that_comes_first_is_attached/1,
    an_account_that_is_removed_does_not_come_back/1,
    rooms_of_a_stopped_module_are_joined_again/1
]).

-include("support/mmx.hrl").

-define(PERSISTENT, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}).

all() ->
    cases(?MODULE).

init_per_testcase(_Case, Config) ->
    Server = mmx_server:start(mmx_story:beside_plain(#{})),
    Names = [bob, alice],
    People = [{Name, mmx_server:fresh(Server, atom_to_list(Name))} || Name <- Names],
    [{server, Server}, {room, mmx_server:fresh_room(Server)}, {holder, holder(Server)} | People ++ Config].

%% Whatever server runs last is stopped.
end_per_testcase(_Case, Config) ->
    Holder = ?config(holder, Config),
    Holder ! {self(), stop},
    receive {Holder, stopped} -> ok end.

holder(Server) ->
    spawn(fun() -> hold(Server) end).

hold(Server) ->
    receive
        {From, {restart, How}} ->
            Next = mmx_server:How(Server),
            From ! {self(), Next},
            hold(Next);
        {From, stop} ->
            ok = mmx_server:stop(Server),
            From ! {self(), stopped}
    end.

again(Config, How) ->
    Holder = ?config(holder, Config),
    Holder ! {self(), {restart, How}},
    receive {Holder, Server} -> lists:keystore(server, 1, Config, {server, Server}) end.

session(Config, Who, Resource) ->
    connect(?config(server, Config), <<(?config(Who, Config))/binary, "/", Resource/binary>>).

%% bob owns a room that outlives him, and alice is in it.
both_are_in(Config) ->
    Room = ?config(room, Config),
    Bob = session(Config, bob, <<"desk">>),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Bob, Room, <<"bob">>),
    ?assertEqual(<<"result">>, type(configure(Bob, Room, ?PERSISTENT))),
    _ = join(Phone, Room, <<"alice">>),
    settle(Room, [Bob, Phone]),
    {Room, Bob, Phone}.

is_in(Config, Room) ->
    lists:keymember(<<"alice">>, 1, in_room(Config, Room)).

is_back(Config, Room) ->
    mmx_server:wait_until("alice is back", fun() -> is_in(Config, Room) end),
    Jids = [Jid || {<<"alice">>, Jid} <- in_room(Config, Room)],
    ?assertEqual([address(Config, alice)], Jids).

address(Config, Who) ->
    <<(?config(Who, Config))/binary, "@", (mmx_server:host(?config(server, Config)))/binary>>.

%% Another account of the module is back, which stood in line behind.
others_are_back(Config, Room) ->
    Account = mmx_server:fresh(?config(server, Config), "dora"),
    Dora = connect(?config(server, Config), <<Account/binary, "/phone">>),
    _ = join(Dora, Room, <<"dora">>),
    Dora.

%% B23.163, I11 (XEP-0045 §7.2)
an_account_is_back_after_a_restart(Config) ->
    {Room, _, _} = both_are_in(Config),
    is_back(again(Config, restart), Room).

%% B23.165, I11 (XEP-0045 §7.2.1)
an_account_is_back_after_a_crash(Config) ->
    {Room, _, _} = both_are_in(Config),
    is_back(again(Config, crash), Room).

%% I11 (XEP-0045 §7.14)
who_has_left_does_not_come_back(Config) ->
    {Room, _, Phone} = both_are_in(Config),
    _ = leave(Phone, Room),
    Again = again(Config, restart),
    _ = others_are_back(Again, Room),
    ?assertNot(is_in(Again, Room)).

%% I11, T15 (XEP-0045 §7.14)
who_has_left_just_before_a_crash_does_not_come_back(Config) ->
    {Room, _, Phone} = both_are_in(Config),
    _ = leave(Phone, Room),
    Again = again(Config, crash),
    _ = others_are_back(Again, Room),
    ?assertNot(is_in(Again, Room)).

%% I11, T15 (XEP-0045 §7.2)
who_joined_just_before_a_crash_is_back(Config) ->
    Room = ?config(room, Config),
    Bob = session(Config, bob, <<"desk">>),
    _ = join(Bob, Room, <<"bob">>),
    ?assertEqual(<<"result">>, type(configure(Bob, Room, ?PERSISTENT))),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    is_back(again(Config, crash), Room).

%% B12.81, B23.163 (XEP-0045 §7.2.14)
what_was_said_meanwhile_is_there(Config) ->
    {Room, Bob, Phone} = both_are_in(Config),
    told(Bob, Room, <<"before">>, [Bob, Phone]),
    Again = again(Config, restart),
    Bob2 = session(Again, bob, <<"desk">>),
    is_back(Again, Room),
    _ = join(Bob2, Room, <<"bob">>),
    told(Bob2, Room, <<"after">>, [Bob2]),
    Desk = session(Again, alice, <<"desk">>),
    ?assert(lists:member(<<"after">>, bodies(join(Desk, Room, <<"alice">>)))).

%% B23.164, B2.25, I1 (XEP-0045 §7.2)
a_session_that_comes_first_is_attached(Config) ->
    {Room, _, _} = both_are_in(Config),
    Again = again(Config, restart),
    Phone = session(Again, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    is_back(Again, Room).

%% B23.173, I11 (XEP-0077 §3.2)
an_account_that_is_removed_does_not_come_back(Config) ->
    {Room, _, _} = both_are_in(Config),
    Server = ?config(server, Config),
    ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [?config(alice, Config), mmx_server:host(Server)]),
    Again = again(Config, restart),
    _ = others_are_back(Again, Room),
    ?assertNot(is_in(Again, Room)).

%% B23.167, B23.163 (XEP-0045 §11.1)
rooms_of_a_stopped_module_are_joined_again(Config) ->
    {Room, _, Phone} = both_are_in(Config),
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
    Told = removed(Phone, Room, <<"alice">>),
    ?assert(lists:member(333, status_codes(Told))),
    _ = mmx_server:rpc(Server, gen_mod, start_module, [Host, mod_minimix]),
    is_back(Config, Room).
