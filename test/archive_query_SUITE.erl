%% Queries of the own archive with and without groupchat, beside what mod_mam itself answers.
-module(archive_query_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2, init_per_testcase/2, end_per_testcase/2]).
-export([
    without_the_field_the_answer_is_mod_mams/1,
    without_groupchat_the_answer_is_mod_mams/1,
    both_kinds_come_in_the_order_of_the_archive/1,
    pages_forward_hold_everything_once/1,
    pages_backward_hold_everything_once/1,
    a_page_of_nothing_counts/1,
    one_room_is_asked_for/1,
    one_occupant_is_asked_for/1,
    times_limit_both_kinds/1,
    a_flipped_page_is_told_backwards/1,
    a_wish_in_another_form_is_none/1,
    a_strange_wish_is_refused/1,
    a_strange_filter_is_refused/1,
    a_strange_question_for_the_form_is_refused/1,
    an_index_is_refused/1,
    ids_of_others_find_nothing_of_theirs/1,
    odd_ids_do_no_harm/1,
    nobody_else_gets_the_archive/1,
    many_queries_at_once_are_answered_or_refused/1,
    the_first_query_begins_the_archive/1,
    slixmpp_reads_both_kinds/1
]).

-include("support/mmx.hrl").

-import(mmx_archive, [query/2, query/3]).

-define(NS_MAM, <<"urn:xmpp:mam:2">>).
-define(ALL, [{<<"include-groupchat">>, <<"true">>}]).

all() ->
    [{group, Kind} || {Kind, _, _} <- groups()].

groups() ->
    [{Kind, [], [Case || Case <- cases(?MODULE), not lists:member(Case, [all, groups])]} || Kind <- [sqlite, pgsql]].

init_per_group(Kind, Config) ->
    Hosts = [<<"mmx.example">>, <<"lazy.example">>],
    Options = (beside_plain(#{}))#{hosts => Hosts},
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_archive:options(Database, Options) end),
    [{keeper, Keeper} | Config].

end_per_group(_Kind, Config) ->
    mmx_keeper:stop(?config(keeper, Config)).

init_per_testcase(_Case, Config) ->
    [{server, mmx_keeper:server(?config(keeper, Config))} | Config].

end_per_testcase(_Case, _Config) ->
    ok.

%% bob says these in turns in the room and in private; alice has heard them all.
with_talk(Config, Texts, Fun) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        lists:foreach(fun(Text) -> talk(Room, Bob, [Phone, Desk], Text) end, Texts),
        ok = mmx_archive:flush(?config(server, Config)),
        Fun(Room, Bob, Phone, Desk)
    end).

talk(Room, Bob, Sessions, {room, Text}) ->
    told(Bob, Room, Text, Sessions);
talk(Room, Bob, Sessions, {private, Text}) ->
    ok = whisper(Bob, Room, <<"alice">>, Text),
    lists:foreach(fun(Session) -> hears(Session, <<Room/binary, "/bob">>, Text) end, Sessions).

mixed() ->
    [{room, <<"r1">>}, {private, <<"p1">>}, {room, <<"r2">>}, {room, <<"r3">>}, {private, <<"p2">>}, {room, <<"r4">>}, {private, <<"p3">>}].

texts({Found, _}) ->
    bodies([Message || {_, Message} <- Found]).

ids({Found, _}) ->
    [Id || {Id, _} <- Found].

%% The raw stanzas that answer a query, without what differs from one to the next.
raw(Client, Fields) ->
    Form = el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}],
        [el(field, [{var, Var}], [el(value, [], [Value])]) || {Var, Value} <- [{<<"FORM_TYPE">>, ?NS_MAM} | Fields]]),
    ok = send(Client, el(iq, [{type, set}, {id, <<"raw">>}], [el('query', [{xmlns, ?NS_MAM}], [Form])])),
    to_text(recv_until(Client, fun(Stanza) -> attr(Stanza, id) =:= <<"raw">> end)).

%% B21.151 (XEP-0313 §4.1.4)
without_the_field_the_answer_is_mod_mams(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        With = raw(Phone, []),
        ok = archive(Config, false),
        Without = raw(Phone, []),
        ok = archive(Config, true),
        ?assertEqual(Without, With),
        ?assertEqual(4, length(With))
    end).

%% B21.151 (XEP-0313 §4.1.4)
without_groupchat_the_answer_is_mod_mams(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        Plain = raw(Phone, []),
        ?assertEqual(Plain, raw(Phone, [{<<"include-groupchat">>, <<"false">>}])),
        ?assertEqual(Plain, raw(Phone, [{<<"include-groupchat">>, <<"0">>}]))
    end).

