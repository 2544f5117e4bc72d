%% The network between two servers, "home" and "far", which can be cut and mended without a word to either.
%% Where the kernel lets it, each has a network namespace of its own, and a cable between them. Otherwise both
%% are on the loopback, and a relay stands for the cable.
-module(mmx_link).
-behaviour(gen_server).

-export([start/0, stop/1, network/2, serves/3, cut/1, mend/1, is_cable/1, command/1, in_network/2]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).

-record(cable, {port :: port(), home :: file:filename(), far :: file:filename()}).
-record(relays, {all = [] :: [pid()]}).
-opaque link() :: pid().
-type side() :: home | far.
-export_type([link/0, side/0]).

-define(PATIENCE, 10_000).

-spec start() -> link().
start() ->
    {ok, Link} = gen_server:start(?MODULE, [], []),
    Link.

-spec stop(link()) -> ok.
stop(Link) ->
    gen_server:stop(Link).

%% The network that a side's programs run in.
-spec network(link(), side()) -> none | file:filename().
network(Link, Side) ->
    gen_server:call(Link, {network, Side}).

%% Where the other side reaches a port that is open on this one.
-spec serves(link(), side(), inet:port_number()) -> {Host :: string(), inet:port_number()}.
serves(Link, Side, Port) ->
    gen_server:call(Link, {serves, Side, Port}).

%% Whatever is sent from now on vanishes, and nobody is told.
-spec cut(link()) -> ok.
cut(Link) ->
    gen_server:call(Link, cut).

-spec mend(link()) -> ok.
mend(Link) ->
    gen_server:call(Link, mend).

%% Whether there are two networks.
-spec is_cable(link()) -> boolean().
is_cable(Link) ->
    network(Link, home) =/= none.

%% What to put before a command that is to run in a network.
-spec command(none | file:filename()) -> [string()].
command(none) -> [];
command(Network) -> ["nsenter", "--net=" ++ Network, "--"].

%% Sockets of this node in a network, as options of gen_tcp.
-spec in_network(none | file:filename(), [Option]) -> [Option | {netns, file:filename()}].
in_network(none, Options) -> Options;
in_network(Network, Options) -> [{netns, Network} | Options].

-spec init([]) -> {ok, #cable{} | #relays{}}.
init([]) ->
    %% To try the relays where there could be a cable.
    case os:getenv("MMX_LINK", "cable") of
        "cable" -> {ok, cable()};
        "relay" -> {ok, #relays{}}
    end.

-spec handle_call(term(), gen_server:from(), #cable{} | #relays{}) -> {reply, term(), #cable{} | #relays{}}.
handle_call({network, home}, _From, #cable{home = Home} = State) ->
    {reply, Home, State};
handle_call({network, far}, _From, #cable{far = Far} = State) ->
    {reply, Far, State};
handle_call({serves, Side, Port}, _From, #cable{} = State) ->
    Address = case Side of home -> "10.77.0.1"; far -> "10.77.0.2" end,
    {reply, {Address, Port}, State};
handle_call(cut, _From, #cable{home = Home} = State) ->
    {reply, set(Home, "down"), State};
handle_call(mend, _From, #cable{home = Home} = State) ->
    {reply, set(Home, "up"), State};
handle_call({network, _}, _From, #relays{} = State) ->
    {reply, none, State};
handle_call({serves, _, Port}, _From, #relays{all = All} = State) ->
    Relay = mmx_relay:start(Port),
    {reply, {"localhost", mmx_relay:port(Relay)}, State#relays{all = [Relay | All]}};
handle_call(cut, _From, #relays{all = All} = State) ->
    {reply, lists:foreach(fun mmx_relay:cut/1, All), State};
handle_call(mend, _From, #relays{all = All} = State) ->
    {reply, lists:foreach(fun mmx_relay:mend/1, All), State}.

-spec handle_cast(term(), State) -> {noreply, State}.
handle_cast(_, State) ->
    {noreply, State}.

-spec terminate(term(), #cable{} | #relays{}) -> ok.
terminate(_Reason, #cable{port = Port}) ->
    true = port_command(Port, "\n"),
    receive {Port, {exit_status, _}} -> ok after ?PATIENCE -> error(networks_stay) end;
terminate(_Reason, #relays{all = All}) ->
    lists:foreach(fun mmx_relay:stop/1, All).

set(Network, State) ->
    [] = os:cmd(lists:join(" ", command(Network) ++ ["ip link set home0", State])),
    ok.

%% The networks last as long as the shell, which hears by the end of its standard input that it is not
%% wanted any more. An unanswered connection is given up after seconds instead of a quarter of an hour.
cable() ->
    Script =
        "PATH=$PATH:/usr/sbin:/sbin\n"
        "unshare --net sleep infinity & far=$!\n"
        "trap 'kill $far' EXIT\n"
        "until [ $(readlink /proc/$far/ns/net) != $(readlink /proc/self/ns/net) ]; do kill -0 $far; sleep 0.02; done\n"
        "over_there() { nsenter --net=/proc/$far/ns/net -- \"$@\"; }\n"
        "ip link add home0 type veth peer name far0 netns $far\n"
        "ip addr add 10.77.0.1/24 dev home0; ip link set lo up; ip link set home0 up\n"
        "over_there ip addr add 10.77.0.2/24 dev far0; over_there ip link set lo up; over_there ip link set far0 up\n"
        "echo 3 >/proc/sys/net/ipv4/tcp_retries2; over_there sh -c 'echo 3 >/proc/sys/net/ipv4/tcp_retries2'\n"
        "echo $$ $far\n"
        "read -r _ || :\n",
    Args = ["-c", "exec 2>&1; exec unshare --net sh -euc \"$1\"", "sh", Script],
    Port = open_port({spawn_executable, "/bin/sh"}, [{args, Args}, {line, 200}, exit_status]),
    cable(Port).

cable(Port) ->
    receive
        {Port, {data, {eol, Line}}} ->
            Network = fun(Pid) -> "/proc/" ++ Pid ++ "/ns/net" end,
            case string:lexemes(Line, " ") of
                [[Digit | _] = Home, Far] when Digit >= $1, Digit =< $9 ->
                    Cable = #cable{port = Port, home = Network(Home), far = Network(Far)},
                    case is_usable(Network(Home)) of
                        true -> Cable;
                        false -> ok = terminate(unusable, Cable), #relays{}
                    end;
                _ ->
                    ct:pal("no network namespaces: ~ts", [Line]),
                    cable(Port)
            end;
        {Port, {exit_status, _}} ->
            #relays{}
    after ?PATIENCE -> error(networks_do_not_start)
    end.

is_usable(Network) ->
    case gen_tcp:listen(0, in_network(Network, [])) of
        {ok, Socket} -> ok =:= gen_tcp:close(Socket);
        {error, _} -> false
    end.
