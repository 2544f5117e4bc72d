%% A real ejabberd in an operating system process of its own.
-module(mmx_server).
-compile({no_auto_import, [register/2]}).

-export([start/0, start/1, stop/1, restart/1, restart/2, crash/1, crash/2, alive/1, with_options/2, reload/1]).
-export([rpc/4, os_pid/1, host/1, rooms/1, port/1, address/1, http_port/1, config/1, version/1]).
-export([fresh/2, fresh_room/1, register/2, register/3, password/0]).
-export([c2s_pid/2, room_pid/2, room_occupants/2, kill_process/2, wait_until/2, log/1, complaints/1]).
-export([boot/0]).
%% For other servers beside it.
-export([new_folder/1, free_ports/1, listens/1]).

-record(server, {
    peer :: pid(),
    os_pid :: string(),
    folder :: file:filename(),
    options :: map(),
    version :: binary()
}).
-opaque server() :: #server{}.
-export_type([server/0]).

-define(START_TIME, 60_000).
-define(CALL_TIME, 30_000).

-spec start() -> server().
start() ->
    start(#{}).

-spec start(mmx_config:options()) -> server().
start(Options) ->
    [Xmpp, Http] = free_ports(2),
    Folder = new_folder("ejabberd"),
    launch(Folder, Options#{ports => #{xmpp => Xmpp, http => Http}}).

%% The peer is told by the end of its standard input that this node is gone, however it went.
launch(Folder, Options) ->
    ok = configure(Folder, Options),
    {ok, Peer, _Node} = peer:start(#{
        connection => standard_io,
        %% Its port programs complain on the console when it is halted.
        exec => {"/bin/sh", ["-c", "exec \"$@\" 2>>\"$MMX_STDERR\"", "sh" | mmx_link:command(network(Options))] ++ ["erl"]},
        wait_boot => ?START_TIME,
        args => vm_args(Folder, Options),
        env => environment(Folder) ++ maps:get(env, Options, []),
        shutdown => {halt, 10_000}
    }),
    try
        {OsPid, Version} = peer:call(Peer, ?MODULE, boot, [], ?START_TIME),
        wait_until("the server listens", fun() -> listens(address(Options)) end),
        #server{peer = Peer, os_pid = OsPid, folder = Folder, options = Options, version = Version}
    catch
        Class:Reason ->
            catch peer:stop(Peer),
            error({ejabberd_did_not_start, Class, Reason, read(Folder, "ejabberd.log")})
    end.

configure(Folder, Options) ->
    file:write_file(filename:join(Folder, "ejabberd.yml"), mmx_config:text(Options)).

-spec listens(mmx_stream:address()) -> boolean().
listens(Address) ->
    case mmx_stream:socket(Address) of
        {ok, Socket} -> ok = gen_tcp:close(Socket), true;
        {error, econnrefused} -> false
    end.

-spec boot() -> {string(), binary()}.
boot() ->
    {ok, _} = application:ensure_all_started(ejabberd),
    {os:getpid(), ejabberd_option:version()}.

vm_args(Folder, Options) ->
    ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-mnesia", "dir", quoted(filename:join(Folder, "mnesia"))] ++
        ["-ejabberd", "quiet", "true"] ++ own_code(Options) ++ ["-pz" | code_path()] ++ maps:get(vm_args, Options, []).

own_code(#{application := Folder}) -> ["-pa", filename:join(Folder, "ebin")];
own_code(#{}) -> [].

quoted(Text) ->
    lists:flatten(io_lib:format("~p", [Text])).

code_path() ->
    Modules = [mod_minimix, ejabberd, xmpp, fxml, fast_yaml, fast_tls, p1_utils, stringprep, ets_cache, jiffy, ?MODULE],
    lists:usort([filename:dirname(Beam) || Module <- Modules, Beam <- [code:which(Module)], is_list(Beam)]).

environment(Folder) ->
    [
        {"EJABBERD_CONFIG_PATH", filename:join(Folder, "ejabberd.yml")},
        {"EJABBERD_LOG_PATH", filename:join(Folder, "ejabberd.log")},
        {"CONTRIB_MODULES_PATH", filename:join(Folder, "modules")},
        {"ERL_CRASH_DUMP_SECONDS", "0"},
        {"MMX_STDERR", filename:join(Folder, "stderr.log")}
    ].

-spec stop(server()) -> ok.
stop(#server{peer = Peer, folder = Folder} = Server) ->
    catch peer:stop(Peer),
    gone(Server),
    ok = file:del_dir_r(filename:join(Folder, "mnesia")),
    case whereis(ct_logs) of
        undefined -> ok = file:del_dir_r(Folder);
        _ -> ok
    end.

%% An orderly stop and a start of the same server, with its data and its ports.
-spec restart(server()) -> server().
restart(Server) ->
    restart(Server, fun() -> ok end).

%% The fun runs while it is down.
-spec restart(server(), fun(() -> _)) -> server().
restart(#server{peer = Peer, folder = Folder, options = Options} = Server, Meanwhile) ->
    ok = rpc(Server, application, stop, [ejabberd]),
    stopped = rpc(Server, mnesia, stop, []),
    catch peer:stop(Peer),
    gone(Server),
    _ = Meanwhile(),
    launch(Folder, Options).

%% As the power cut would do it.
-spec crash(server()) -> server().
crash(Server) ->
    crash(Server, fun() -> ok end).

-spec crash(server(), fun(() -> _)) -> server().
crash(#server{os_pid = OsPid, folder = Folder, options = Options} = Server, Meanwhile) ->
    "" = os:cmd("kill -KILL " ++ OsPid),
    gone(Server),
    _ = Meanwhile(),
    launch(Folder, Options).

%% What holds when it is started again, or reloaded.
-spec with_options(server(), mmx_config:options()) -> server().
with_options(#server{options = #{ports := Ports}} = Server, Options) ->
    Server#server{options = Options#{ports => Ports}}.

%% Has it read its configuration while it runs.
-spec reload(server()) -> ok.
reload(#server{folder = Folder, options = Options} = Server) ->
    ok = configure(Folder, Options),
    rpc(Server, ejabberd_config, reload, []).

-spec alive(server()) -> boolean().
alive(#server{os_pid = OsPid}) ->
    %% A dead process stays listed until its parent asks for it.
    case file:read_file(["/proc/", OsPid, "/stat"]) of
        {ok, Stat} -> re:run(Stat, "\\) Z ") =:= nomatch;
        {error, _} -> false
    end.

gone(Server) ->
    wait_until("the server's process is gone", fun() -> not alive(Server) end).

-spec rpc(server(), module(), atom(), [term()]) -> term().
rpc(#server{peer = Peer}, Module, Function, Args) ->
    peer:call(Peer, Module, Function, Args, ?CALL_TIME).

%% The server's process, as the system knows it.
-spec os_pid(server()) -> string().
os_pid(#server{os_pid = OsPid}) -> OsPid.

-spec host(server()) -> binary().
host(#server{options = Options}) -> mmx_config:host(Options).

-spec rooms(server()) -> binary().
rooms(#server{options = Options}) -> mmx_config:room_service(Options).

-spec port(server()) -> inet:port_number().
port(#server{options = #{ports := #{xmpp := Port}}}) -> Port.

-spec address(server() | mmx_config:options()) -> mmx_stream:address().
address(#server{options = Options}) -> address(Options);
address(#{ports := #{xmpp := Port}} = Options) -> {Port, network(Options)}.

network(Options) ->
    maps:get(network, Options, none).

-spec http_port(server()) -> inet:port_number().
http_port(#server{options = #{ports := #{http := Port}}}) -> Port.

-spec config(server()) -> mmx_config:options().
config(#server{options = Options}) -> Options.

-spec version(server()) -> binary().
version(#server{version = Version}) -> Version.

%% Accounts and rooms outlive a test, so each test takes new ones.
-spec fresh(server(), iodata()) -> binary().
fresh(Server, Name) ->
    User = iolist_to_binary([Name, "-", unique()]),
    ok = register(Server, User),
    User.

-spec fresh_room(server()) -> binary().
fresh_room(Server) ->
    <<"room-", (unique())/binary, "@", (rooms(Server))/binary>>.

unique() ->
    integer_to_binary(erlang:unique_integer([positive])).

-spec register(server(), binary()) -> ok.
register(Server, User) ->
    register(Server, User, host(Server)).

-spec register(server(), binary(), binary()) -> ok.
register(Server, User, Host) ->
    case rpc(Server, ejabberd_auth, try_register, [User, Host, password()]) of
        ok -> ok;
        {error, exists} -> ok
    end.

-spec password() -> binary().
password() -> <<"secret">>.

-spec c2s_pid(server(), binary()) -> pid() | none.
c2s_pid(Server, Jid) ->
    {User, Host, Resource} = split(Jid),
    rpc(Server, ejabberd_sm, get_session_pid, [User, Host, Resource]).

-spec room_pid(server(), binary()) -> pid() | none.
room_pid(Server, Room) ->
    {Name, Service, _} = split(Room),
    case rpc(Server, mod_muc, find_online_room, [Name, Service]) of
        {ok, Pid} -> Pid;
        error -> none
    end.

%% What the room's process itself believes.
-spec room_occupants(server(), binary()) -> [{Nick :: binary(), Jid :: binary()}].
room_occupants(Server, Room) ->
    {Name, Service, _} = split(Room),
    Occupants = rpc(Server, mod_muc_admin, get_room_occupants, [Name, Service]),
    lists:sort([{Nick, mmx_stanza:as_account(Jid)} || {Jid, Nick, _Role} <- Occupants]).

split(Jid) ->
    [User, Rest] = binary:split(Jid, <<"@">>),
    case binary:split(Rest, <<"/">>) of
        [Host, Resource] -> {User, Host, Resource};
        [Host] -> {User, Host, <<>>}
    end.

%% Kills a process of the server and returns when it is dead.
-spec kill_process(server(), pid()) -> ok.
kill_process(Server, Pid) ->
    true = rpc(Server, erlang, exit, [Pid, kill]),
    wait_until("the process is dead", fun() -> not rpc(Server, erlang, is_process_alive, [Pid]) end).

%% The last resort, for what announces itself to nobody.
-spec wait_until(string(), fun(() -> boolean())) -> ok.
wait_until(What, Condition) ->
    wait_until(What, Condition, erlang:monotonic_time(millisecond) + ?CALL_TIME).

wait_until(What, Condition, Deadline) ->
    case Condition() of
        true ->
            ok;
        false ->
            erlang:monotonic_time(millisecond) < Deadline orelse error({waited_in_vain_until, What}),
            receive after 20 -> wait_until(What, Condition, Deadline) end
    end.

-spec log(server()) -> binary().
log(#server{folder = Folder} = Server) ->
    ok = rpc(Server, logger_std_h, filesync, [ejabberd_log]),
    read(Folder, "ejabberd.log").

%% Lines of the log that say that something went wrong.
-spec complaints(server()) -> [binary()].
complaints(Server) ->
    Lines = binary:split(log(Server), <<"\n">>, [global]),
    [Line || Line <- Lines, re:run(Line, "\\[(error|critical|alert|emergency)\\]|CRASH REPORT|crashed") =/= nomatch].

read(Folder, Name) ->
    case file:read_file(filename:join(Folder, Name)) of
        {ok, Text} -> Text;
        {error, enoent} -> <<>>
    end.

%% Under Common Test the logs stay beside those of the run.
-spec new_folder(string()) -> file:filename().
new_folder(Program) ->
    Parent =
        case whereis(ct_logs) of
            undefined -> os:getenv("TMPDIR", "/tmp");
            _ -> {ok, Run} = file:get_cwd(), Run
        end,
    Folder = filename:join(Parent, Program ++ "-" ++ os:getpid() ++ "-" ++ binary_to_list(unique())),
    ok = filelib:ensure_dir(filename:join(Folder, "mnesia/.")),
    Folder.

-spec free_ports(pos_integer()) -> [inet:port_number()].
free_ports(Count) ->
    Sockets = [element(2, {ok, _} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}])) || _ <- lists:seq(1, Count)],
    Ports = [element(2, {ok, _} = inet:port(Socket)) || Socket <- Sockets],
    lists:foreach(fun gen_tcp:close/1, Sockets),
    Ports.
