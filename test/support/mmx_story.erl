%% A story: a new room, new accounts, and a client for each session that takes part.
-module(mmx_story).

-export([cases/1, story/3, with_two/2, unnoticed/4, beside_plain/1, paused/3, in_room/2, room_option/4]).
-export([lose/2, gone/2]).

%% People are "name/resource": those of one name are sessions of one account. The fun is given the room,
%% then the clients. The transcripts of a story that fails are printed.
-spec story([{atom(), term()}], [string() | {string(), mmx_client:options()}], function()) -> ok.
story(Config, People, Fun) ->
    Server = proplists:get_value(server, Config),
    Names = lists:usort([name(Person) || Person <- People]),
    Users = maps:from_list([{Name, mmx_server:fresh(Server, Name)} || Name <- Names]),
    Clients = [connect(Server, Users, Person) || Person <- People],
    try apply(Fun, [mmx_server:fresh_room(Server) | Clients]) of
        _ -> ok
    catch
        Class:Reason:Stack ->
            [ct:pal("~ts", [mmx_client:transcript(Client)]) || Client <- Clients, is_process_alive(Client)],
            erlang:raise(Class, Reason, Stack)
    after
        [mmx_client:abandon(Client) || Client <- Clients]
    end.

%% All cases of a suite, for its all/0.
-spec cases(module()) -> [atom()].
cases(Suite) ->
    Others = [module_info, init_per_suite, end_per_suite],
    [Name || {Name, 1} <- Suite:module_info(exports), not lists:member(Name, Others)].

%% The story of a room with bob and two sessions of alice in it, who have nothing left to read.
%% The configuration may give bob another server.
-spec with_two([{atom(), term()}], fun((binary(), Bob :: pid(), Phone :: pid(), Desk :: pid()) -> _)) -> ok.
with_two(Config, Fun) ->
    People = [{"bob/desk", proplists:get_value(bob, Config, #{})}, "alice/phone", "alice/desk"],
    story(Config, People, fun(Room, Bob, Phone, Desk) ->
        ok = mmx_muc:enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        Fun(Room, Bob, Phone, Desk)
    end).

%% The room and these sessions of alice were told nothing, and she is still in it.
-spec unnoticed([{atom(), term()}], binary(), Bob :: pid(), [pid(), ...]) -> ok.
unnoticed(Config, Room, Bob, [Session | _] = Sessions) ->
    ok = mmx_muc:marker(Bob, Bob, Room),
    [_ = mmx_client:take(Other, fun(Stanza) -> mmx_stanza:body(Stanza) =/= undefined end) || Other <- Sessions],
    [] = lists:append([mmx_client:sync(Other, Room) || Other <- Sessions]),
    Expected = [{<<"alice">>, mmx_client:account(Session)}, {<<"bob">>, mmx_client:jid(Bob)}],
    {Expected, Expected} = {Expected, in_room(Config, Room)},
    ok.

%% The options of a server that serves everybody but bob and carol, who join rooms as without the module.
-spec beside_plain(map()) -> mmx_config:options().
beside_plain(Options) ->
    Plain = #{deny => [#{user_regexp => <<"^(bob|carol)-">>}]},
    #{minimix => Options#{access => [Plain, #{allow => all}]}}.

%% The room does nothing while the fun runs, and then all that it was sent.
-spec paused([{atom(), term()}], binary(), fun(() -> Result)) -> Result.
paused(Config, Room, Fun) ->
    Server = proplists:get_value(server, Config),
    Pid = mmx_server:room_pid(Server, Room),
    ok = mmx_server:rpc(Server, sys, suspend, [Pid]),
    try Fun() after ok = mmx_server:rpc(Server, sys, resume, [Pid]) end.

%% What the room itself believes.
-spec in_room([{atom(), term()}], binary()) -> [{Nick :: binary(), Jid :: binary()}].
in_room(Config, Room) ->
    mmx_server:room_occupants(proplists:get_value(server, Config), Room).

%% Sets an option of a room as its service's administrator does.
-spec room_option([{atom(), term()}], binary(), binary(), binary()) -> ok.
room_option(Config, Room, Option, Value) ->
    [Name, Service] = binary:split(Room, <<"@">>),
    Server = proplists:get_value(server, Config),
    ok = mmx_server:rpc(Server, mod_muc_admin, change_room_option, [Name, Service, Option, Value]).

%% The connection of a session with stream management is cut, and its server waits for it.
-spec lose([{atom(), term()}], mmx_client:client()) -> pid().
lose(Config, Session) ->
    Server = proplists:get_value(server, Config),
    Pid = mmx_server:c2s_pid(Server, mmx_client:jid(Session)),
    ok = mmx_client:kill(Session),
    IsPending = fun() -> maps:get(mgmt_state, mmx_server:rpc(Server, sys, get_state, [Pid])) =:= pending end,
    ok = mmx_server:wait_until("the session is waited for", IsPending),
    Pid.

%% A stream's process is dead, and has said what it had to say.
-spec gone([{atom(), term()}], pid()) -> ok.
gone(Config, Pid) ->
    Server = proplists:get_value(server, Config),
    IsDead = fun() -> not mmx_server:rpc(Server, erlang, is_process_alive, [Pid]) end,
    mmx_server:wait_until("the stream's process is dead", IsDead).

connect(Server, Users, {Person, Options}) ->
    [Name, Resource] = string:split(Person, "/"),
    mmx_client:connect(Server, [maps:get(Name, Users), "/", Resource], Options);
connect(Server, Users, Person) ->
    connect(Server, Users, {Person, #{}}).

name({Person, _}) -> name(Person);
name(Person) -> hd(string:split(Person, "/")).
