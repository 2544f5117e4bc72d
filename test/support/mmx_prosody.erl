%% A room service that no one here wrote, on another server: Prosody, which ejabberd finds by a name server
%% and reaches by real federation. All of it ends with this node, however that goes.
-module(mmx_prosody).
-behaviour(gen_server).

-export([start/0, stop/1, link/1, options/1, person/1, room_of/2, occupants/2, log/1]).
-export([paused/2, kill/1, terminate/1, launch/1, lost_streams/1]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).

-include_lib("fast_xml/include/fxml.hrl").

-record(program, {port :: port(), pid :: string()}).
-record(state, {
    folder :: file:filename(),
    link :: mmx_link:link(),
    %% Where the servers hear each other, clients and the name servers.
    ports :: #{home | far | clients | {names, mmx_link:side()} => inet:port_number()},
    programs = #{} :: #{prosody | {names, mmx_link:side()} => #program{}}
}).
-opaque prosody() :: pid().
-export_type([prosody/0]).

-define(HOME, "home.example").
-define(FAR, "far.example").
-define(SERVICES, ["rooms", "archive", "forgetful", "strict"]).
-define(PATIENCE, 30_000).
-define(NS_MUC_ADMIN, <<"http://jabber.org/protocol/muc#admin">>).

-spec start() -> prosody().
start() ->
    {ok, Prosody} = gen_server:start(?MODULE, [], [{timeout, 2 * ?PATIENCE}]),
    Prosody.

-spec stop(prosody()) -> ok.
stop(Prosody) ->
    gen_server:stop(Prosody).

%% The way between the servers.
-spec link(prosody()) -> mmx_link:link().
link(Prosody) ->
    call(Prosody, link).

%% What an ejabberd needs whose accounts are to join rooms here.
-spec options(prosody()) -> mmx_config:options().
options(Prosody) ->
    call(Prosody, options).

%% What a client needs that has an account here.
-spec person(prosody()) -> mmx_client:options().
person(Prosody) ->
    call(Prosody, person).

%% Prosody says nothing while the fun runs, and then all that is due.
-spec paused(prosody(), fun(() -> Result)) -> Result.
paused(Prosody, Fun) ->
    ok = call(Prosody, {signal, "STOP"}),
    try Fun() after ok = call(Prosody, {signal, "CONT"}) end.

%% As a crash would end it.
-spec kill(prosody()) -> ok.
kill(Prosody) ->
    call(Prosody, {end_by, "KILL"}).

%% As its administrator ends it.
-spec terminate(prosody()) -> ok.
terminate(Prosody) ->
    call(Prosody, {end_by, "TERM"}).

%% Starts it again, if it does not run.
-spec launch(prosody()) -> ok.
launch(Prosody) ->
    call(Prosody, launch).

%% The same room of another service.
-spec room_of(binary(), binary()) -> binary().
room_of(Service, Room) ->
    [Name, _] = binary:split(Room, <<"@">>),
    <<Name/binary, "@", Service/binary, "." ?FAR>>.

%% Who is in the room, as it tells its moderator.
-spec occupants(mmx_client:client(), binary()) -> [{Nick :: binary(), Jid :: binary()}].
occupants(Moderator, Room) ->
    lists:sort(lists:append([with_role(Moderator, Room, Role) || Role <- [moderator, participant, visitor]])).

with_role(Moderator, Room, Role) ->
    Item = mmx_stanza:el(item, [{role, Role}]),
    Request = mmx_stanza:iq(Room, get, [mmx_stanza:el(query, [{xmlns, ?NS_MUC_ADMIN}], [Item])]),
    Answer = mmx_client:request(Moderator, Request),
    Items = mmx_stanza:children(mmx_stanza:child(Answer, query, ?NS_MUC_ADMIN), item),
    [{mmx_stanza:attr(Found, nick), mmx_stanza:as_account(mmx_stanza:attr(Found, jid))} || Found <- Items].

