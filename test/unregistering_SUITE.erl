%% An account that is removed is in no room, whatever its sessions still say.
-module(unregistering_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    who_joins_while_it_is_removed_is_nowhere/1,
    who_is_removed_in_the_midst_of_a_join_is_nowhere/1,
    many_joins_during_the_removal_leave_nothing/1,
    who_has_the_name_next_is_served/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start((beside_plain(#{}))#{modules => #{mod_register => #{}}})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B23.173, I1, I11 (XEP-0077 §3.2)
who_joins_while_it_is_removed_is_nowhere(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Remove = "<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>",
        send(Phone, [Remove, join_to(Room)]),
        _ = mmx_client:closed(Phone),
        is_nowhere(Config, Bob, account(Phone), [Room])
    end).

%% B23.173, I11 (XEP-0077 §3.2)
who_is_removed_in_the_midst_of_a_join_is_nowhere(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        mmx_removal:in_the_midst(Phone, fun() -> send(Phone, join_to(Room)) end),
        is_nowhere(Config, Bob, account(Phone), [Room])
    end).

%% B23.173, I11 (XEP-0077 §3.2)
many_joins_during_the_removal_leave_nothing(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(_, Bob, Phone, Desk) ->
        Rooms = [mmx_server:fresh_room(?config(server, Config)) || _ <- lists:seq(1, 30)],
        [enter(Room, [{Bob, <<"bob">>}]) || Room <- Rooms],
        send(Desk, [join_to(Room) || Room <- Rooms]),
        ok = unregister(Config, Phone),
        catch send(Phone, [join_to(Room) || Room <- Rooms]),
        _ = mmx_client:closed(Phone),
        is_nowhere(Config, Bob, account(Phone), Rooms)
    end).

%% B23.173, B1.1 (XEP-0077 §3.1)
who_has_the_name_next_is_served(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        ok = unregister(Config, Phone),
        _ = mmx_client:closed(Phone),
        [User, _] = binary:split(account(Phone), <<"@">>),
        Next = connect(Server, [User, "/next"]),
        join(Next, Room, <<"alice">>),
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

unregister(Config, Session) ->
    [User, Host] = binary:split(account(Session), <<"@">>),
    mmx_server:rpc(?config(server, Config), ejabberd_auth, remove_user, [User, Host]).

join_to(Room) ->
    ["<presence to='", Room, "/alice'><x xmlns='", ?NS_MUC, "'/></presence>"].

is_nowhere(Config, Bob, Account, Rooms) ->
    Server = ?config(server, Config),
    Alone = [{<<"bob">>, jid(Bob)}],
    IsOut = fun() -> lists:all(fun(Room) -> in_room(Config, Room) =:= Alone end, Rooms) end,
    mmx_server:wait_until("the account is out of all rooms", IsOut),
    ok = mmx_server:rpc(Server, minimix_store, flush, [mmx_server:host(Server)]),
    [User, _] = binary:split(Account, <<"@">>),
    ?assertEqual([], [Row || {minimix_room, {{Whose, _}, _}, _} = Row <- mmx_server:rpc(Server, ets, tab2list, [minimix_room]), Whose =:= User]),
    %% Nor does it come back from what was still on its way.
    [sync(Bob, Room) || Room <- Rooms],
    ?assert(IsOut()).
