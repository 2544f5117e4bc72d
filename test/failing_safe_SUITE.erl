%% Whatever fails in the module, ejabberd runs, plain rooms work and rooms expel nobody.
-module(failing_safe_SUITE).

-export([all/0]).
-export([
    without_its_library_accounts_join_as_without_the_module/1,
    a_crashing_core_expels_nobody/1,
    a_join_that_fails_half_way_makes_one_occupant/1,
    a_crashed_watchman_comes_back/1,
    two_nodes_are_served_as_without_the_module/1
]).

-include("support/mmx.hrl").

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= module_info].

%% I8 (library missing at boot)
without_its_library_accounts_join_as_without_the_module(_Config) ->
    Folder = copy_without_library(),
    with_server(#{minimix => #{}, vm_args => ["-pa", filename:join(Folder, "ebin")]}, fun(Server) ->
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            join(Bob, Room, <<"bob">>),
            [join(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            ?assertEqual([jid(Desk), jid(Phone)], alices(Server, Room)),
            say(Phone, Room, <<"plain">>),
            mmx_client:take(Bob, fun(Stanza) -> body(Stanza) =:= <<"plain">> end)
        end),
        Errors = [Line || Line <- mmx_server:complaints(Server), binary:match(Line, <<"mod_minimix">>) =/= nomatch],
        ?assertMatch([_, _], Errors)
    end).

%% I8 I5 T9 (core raises on every call)
a_crashing_core_expels_nobody(_Config) ->
    with_server(all_but_bob(), fun(Server) ->
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            Other = mmx_server:fresh_room(Server),
            join(Bob, Room, <<"bob">>),
            join(Phone, Room, <<"alice">>),
            drain(Bob),
            break_the_core(Server),

            say(Bob, Room, <<"anybody?">>),
            hears(Bob, <<Room/binary, "/bob">>, <<"anybody?">>),
            ?assertEqual([account(Phone)], alices(Server, Room)),

            say(Phone, Room, <<"me">>),
            Refused = mmx_client:take(Phone, fun(Stanza) -> type(Stanza) =:= <<"error">> end),
            ?assertEqual(<<"internal-server-error">>, error_condition(Refused)),
            ?assertEqual([], sync(Bob, Room)),

            join(Desk, Other, <<"alice">>),
            ?assertEqual([jid(Desk)], alices(Server, Other)),
            kill(Phone),
            mmx_server:wait_until("the stream is gone", fun() -> mmx_server:c2s_pid(Server, jid(Phone)) =:= none end),
            ?assertEqual([account(Phone)], alices(Server, Room))
        end)
    end).

%% I8 I1 (executor raises after the account's join was sent)
a_join_that_fails_half_way_makes_one_occupant(_Config) ->
    with_server(all_but_bob(), fun(Server) ->
        story([{server, Server}], ["alice/phone", "bob/desk"], fun(Room, Phone, Bob) ->
            join(Bob, Room, <<"bob">>),
            break_the_clock(Server),
            ask(Phone, Room, <<"alice">>),
            Refused = mmx_client:take(Phone, fun(Stanza) -> type(Stanza) =:= <<"error">> end),
            ?assertEqual(<<"internal-server-error">>, error_condition(Refused)),
            mmx_client:take(Bob, fun(Stanza) -> from_nick(Stanza) =:= <<"alice">> end),
            ?assertEqual([account(Phone)], alices(Server, Room))
        end)
    end).

%% I8 (supervision)
a_crashed_watchman_comes_back(_Config) ->
    with_server(#{minimix => #{}}, fun(Server) ->
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            join(Bob, Room, <<"bob">>),
            [join(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            Name = binary_to_atom(<<"minimix_host_", (mmx_server:host(Server))/binary>>),
            Old = mmx_server:rpc(Server, erlang, whereis, [Name]),
            mmx_server:kill_process(Server, Old),
            mmx_server:wait_until("the watchman is back", fun() ->
                not lists:member(mmx_server:rpc(Server, erlang, whereis, [Name]), [Old, undefined])
            end),
            mmx_server:kill_process(Server, mmx_server:c2s_pid(Server, jid(Phone))),
            mmx_server:wait_until("the killed stream is noticed", fun() -> sessions(Server) =:= 1 end),
            say(Bob, Room, <<"hello">>),
            mmx_client:take(Desk, fun(Stanza) -> body(Stanza) =:= <<"hello">> end)
        end)
    end).

%% T10 (cluster)
two_nodes_are_served_as_without_the_module(_Config) ->
    Name = "mmx" ++ os:getpid() ++ "x" ++ integer_to_list(erlang:unique_integer([positive])),
    with_server((all_but_bob())#{vm_args => ["-sname", Name ++ "@localhost", "-setcookie", Name]}, fun(Server) ->
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            join(Bob, Room, <<"bob">>),
            join(Phone, Room, <<"alice">>),
            {ok, Peer, _} = second_node(Name),
            ?assertEqual([110, 333], status_codes(removed(Phone, Room, <<"alice">>))),
            join(Desk, Room, <<"alice">>),
            ?assertEqual([jid(Desk)], alices(Server, Room)),
            peer:stop(Peer),
            mmx_server:wait_until("it serves again", fun() -> is_serving(Server) end),
            leave(Desk, Room),
            join(Desk, Room, <<"alice">>),
            ?assertEqual([account(Desk)], alices(Server, Room))
        end)
    end).

%% A second database node is what makes a cluster of ejabberd.
second_node(Name) ->
    {ok, Peer, _} = Started = peer:start(#{
        connection => standard_io,
        args => ["-sname", Name ++ "y@localhost", "-setcookie", Name]
    }),
    ok = peer:call(Peer, application, set_env, [mnesia, dir, "/nonexistent"]),
    ok = peer:call(Peer, mnesia, start, []),
    {ok, [_]} = peer:call(Peer, mnesia, change_config, [extra_db_nodes, [list_to_atom(Name ++ "@localhost")]]),
    Started.

