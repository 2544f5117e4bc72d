%% Converse in a browser: what somebody does there, and what is shown.
-module(mmx_converse).

-export([serve/0, stop_serving/1, connect/4, jid/1, reload/1, lose_connection/1, sync/1]).
-export([join/3, try_join/3, leave/2, say/3]).
-export([shows/3, shows_occupants/3, shows_removal/3, shows_own/3, is_closed/2, received/2, sent_joins/2, transcript/1]).

-type web() :: pid().
-type settings() :: #{atom() => term()}.
-export_type([web/0, settings/0]).

%% Serves the page and Converse itself.
-spec serve() -> web().
serve() ->
    {ok, _} = application:ensure_all_started(inets),
    Page = filename:join([root(), "clients", "page"]),
    {ok, Folder} = file:get_cwd(),
    {ok, Web} = inets:start(httpd, [
        {port, 0},
        {bind_address, {127, 0, 0, 1}},
        {server_name, "localhost"},
        {server_root, Folder},
        {document_root, Page},
        {directory_index, ["index.html"]},
        {modules, [mod_alias, mod_dir, mod_get, mod_head]},
        {alias, {"/converse/", converse() ++ "/"}},
        {mime_types, [
            {"html", "text/html"}, {"js", "text/javascript"}, {"css", "text/css"}, {"json", "application/json"},
            {"wasm", "application/wasm"}, {"woff2", "font/woff2"}, {"svg", "image/svg+xml"}
        ]}
    ]),
    Web.

converse() ->
    filename:join([root(), ".cache", "converse", "package", "dist"]).

root() ->
    mmx_slix:root().

-spec stop_serving(web()) -> ok.
stop_serving(Web) ->
    ok = inets:stop(httpd, Web).

%% A page of its own, logged in as "user/resource".
-spec connect({pid(), web()}, mmx_server:server(), iodata(), settings()) -> mmx_browser:page().
connect({Browser, Web}, Server, Who, Settings) ->
    [User, Resource] = binary:split(iolist_to_binary(Who), <<"/">>),
    Port = integer_to_binary(mmx_server:http_port(Server)),
    All = Settings#{
        jid => <<User/binary, "@", (mmx_server:host(Server))/binary, "/", Resource/binary>>,
        password => mmx_server:password(),
        websocket_url => <<"ws://127.0.0.1:", Port/binary, "/ws">>
    },
    [{port, WebPort}] = httpd:info(Web, [port]),
    Query = uri_string:quote(iolist_to_binary(misc:json_encode(All))),
    Page = mmx_browser:open(Browser, io_lib:format("http://127.0.0.1:~w/index.html?~ts", [WebPort, Query])),
    connected(Page),
    Page.

connected(Page) ->
    mmx_browser:until(Page, <<"document.body?.dataset.jid">>).

%% The full JID that the server gave to this page.
-spec jid(mmx_browser:page()) -> binary().
jid(Page) ->
    mmx_browser:eval(Page, <<"document.body.dataset.jid">>).

-spec reload(mmx_browser:page()) -> ok.
reload(Page) ->
    true = mmx_browser:eval(Page, <<"stored()">>),
    mmx_browser:reload(Page),
    connected(Page).

%% Loses the connection without a goodbye, and returns when there is another one.
-spec lose_connection(mmx_browser:page()) -> ok.
lose_connection(Page) ->
    mmx_browser:eval(Page, <<"loseConnection()">>),
    connected(Page).

%% Returns when the server has dealt with all that was sent before.
-spec sync(mmx_browser:page()) -> ok.
sync(Page) ->
    true = mmx_browser:eval(Page, <<"sync()">>),
    ok.

%% Joins, and returns when there is a place to write.
-spec join(mmx_browser:page(), binary(), binary()) -> ok.
join(Page, Room, Nick) ->
    try_join(Page, Room, Nick),
    mmx_browser:until(Page, call(input, [Room])).

-spec try_join(mmx_browser:page(), binary(), binary()) -> ok.
try_join(Page, Room, Nick) ->
    null = mmx_browser:eval(Page, call(join, [Room, Nick])),
    ok.

