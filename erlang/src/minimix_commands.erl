%%% The commands for admins, by ejabberdctl, over HTTP (mod_http_api) and by whatever else asks
%%% ejabberd's registry. What they do is in minimix_admin.
-module(minimix_commands).

-export([register/1, unregister/1]).

-include("ejabberd_commands.hrl").

%% @doc They are there while the module runs on any host.
-spec register(binary()) -> ok.
register(Host) ->
    case gen_mod:is_loaded_elsewhere(Host, mod_minimix) of
        false -> ejabberd_commands:register_commands(mod_minimix, commands());
        true -> ok
    end.

-spec unregister(binary()) -> ok.
unregister(Host) ->
    case gen_mod:is_loaded_elsewhere(Host, mod_minimix) of
        false -> ejabberd_commands:unregister_commands(commands());
        true -> ok
    end.

commands() ->
    [rooms(), join(), leave(), rejoin(), stats(), upgrade()].

rooms() ->
    (command(minimix_rooms))#ejabberd_commands{
      desc = "List the rooms that an account is in",
      longdesc = "The states are `joining` (the room has not confirmed the account yet), `joined`, `away` "
                 "(the room has lost it, and it comes back by itself), `leaving`, and `out` (it was removed or "
                 "has left, though its bookmark has autojoin). Times are UTC, and empty where there is none: "
                 "since when the account is in the room, since when without any session, and when the room "
                 "last took it back that had lost it.",
      function = rooms,
      args = account_args(),
      args_desc = account_desc(),
      args_example = account_example(),
      result = {rooms, {list, {room, {tuple, [{room, string}, {nick, string}, {state, atom},
                                              {sessions, {list, {session, string}}}, {autojoin, atom},
                                              {since, string}, {detached_since, string}, {repaired, string}]}}}},
      result_desc = "Room, nick, state, sessions in the room, autojoin of the bookmark, and three times",
      result_example = [{<<"tea@rooms.example.com">>, <<"alice">>, joined, [<<"phone">>, <<"desk">>], true,
                         <<"2026-01-31T12:00:00Z">>, <<>>, <<>>}]}.

join() ->
    (command(minimix_join))#ejabberd_commands{
      desc = "Make an account join a room",
      longdesc = "It returns before the room has answered: `minimix_rooms` tells what came of it. "
                 "Without a session the account leaves again after `detached_ttl`. "
                 "An account that is a MUC/Sub subscriber of the room stays one and does not join.",
      function = join,
      args = account_args() ++ [{room, binary}, {nick, binary}, {password, binary}],
      args_desc = account_desc() ++ ["Room", "Nick", "Password of the room, or an empty text"],
      args_example = account_example() ++ [<<"tea@rooms.example.com">>, <<"alice">>, <<>>],
      result_example = {ok, <<"alice@example.com joins tea@rooms.example.com as alice">>}}.

leave() ->
    (command(minimix_leave))#ejabberd_commands{
      desc = "Make an account leave a room",
      longdesc = "All its sessions are told that they are out, and may join again.",
      function = leave,
      args = room_args(),
      args_desc = room_desc(),
      args_example = room_example(),
      result_example = {ok, <<"alice@example.com leaves tea@rooms.example.com">>}}.

rejoin() ->
    (command(minimix_rejoin))#ejabberd_commands{
      desc = "Make an account join a room again that it is in",
      longdesc = "For an account that a room has forgotten without saying so. Its sessions stay in the room "
                 "and are shown what has changed. An account that waits to come back need not wait longer "
                 "than its service wants.",
      function = rejoin,
      args = room_args(),
      args_desc = room_desc(),
      args_example = room_example(),
      result_example = {ok, <<"alice@example.com joins tea@rooms.example.com again">>}}.

stats() ->
    (command(minimix_stats))#ejabberd_commands{
      desc = "Count accounts, rooms and what waits",
      longdesc = "`memberships` are pairs of account and room, by their state as in `minimix_rooms`. "
                 "`rejoins_waiting` are those that come back to their rooms, after a restart for instance, in "
                 "all and for each service; `rejoin_rate` of them are served in a second. "
                 "`changes_waiting` have not been stored yet. `occupants` are the others in their rooms that "
                 "accounts remember, `bytes` the stanzas remembered. `joins` of accounts, `attaches` of "
                 "sessions, `forks` of stanzas to sessions and `repairs`, when rooms took accounts back, are "
                 "counted since the module has started.",
      function = stats,
      args = [{host, binary}],
      args_desc = ["Virtual host, or `global` for all"],
      args_example = [<<"example.com">>],
      result = {stats, {list, {stat, {tuple, [{name, string}, {value, string}]}}}},
      result_desc = "Names and values",
      result_example = [{<<"accounts">>, <<"1000">>}, {<<"rooms">>, <<"150">>}]}.

upgrade() ->
    (command(minimix_upgrade))#ejabberd_commands{
      desc = "Load another version of the module and its library that was installed",
      longdesc = "On all virtual hosts. Accounts stay in their rooms. Their sessions are told that they are out "
                 "and may join again. When the new library does not load nothing changes.",
      function = upgrade,
      args = [],
      result_example = {ok, <<"mod_minimix 0.2.0 runs, in place of 0.1.0">>}}.

%% The definer is needed to take them back: ejabberd 24.12 compares all of a command.
command(Name) ->
    #ejabberd_commands{name = Name, tags = [muc], policy = admin, module = minimix_admin,
                       definer = mod_minimix, result = {res, restuple}}.

account_args() -> [{user, binary}, {host, binary}].
account_desc() -> ["User name", "Virtual host"].
account_example() -> [<<"alice">>, <<"example.com">>].

room_args() -> account_args() ++ [{room, binary}].
room_desc() -> account_desc() ++ ["Room"].
room_example() -> account_example() ++ [<<"tea@rooms.example.com">>].