all_but_bob() ->
    Served = [#{deny => #{user_regexp => <<"^bob">>}}, #{allow => all}],
    #{minimix => #{access => served}, top => #{access_rules => #{served => Served}}}.

with_server(Options, Fun) ->
    Server = mmx_server:start(Options),
    try Fun(Server)
    after mmx_server:stop(Server)
    end.

copy_without_library() ->
    Ebin = filename:dirname(code:which(mod_minimix)),
    Folder = filename:join([?config(priv_dir, [{priv_dir, "/tmp"}]), "minimix-" ++ os:getpid(), "mod_minimix"]),
    Copy = filename:join(Folder, "ebin"),
    ok = filelib:ensure_path(Copy),
    [{ok, _} = file:copy(File, filename:join(Copy, filename:basename(File))) || File <- filelib:wildcard(Ebin ++ "/*")],
    Folder.

%% In the place of the module with the library: one whose every function raises as rustler does after a panic.
break_the_core(Server) ->
    Exports = [{Name, Arity} || {Name, Arity} <- minimix_nif:module_info(exports), Name =/= module_info],
    Forms = [{attribute, 1, module, minimix_nif}, {attribute, 1, export, Exports} | [raising(Export) || Export <- Exports]],
    {ok, minimix_nif, Beam} = compile:forms(Forms),
    {module, minimix_nif} = mmx_server:rpc(Server, code, load_binary, [minimix_nif, "broken", Beam]),
    ok.

%% The same module, but that asking to be woken raises.
break_the_clock(Server) ->
    {ok, {_, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(code:which(minimix_host), [abstract_code]),
    Broken = [case Form of {function, _, wake, 3, _} -> raising({wake, 3}); _ -> Form end || Form <- Forms],
    {ok, minimix_host, Beam} = compile:forms(Broken),
    {module, minimix_host} = mmx_server:rpc(Server, code, load_binary, [minimix_host, "broken", Beam]),
    ok.

raising({Name, Arity}) ->
    Arguments = [{var, 1, '_'} || _ <- lists:seq(1, Arity)],
    Body = [{call, 1, {remote, 1, {atom, 1, erlang}, {atom, 1, error}}, [{atom, 1, nif_panicked}]}],
    {function, 1, Name, Arity, [{clause, 1, Arguments, [], Body}]}.

sessions(Server) ->
    State = mmx_server:rpc(Server, minimix_state, find, [mmx_server:host(Server)]),
    #{sessions := Sessions} = mmx_server:rpc(Server, minimix_nif, counts, [maps:get(core, State)]),
    Sessions - 1.

is_serving(Server) ->
    State = mmx_server:rpc(Server, minimix_state, find, [mmx_server:host(Server)]),
    mmx_server:rpc(Server, minimix_state, is_serving, [State]).

alices(Server, Room) ->
    lists:sort([Jid || {<<"alice">>, Jid} <- mmx_server:room_occupants(Server, Room)]).
