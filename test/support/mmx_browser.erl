%% Chromium without a window, driven by the DevTools protocol through a pipe.
-module(mmx_browser).
-behaviour(gen_server).

-export([start/0, stop/1, open/2, close/1, reload/1]).
-export([eval/2, until/2, type/2, press_enter/1, frames/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(page, {browser :: pid(), context :: binary(), session :: binary()}).
-opaque page() :: #page{}.
-type frame() :: {sent | received, Payload :: binary()}.
-export_type([page/0, frame/0]).

-record(state, {
    port :: port(),
    buffer = [] :: [binary()],
    id = 0 :: non_neg_integer(),
    callers = #{} :: #{pos_integer() => gen_server:from()},
    frames = #{} :: #{binary() => [frame()]},
    complaints = #{} :: #{binary() => [term()]},
    exited = false :: boolean(),
    waiter = none :: gen_server:from() | none
}).

-define(PATIENCE, 30_000).

%% It lives no longer than the process that starts it.
-spec start() -> pid().
start() ->
    {ok, Browser} = gen_server:start(?MODULE, self(), []),
    #{<<"product">> := _} = command(Browser, none, 'Browser.getVersion', #{}),
    Browser.

-spec stop(pid()) -> ok.
stop(Browser) ->
    _ = command(Browser, none, 'Browser.close', #{}),
    ok = gen_server:call(Browser, exited, ?PATIENCE),
    gen_server:stop(Browser).

%% A page that shares nothing with other pages.
-spec open(pid(), iodata()) -> page().
open(Browser, Url) ->
    #{<<"browserContextId">> := Context} = command(Browser, none, 'Target.createBrowserContext', #{disposeOnDetach => true}),
    Blank = #{url => <<"about:blank">>, browserContextId => Context},
    #{<<"targetId">> := Target} = command(Browser, none, 'Target.createTarget', Blank),
    Attach = #{targetId => Target, flatten => true},
    #{<<"sessionId">> := Session} = command(Browser, none, 'Target.attachToTarget', Attach),
    Page = #page{browser = Browser, context = Context, session = Session},
    _ = [command(Page, Method, #{}) || Method <- ['Page.enable', 'Network.enable', 'Runtime.enable']],
    _ = command(Page, 'Page.addScriptToEvaluateOnNewDocument', #{source => until_function()}),
    _ = command(Page, 'Page.navigate', #{url => iolist_to_binary(Url)}),
    Page.

-spec close(page()) -> ok.
close(#page{browser = Browser, context = Context}) ->
    _ = command(Browser, none, 'Target.disposeBrowserContext', #{browserContextId => Context}),
    ok.

%% Returns when the page is a new one.
-spec reload(page()) -> ok.
reload(Page) ->
    Origin = eval(Page, <<"performance.timeOrigin">>),
    _ = command(Page, 'Page.reload', #{}),
    until(Page, io_lib:format("performance.timeOrigin !== ~w", [Origin])).

%% The value of a JavaScript expression, or of the promise that it gives.
-spec eval(page(), iodata()) -> term().
eval(Page, Expression) ->
    case try_eval(Page, Expression) of
        {ok, Value} -> Value;
        {error, Reason} -> error({Reason, iolist_to_binary(Expression)})
    end.

%% Returns when the expression is true. It is looked at whenever the page's elements change.
-spec until(page(), iodata()) -> ok.
until(Page, Expression) ->
    case try_eval(Page, ["until(() => (", Expression, "))"]) of
        {ok, true} -> ok;
        {error, gone} -> until(Page, Expression);
        {error, Reason} -> error({Reason, iolist_to_binary(Expression), what_is_shown(Page)})
    end.

until_function() ->
    <<
        "function until(condition) {"
        "    return new Promise((resolve) => {"
        "        const look = () => { if (condition()) { observer.disconnect(); resolve(true); } };"
        "        const observer = new MutationObserver(look);"
        "        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });"
        "        look();"
        "    });"
        "}"
    >>.

what_is_shown(#page{browser = Browser, session = Session} = Page) ->
    Complaints = gen_server:call(Browser, {complaints, Session}),
    {try_eval(Page, <<"document.body.innerText">>), Complaints}.

try_eval(Page, Expression) ->
    Params = #{expression => iolist_to_binary(Expression), awaitPromise => true, returnByValue => true},
    case try_command(Page, 'Runtime.evaluate', Params) of
        {ok, #{<<"exceptionDetails">> := Details}} -> {error, {raised, Details}};
        {ok, #{<<"result">> := Result}} -> {ok, maps:get(<<"value">>, Result, undefined)};
        {error, #{<<"message">> := Text}} -> {error, lost(Text)};
        {error, nothing_in_time} -> {error, nothing_in_time}
    end.

%% The page was left while the expression waited.
lost(Text) ->
    case re:run(Text, "navigated|destroyed|Cannot find") of
        {match, _} -> gone;
        nomatch -> Text
    end.

%% As somebody at the keyboard, where the focus is.
-spec type(page(), binary()) -> ok.
type(Page, Text) ->
    _ = command(Page, 'Input.insertText', #{text => Text}),
    ok.

-spec press_enter(page()) -> ok.
press_enter(Page) ->
    Key = #{key => <<"Enter">>, code => <<"Enter">>, windowsVirtualKeyCode => 13, text => <<"\r">>},
    _ = [command(Page, 'Input.dispatchKeyEvent', Key#{type => Type}) || Type <- [<<"keyDown">>, <<"keyUp">>]],
    ok.

%% What went over the page's WebSockets so far.
-spec frames(page()) -> [frame()].
frames(#page{browser = Browser, session = Session}) ->
    gen_server:call(Browser, {frames, Session}).

command(#page{browser = Browser, session = Session}, Method, Params) ->
    command(Browser, Session, Method, Params).

command(Browser, Session, Method, Params) ->
    case try_command(Browser, Session, Method, Params) of
        {ok, Result} -> Result;
        {error, Reason} -> error({Method, Reason})
    end.

try_command(#page{browser = Browser, session = Session}, Method, Params) ->
    try_command(Browser, Session, Method, Params).

try_command(Browser, Session, Method, Params) ->
    Command = #{method => atom_to_binary(Method), params => Params},
    Addressed = maps:merge(Command, maps:from_list([{sessionId, Session} || Session =/= none])),
    try
        gen_server:call(Browser, {command, Addressed}, ?PATIENCE)
    catch
        exit:{timeout, _} -> {error, nothing_in_time}
    end.

%% The shell puts the pipe where Chromium looks for it; when it is closed, Chromium ends.
-spec init(pid()) -> {ok, #state{}}.
init(Owner) ->
    _ = monitor(process, Owner),
    {ok, Folder} = file:get_cwd(),
    Profile = filename:join(Folder, "chromium-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive]))),
    Script = "exec \"$@\" 3<&0 4>&1 </dev/null >\"$0.log\" 2>&1",
    Args = ["-c", Script, Profile, chromium(), "--remote-debugging-pipe", "--user-data-dir=" ++ Profile | switches()],
    {ok, #state{port = open_port({spawn_executable, "/bin/sh"}, [{args, Args}, binary, exit_status])}}.

chromium() ->
    os:getenv("MMX_CHROMIUM", "chromium").

switches() ->
    [
        "--headless=new",
        %% Chromium refuses its own sandbox to root; it sees nothing here but our page.
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
        "--window-size=1400,1000"
    ].

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call({command, Command}, From, #state{id = Before, exited = false} = State) ->
    Id = Before + 1,
    true = port_command(State#state.port, [misc:json_encode(Command#{id => Id}), 0]),
    {noreply, State#state{id = Id, callers = (State#state.callers)#{Id => From}}};
handle_call({command, _}, _From, State) ->
    {reply, {error, exited}, State};
handle_call({frames, Session}, _From, State) ->
    {reply, lists:reverse(maps:get(Session, State#state.frames, [])), State};
handle_call({complaints, Session}, _From, State) ->
    {reply, lists:reverse(maps:get(Session, State#state.complaints, [])), State};
handle_call(exited, _From, #state{exited = true} = State) ->
    {reply, ok, State};
handle_call(exited, From, State) ->
    {noreply, State#state{waiter = From}}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({Port, {data, Data}}, #state{port = Port, buffer = Buffer} = State) ->
    case binary:split(Data, <<0>>, [global]) of
        [_] ->
            {noreply, State#state{buffer = [Data | Buffer]}};
        [First | Rest] ->
            Whole = [iolist_to_binary(lists:reverse(Buffer, [First])) | lists:droplast(Rest)],
            Next = State#state{buffer = [lists:last(Rest)]},
            {noreply, lists:foldl(fun(Text, Acc) -> told(misc:json_decode(Text), Acc) end, Next, Whole)}
    end;
handle_info({Port, {exit_status, _}}, #state{port = Port, callers = Callers, waiter = Waiter} = State) ->
    [gen_server:reply(Caller, {error, exited}) || Caller <- maps:values(Callers)],
    _ = Waiter =:= none orelse gen_server:reply(Waiter, ok),
    {noreply, State#state{exited = true, callers = #{}}};
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State};
handle_info(_, State) ->
    {noreply, State}.

told(#{<<"id">> := Id} = Answer, #state{callers = Callers} = State) ->
    {Caller, Others} = maps:take(Id, Callers),
    Reply =
        case Answer of
            #{<<"result">> := Result} -> {ok, Result};
            #{<<"error">> := Error} -> {error, Error}
        end,
    gen_server:reply(Caller, Reply),
    State#state{callers = Others};
told(#{<<"method">> := <<"Network.webSocketFrameReceived">>} = Event, State) ->
    add_frame(received, Event, State);
told(#{<<"method">> := <<"Network.webSocketFrameSent">>} = Event, State) ->
    add_frame(sent, Event, State);
told(#{<<"method">> := <<"Runtime.exceptionThrown">>, <<"params">> := #{<<"exceptionDetails">> := Details}} = Event, State) ->
    add_complaint(Event, described(maps:get(<<"exception">>, Details, Details)), State);
told(#{<<"method">> := <<"Runtime.consoleAPICalled">>, <<"params">> := #{<<"type">> := <<"error">>} = Params} = Event, State) ->
    add_complaint(Event, [described(Arg) || Arg <- maps:get(<<"args">>, Params)], State);
told(_, State) ->
    State.

add_frame(Direction, #{<<"sessionId">> := Session, <<"params">> := Params}, #state{frames = Frames} = State) ->
    #{<<"response">> := #{<<"payloadData">> := Payload}} = Params,
    Before = maps:get(Session, Frames, []),
    State#state{frames = Frames#{Session => [{Direction, Payload} | Before]}}.

add_complaint(#{<<"sessionId">> := Session}, Complaint, #state{complaints = Complaints} = State) ->
    Before = maps:get(Session, Complaints, []),
    State#state{complaints = Complaints#{Session => [Complaint | Before]}}.

described(#{<<"description">> := Description}) -> Description;
described(#{<<"value">> := Value}) -> Value;
described(Other) -> Other.
