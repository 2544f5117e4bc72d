%% The library as Erlang sees it: whatever it is given, it answers or refuses, and keeps its state.
-module(nif_SUITE).

-export([all/0]).
-export([
    what_is_no_input_is_refused/1,
    a_refused_input_changes_nothing/1,
    depth_costs_no_stack/1,
    text_may_be_iodata/1,
    a_replay_comes_in_chunks_and_whole/1,
    numbers_begin_anew_above_the_old_ones/1,
    foreign_stanzas_pass/1
]).

-include_lib("stdlib/include/assert.hrl").

-define(ACCOUNT, <<"alice@home.example">>).
-define(ROOM, <<"room@rooms.example">>).

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= module_info].

%% I8 (bad terms)
what_is_no_input_is_refused(_Config) ->
    Core = core(),
    Inputs = [
        nothing, {}, {room}, {room, none, join()}, {room, none, text, none}, {room, <<255>>, join(), none},
        {room, none, join(), other}, {room, none, join(), -1}, {room, none, join(), <<"1">>},
        {room, <<"x">>, {xmlel, <<"a">>, [], text}, none}, {room, none, {xmlel, <<"a">>, [{<<"b">>}], []}, none},
        {room, none, {xmlel, <<255>>, [], []}, none}, {room, other, join(), none},
        {room, none, {xmlel, <<"a">>, [], [{xmlother, <<"b">>}]}, none},
        {room, none, {xmlel, <<"a">>, [], [<<"b">> | <<"c">>]}, none},
        {asleep, 1}, {bookmark, #{autojoin => true, nick => none, password => none, notify => loudly}},
        {detach, 1}, {detach, make_ref()}, {resumed, self()}, {catch_up, self(), 5}, {stranded, self(), <<"r">>, none}, {session, self(), <<"r">>, <<"n">>},
        command, {command, nothing}, {command, join}, {command, {join, none, none}}, {command, {join, <<255>>, none}},
        {command, {join, <<"x">>, <<255>>}}, {command, {join, <<"x">>, other}}, {command, {leave, <<"x">>, none}}
    ],
    [?assertError(_, handle(Core, Input)) || Input <- Inputs],
    ?assertError(badarg, minimix_nif:handle(make_ref(), ?ACCOUNT, ?ROOM, stop, 1)),
    ?assertError(badarg, minimix_nif:handle(Core, <<255>>, ?ROOM, stop, 1)),
    ?assertError(badarg, minimix_nif:handle(Core, ?ACCOUNT, ?ROOM, stop, -1)).

%% I8 (bad terms)
a_refused_input_changes_nothing(_Config) ->
    Core = joined(core()),
    Before = minimix_nif:counts(Core),
    ?assertError(_, handle(Core, {room, <<"bob">>, {xmlel, <<"presence">>, [], [{xmlel, <<255>>, [], []}]}, none})),
    ?assertEqual(Before, minimix_nif:counts(Core)),
    ?assertMatch([{replay, _, done} | _], lists:filter(fun is_replay/1, handle(Core, session(<<"second">>)))).

%% I8 B24.180 (deeply nested stanzas)
depth_costs_no_stack(_Config) ->
    Core = joined(core()),
    Deep = lists:foldl(fun(_, Inner) -> {xmlel, <<"a">>, [], [Inner]} end, {xmlcdata, <<"end">>}, lists:seq(1, 300_000)),
    Message = {xmlel, <<"message">>, [{<<"type">>, <<"groupchat">>}], [{xmlel, <<"body">>, [], []}, Deep]},
    _ = handle(Core, {room, <<"bob">>, Message, none}),
    Big = {xmlel, <<"presence">>, [], [Deep]},
    _ = handle(Core, {room, <<"bob">>, Big, none}),
    [{replay, Stanzas, done}] = lists:filter(fun is_replay/1, handle(Core, session(<<"second">>))),
    ?assert(lists:member(Big, Stanzas)).

%% I6, I8 (what ejabberd takes for text)
text_may_be_iodata(_Config) ->
    Core = joined(core()),
    Text = fun(Data) -> {xmlel, <<"show">>, [{<<"lang">>, Data}], [{xmlcdata, Data}]} end,
    Presence = fun(Data) -> {xmlel, Name, Attrs, Els} = presence(<<"bob">>, []), {xmlel, Name, Attrs, [Text(Data) | Els]} end,
    _ = handle(Core, {room, <<"bob">>, Presence([<<"d">>, [$n | <<"d">>]]), none}),
    [{replay, Stanzas, done}] = lists:filter(fun is_replay/1, handle(Core, session(<<"second">>))),
    ?assert(lists:member(Presence(<<"dnd">>), Stanzas)),
    [?assertError(badarg, handle(Core, {room, <<"bob">>, Presence(Data), none})) || Data <- [<<255>>, [dnd], 7]].

%% I9 T2 (a large replay)
a_replay_comes_in_chunks_and_whole(_Config) ->
    Core = core(),
    _ = handle(Core, session(<<"first">>)),
    Presences = [presence(<<"bob", (integer_to_binary(N))/binary>>, []) || N <- lists:seq(1, 1_000)],
    [handle(Core, {room, <<"bob", (integer_to_binary(N))/binary>>, lists:nth(N, Presences), none}) || N <- lists:seq(1, 1_000)],
    confirmed(Core),
    [{replay, First, Rest}] = lists:filter(fun is_replay/1, handle(Core, session(<<"second">>))),
    All = First ++ rest(Rest),
    ?assert(length(First) < 100),
    ?assertEqual(1_002, length(All)),
    ?assertEqual([], Presences -- All),
    ?assertEqual({[], done}, minimix_nif:replay_next(Rest)).

%% T2 (generations)
numbers_begin_anew_above_the_old_ones(_Config) ->
    Core = core(),
    Number = fun(Now) ->
        {none, Effects} = minimix_nif:handle(Core, ?ACCOUNT, ?ROOM, session(<<"first">>), Now),
        [Epoch] = [Epoch || {manage, Epoch} <- Effects],
        _ = minimix_nif:handle(Core, ?ACCOUNT, ?ROOM, stop, Now),
        _ = minimix_nif:handle(Core, ?ACCOUNT, ?ROOM, refused(), Now),
        Epoch
    end,
    Numbers = [Number(Now) || Now <- [1_000, 1_001, 5_000]],
    ?assertEqual(Numbers, lists:usort(Numbers)).

%% B24.176
foreign_stanzas_pass(_Config) ->
    Core = core(),
    ?assertEqual([pass], handle(Core, {room, <<"bob">>, presence(<<"bob">>, []), none})),
    ?assertEqual([pass], handle(Core, {session, self(), <<"r">>, <<"n">>, {xmlel, <<"message">>, [], []}})),
    ?assertEqual([0], lists:usort(maps:values(minimix_nif:counts(Core)))),
    ?assertEqual([], minimix_nif:accounts(Core)),
    ?assertEqual([], minimix_nif:facts(Core, ?ACCOUNT)).

core() ->
    minimix_nif:new(#{
        '__struct__' => 'Config', nick => assign, occupant_address => bare, leave => auto, offline_presence => xa, offline_delay => 1,
        detached_ttl => 86_400_000, ping_interval => 900_000,
        history_size => 50, archive => false, push => mentions, join_timeout => 60_000, max_rooms => 200, max_occupants => 5_000
    }).