%% Presses the button for it, confirms, and returns when the room is no longer shown and the server knows.
-spec leave(mmx_browser:page(), binary()) -> ok.
leave(Page, Room) ->
    mmx_browser:until(Page, call(leaveButton, [Room])),
    mmx_browser:eval(Page, [call(leaveButton, [Room]), ".click()"]),
    mmx_browser:until(Page, <<"confirmation()">>),
    mmx_browser:eval(Page, <<"confirmation().click()">>),
    is_closed(Page, Room),
    sync(Page).

-spec is_closed(mmx_browser:page(), binary()) -> ok.
is_closed(Page, Room) ->
    mmx_browser:until(Page, ["!", call(view, [Room])]).

%% Types it, a command of Converse too, and presses Enter.
-spec say(mmx_browser:page(), binary(), binary()) -> ok.
say(Page, Room, Text) ->
    mmx_browser:until(Page, call(input, [Room])),
    mmx_browser:eval(Page, [call(input, [Room]), ".focus()"]),
    mmx_browser:type(Page, Text),
    Text = mmx_browser:eval(Page, [call(input, [Room]), ".value"]),
    mmx_browser:press_enter(Page).

%% The messages that are shown are these and no others, in this order.
-spec shows(mmx_browser:page(), binary(), [{Nick :: binary(), Text :: binary()}]) -> ok.
shows(Page, Room, Messages) ->
    becomes(Page, messages, Room, [tuple_to_list(Message) || Message <- Messages]).

%% The nicks in the list of occupants, sorted.
-spec shows_occupants(mmx_browser:page(), binary(), [binary()]) -> ok.
shows_occupants(Page, Room, Nicks) ->
    becomes(Page, occupants, Room, Nicks).

%% What is shown instead of the room.
-spec shows_removal(mmx_browser:page(), binary(), [binary()]) -> ok.
shows_removal(Page, Room, Texts) ->
    becomes(Page, removal, Room, Texts).

%% The messages that are shown as the reader's own.
-spec shows_own(mmx_browser:page(), binary(), [binary()]) -> ok.
shows_own(Page, Room, Texts) ->
    becomes(Page, own, Room, Texts).

becomes(Page, Function, Room, Expected) ->
    try
        mmx_browser:until(Page, ["JSON.stringify(", call(Function, [Room]), ") === JSON.stringify(", json(Expected), ")"])
    catch
        error:{nothing_in_time, _, Shown} ->
            error({expected, Function, Expected, instead_of, mmx_browser:eval(Page, call(Function, [Room])), Shown})
    end.

%% How many messages with this text the server has sent to the page.
-spec received(mmx_browser:page(), binary()) -> non_neg_integer().
received(Page, Text) ->
    Body = <<">", Text/binary, "</body>">>,
    length([Payload || {received, Payload} <- mmx_browser:frames(Page), binary:match(Payload, Body) =/= nomatch]).

%% How many times the page has asked to join this room.
-spec sent_joins(mmx_browser:page(), binary()) -> non_neg_integer().
sent_joins(Page, Room) ->
    Join = <<"<x xmlns=[\"']http://jabber.org/protocol/muc[\"']">>,
    length([
        Payload
     || {sent, <<"<presence", _/binary>> = Payload} <- mmx_browser:frames(Page),
        binary:match(Payload, Room) =/= nomatch,
        re:run(Payload, Join) =/= nomatch
    ]).

%% What went over the wire, for the log of a test that fails.
-spec transcript(mmx_browser:page()) -> iodata().
transcript(Page) ->
    Arrow = fun(sent) -> "--> "; (received) -> "<-- " end,
    [[Arrow(Direction), Payload, $\n] || {Direction, Payload} <- mmx_browser:frames(Page)].

call(Function, Args) ->
    [atom_to_binary(Function), "(", lists:join(", ", [json(Arg) || Arg <- Args]), ")"].

json(Value) ->
    misc:json_encode(Value).
