%% Profanity in a terminal: what somebody does there, and what is on the screen.
-module(mmx_profanity).

-export([connect/2, close/1, disconnect/1, reconnect/1]).
-export([join/3, leave/1, say/2, window/2]).
-export([shows/2, shows_occupants/2, shows_line/2]).

-type profanity() :: mmx_terminal:terminal().
-export_type([profanity/0]).

-define(LOGGED_IN, "logged in successfully").

%% Who is "user/resource".
-spec connect(mmx_server:server(), iodata()) -> profanity().
connect(Server, Who) ->
    [User, Resource] = binary:split(iolist_to_binary(Who), <<"/">>),
    {ok, Parent} = file:get_cwd(),
    Folder = filename:join(Parent, io_lib:format("profanity-~s-~s", [User, Resource])),
    [Config, Data] = [filename:join(Folder, Name) || Name <- ["config", "data"]],
    write(filename:join([Config, "profanity", "profrc"]), settings()),
    write(filename:join([Data, "profanity", "accounts"]), account(Server, User, Resource)),
    Env = [{"XDG_CONFIG_HOME", Config}, {"XDG_DATA_HOME", Data}],
    Terminal = mmx_terminal:start(Folder, Env, ["profanity", "--account", "me"]),
    shows_line(Terminal, ?LOGGED_IN),
    Terminal.

write(File, Text) ->
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, Text).

settings() ->
    [
        "[ui]\nsplash=false\noccupants=true\noccupants.size=20\nwrap=false\n",
        "[connection]\nautoping=0\nreconnect=1\n",
        "[chatstates]\nenabled=false\n"
    ].

account(Server, User, Resource) ->
    Jid = [User, "@", mmx_server:host(Server)],
    [
        ["[me]\nenabled=true\ntls.policy=disable\nserver=127.0.0.1\n"],
        ["port=", integer_to_list(mmx_server:port(Server)), "\n"],
        ["jid=", Jid, "\nresource=", Resource, "\npassword=", mmx_server:password(), "\n"]
    ].

-spec close(profanity()) -> ok.
close(Terminal) ->
    mmx_terminal:stop(Terminal).

%% Logs out, which closes all windows but the first.
-spec disconnect(profanity()) -> ok.
disconnect(Terminal) ->
    mmx_terminal:type(Terminal, <<"/disconnect">>),
    shows_line(Terminal, "logged out successfully").

%% Logs in after a disconnect.
-spec reconnect(profanity()) -> ok.
reconnect(Terminal) ->
    mmx_terminal:type(Terminal, <<"/connect me">>),
    mmx_terminal:until(Terminal, fun(Screen) -> length(lines(Screen, ?LOGGED_IN)) =:= 2 end).

%% Joins, and returns when the room is shown.
-spec join(profanity(), binary(), binary()) -> ok.
join(Terminal, Room, Nick) ->
    mmx_terminal:type(Terminal, <<"/join ", Room/binary, " nick ", Nick/binary>>),
    shows_line(Terminal, "You have joined the room as").

%% Leaves the room that is shown, the only one; the first window comes up.
-spec leave(profanity()) -> ok.
leave(Terminal) ->
    mmx_terminal:type(Terminal, <<"/close">>),
    shows_line(Terminal, "Closed window"),
    %% The server has dealt with it when it answers.
    mmx_terminal:type(Terminal, <<"/ping">>),
    shows_line(Terminal, "Ping response").

%% Says it in the room that is shown, or does it, if it is a command of Profanity.
-spec say(profanity(), binary()) -> ok.
say(Terminal, Text) ->
    mmx_terminal:type(Terminal, Text).

%% Goes to a window as soon as there is one of this number.
-spec window(profanity(), pos_integer()) -> ok.
window(Terminal, Number) ->
    Listed = io_lib:format("\\]-.*\\b~w\\b[^ ]*$", [Number]),
    mmx_terminal:until(Terminal, fun(Screen) -> lists:any(fun(Row) -> re:run(Row, Listed) =/= nomatch end, Screen) end),
    mmx_terminal:type(Terminal, [<<"/win ">>, integer_to_binary(Number)]).

%% The messages on the screen are these and no others, in this order.
-spec shows(profanity(), [{Nick :: binary(), Text :: binary()}]) -> ok.
shows(Terminal, Messages) ->
    Expected = [<<Nick/binary, ": ", Text/binary>> || {Nick, Text} <- Messages],
    mmx_terminal:until(Terminal, fun(Screen) -> messages(Screen) =:= Expected end).

messages(Screen) ->
    Message = "^\\d\\d:\\d\\d:\\d\\d - (\\S+: .*?) *$",
    [Text || Row <- Screen, {match, [Text]} <- [re:run(row(Row, Screen), Message, [{capture, all_but_first, binary}])]].

%% The nicks in the list of occupants, moderators first.
-spec shows_occupants(profanity(), [binary()]) -> ok.
shows_occupants(Terminal, Nicks) ->
    mmx_terminal:until(Terminal, fun(Screen) -> occupants(Screen) =:= Nicks end).

occupants(Screen) ->
    case panel(Screen) of
        none ->
            [];
        Column ->
            Entries = [string:trim(binary:part(Row, Column, byte_size(Row) - Column)) || Row <- Screen, byte_size(Row) > Column],
            Listed = lists:dropwhile(fun(Entry) -> Entry =/= <<"Moderators">> end, Entries),
            [Entry || Entry <- Listed, re:run(Entry, "^(Moderators|Participants|Visitors|\\[.*|)$") =:= nomatch]
    end.

%% A row without the list of occupants beside it.
row(Row, Screen) ->
    case panel(Screen) of
        Column when is_integer(Column), byte_size(Row) > Column -> binary:part(Row, 0, Column);
        _ -> Row
    end.

%% Where the list of occupants begins.
panel(Screen) ->
    case [Column || Row <- Screen, {Column, _} <- [binary:match(Row, <<"Moderators">>)]] of
        [Column | _] -> Column;
        [] -> none
    end.

%% Some row has this.
-spec shows_line(profanity(), string()) -> ok.
shows_line(Terminal, Part) ->
    mmx_terminal:until(Terminal, fun(Screen) -> lines(Screen, Part) =/= [] end).

lines(Screen, Part) ->
    [Row || Row <- Screen, string:find(Row, Part) =/= nomatch].
