%% The process behind mmx_client: it queues what the server sends until a test asks for it.
-module(mmx_client_proc).
-behaviour(gen_server).

-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("fast_xml/include/fxml.hrl").

-type queue() :: [#xmlel{}].
-type taker(Result) :: fun((queue()) -> more | {Result, queue()}).
-export_type([taker/1]).

-record(state, {
    server :: mmx_server:server(),
    options :: mmx_client:options(),
    user :: binary(),
    link = none :: mmx_stream:link() | none,
    jid :: binary() | undefined,
    serves = false :: boolean(),
    queue = [] :: queue(),
    waiter = none :: {gen_server:from(), taker(term()), reference()} | none,
    nicks = #{} :: #{binary() => binary()},
    sm = false :: false | #{id := binary(), received := non_neg_integer()},
    transcript = [] :: [iodata()]
}).

-spec init({pid(), mmx_server:server(), binary(), mmx_client:options()}) -> {ok, #state{}}.
init({Owner, Server, User, Options}) ->
    _ = monitor(process, Owner),
    {ok, #state{server = Server, user = User, options = Options}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> 
    {reply, term(), #state{}} | {noreply, #state{}} | {stop, normal, ok, #state{}}.
handle_call({connect, _Resource}, _From, #state{options = #{bind2 := _}} = State0) ->
    {Success, State} = open_at_once([], State0),
    #xmlel{} = Enabled = mmx_stanza:child(mmx_stanza:child(Success, bound), enabled),
    Jid = mmx_stanza:cdata(mmx_stanza:child(Success, 'authorization-identifier')),
    {reply, ok, State#state{jid = Jid, sm = #{id => mmx_stanza:attr(Enabled, id), received => 0}}};
handle_call({connect, Resource}, _From, State0) ->
    #state{link = Link, options = Options} = State = open(State0),
    Jid = mmx_stream:bind(Link, Resource),
    Sm =
        case maps:get(sm, Options, false) of
            false -> false;
            Wait -> #{id => mmx_stream:enable_sm(Link, Wait), received => 0}
        end,
    {reply, ok, State#state{jid = Jid, sm = Sm}};
handle_call(resume, _From, #state{options = #{bind2 := _}, sm = #{id := Id, received := Received}} = State0) ->
    {Success, State} = open_at_once(mmx_stream:resumption(Id, Received), State0),
    {reply, mmx_stream:resumed(mmx_stanza:child(Success, resumed)), State};
handle_call(resume, _From, #state{sm = #{id := Id, received := Received}} = State0) ->
    State = open(State0),
    {reply, mmx_stream:resume_sm(State#state.link, Id, Received), State};
handle_call({take, Taker, Timeout}, From, #state{waiter = none} = State) ->
    Timer = erlang:start_timer(Timeout, self(), patience),
    {noreply, serve(State#state{waiter = {From, Taker, Timer}})};
handle_call({send, _}, _From, #state{link = none} = State) ->
    {reply, not_connected, State};
handle_call({send, Text}, _From, State) ->
    {reply, ok, write(Text, State)};
handle_call(acknowledge, _From, State) ->
    {reply, ok, acknowledged(State)};
handle_call(kill, _From, #state{link = Link} = State) ->
    ok = mmx_stream:cut(Link),
    {reply, ok, State#state{link = none}};
handle_call(abandon, _From, #state{link = none} = State) ->
    {stop, normal, ok, State};
handle_call(abandon, _From, State) ->
    {stop, normal, ok, write("</stream:stream>", State)};
handle_call(jid, _From, State) ->
    {reply, State#state.jid, State};
handle_call(server, _From, State) ->
    {reply, State#state.server, State};
handle_call({nick_in, Room}, _From, State) ->
    {reply, maps:get(Room, State#state.nicks, undefined), State};
handle_call(transcript, _From, #state{jid = Jid, user = User, transcript = Lines} = State) ->
    Title = io_lib:format("== ~ts, asked for by ~ts~n", [Jid, User]),
    {reply, [Title | lists:reverse(Lines)], State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({tcp, _, Data}, #state{link = Link} = State) when Link =/= none ->
    ok = mmx_stream:parse(Link, Data),
    {noreply, State};
handle_info({tcp_closed, _}, #state{link = Link} = State) when Link =/= none ->
    {noreply, serve(ended(State))};
handle_info({xmlstreamelement, El}, State) ->
    {noreply, serve_soon(received(El, noted("<--", fxml:element_to_binary(El), State)))};
handle_info(serve, State) ->
    {noreply, serve(State#state{serves = false})};
handle_info({xmlstreamend, _}, State) ->
    {noreply, serve(ended(State))};
handle_info({timeout, Timer, patience}, #state{waiter = {From, _, Timer}} = State) ->
    gen_server:reply(From, {nothing_in_time, State#state.queue}),
    {noreply, State#state{waiter = none}};
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State};
handle_info(_, State) ->
    {noreply, State}.

open(#state{server = Server, user = User, options = #{host := Host} = Options} = State) ->
    Over = maps:get(over, Options, gen_tcp),
    Address =
        case Over of
            gen_tcp -> address(Server, Options);
            _ -> {mmx_server:http_port(Server), none}
        end,
    State#state{link = mmx_stream:open(Over, Address, Host, User, password(Options))}.

address(_, #{at := Address}) -> Address;
address(Server, _) -> mmx_server:address(Server).

open_at_once(Resume, #state{server = Server, user = User, options = #{host := Host, bind2 := Bind} = Options} = State) ->
    {Link, Success} = mmx_stream:open_at_once(mmx_server:address(Server), Host, User, password(Options), Bind, Resume),
    {Success, State#state{link = Link}}.

password(Options) ->
    maps:get(password, Options, mmx_server:password()).

write(Text, #state{link = Link} = State) ->
    ok = mmx_stream:write(Link, Text),
    noted("-->", Text, State).

noted(Arrow, Text, #state{transcript = Lines} = State) ->
    State#state{transcript = [[Arrow, " ", Text, "\n"] | Lines]}.

ended(#state{link = none} = State) ->
    State;
ended(#state{link = Link} = State) ->
    ok = mmx_stream:cut(Link),
    queue(#xmlel{name = <<"stream:end">>}, noted("<--", "(end)", State#state{link = none})).

received(#xmlel{name = <<"r">>}, #state{options = #{acks := false}} = State) ->
    State;
received(#xmlel{name = <<"r">>}, State) ->
    acknowledged(State);
received(#xmlel{name = Name}, State) when Name =:= <<"a">>; Name =:= <<"stream:features">> ->
    State;
received(#xmlel{name = Name} = El, State) when Name =:= <<"iq">>; Name =:= <<"message">>; Name =:= <<"presence">> ->
    Counted = moved(El, counted(State)),
    case is_noise(El, State) of
        true -> Counted;
        false -> queue(El, Counted)
    end;
received(El, State) ->
    queue(El, State).

queue(El, #state{queue = Queue} = State) ->
    State#state{queue = Queue ++ [El]}.

counted(#state{sm = #{received := Received} = Sm} = State) ->
    State#state{sm = Sm#{received := Received + 1}};
counted(State) ->
    State.

acknowledged(#state{sm = #{received := Received}, link = Link} = State) when Link =/= none ->
    write(io_lib:format("<a xmlns='urn:xmpp:sm:3' h='~b'/>", [Received]), State);
acknowledged(State) ->
    State.

%% Every session of an account hears of the presence of the others, and of its own.
is_noise(#xmlel{name = <<"presence">>} = Presence, #state{jid = Jid, options = Options}) ->
    mmx_stanza:bare(mmx_stanza:from(Presence)) =:= mmx_stanza:bare(Jid) andalso
        mmx_stanza:type(Presence) =/= <<"error">> andalso not maps:get(raw, Options, false);
is_noise(_, _) ->
    false.

moved(El, #state{nicks = Nicks} = State) ->
    Room = mmx_stanza:bare(mmx_stanza:from(El)),
    case mmx_stanza:is_self_presence(El) andalso {mmx_stanza:type(El), lists:member(303, mmx_stanza:status_codes(El))} of
        {<<"available">>, _} -> State#state{nicks = Nicks#{Room => mmx_stanza:from_nick(El)}};
        {<<"unavailable">>, false} -> State#state{nicks = maps:remove(Room, Nicks)};
        _ -> State
    end.

%% Once for all that came together.
serve_soon(#state{serves = true} = State) ->
    State;
serve_soon(State) ->
    self() ! serve,
    State#state{serves = true}.

serve(#state{waiter = {From, Taker, Timer}, queue = Queue} = State) ->
    case Taker(Queue) of
        more ->
            State;
        {Result, Rest} ->
            _ = erlang:cancel_timer(Timer),
            gen_server:reply(From, {taken, Result}),
            State#state{waiter = none, queue = Rest}
    end;
serve(State) ->
    State.
