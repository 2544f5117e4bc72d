%% A scripted conversation of several sessions in a room, held on a virtual host of a test server.
-module(mmx_conversation).

-export([hold/3, account/1, sessions/1, ids/1]).

-include_lib("fast_xml/include/fxml.hrl").

%% Whose session it is stands in account/1.
-type session() :: phone | laptop | tablet | bob | carol | dan.

%% Text is a stanza. In it $room and $other are rooms, $service is theirs, $host is the virtual host, and
%% $alice, $bob, $carol and $dan are accounts; $asker is who asks for voice in the last form that the session was sent.
%% A stanza without an id is given one; {no_id, Text} stays as it is.
%% A burst goes out at once. What is to be done must not be refused.
%% {answer, Type, Text} answers the last request that the session was sent.
-type action() ::
    iodata()
    | {burst, [iodata()]}
    | {no_id, iodata()}
    | {done, iodata()}
    | {answer, result | error, iodata()}
    | connect
    | close
    | cut.
-type step() :: {session(), action()}.

%% What each session received in a step.
-type received() :: {step(), [{session(), [#xmlel{}]}]}.
-type transcript() :: [received()].
-type account() :: alice | bob | carol | dan.
-export_type([account/0, session/0, action/0, step/0, received/0, transcript/0]).

-record(talk, {
    server :: mmx_server:server(),
    host :: binary(),
    words :: [{binary(), binary()}],
    clients = #{} :: #{session() => mmx_client:client()},
    requests = #{} :: #{session() => #xmlel{}},
    askers = #{} :: #{session() => binary()}
}).

-spec account(session()) -> account().
account(phone) -> alice;
account(laptop) -> alice;
account(tablet) -> alice;
account(Session) -> Session.

-spec sessions([step()]) -> [session()].
sessions(Steps) ->
    lists:usort([Session || {Session, _} <- Steps]).

%% Names end with what makes them new, which is taken out of the transcript again.
-spec hold(mmx_server:server(), binary(), [step()]) -> transcript().
hold(Server, Host, Steps) ->
    Mark = mmx_stanza:unique(),
    Talk = connect_all(#talk{server = Server, host = Host, words = words(Host, Mark)}, Steps),
    try
        {Transcript, _} = lists:mapfoldl(fun step/2, Talk, lists:enumerate(Steps)),
        mmx_normal:names(Transcript, [{Host, <<"host">>}, {<<".", Mark/binary>>, <<>>}])
    after
        lists:foreach(fun(Room) -> destroy(Server, Room) end, rooms(Talk)),
        [mmx_client:abandon(Client) || Client <- maps:values(Talk#talk.clients)]
    end.

rooms(Talk) ->
    [word(Word, Talk) || Word <- [<<"$room">>, <<"$other">>]].

%% The more processes a server has, the longer it takes to see that all are through.
destroy(Server, Room) ->
    case mmx_server:room_pid(Server, Room) of
        none -> ok;
        Pid -> mmx_server:rpc(Server, mod_muc_room, destroy, [Pid, <<"The conversation is over">>])
    end.

words(Host, Mark) ->
    Service = <<"rooms.", Host/binary>>,
    Rooms = [{<<"$", Name/binary>>, <<Name/binary, ".", Mark/binary, "@", Service/binary>>} || Name <- [<<"room">>, <<"other">>]],
    People = [
        {<<"$", Name/binary>>, <<Name/binary, ".", Mark/binary, "@", Host/binary>>}
     || Name <- [<<"alice">>, <<"bob">>, <<"carol">>, <<"dan">>]
    ],
    [{<<"$service">>, Service}, {<<"$host">>, Host} | Rooms ++ People].

word(Word, #talk{words = Words}) ->
    proplists:get_value(Word, Words).

%% Whose first step is to connect is not there from the beginning.
connect_all(Talk, Steps) ->
    There = [Session || Session <- sessions(Steps), lists:keyfind(Session, 1, Steps) =/= {Session, connect}],
    Connected = lists:foldl(fun connect/2, Talk, There),
    _ = settled(Connected),
    Connected.

connect(Session, #talk{server = Server, host = Host, clients = Clients} = Talk) ->
    Account = mmx_stanza:el(x, [{jid, word(<<"$", (atom_to_binary(account(Session)))/binary>>, Talk)}]),
    [User, _] = binary:split(mmx_stanza:attr(Account, jid), <<"@">>),
    Client = mmx_client:connect(Server, [User, "/", atom_to_binary(Session)], #{host => Host}),
    Talk#talk{clients = Clients#{Session => Client}}.

step({Number, {Session, Action} = Step}, Talk0) ->
    {First, Talk} = act(Action, Session, Number, Talk0),
    Received = [{Name, proplists:get_value(Name, First, []) ++ Stanzas} || {Name, Stanzas} <- settled(Talk)],
    {{Step, Received}, remember(Received, Talk)}.

act(connect, Session, _Number, Talk) ->
    {[], connect(Session, Talk)};
act(close, Session, _Number, Talk) ->
    {[], ended(Session, fun mmx_client:close/1, Talk)};
act(cut, Session, _Number, Talk) ->
    {[], ended(Session, fun mmx_client:kill/1, Talk)};
act({answer, Type, Text}, Session, _Number, #talk{requests = Requests} = Talk) ->
    #{Session := Request} = Requests,
    Attrs = [{to, mmx_stanza:from(Request)}, {id, mmx_stanza:attr(Request, id)}, {type, Type}],
    send(Session, mmx_stanza:el(iq, Attrs, (stanza(["<x>", Text, "</x>"], Session, Talk))#xmlel.children), Talk);
act({done, Text}, Session, Number, Talk) ->
    {[{Session, Received}], _} = Sent = act(Text, Session, Number, Talk),
    Id = iolist_to_binary(id(Number)),
    Refused = [Stanza || Stanza <- Received, mmx_stanza:type(Stanza) =:= <<"error">>, mmx_stanza:attr(Stanza, id) =:= Id],
    Refused =:= [] orelse error({refused, mmx_stanza:to_text(Refused)}),
    Sent;
act({no_id, Text}, Session, _Number, Talk) ->
    send(Session, stanza(Text, Session, Talk), Talk);
act({burst, Texts}, Session, Number, Talk) ->
    Stanzas = [with_id(stanza(Text, Session, Talk), [id(Number), $a + Index]) || {Index, Text} <- lists:enumerate(0, Texts)],
    send(Session, [fxml:element_to_binary(Stanza) || Stanza <- Stanzas], Talk);
act(Text, Session, Number, Talk) ->
    send(Session, with_id(stanza(Text, Session, Talk), id(Number)), Talk).

%% A stream says goodbye to rooms while it ends.
ended(Session, End, #talk{server = Server, clients = Clients} = Talk) ->
    {Client, Others} = maps:take(Session, Clients),
    Stream = mmx_server:c2s_pid(Server, mmx_client:jid(Client)),
    ok = End(Client),
    mmx_server:wait_until("the stream is gone", fun() -> not mmx_server:rpc(Server, erlang, is_process_alive, [Stream]) end),
    ok = mmx_client:abandon(Client),
    Talk#talk{clients = Others}.

%% The own server has it when it has answered what comes after.
send(Session, What, #talk{clients = Clients} = Talk) ->
    #{Session := Client} = Clients,
    ok = mmx_client:send(Client, What),
    {[{Session, mmx_client:sync(Client)}], Talk}.

stanza(Text, Session, #talk{words = Words, askers = Askers}) ->
    Filled = lists:foldl(
        fun({Word, Value}, Acc) -> binary:replace(Acc, Word, Value, [global]) end,
        unicode:characters_to_binary(Text),
        [{<<"$asker">>, maps:get(Session, Askers, <<"nobody">>)} | Words]
    ),
    case fxml_stream:parse_element(Filled) of
        #xmlel{} = Stanza -> Stanza;
        {error, Reason} -> error({no_stanza, Filled, Reason})
    end.

with_id(#xmlel{attrs = Attrs} = Stanza, Id) ->
    case mmx_stanza:attr(Stanza, id) of
        undefined -> Stanza#xmlel{attrs = [{<<"id">>, iolist_to_binary(Id)} | Attrs]};
        _ -> Stanza
    end.

id(Number) ->
    ["step-", integer_to_binary(Number)].

%% The ids that the script gives.
-spec ids([step()]) -> [binary()].
ids(Steps) ->
    Own = [iolist_to_binary([id(Number), Suffix]) || Number <- lists:seq(1, length(Steps)), Suffix <- ["", "a", "b", "c", "d"]],
    Own ++ [Id || {_, Action} <- Steps, Id <- written(text(Action))].

text(Action) when is_atom(Action) -> "";
text({answer, _, Text}) -> Text;
text({_, Text}) -> Text;
text(Text) -> Text.

written(Text) ->
    case re:run(Text, "\\bid='([^']*)'", [global, {capture, all_but_first, binary}]) of
        {match, Ids} -> lists:append(Ids);
        nomatch -> []
    end.

settled(#talk{server = Server, host = Host, clients = Clients} = Talk) ->
    ok = mmx_quiet:settle(Server, Host, rooms(Talk)),
    [{Session, mmx_client:sync(Client)} || {Session, Client} <- lists:sort(maps:to_list(Clients))].

remember(Received, #talk{requests = Requests, askers = Askers} = Talk) ->
    NewRequests = [
        {Session, Stanza}
     || {Session, Stanzas} <- Received,
        #xmlel{name = <<"iq">>} = Stanza <- Stanzas,
        lists:member(mmx_stanza:type(Stanza), [<<"get">>, <<"set">>])
    ],
    NewAskers = [
        {Session, mmx_stanza:cdata(mmx_stanza:child(Field, value))}
     || {Session, Stanzas} <- Received,
        Stanza <- Stanzas,
        Form <- mmx_stanza:children(Stanza, x),
        Field <- mmx_stanza:children(Form, field),
        mmx_stanza:attr(Field, var) =:= <<"muc#jid">>
    ],
    Talk#talk{
        requests = maps:merge(Requests, maps:from_list(NewRequests)),
        askers = maps:merge(Askers, maps:from_list(NewAskers))
    }.
