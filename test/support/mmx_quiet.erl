%% Waits until a server has dealt with all that it was sent, without a sleep.
-module(mmx_quiet).

-export([settle/3, rounds/3]).

%% A stanza passes from process to process. Each round asks every process on its ways, and it answers when
%% it is through with what came before. The longest way goes through far fewer processes than there are rounds.
-define(ROUNDS, 10).
-define(PATIENCE, 10_000).

-spec settle(mmx_server:server(), binary(), [binary()]) -> ok.
settle(Server, Host, Rooms) ->
    mmx_server:rpc(Server, ?MODULE, rounds, [Host, Rooms, ?ROUNDS]).

%% Runs on the server.
-spec rounds(binary(), [binary()], non_neg_integer()) -> ok.
rounds(Host, Rooms, Rounds) ->
    rounds(Host, Rooms, Rounds, []).

rounds(_Host, _Rooms, 0, _Known) ->
    ok;
rounds(Host, Rooms, More, Known) ->
    Processes = candidates(Host),
    lists:foreach(fun ended/1, helpers(ordsets:subtract(Processes, Known))),
    written = written(gen_mod:is_loaded(Host, mod_minimix), Host),
    lists:foreach(fun ask/1, streams(Host) ++ workers(Host) ++ rooms(Rooms) ++ others(Host)),
    rounds(Host, Rooms, More - 1, Processes).

%% Joins and leaves wait until they are stored.
written(true, Host) ->
    ok = minimix_store:flush(Host),
    written;
written(false, _Host) ->
    written.

ask(Process) ->
    try sys:get_state(Process) of
        _ -> ok
    catch
        exit:_ -> gone
    end.

candidates(Host) ->
    case gen_mod:is_loaded(Host, mod_minimix) of
        true -> lists:sort(processes());
        false -> []
    end.

%% Processes that the module makes for one task, and which answer nobody.
helpers(Processes) ->
    [Pid || Pid <- Processes, {Module, Function, _} <- [proc_lib:initial_call(Pid)], is_ours(Module), Function =/= init].

is_ours(Module) ->
    lists:prefix("minimix_", atom_to_list(Module)).

ended(Helper) ->
    Reference = erlang:monitor(process, Helper),
    receive
        {'DOWN', Reference, process, _, _} -> ok
    after ?PATIENCE -> error({still_at_work, process_info(Helper)})
    end.

streams(Host) ->
    Sessions = ejabberd_sm:get_vh_session_list(Host),
    [Pid || {User, Server, Resource} <- Sessions, Pid <- [ejabberd_sm:get_session_pid(User, Server, Resource)], is_pid(Pid)].

workers(Host) ->
    [Pid || {_, Pid, worker, _} <- supervisor:which_children(mod_muc_sup:procname(Host)), is_pid(Pid)].

rooms(Rooms) ->
    [Pid || Room <- Rooms, [Name, Service] <- [binary:split(Room, <<"@">>)], {ok, Pid} <- [mod_muc:find_online_room(Name, Service)]].

others(Host) ->
    Ours = [gen_mod:get_module_proc(Host, Name) || Name <- [minimix_host, minimix_store, minimix_turns, minimix_links]],
    Names = [ejabberd_iq, ejabberd_local | Ours],
    [Pid || Name <- Names, Pid <- [whereis(Name)], is_pid(Pid)].
