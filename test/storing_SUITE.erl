%% What is stored of accounts in rooms, in each kind of database.
-module(storing_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    all_that_is_needed_is_there_after_a_crash/1,
    who_has_left_stays_left/1,
    a_room_is_entered_again_with_its_password/1,
    passwords_are_not_in_the_log/1,
    what_another_version_wrote_is_passed_over/1,
    odd_characters_are_stored/1,
    an_account_that_is_removed_leaves_nothing/1,
    hosts_are_apart/1
]).

-include("support/mmx.hrl").

-define(PASSWORD, <<"open sesame">>).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), is_case(Case), is_for(Kind, Case)]} || Kind <- [mnesia, sqlite, pgsql]].

is_case(Name) ->
    not lists:member(Name, [all, groups]).

%% SQLite stands for the schema in which each host has a database of its own.
is_for(sqlite, hosts_are_apart) -> false;
is_for(_, _) -> true.

init_per_group(Kind, Config) ->
    Hosts = [<<"mmx.example">> | [<<"other.example">> || Kind =/= sqlite]],
    %% With loglevel debug there is a lot to tell at once.
    Options = (beside_plain(#{rejoin_rate => 1000}))#{hosts => Hosts, vm_args => ["-ejabberd", "log_burst_limit_count", "1000000"]},
    [{keeper, mmx_keeper:start(Kind, fun(Database) -> mmx_database:options(Database, Options) end)} | Config].

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

%% bob owns a room that outlives him.
init_per_testcase(_Case, Config) ->
    Server = mmx_keeper:server(?config(keeper, Config)),
    Room = mmx_server:fresh_room(Server),
    Named = [{Name, mmx_server:fresh(Server, atom_to_list(Name))} || Name <- [bob, alice]],
    Config1 = [{server, Server}, {room, Room} | Named ++ Config],
    Bob = session(Config1, bob, <<"desk">>),
    _ = join(Bob, Room, <<"bob">>),
    configured(Bob, Room, #{<<"muc#roomconfig_persistentroom">> => <<"1">>}),
    on_disk(Config1).

%% What ejabberd itself keeps in Mnesia outlives a crash, too.
on_disk(Config) ->
    ok = mmx_server:rpc(?config(server, Config), mnesia, sync_log, []),
    Config.

end_per_testcase(_Case, _Config) ->
    ok.

configured(Bob, Room, Fields) ->
    ?assertEqual(<<"result">>, type(configure(Bob, Room, Fields))).

session(Config, Who, Resource) ->
    connect(?config(server, Config), <<(?config(Who, Config))/binary, "/", Resource/binary>>).

account(Config, Who) ->
    <<(?config(Who, Config))/binary, "@", (mmx_server:host(?config(server, Config)))/binary>>.

again(Config, How) ->
    lists:keystore(server, 1, Config, {server, mmx_keeper:again(?config(keeper, Config), How)}).

rows(Config) ->
    mmx_keeper:rows(?config(keeper, Config), account(Config, alice)).

nicks_in(Config) ->
    [Nick || {Nick, Jid} <- in_room(Config, ?config(room, Config)), Jid =:= account(Config, alice)].

is_back(Config) ->
    mmx_server:wait_until("alice is back", fun() -> nicks_in(Config) =/= [] end).

stored(Config, IsIt) ->
    mmx_server:wait_until("it is stored", fun() -> lists:any(fun({_, Record}) -> IsIt(Record) end, rows(Config)) end).

%% I11, B23.163 (XEP-0045 §7.2, XEP-0359 §3)
all_that_is_needed_is_there_after_a_crash(Config) ->
    Room = ?config(room, Config),
    Bob = session(Config, bob, <<"phone">>),
    Phone = session(Config, alice, <<"phone">>),
    Before = erlang:system_time(millisecond),
    _ = join(Bob, Room, <<"bob">>),
    _ = join(Phone, Room, <<"Älice 2"/utf8>>),
    say(Bob, Room, <<"last words">>),
    Message = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"last words">> end),
    SeenId = attr(child(Message, 'stanza-id'), id),
    stored(Config, fun(#{place := Place, seen_at := SeenAt}) -> Place =:= joined andalso SeenAt > 0 end),
    _ = on_disk(Config),
    Again = again(Config, crash),
    is_back(Again),
    ?assertEqual([<<"Älice 2"/utf8>>], nicks_in(Again)),
    [{Room, Record}] = rows(Again),
    #{cause := session, autojoin := false, password := none, seen_id := SeenId} = Record,
    #{joined_at := JoinedAt, seen_at := SeenAt} = Record,
    ?assert(Before =< JoinedAt andalso JoinedAt =< SeenAt).

%% I11, T15 (XEP-0045 §7.14)
who_has_left_stays_left(Config) ->
    Room = ?config(room, Config),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    _ = leave(Phone, Room),
    Again = again(Config, crash),
    ?assertEqual([], rows(Again)),
    Dora = connect(?config(server, Again), <<(mmx_server:fresh(?config(server, Again), "dora"))/binary, "/phone">>),
    _ = join(Dora, Room, <<"dora">>),
    ?assertEqual([], nicks_in(Again)).

%% I11, B1.14 (XEP-0045 §7.2.5: nobody else is given it, in whatever is replayed)
a_room_is_entered_again_with_its_password(Config) ->
    Room = ?config(room, Config),
    Phone = behind_a_password(Config, ?PASSWORD),
    Again = again(Config, crash),
    is_back(Again),
    ?assertMatch([{Room, #{password := ?PASSWORD}}], rows(Again)),
    Desk = session(Again, alice, <<"desk">>),
    Replayed = join(Desk, Room, <<"alice">>),
    ?assertEqual(nomatch, re:run(to_text(Replayed), ?PASSWORD)),
    ?assertEqual(nomatch, re:run(to_text(queued(Phone)), ?PASSWORD)).

behind_a_password(Config, Password) ->
    Room = ?config(room, Config),
    Bob = session(Config, bob, <<"phone">>),
    _ = join(Bob, Room, <<"bob">>),
    configured(Bob, Room, #{
        <<"muc#roomconfig_persistentroom">> => <<"1">>,
        <<"muc#roomconfig_passwordprotectedroom">> => <<"1">>,
        <<"muc#roomconfig_roomsecret">> => Password
    }),
    _ = on_disk(Config),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>, #{password => Password}),
    Phone.

%% B1.14 (XEP-0045 §7.2.5: with loglevel debug ejabberd writes down the stanzas themselves; nothing else tells)
passwords_are_not_in_the_log(Config) ->
    Secret = <<"s3cret-", (integer_to_binary(erlang:unique_integer([positive])))/binary>>,
    ok = loglevel(Config, debug),
    Phone = behind_a_password(Config, Secret),
    _ = leave(Phone, ?config(room, Config)),
    _ = join(Phone, ?config(room, Config), <<"alice">>, #{password => Secret}),
    stored(Config, fun(#{password := Password}) -> Password =:= Secret end),
    Traced = mmx_server:log(?config(server, Config)),
    ok = loglevel(Config, info),
    %% What a crash writes begins with the process' state.
    Store = mmx_server:rpc(?config(server, Config), gen_mod, get_module_proc, [mmx_server:host(?config(server, Config)), minimix_store]),
    ok = mmx_server:rpc(?config(server, Config), gen_server, stop, [Store, for_a_test, 5_000]),
    Log = mmx_server:log(?config(server, Config)),
    ?assertNotEqual(nomatch, binary:match(Traced, Secret)),
    ?assertNotEqual(nomatch, binary:match(Log, <<"for_a_test">>)),
    ?assertEqual([], [Entry || Entry <- entries(Log), binary:match(Entry, Secret) =/= nomatch, not is_stanza(Entry)]).

loglevel(Config, Level) ->
    mmx_server:rpc(?config(server, Config), ejabberd_logger, set, [Level]).

entries(Log) ->
    re:split(Log, "^(?=\\d{4}-\\d\\d-\\d\\d )", [multiline]).

%% Of the stream, the router and their hooks everybody knows that they write down stanzas.
is_stanza(Entry) ->
    re:run(Entry, "(Received|Send) XML on stream|@(ejabberd_router|ejabberd_local|ejabberd_sm|mod_muc|mod_muc_room):") =/= nomatch.

%% I8, B23.163 (XEP-0045 §7.2)
what_another_version_wrote_is_passed_over(Config) ->
    Room = ?config(room, Config),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    stored(Config, fun(#{place := Place}) -> Place =:= joined end),
    [{Room, Record}] = rows(Config),
    write(Config, [{{key(Config), <<"strange@", (mmx_server:rooms(?config(server, Config)))/binary>>}, Record#{cause := thought}}]),
    Again = again(Config, crash),
    is_back(Again),
    ?assertEqual([Room], [Stored || {Stored, _} <- rows(Again)]),
    ?assertMatch({match, _}, re:run(mmx_server:log(?config(server, Again)), "passes over 1 stored rooms.*" ++ binary_to_list(account(Config, alice)))).

write(Config, Changes) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    Backend = mmx_server:rpc(Server, gen_mod, db_mod, [Host, mod_minimix]),
    ok = mmx_server:rpc(Server, Backend, write, [Host, Changes, durable]).

key(Config) ->
    {?config(alice, Config), mmx_server:host(?config(server, Config))}.

%% I8, I11 (RFC 6122 §2: what addresses and ids may hold)
odd_characters_are_stored(Config) ->
    Service = mmx_server:rooms(?config(server, Config)),
    Room = <<"odd\\room%_;--=ä@"/utf8, Service/binary>>,
    Record = #{nick => <<"O'Neill \\ \" 😀 \x{202e}"/utf8>>, password => <<"a\nb\t'\\0"/utf8>>, resource => <<"%_\\'">>, cause => bookmark,
               place => out, autojoin => true, joined_at => 0, seen_at => 1 bsl 45, seen_id => <<"%s' or 1=1 --">>,
               detached_at => none},
    write(Config, [{{key(Config), Room}, Record}]),
    ?assertEqual([{Room, Record}], rows(Config)),
    %% No client can send these, and some databases cannot hold them: the rest is kept.
    write(Config, [{{key(Config), Room}, Record#{seen_id := <<0, 255>>, password := <<"a", 0>>}}]),
    [{Room, Kept}] = rows(Config),
    ?assertEqual(maps:without([seen_id, password], Record), maps:without([seen_id, password], Kept)),
    write(Config, [{{key(Config), Room}, none}]),
    ?assertEqual([], rows(Config)).

%% B23.173, I11 (XEP-0077 §3.2)
an_account_that_is_removed_leaves_nothing(Config) ->
    Room = ?config(room, Config),
    Server = ?config(server, Config),
    Phone = session(Config, alice, <<"phone">>),
    _ = join(Phone, Room, <<"alice">>),
    stored(Config, fun(#{place := Place}) -> Place =:= joined end),
    [{Room, Record}] = rows(Config),
    %% One that nothing but the database knows of.
    write(Config, [{{key(Config), <<"unknown@", (mmx_server:rooms(Server))/binary>>}, Record}]),
    ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [?config(alice, Config), mmx_server:host(Server)]),
    ok = mmx_server:rpc(Server, minimix_store, flush, [mmx_server:host(Server)]),
    ?assertEqual([], rows(Config)).

%% I11, B23.173 (XEP-0045 §7.2)
hosts_are_apart(Config) ->
    Server = ?config(server, Config),
    Room = ?config(room, Config),
    Other = <<"other.example">>,
    Here = session(Config, alice, <<"phone">>),
    There = connect(Server, <<(?config(alice, Config))/binary, "/phone">>, #{host => Other}),
    _ = join(Here, Room, <<"here">>),
    _ = join(There, Room, <<"there">>),
    Both = [account(Config, alice), <<(?config(alice, Config))/binary, "@", Other/binary>>],
    InRoom = fun(Now) -> [Jid || {_, Jid} <- in_room(Now, Room), lists:member(Jid, Both)] end,
    Again = again(Config, crash),
    mmx_server:wait_until("both are back", fun() -> lists:sort(InRoom(Again)) =:= lists:sort(Both) end),
    ok = mmx_server:rpc(?config(server, Again), ejabberd_auth, remove_user, [?config(alice, Config), Other]),
    ok = mmx_server:rpc(?config(server, Again), minimix_store, flush, [Other]),
    ?assertMatch([{Room, _}], rows(Again)),
    ?assertEqual([], mmx_keeper:rows(?config(keeper, Again), lists:last(Both))).
