%%% What the commands for admins do; minimix_commands describes them.
-module(minimix_admin).

-export([rooms/2, join/5, leave/3, rejoin/3, stats/1, upgrade/0]).

-include_lib("xmpp/include/jid.hrl").

%% What ejabberd's frontends take for an error.
-type refusal() :: {error, conflict | not_exists, Code :: 404 | 409, binary()}.
-type row() :: {Room :: binary(), Nick :: binary(), minimix_nif:stage(), Sessions :: [binary()],
                Autojoin :: boolean(), Since :: binary(), DetachedSince :: binary(), Repaired :: binary()}.

-spec rooms(binary(), binary()) -> [row()] | refusal().
rooms(User, Host) ->
    try
        {State, Account} = known_account(User, Host),
        lists:sort([row(Room, Facts) || {Room, Facts} <- minimix_door:facts(State, Account)])
    catch
        throw:{refused, Kind, Text} -> refusal(Kind, Text)
    end.

row(Room, #{nick := Nick, stage := Stage, sessions := Sessions, autojoin := Autojoin,
            joined_at := Since, detached_at := DetachedSince, repaired_at := Repaired}) ->
    {Room, Nick, Stage, Sessions, Autojoin, time(Since), time(DetachedSince), time(Repaired)}.

time(none) ->
    <<>>;
time(Time) ->
    list_to_binary(calendar:system_time_to_rfc3339(Time div 1_000, [{offset, "Z"}])).

-spec join(binary(), binary(), binary(), binary(), binary()) -> {ok, binary()} | refusal().
join(User, Host, Address, Name, Password) ->
    try
        {State, Account} = account(User, Host),
        exists(Account) orelse no_such_account(Account),
        Room = room(Address, Account),
        Nick = nick(Name),
        ok = is_possible(State, Account, Room),
        case minimix_door:command(State, Account, jid:tolower(Room), {join, Nick, password(Password)}) of
            true -> ok;
            false ->
                %% Somebody else may have been faster.
                ok = is_elsewhere(State, Account, Room),
                refuse(conflict, "~ts is in as many rooms as max_rooms allows", [shown(Account)])
        end,
        {ok, text("~ts joins ~ts as ~ts", [shown(Account), shown(Room), Nick])}
    catch
        throw:{refused, Kind, Text} -> refusal(Kind, Text)
    end.

password(<<>>) ->
    none;
password(Password) ->
    %% XML cannot hold the others (XML 1.0 2.2).
    try re:run(Password, "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]", [{capture, none}, unicode]) of
        nomatch -> Password;
        match -> refuse(invalid, "the password has characters that cannot be sent", [])
    catch
        error:badarg -> refuse(invalid, "the password is not UTF-8", [])
    end.