joined(Core) ->
    _ = handle(Core, session(<<"first">>)),
    confirmed(Core),
    Core.

confirmed(Core) ->
    _ = handle(Core, {room, <<"alice">>, presence(<<"alice">>, [{xmlel, <<"status">>, [{<<"code">>, <<"110">>}], []}]), none}),
    _ = handle(Core, {room, none, {xmlel, <<"message">>, [{<<"type">>, <<"groupchat">>}], [{xmlel, <<"subject">>, [], []}]}, none}),
    ok.

refused() ->
    {room, <<"alice">>, {xmlel, <<"presence">>, [{<<"type">>, <<"error">>}], []}, none}.

session(Resource) ->
    {session, self(), Resource, <<"alice">>, join()}.

join() ->
    {xmlel, <<"presence">>, [], [{xmlel, <<"x">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/muc">>}], []}]}.

presence(Nick, Codes) ->
    X = {xmlel, <<"x">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/muc#user">>}], Codes},
    {xmlel, <<"presence">>, [{<<"from">>, <<?ROOM/binary, "/", Nick/binary>>}], [X]}.

handle(Core, Input) ->
    {none, Effects} = minimix_nif:handle(Core, ?ACCOUNT, ?ROOM, Input, 1_000),
    Effects.

is_replay(Effect) ->
    element(1, Effect) =:= replay.

rest(done) ->
    [];
rest(Replay) ->
    {Stanzas, Rest} = minimix_nif:replay_next(Replay),
    Stanzas ++ rest(Rest).
