%% Rooms on another server that no one here wrote, and on which bob has his account.
-module(mmx_far).

-export([start/1, start/2, stop/1, beside_bob/2, bob/1, unseen/3, heard/1]).

-include("mmx.hrl").

%% A server of accounts, and another one with rooms and with bob.
-spec start([{atom(), term()}]) -> [{atom(), term()}].
start(Config) ->
    start(<<"rooms.far.example">>, Config).

%% The rooms are those of one of Prosody's services.
-spec start(binary(), [{atom(), term()}]) -> [{atom(), term()}].
start(Service, Config) ->
    Prosody = mmx_prosody:start(),
    Minimix = beside_plain(#{join_timeout => <<"2 s">>, offline_delay => <<"2 s">>}),
    Options = (mmx_prosody:options(Prosody))#{room_service => Service},
    Server = mmx_server:start(maps:merge(Options, Minimix)),
    [{server, Server}, {prosody, Prosody}, {bob, mmx_prosody:person(Prosody)} | Config].

-spec stop([{atom(), term()}]) -> ok.
stop(Config) ->
    ok = mmx_server:stop(?config(server, Config)),
    mmx_prosody:stop(?config(prosody, Config)).

%% A room with bob in it, and sessions of alice that are not.
-spec beside_bob([{atom(), term()}], fun((binary(), Bob :: pid(), Phone :: pid(), Desk :: pid()) -> _)) -> ok.
beside_bob(Config, Fun) ->
    story(Config, [bob(Config), "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Fun(Room, Bob, Phone, Desk)
    end).

%% As one of the people of a story.
-spec bob([{atom(), term()}]) -> {string(), mmx_client:options()}.
bob(Config) ->
    {"bob/desk", ?config(bob, Config)}.

%% Nobody was told anything of alice, and she is in the room once, as her account.
-spec unseen(binary(), Bob :: pid(), [pid(), ...]) -> ok.
unseen(Room, Bob, [Session | _] = Sessions) ->
    marker(Bob, Bob, Room),
    [heard(Other) || Other <- Sessions],
    ?assertEqual([], lists:append([sync(Other, Room) || Other <- Sessions])),
    ?assertEqual([{<<"alice">>, account(Session)}, {<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)).

%% The next that was said.
-spec heard(pid()) -> #xmlel{}.
heard(Session) ->
    take(Session, fun(Stanza) -> body(Stanza) =/= undefined end).