is_possible(State, #jid{lserver = Host} = Account, Room) ->
    minimix_state:is_serving(State)
        orelse refuse(conflict, "mod_minimix serves nobody on ~ts while several nodes run", [Host]),
    mod_minimix:admits(Account)
        orelse refuse(conflict, "~ts is not served: see the option 'access'", [shown(Account)]),
    mod_minimix:excludes(Host, Room)
        andalso refuse(conflict, "~ts is passed through: see the option 'exclude'", [shown(Room)]),
    is_elsewhere(State, Account, Room).

is_elsewhere(State, Account, Room) ->
    case facts(State, Account, Room) of
        #{stage := Stage, nick := Nick} when Stage =/= out ->
            refuse(conflict, "~ts is in ~ts already, as ~ts: ~ts", [shown(Account), shown(Room), Nick, Stage]);
        _ ->
            ok
    end.

-spec leave(binary(), binary(), binary()) -> {ok, binary()} | refusal().
leave(User, Host, Address) ->
    try
        {State, Account, Room} = in_room(User, Host, Address, [joining, joined, away, leaving]),
        _ = minimix_door:command(State, Account, jid:tolower(Room), leave),
        {ok, text("~ts leaves ~ts", [shown(Account), shown(Room)])}
    catch
        throw:{refused, Kind, Text} -> refusal(Kind, Text)
    end.

-spec rejoin(binary(), binary(), binary()) -> {ok, binary()} | refusal().
rejoin(User, Host, Address) ->
    try
        {State, Account, Room} = in_room(User, Host, Address, [joining, joined, away]),
        _ = minimix_door:command(State, Account, jid:tolower(Room), rejoin),
        {ok, text("~ts joins ~ts again", [shown(Account), shown(Room)])}
    catch
        throw:{refused, Kind, Text} -> refusal(Kind, Text)
    end.

in_room(User, Host, Address, Stages) ->
    {State, Account} = known_account(User, Host),
    Room = room(Address, Account),
    IsThere = case facts(State, Account, Room) of
                  #{stage := Stage} -> lists:member(Stage, Stages);
                  none -> false
              end,
    IsThere orelse refuse(not_exists, "~ts is not in ~ts", [shown(Account), shown(Room)]),
    {State, Account, Room}.

facts(State, Account, Room) ->
    proplists:get_value(shown(Room), minimix_door:facts(State, Account), none).

-spec stats(binary()) -> [{binary(), binary()}] | refusal().
stats(Host) ->
    try minimix_stats:all(hosts(Host))
    catch
        throw:{refused, Kind, Text} -> refusal(Kind, Text)
    end.

-spec upgrade() -> {ok, binary()} | refusal().
upgrade() ->
    case minimix_upgrade:run() of
        {ok, Before, Now} -> {ok, text("mod_minimix ~ts runs, in place of ~ts", [Now, Before])};
        {error, Reason} -> refusal(conflict, text("~ts", [Reason]))
    end.

hosts(<<"global">>) ->
    case [Host || Host <- ejabberd_option:hosts(), minimix_state:find(Host) =/= undefined] of
        [] -> refuse(not_exists, "mod_minimix runs on no host", []);
        Hosts -> Hosts
    end;
hosts(Text) ->
    {Host, _State} = host(Text),
    [Host].

%%% What admins write

host(Text) ->
    Host = jid:nameprep(Text),
    Host =/= error andalso ejabberd_router:is_my_host(Host)
        orelse refuse(not_exists, "~ts is no virtual host", [Text]),
    case minimix_state:find(Host) of
        undefined -> refuse(not_exists, "mod_minimix does not run on ~ts", [Host]);
        State -> {Host, State}
    end.

account(User, Text) ->
    {Host, State} = host(Text),
    case jid:make(User, Host) of
        #jid{luser = LUser} = Account when LUser =/= <<>> -> {State, Account};
        _ -> refuse(invalid, "~ts is no user name", [User])
    end.

%% One that was removed elsewhere may still be in rooms.
known_account(User, Host) ->
    {State, Account} = account(User, Host),
    minimix_door:rooms_of(State, Account) =/= [] orelse exists(Account) orelse no_such_account(Account),
    {State, Account}.

exists(#jid{luser = User, lserver = Host}) ->
    ejabberd_auth:user_exists(User, Host).

room(Text, #jid{lserver = Host}) ->
    try jid:decode(Text) of
        #jid{luser = User, lserver = Server, lresource = <<>>} = Room when User =/= <<>>, Server =/= Host -> Room;
        _ -> no_room(Text)
    catch
        error:{bad_jid, _} -> no_room(Text)
    end.

nick(Text) ->
    case jid:resourceprep(Text) of
        Nick when is_binary(Nick), Nick =/= <<>> -> Nick;
        _ -> refuse(invalid, "'~ts' is no nick", [Text])
    end.

%%% What they read

shown(#jid{} = Jid) ->
    jid:encode(jid:tolower(Jid)).

-spec no_such_account(jid:jid()) -> no_return().
no_such_account(Account) ->
    refuse(not_exists, "~ts is no account", [shown(Account)]).

-spec no_room(binary()) -> no_return().
no_room(Text) ->
    refuse(invalid, "~ts is no address of a room", [Text]).

-spec refuse(invalid | conflict | not_exists, io:format(), [term()]) -> no_return().
refuse(Kind, Format, Values) ->
    throw({refused, Kind, text(Format, Values)}).

%% What is thrown is a bad request over HTTP.
-spec refusal(invalid | conflict | not_exists, binary()) -> refusal().
refusal(invalid, Text) -> throw({error, Text});
refusal(not_exists, Text) -> {error, not_exists, 404, Text};
refusal(conflict, Text) -> {error, conflict, 409, Text}.

text(Format, Values) ->
    unicode:characters_to_binary(io_lib:format(Format, Values)).
