%% What is taken back, and what is deleted, is gone from the own archive as well.
-module(archive_removal_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    what_its_author_takes_back_is_a_tombstone/1,
    what_a_moderator_removes_is_a_tombstone/1,
    nobody_takes_back_what_others_have_said/1,
    what_somebody_under_the_same_nick_says_stays/1,
    who_wants_nothing_archived_any_more_has_it_taken_back/1,
    who_attaches_is_shown_the_tombstone/1,
    a_removed_account_leaves_no_archive/1,
    an_account_that_is_removed_without_the_option_leaves_no_archive/1,
    a_new_account_finds_nothing_of_one_that_was_removed_without_the_module/1,
    what_waits_to_be_written_goes_with_the_account/1,
    the_command_for_an_account_deletes_groupchat/1,
    the_command_for_a_peer_deletes_groupchat_of_a_room/1,
    old_groupchat_is_deleted_with_the_rest/1,
    the_commands_are_mod_mams_again_without_the_archive/1
]).

-include("support/mmx.hrl").

-import(mmx_archive, [groupchat/1, query/2, room_id/2]).

-define(NS_RETRACT, <<"urn:xmpp:message-retract:1">>).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups])]} || Kind <- [sqlite, pgsql]].

init_per_group(Kind, Config) ->
    Options = (beside_plain(#{}))#{room => #{mam => true}, modules => #{mod_muc_occupantid => #{}}},
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_archive:options(Database, Options) end),
    [{keeper, Keeper} | Config].

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    [{server, mmx_keeper:server(?config(keeper, Config))} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

retraction(Room, Id) ->
    message(Room, groupchat, [el(retract, [{xmlns, ?NS_RETRACT}, {id, Id}]), el(store, [{xmlns, <<"urn:xmpp:hints">>}])]).

is_retraction(Stanza) ->
    child(Stanza, retract, ?NS_RETRACT) =/= undefined.

%% The archive's copy of a message that the room calls so.
copy(Client, Room, Id) ->
    [Copy] = [Message || Message <- groupchat(Client), mmx_archive:ids(Message, Room) =:= [Id]],
    Copy.

is_tombstone(Message) ->
    body(Message) =:= undefined andalso child(Message, retracted, ?NS_RETRACT) =/= undefined.

%% B21.149 (XEP-0424 §5.1)
what_its_author_takes_back_is_a_tombstone(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = say(Bob, Room, <<"regret">>),
        Heard = hears(Phone, <<Room/binary, "/bob">>, <<"regret">>),
        Id = room_id(Heard, Room),
        ok = send(Bob, retraction(Room, Id)),
        Retraction = take(Desk, fun is_retraction/1),
        Stone = copy(Phone, Room, Id),
        ?assert(is_tombstone(Stone)),
        ?assertEqual(<<Room/binary, "/bob">>, from(Stone)),
        ?assertEqual(room_id(Retraction, Room), attr(child(Stone, retracted), id)),
        ?assertEqual(attr(child(Heard, 'occupant-id'), id), attr(child(Stone, 'occupant-id'), id)),
        ?assertEqual(mmx_archive:own_id(Heard, Phone), mmx_archive:own_id(Stone, Phone)),
        %% The retraction itself is a message like others.
        ?assertMatch([_, _], groupchat(Phone))
    end).

%% B21.149 (XEP-0425 §5)
what_a_moderator_removes_is_a_tombstone(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        ok = say(Phone, Room, <<"rude">>),
        Id = room_id(take(Phone, fun(Stanza) -> body(Stanza) =:= <<"rude">> end), Room),
        Moderate = el(moderate, [{xmlns, <<"urn:xmpp:message-moderate:1">>}, {id, Id}],
            [el(retract, [{xmlns, ?NS_RETRACT}]), el(reason, [], [<<"not here">>])]),
        ?assertEqual(<<"result">>, type(request(Bob, iq(Room, set, [Moderate])))),
        _ = take(Phone, fun is_retraction/1),
        Stone = copy(Phone, Room, Id),
        ?assert(is_tombstone(Stone)),
        ?assertNotEqual(undefined, child(child(Stone, retracted), moderated)),
        ?assertEqual(<<"not here">>, cdata(child(child(Stone, retracted), reason)))
    end).

%% B21.149 (XEP-0424 §6)
nobody_takes_back_what_others_have_said(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        ok = say(Phone, Room, <<"mine">>),
        Id = room_id(take(Phone, fun(Stanza) -> body(Stanza) =:= <<"mine">> end), Room),
        ok = send(Bob, retraction(Room, Id)),
        _ = take(Phone, fun is_retraction/1),
        ?assertEqual(<<"mine">>, body(copy(Phone, Room, Id)))
    end).

%% B21.149, B21.150 (XEP-0424 §5, XEP-0441 §2)
who_wants_nothing_archived_any_more_has_it_taken_back(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        ok = say(Bob, Room, <<"regret">>),
        Id = room_id(hears(Phone, <<Room/binary, "/bob">>, <<"regret">>), Room),
        ok = mmx_archive:flush(?config(server, Config)),
        ok = mmx_archive:prefer(Phone, {never, [], []}),
        ok = say(Bob, Room, <<"next">>),
        _ = hears(Phone, <<Room/binary, "/bob">>, <<"next">>),
        ok = mmx_archive:flush(?config(server, Config)),
        ok = send(Bob, retraction(Room, Id)),
        _ = take(Phone, fun is_retraction/1),
        ?assertMatch([_], [Stone || Stone <- groupchat(Phone), is_tombstone(Stone)])
    end).

%% B21.149 (XEP-0424 §6, XEP-0421 §4)
what_somebody_under_the_same_nick_says_stays(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Carol = connect(?config(server, Config), <<(mmx_server:fresh(?config(server, Config), "carol"))/binary, "/desk">>),
        _ = join(Carol, Room, <<"carol">>),
        ok = say(Carol, Room, <<"mine">>),
        Id = room_id(take(Phone, fun(Stanza) -> body(Stanza) =:= <<"mine">> end), Room),
        _ = leave(Carol, Room),
        _ = rename(Bob, Room, <<"carol">>),
        ok = send(Bob, retraction(Room, Id)),
        _ = take(Phone, fun is_retraction/1),
        ?assertEqual(<<"mine">>, body(copy(Phone, Room, Id))),
        mmx_client:abandon(Carol)
    end).

%% B21.149, B2.21 (XEP-0424 §5.1, XEP-0045 §7.2.13)
who_attaches_is_shown_the_tombstone(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = say(Bob, Room, <<"regret">>),
        Id = room_id(hears(Phone, <<Room/binary, "/bob">>, <<"regret">>), Room),
        ok = send(Bob, retraction(Room, Id)),
        _ = take(Phone, fun is_retraction/1),
        _ = leave(Desk, Room),
        [Stone | _] = [Stanza || #xmlel{name = <<"message">>} = Stanza <- join(Desk, Room, <<"alice">>)],
        ?assert(is_tombstone(Stone)),
        ?assertEqual(Id, room_id(Stone, Room))
    end).

rows(Config, Owner) ->
    Server = ?config(server, Config),
    Query = [<<"select kind from archive where username='", Owner/binary, "';">>],
    {selected, _, Rows} = mmx_server:rpc(Server, ejabberd_sql, sql_query, [mmx_server:host(Server), Query]),
    lists:append(Rows).

remove(Config, Account) ->
    [User, Host] = binary:split(Account, <<"@">>),
    ok = mmx_server:rpc(?config(server, Config), ejabberd_auth, remove_user, [User, Host]),
    ok = mmx_archive:flush(?config(server, Config)).

%% B23.173 (XEP-0077 §3.2)
a_removed_account_leaves_no_archive(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Alice = account(Phone),
        told(Bob, Room, <<"one">>, [Phone]),
        ok = mmx_archive:flush(?config(server, Config)),
        ?assertEqual([<<"groupchat">>], rows(Config, Alice)),
        ok = remove(Config, Alice),
        ?assertEqual([], rows(Config, Alice))
    end).

%% B21.151 (XEP-0313 §8.2)
an_account_that_is_removed_without_the_option_leaves_no_archive(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        told(Bob, Room, <<"old">>, [Phone]),
        ok = mmx_archive:flush(Server),
        Options = mmx_server:rpc(Server, gen_mod, get_module_opts, [Host, mod_minimix]),
        Use = fun(IsOn) -> ok = mmx_server:rpc(Server, minimix_archive, use, [Host, Options#{archive := IsOn}]) end,
        Use(false),
        [User, _] = binary:split(account(Phone), <<"@">>),
        ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [User, Host]),
        Use(true),
        ok = mmx_archive:flush(Server),
        ok = mmx_server:register(Server, User),
        Next = connect(Server, <<User/binary, "/next">>),
        ?assertEqual([], groupchat(Next)),
        mmx_client:abandon(Next)
    end).

%% B21.151 (XEP-0313 §8.2)
a_new_account_finds_nothing_of_one_that_was_removed_without_the_module(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        told(Bob, Room, <<"old">>, [Phone]),
        ok = mmx_archive:flush(Server),
        [_ = leave(Session, Room) || Session <- [Desk, Phone]],
        [User, _] = binary:split(account(Phone), <<"@">>),
        ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
        ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [User, Host]),
        ok = mmx_server:rpc(Server, gen_mod, start_module, [Host, mod_minimix]),
        ok = mmx_server:register(Server, User),
        ok = mmx_archive:flush(Server),
        Next = connect(Server, <<User/binary, "/next">>),
        ?assertEqual([], groupchat(Next)),
        mmx_client:abandon(Next)
    end).

%% B23.173, I10 (XEP-0077 §3.2)
what_waits_to_be_written_goes_with_the_account(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Alice = account(Phone),
        Server = ?config(server, Config),
        Archive = mmx_server:rpc(Server, gen_mod, get_module_proc, [mmx_server:host(Server), minimix_archive]),
        ok = mmx_server:rpc(Server, sys, suspend, [Archive]),
        told(Bob, Room, <<"one">>, [Phone]),
        [User, Host] = binary:split(Alice, <<"@">>),
        ok = mmx_server:rpc(Server, ejabberd_auth, remove_user, [User, Host]),
        ok = mmx_server:rpc(Server, sys, resume, [Archive]),
        ok = mmx_archive:flush(Server),
        ?assertEqual([], rows(Config, Alice))
    end).

command(Config, Name, Args) ->
    Server = ?config(server, Config),
    case mmx_server:rpc(Server, ejabberd_commands, execute_command2, [Name, Args, #{caller_module => ejabberd_ctl}]) of
        {Result, _Text} -> Result;
        Result -> Result
    end.

%% B23.173 (the commands of mod_mam)
the_command_for_an_account_deletes_groupchat(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        told(Bob, Room, <<"one">>, [Phone]),
        ok = whisper(Bob, Room, <<"alice">>, <<"psst">>),
        _ = take(Phone, fun(Stanza) -> body(Stanza) =:= <<"psst">> end),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        ?assertEqual(ok, command(Config, remove_mam_for_user, [User, Host])),
        ?assertMatch({[], #{count := 0}}, query(Phone, [{<<"include-groupchat">>, <<"true">>}]))
    end).

%% B23.173 (the commands of mod_mam)
the_command_for_a_peer_deletes_groupchat_of_a_room(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        Other = mmx_server:fresh_room(?config(server, Config)),
        _ = join(Bob, Other, <<"bob">>),
        _ = join(Phone, Other, <<"alice">>),
        told(Bob, Room, <<"here">>, [Phone]),
        told(Bob, Other, <<"there">>, [Phone]),
        [User, Host] = binary:split(account(Phone), <<"@">>),
        ?assertEqual(ok, command(Config, remove_mam_for_user_with_peer, [User, Host, Room])),
        ?assertEqual([<<"there">>], bodies(groupchat(Phone))),
        ?assertEqual(error, command(Config, remove_mam_for_user_with_peer, [User, Host, <<"@@">>])),
        ?assertEqual([<<"there">>], bodies(groupchat(Phone)))
    end).

%% B23.173 (the commands of mod_mam)
old_groupchat_is_deleted_with_the_rest(Config) ->
    with_two(Config, fun(Room, Bob, Phone, _Desk) ->
        told(Bob, Room, <<"one">>, [Phone]),
        ?assertEqual([<<"one">>], bodies(groupchat(Phone))),
        ok = command(Config, delete_old_mam_messages, [<<"chat">>, 0]),
        ?assertEqual([<<"one">>], bodies(groupchat(Phone))),
        ok = command(Config, delete_old_mam_messages, [<<"groupchat">>, 0]),
        ?assertEqual([], bodies(groupchat(Phone)))
    end).

%% B23.173 (the commands of mod_mam)
the_commands_are_mod_mams_again_without_the_archive(Config) ->
    Server = ?config(server, Config),
    IsOurs = fun() ->
        Command = mmx_server:rpc(Server, ejabberd_commands, get_command_definition, [remove_mam_for_user]),
        lists:member(minimix_archive_commands, tuple_to_list(Command))
    end,
    ?assert(IsOurs()),
    Host = mmx_server:host(Server),
    ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
    ?assertNot(IsOurs()),
    ok = mmx_server:rpc(Server, gen_mod, start_module, [Host, mod_minimix]),
    ?assert(IsOurs()).
