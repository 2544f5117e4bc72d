%% An admin at a server: by its registry of commands, by ejabberdctl, and over HTTP.
-module(mmx_admin).

-export([api/1, execute/3, ctl/2, post/3, stats/2]).

-type reply() :: {ok, term()} | {error, Kind :: atom(), Text :: binary()}.
-export_type([reply/0]).

-define(PATIENCE, 30_000).

%% Options of a server that listens to admins over HTTP.
-spec api(mmx_config:options()) -> mmx_config:options().
api(Options) ->
    Permissions = #{
        <<"by the console">> => #{from => [ejabberd_ctl], who => all, what => <<"*">>},
        <<"over HTTP">> => #{from => [mod_http_api], who => #{ip => <<"127.0.0.1/8">>}, what => <<"*">>}
    },
    Modules = maps:get(modules, Options, #{}),
    Top = maps:get(top, Options, #{}),
    Options#{api => true, modules => Modules#{mod_http_api => #{}}, top => Top#{api_permissions => Permissions}}.

%% What the registry's command gives; errors in the two ways that ejabberd's frontends know.
-spec execute(mmx_server:server(), atom(), [term()]) -> reply().
execute(Server, Command, Args) ->
    Caller = #{caller_module => ejabberd_ctl},
    try mmx_server:rpc(Server, ejabberd_commands, execute_command2, [Command, Args, Caller]) of
        {error, Kind, _Code, Text} -> {error, Kind, Text};
        Result -> {ok, Result}
    catch
        throw:{error, Text} when is_binary(Text) -> {error, invalid, Text};
        throw:{error, Kind} -> {error, Kind, <<>>}
    end.

%% The exit status of ejabberdctl, and what it prints.
-spec ctl(mmx_server:server(), [string()]) -> {non_neg_integer(), [[string()]]}.
ctl(Server, Words) ->
    {Text, Status} = mmx_server:rpc(Server, ejabberd_ctl, process2, [Words, []]),
    {Status, [string:split(Line, "\t", all) || Line <- string:lexemes(lists:flatten(Text), "\n")]}.

%% The status over HTTP, and the decoded body.
-spec post(mmx_server:server(), string(), map()) -> {pos_integer(), term()}.
post(Server, Command, Args) ->
    Body = iolist_to_binary(misc:json_encode(Args)),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, mmx_server:http_port(Server), [binary, {active, false}]),
    ok = gen_tcp:send(Socket, [
        "POST /api/", Command, " HTTP/1.1\r\nHost: ", mmx_server:host(Server), "\r\nConnection: close\r\n",
        "Content-Type: application/json\r\nContent-Length: ", integer_to_list(byte_size(Body)), "\r\n\r\n", Body
    ]),
    <<"HTTP/1.", _, " ", Status:3/binary, Rest/binary>> = read_all(Socket, <<>>),
    [_, Answer] = binary:split(Rest, <<"\r\n\r\n">>),
    {binary_to_integer(Status), misc:json_decode(Answer)}.

read_all(Socket, Read) ->
    case gen_tcp:recv(Socket, 0, ?PATIENCE) of
        {ok, More} -> read_all(Socket, <<Read/binary, More/binary>>);
        {error, closed} -> Read
    end.

%% The figures by their names.
-spec stats(mmx_server:server(), binary()) -> #{binary() => non_neg_integer()}.
stats(Server, Host) ->
    {ok, Rows} = execute(Server, minimix_stats, [Host]),
    maps:from_list([{Name, binary_to_integer(Value)} || {Name, Value} <- Rows, Name =/= <<"library">>]).