%% How many of its streams to our server have ended so far.
-spec lost_streams(prosody()) -> non_neg_integer().
lost_streams(Prosody) ->
    length(binary:matches(log(Prosody), <<"s2s disconnected: rooms." ?FAR "->" ?HOME>>)).

-spec log(prosody()) -> binary().
log(Prosody) ->
    {ok, Text} = file:read_file(call(Prosody, log)),
    Text.

call(Prosody, Request) ->
    gen_server:call(Prosody, Request, 2 * ?PATIENCE).

-spec init([]) -> {ok, #state{}}.
init([]) ->
    [] = [Program || Program <- ["prosody", "dnsmasq"], path(Program) =:= false],
    Names = [home, far, clients, {names, home}, {names, far}],
    Ports = maps:from_list(lists:zip(Names, mmx_server:free_ports(length(Names)))),
    State = #state{folder = mmx_server:new_folder("prosody"), link = mmx_link:start(), ports = Ports},
    ok = file:write_file(in(State, "resolver"), resolver(State)),
    ok = file:write_file(in(State, "prosody.cfg.lua"), configuration(State)),
    Addresses = addresses(State),
    {ok, start_prosody(lists:foldl(fun(Side, Acc) -> start_names(Side, Addresses, Acc) end, State, [home, far]))}.

%% Where each domain is.
addresses(#state{link = Link, ports = Ports}) ->
    Home = mmx_link:serves(Link, home, maps:get(home, Ports)),
    Far = mmx_link:serves(Link, far, maps:get(far, Ports)),
    [{?HOME, Home}, {?FAR, Far} | [{Service ++ "." ++ ?FAR, Far} || Service <- ?SERVICES]].

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}}.
handle_call(link, _From, #state{link = Link} = State) ->
    {reply, Link, State};
handle_call(options, _From, #state{link = Link, ports = #{home := Home}} = State) ->
    Options = #{
        hosts => [<<?HOME>>],
        room_service => <<"rooms." ?FAR>>,
        network => mmx_link:network(Link, home),
        listen => [#{port => Home, ip => <<"0.0.0.0">>, module => ejabberd_s2s_in}],
        modules => #{mod_s2s_dialback => #{}},
        top => #{
            s2s_access => all,
            s2s_dns_timeout => 2,
            s2s_dns_retries => 1,
            s2s_max_retry_delay => 1,
            negotiation_timeout => 3,
            outgoing_s2s_timeout => 2
        },
        env => [{"ERL_INETRC", in(State, "resolver")}]
    },
    {reply, Options, State};
handle_call(person, _From, #state{link = Link, ports = #{clients := Port}} = State) ->
    {reply, #{host => <<?FAR>>, at => {Port, mmx_link:network(Link, far)}}, State};
handle_call({signal, Signal}, _From, #state{programs = #{prosody := Program}} = State) ->
    {reply, signal(Signal, Program), State};
handle_call({end_by, Signal}, _From, State) ->
    {reply, ok, ended(prosody, Signal, State)};
handle_call(launch, _From, #state{programs = #{prosody := _}} = State) ->
    {reply, ok, State};
handle_call(launch, _From, State) ->
    {reply, ok, start_prosody(State)};
handle_call(log, _From, State) ->
    {reply, in(State, "prosody.log"), State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{programs = Programs, folder = Folder, link = Link} = State) ->
    #state{programs = #{}} = lists:foldl(fun(Name, Acc) -> ended(Name, "KILL", Acc) end, State, maps:keys(Programs)),
    ok = mmx_link:stop(Link),
    case whereis(ct_logs) of
        undefined -> ok = file:del_dir_r(Folder);
        _ -> ok
    end.

start_names(Side, Addresses, #state{link = Link, ports = Ports} = State) ->
    Port = maps:get({names, Side}, Ports),
    Records = [
        ["--srv-host=_xmpp-server._tcp.", Domain, ",", Host, ",", integer_to_list(At)]
     || {Domain, {Host, At}} <- Addresses
    ],
    Hosts = [["--host-record=", Host, ",", Host] || {_, {Host, _}} <- Addresses, Host =/= "localhost"],
    Args = [
        "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts", "--user=", "--group=",
        "--listen-address=127.0.0.1", "--bind-interfaces", ["--port=", integer_to_list(Port)], "--local=/example/"
        | Records ++ lists:usort(Hosts)
    ],
    Started = started({names, Side}, mmx_link:network(Link, Side), ["dnsmasq" | Args], State),
    %% It answers questions over TCP too.
    listening(Side, Port, Started).

start_prosody(#state{link = Link, ports = #{clients := Port}} = State) ->
    Command = ["prosody", "-F", "--config", in(State, "prosody.cfg.lua")],
    listening(far, Port, started(prosody, mmx_link:network(Link, far), Command, State)).

listening(Side, Port, #state{link = Link} = State) ->
    Address = {Port, mmx_link:network(Link, Side)},
    ok = mmx_server:wait_until("it listens", fun() -> mmx_server:listens(Address) end),
    State.

%% The shell hears by the end of its standard input that it is not wanted any more.
started(Name, Network, [Program | Args], #state{programs = Programs} = State) ->
    Script = "log=$1; shift; \"$@\" </dev/null >>\"$log\" 2>&1 & echo $!; read -r signal || signal=KILL; kill -$signal $!; wait",
    Command = mmx_link:command(Network) ++ [path(Program) | [unicode:characters_to_list(Arg) || Arg <- Args]],
    All = ["-c", Script, "sh", in(State, Program ++ ".out") | Command],
    Port = open_port({spawn_executable, "/bin/sh"}, [{args, All}, {line, 100}, exit_status, binary]),
    receive
        {Port, {data, {eol, Pid}}} ->
            State#state{programs = Programs#{Name => #program{port = Port, pid = binary_to_list(Pid)}}}
    after ?PATIENCE -> error({does_not_start, Program})
    end.

path(Program) ->
    os:find_executable(Program, os:getenv("PATH", "") ++ ":/usr/sbin:/sbin").

ended(Name, Signal, #state{programs = Programs} = State) ->
    {#program{port = Port}, Others} = maps:take(Name, Programs),
    true = port_command(Port, [Signal, "\n"]),
    receive
        {Port, {exit_status, _}} -> State#state{programs = Others}
    after ?PATIENCE -> error({does_not_end, Name})
    end.

signal(Signal, #program{pid = Pid}) ->
    "" = os:cmd("kill -" ++ Signal ++ " " ++ Pid),
    ok.

in(#state{folder = Folder}, Name) ->
    filename:join(Folder, Name).

%% The order matters: resolv_conf forgets the name servers that come before it.
resolver(#state{ports = #{{names, home} := Port}}) ->
    io_lib:format("{resolv_conf, \"\"}.~n{hosts_file, \"\"}.~n{lookup, [dns]}.~n{nameserver, {127,0,0,1}, ~b}.~n", [Port]).

configuration(#state{folder = Folder, ports = Ports} = State) ->
    Ours = filename:join([mmx_slix:root(), "test", "support", "prosody"]),
    Values = #{
        "FOLDER" => Folder,
        "LOG" => in(State, "prosody.log"),
        "PLUGINS" => Ours,
        "NAMES" => integer_to_list(maps:get({names, far}, Ports)),
        "FAR" => integer_to_list(maps:get(far, Ports)),
        "CLIENTS" => integer_to_list(maps:get(clients, Ports))
    },
    Insert = fun(Name, Value, Text) -> string:replace(Text, ["@", Name, "@"], Value, all) end,
    {ok, Template} = file:read_file(filename:join(Ours, "prosody.cfg.lua")),
    maps:fold(Insert, Template, Values).