%% As if the option were another one.
archive(Config, IsOn) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    Opts = mmx_server:rpc(Server, gen_mod, get_module_opts, [Host, mod_minimix]),
    ok = mmx_server:rpc(Server, minimix_archive, use, [Host, Opts#{archive => IsOn}]).

%% B21.151 (XEP-0313 §4.1.4)
both_kinds_come_in_the_order_of_the_archive(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        {Found, Page} = query(Phone, ?ALL),
        ?assertEqual([<<"r1">>, <<"p1">>, <<"r2">>, <<"r3">>, <<"p2">>, <<"r4">>, <<"p3">>], texts({Found, Page})),
        Ids = ids({Found, Page}),
        ?assertEqual(lists:usort(fun(A, B) -> binary_to_integer(A) =< binary_to_integer(B) end, Ids), Ids),
        ?assertEqual(#{count => 7, is_complete => true, first => hd(Ids), last => lists:last(Ids)}, Page)
    end).

%% B21.151 (XEP-0059 §2.2, §2.3)
pages_forward_hold_everything_once(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        {All, _} = query(Phone, ?ALL),
        ?assertEqual(All, forward(Phone, [{max, <<"2">>}], [])),
        ?assertEqual(All, forward(Phone, [{max, <<"3">>}], [])),
        ?assertEqual(All, forward(Phone, [{max, <<"1">>}], []))
    end).

forward(Client, Rsm, Before) ->
    {Found, #{count := 7, last := Last, is_complete := IsComplete}} = query(Client, ?ALL, Rsm),
    case IsComplete of
        true -> Before ++ Found;
        false -> forward(Client, lists:keystore('after', 1, Rsm, {'after', Last}), Before ++ Found)
    end.

%% B21.151 (XEP-0059 §2.4, §2.5)
pages_backward_hold_everything_once(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        {All, _} = query(Phone, ?ALL),
        ?assertEqual(All, backward(Phone, [{max, <<"2">>}, {before, <<>>}], [])),
        ?assertEqual(All, backward(Phone, [{max, <<"3">>}, {before, <<>>}], [])),
        {Newest, #{is_complete := false}} = query(Phone, ?ALL, [{max, <<"2">>}, {before, <<>>}]),
        ?assertEqual(lists:nthtail(5, All), Newest)
    end).

backward(Client, Rsm, After) ->
    {Found, #{count := 7, first := First, is_complete := IsComplete}} = query(Client, ?ALL, Rsm),
    case IsComplete of
        true -> Found ++ After;
        false -> backward(Client, lists:keystore(before, 1, Rsm, {before, First}), Found ++ After)
    end.

%% B21.151 (XEP-0059 §2.7)
a_page_of_nothing_counts(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        ?assertMatch({[], #{count := 7, is_complete := false}}, query(Phone, ?ALL, [{max, <<"0">>}]))
    end).

%% B21.151 (XEP-0313 §4.1.1)
one_room_is_asked_for(Config) ->
    with_talk(Config, [{room, <<"here">>}, {private, <<"psst">>}], fun(Room, Bob, Phone, _Desk) ->
        Other = mmx_server:fresh_room(?config(server, Config)),
        _ = join(Bob, Other, <<"bob">>),
        _ = join(Phone, Other, <<"alice">>),
        told(Bob, Other, <<"there">>, [Phone]),
        ok = mmx_archive:flush(?config(server, Config)),
        ?assertEqual([<<"here">>, <<"psst">>], texts(query(Phone, [{<<"with">>, Room} | ?ALL]))),
        ?assertEqual([<<"there">>], texts(query(Phone, [{<<"with">>, Other} | ?ALL])))
    end).

%% B21.151 (XEP-0313 §4.1.1)
one_occupant_is_asked_for(Config) ->
    with_talk(Config, [{room, <<"bobs">>}], fun(Room, _Bob, Phone, Desk) ->
        told(Phone, Room, <<"own">>, [Phone, Desk]),
        ok = mmx_archive:flush(?config(server, Config)),
        ?assertEqual([<<"own">>], texts(query(Phone, [{<<"with">>, <<Room/binary, "/alice">>} | ?ALL])))
    end).

%% B21.151 (XEP-0313 §4.1.2)
times_limit_both_kinds(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        Ids = ids(query(Phone, ?ALL)),
        Third = stamp(lists:nth(3, Ids)),
        ?assertEqual([<<"r2">>, <<"r3">>, <<"p2">>, <<"r4">>, <<"p3">>], texts(query(Phone, [{<<"start">>, Third} | ?ALL]))),
        ?assertEqual([<<"r1">>, <<"p1">>, <<"r2">>], texts(query(Phone, [{<<"end">>, Third} | ?ALL]))),
        ?assertMatch({[], #{count := 0}}, query(Phone, [{<<"start">>, <<"2999-01-01T00:00:00Z">>} | ?ALL]))
    end).

stamp(Id) ->
    list_to_binary(calendar:system_time_to_rfc3339(binary_to_integer(Id), [{unit, microsecond}, {offset, "Z"}])).

%% B21.151 (XEP-0313 §4.2.1)
a_flipped_page_is_told_backwards(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        Form = el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}], [el(field, [{var, Var}], [el(value, [], [Value])])
            || {Var, Value} <- [{<<"FORM_TYPE">>, ?NS_MAM} | ?ALL]]),
        _ = request(Phone, iq(none, set, [el('query', [{xmlns, ?NS_MAM}], [Form, el('flip-page', [])])])),
        Told = [child(child(Result, forwarded), message) || Stanza <- queued(Phone), Result <- children(Stanza, result)],
        ?assertEqual([<<"p3">>, <<"r4">>, <<"p2">>, <<"r3">>, <<"r2">>, <<"p1">>, <<"r1">>], bodies(Told))
    end).

%% B21.151 (XEP-0313 §4.1.4)
a_wish_in_another_form_is_none(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Phone) ->
        Field = el(field, [{var, <<"include-groupchat">>}], [el(value, [], [<<"perhaps">>])]),
        Foreign = el(x, [{xmlns, <<"urn:example:form">>}], [Field]),
        Query = el(query, [{xmlns, <<"urn:xmpp:mam:2">>}], [Foreign]),
        ?assertEqual(<<"result">>, type(request(Phone, iq(none, set, [Query]))))
    end).

%% B21.152 (XEP-0313 §4.1.4)
a_strange_wish_is_refused(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Phone) ->
        ?assertEqual({error, <<"bad-request">>}, query(Phone, [{<<"include-groupchat">>, <<"perhaps">>}])),
        ?assertEqual({error, <<"bad-request">>}, query(Phone, [{<<"include-groupchat">>, <<>>}])),
        ?assertEqual({error, <<"bad-request">>}, query(Phone, ?ALL ++ ?ALL)),
        Long = binary:copy(<<"x">>, 500_000),
        ?assertEqual({error, <<"bad-request">>}, query(Phone, [{<<"include-groupchat">>, Long}]))
    end).

%% B21.152 (XEP-0313 §4.1)
a_strange_filter_is_refused(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Phone) ->
        Refused = fun(Fields) -> ?assertEqual({error, <<"bad-request">>}, query(Phone, Fields ++ ?ALL)) end,
        lists:foreach(Refused, [
            [{<<"with">>, <<"@@">>}],
            [{<<"start">>, <<"yesterday">>}],
            [{<<"end">>, <<"' or 1=1 --">>}],
            [{<<"unheard-of">>, <<"1">>}]
        ])
    end).

%% B21.152 (XEP-0313 §4.1.5)
a_strange_question_for_the_form_is_refused(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Phone) ->
        Rsm = el(set, [{xmlns, <<"http://jabber.org/protocol/rsm">>}], [el(max, [], [<<"many">>])]),
        Answer = request(Phone, iq(none, get, [el('query', [{xmlns, ?NS_MAM}], [Rsm])])),
        ?assertEqual(<<"bad-request">>, error_condition(Answer))
    end).

%% B21.151 (XEP-0059 §2.6)
an_index_is_refused(Config) ->
    story(Config, ["alice/phone"], fun(_Room, Phone) ->
        ?assertEqual({error, <<"feature-not-implemented">>}, query(Phone, ?ALL, [{max, <<"1">>}, {index, <<"3">>}])),
        ?assertEqual({error, <<"bad-request">>}, query(Phone, ?ALL, [{max, <<"-1">>}]))
    end).

%% I7, B21.151 (XEP-0059 §2.2)
ids_of_others_find_nothing_of_theirs(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        [First | _] = ids(query(Phone, ?ALL)),
        Dora = connect(?config(server, Config), <<(mmx_server:fresh(?config(server, Config), "dora"))/binary, "/phone">>),
        ?assertMatch({[], #{count := 0, is_complete := true}}, query(Dora, ?ALL, [{max, <<"5">>}, {'after', First}])),
        mmx_client:abandon(Dora)
    end).

%% B21.151 (XEP-0059 §2.2, §2.4)
odd_ids_do_no_harm(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        Future = [{max, <<"2">>}, {before, <<"99999999999999999">>}],
        {Newest, #{count := 7}} = query(Phone, ?ALL, Future),
        ?assertEqual([<<"r4">>, <<"p3">>], texts({Newest, none})),
        [{_, #{count := 7}} = query(Phone, ?ALL, [{max, <<"2">>}, {'after', Odd}]) || Odd <- [<<"x">>, <<"' or 1=1 --">>, <<"-1">>, <<"1e9">>]]
    end).

%% I7 (XEP-0313 §8.1)
nobody_else_gets_the_archive(Config) ->
    with_talk(Config, mixed(), fun(_Room, Bob, Phone, _Desk) ->
        Form = el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}], [el(field, [{var, Var}], [el(value, [], [Value])])
            || {Var, Value} <- [{<<"FORM_TYPE">>, ?NS_MAM} | ?ALL]]),
        Answer = request(Bob, iq(account(Phone), set, [el('query', [{xmlns, ?NS_MAM}], [Form])])),
        ?assertEqual(<<"error">>, type(Answer)),
        ?assertEqual([], [Stanza || Stanza <- queued(Bob), child(Stanza, result) =/= undefined])
    end).

%% I9, I10 (XEP-0313 §4.2)
many_queries_at_once_are_answered_or_refused(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        Form = el(x, [{xmlns, <<"jabber:x:data">>}, {type, submit}], [el(field, [{var, Var}], [el(value, [], [Value])])
            || {Var, Value} <- [{<<"FORM_TYPE">>, ?NS_MAM} | ?ALL]]),
        Ids = [<<"many-", (integer_to_binary(Number))/binary>> || Number <- lists:seq(1, 50)],
        [ok = send(Phone, el(iq, [{type, set}, {id, Id}], [el('query', [{xmlns, ?NS_MAM}], [Form])])) || Id <- Ids],
        Answers = [take(Phone, fun(Stanza) -> attr(Stanza, id) =:= Id end) || Id <- Ids],
        ?assert(lists:any(fun(Answer) -> type(Answer) =:= <<"result">> end, Answers)),
        Conditions = lists:usort([error_condition(Answer) || Answer <- Answers, type(Answer) =:= <<"error">>]),
        ?assertEqual([], Conditions -- [<<"resource-constraint">>]),
        _ = queued(Phone),
        ?assertMatch({_, #{count := 7}}, query(Phone, ?ALL))
    end).

%% B21.155 (XEP-0441 §3; an option of mod_mam)
the_first_query_begins_the_archive(Config) ->
    Server = ?config(server, Config),
    Host = mmx_server:host(Server),
    Opts = mmx_server:rpc(Server, gen_mod, get_module_opts, [Host, mod_mam]),
    ?assertEqual(false, maps:get(request_activates_archiving, Opts)),
    [Entry] = mmx_server:rpc(Server, ets, lookup, [ejabberd_modules, {mod_mam, Host}]),
    Changed = setelement(3, Entry, Opts#{request_activates_archiving => true}),
    true = mmx_server:rpc(Server, ets, insert, [ejabberd_modules, Changed]),
    try
        with_two(Config, fun(Room, Bob, Phone, Desk) ->
            told(Bob, Room, <<"before">>, [Phone, Desk]),
            ok = mmx_archive:flush(Server),
            ?assertMatch({[], #{count := 0}}, query(Phone, ?ALL)),
            ok = mmx_archive:prefer(Phone, {always, [], []}),
            told(Bob, Room, <<"after">>, [Phone, Desk]),
            ok = mmx_archive:flush(Server),
            ?assertEqual([<<"after">>], texts(query(Phone, ?ALL)))
        end)
    after
        true = mmx_server:rpc(Server, ets, insert, [ejabberd_modules, Entry])
    end.

%% B21.150, B21.151 (XEP-0313 §4.1.4, §4.1.5, with a client that no one here wrote)
slixmpp_reads_both_kinds(Config) ->
    with_talk(Config, mixed(), fun(_Room, _Bob, Phone, _Desk) ->
        [User, _] = binary:split(account(Phone), <<"@">>),
        Slix = mmx_slix:connect(?config(server, Config), [User, "/slixmpp"]),
        Archive = mmx_slix:own_archive(Slix, 2, <<"2026-01-01T00:00:00Z">>),
        ok = mmx_slix:close(Slix),
        Kind = fun(room) -> <<"groupchat">>; (private) -> <<"chat">> end,
        All = [[Kind(Way), Text] || {Way, Text} <- mixed()],
        ?assertMatch(#{<<"forwards">> := All}, Archive),
        ?assertEqual(lists:sort(All), lists:sort(maps:get(<<"backwards">>, Archive))),
        ?assert(lists:member(<<"include-groupchat">>, maps:get(<<"fields">>, Archive)))
    end).
