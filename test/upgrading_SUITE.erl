%% Another version of the module takes over while people talk.
-module(upgrading_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([
    rooms_see_nobody_leave/1,
    sessions_are_told_and_join_again/1,
    what_was_said_meanwhile_is_there/1,
    an_account_without_sessions_stays/1,
    a_version_may_follow_the_next/1,
    a_library_that_does_not_load_changes_nothing/1,
    a_library_in_use_stays/1,
    a_library_that_comes_later_is_used/1,
    new_code_is_loaded/1,
    half_a_library_is_refused/1,
    half_a_module_is_refused/1,
    a_bad_library_over_one_in_use_changes_nothing/1,
    a_library_that_is_written_over_goes_on/1,
    another_version_may_have_another_option/1,
    what_ejabberd_itself_upgrades_is_loaded_as_a_whole/1,
    nothing_old_stays/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

%% The server has a copy of the module of its own, which may be replaced.
init_per_testcase(Case, Config) ->
    Folder = filename:join(mmx_server:new_folder("upgrading"), "mod_minimix"),
    [copy(Part, Folder) || Part <- ["ebin", "priv"]],
    Case =:= a_library_that_comes_later_is_used andalso install(Folder, fun(_) -> <<"no library">> end),
    Options = (mmx_admin:api(beside_plain(#{})))#{application => Folder},
    [{server, mmx_server:start(Options)}, {folder, Folder} | Config].

end_per_testcase(_Case, Config) ->
    ok = mmx_server:stop(?config(server, Config)),
    file:del_dir_r(filename:dirname(?config(folder, Config))).

copy(Part, Folder) ->
    From = filename:join(filename:dirname(filename:dirname(code:which(mod_minimix))), Part),
    To = filename:join(Folder, Part),
    ok = filelib:ensure_path(To),
    {ok, Names} = file:list_dir(From),
    [{ok, _} = file:copy(filename:join(From, Name), filename:join(To, Name)) || Name <- Names].

library(Folder) ->
    filename:join([Folder, "priv", "minimix_nif.so"]).

%% As tools that install do it: another file under the same name.
install(Folder, Change) ->
    {ok, Library} = file:read_file(library(Folder)),
    New = library(Folder) ++ ".new",
    ok = file:write_file(New, Change(Library)),
    ok = file:rename(New, library(Folder)).

version(Old, New) ->
    fun(Library) ->
        ?assertNotEqual(nomatch, binary:match(Library, Old)),
        binary:replace(Library, Old, New, [global])
    end.

upgrade(Config) ->
    mmx_admin:execute(?config(server, Config), minimix_upgrade, []).

upgraded(Config, Old, New) ->
    ok = install(?config(folder, Config), version(Old, New)),
    ?assertEqual({ok, {ok, <<"mod_minimix ", New/binary, " runs, in place of ", Old/binary>>}}, upgrade(Config)),
    ?assertEqual(New, mmx_server:rpc(?config(server, Config), minimix_nif, version, [])).

is_told(Room, Session) ->
    ?assertEqual([110, 333], status_codes(removed(Session, Room, <<"alice">>))).

%% What others see of alice is at most another presence.
is_there(Config, Room, Bob, Session) ->
    ?assertNot(lists:member(<<"unavailable">>, [type(Stanza) || Stanza <- seen(Bob, Room)])),
    ?assertEqual([{<<"alice">>, account(Session)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)).

%% T16, B23.165, I1 (XEP-0045 §7.2)
rooms_see_nobody_leave(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        is_there(Config, Room, Bob, Phone)
    end).

%% T16, I2, I3 (XEP-0045 §9.1.2)
sessions_are_told_and_join_again(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Phone, Room, <<"alice">>))),
        say(Desk, Room, <<"not in">>),
        ?assertEqual(<<"not-acceptable">>, error_condition(recv(Desk))),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>))),
        settle(Room, [Phone, Desk, Bob]),
        [drain(Session) || Session <- [Bob, Phone, Desk]],
        [told(Session, Room, <<"again">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk, Bob]],
        leave(Phone, Room),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% T16, B23.166, I3 (XEP-0045 §7.2.14)
what_was_said_meanwhile_is_there(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        told(Bob, Room, <<"before">>, [Bob, Phone, Desk]),
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        say(Bob, Room, <<"after">>),
        _ = take(Bob, fun(Stanza) -> body(Stanza) =:= <<"after">> end),
        ?assertMatch([<<"before">>, <<"after">> | _], [Body || Body <- bodies(join(Phone, Room, <<"alice">>)), Body =/= <<>>])
    end).

%% T16, B15.107, I1 (XEP-0045 §7.2)
an_account_without_sessions_stays(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [User, _] = binary:split(account(Phone), <<"@">>),
        [close(Session) || Session <- [Phone, Desk]],
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        Again = connect(?config(server, Config), [User, "/again"]),
        ?assertEqual([undefined, <<"bob">>, <<"alice">>], nicks(join(Again, Room, <<"alice">>))),
        is_there(Config, Room, Bob, Again)
    end).

%% T16, I8
a_version_may_follow_the_next(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Versions = [<<"0.1.0">>, <<"0.1.5">>, <<"0.1.6">>, <<"0.1.7">>],
        [
            begin
                upgraded(Config, Old, New),
                [is_told(Room, Session) || Session <- [Phone, Desk]],
                [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]]
            end
         || {Old, New} <- lists:zip(lists:droplast(Versions), tl(Versions))
        ],
        is_there(Config, Room, Bob, Phone)
    end).

%% T16, I8
a_library_that_does_not_load_changes_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Folder = ?config(folder, Config),
        {ok, Good} = file:read_file(library(Folder)),
        <<Start:18/binary, _Machine:16, Rest/binary>> = Good,
        [
            begin
                install(Folder, fun(_) -> Bad end),
                {error, conflict, Text} = upgrade(Config),
                ?assertNotEqual(nomatch, string:find(Text, "does not load, so nothing has changed"))
            end
         || Bad <- [<<>>, <<"no library">>, <<Start/binary, 16#ffff:16, Rest/binary>>]
        ],
        ok = file:delete(library(Folder)),
        ?assertMatch({error, conflict, _}, upgrade(Config)),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]],
        ok = file:write_file(library(Folder), Good),
        ?assertMatch({ok, {ok, _}}, upgrade(Config)),
        [is_told(Room, Session) || Session <- [Phone, Desk]]
    end).

%% T16, I8
a_library_in_use_stays(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = install(?config(folder, Config), version(<<"0.1.0">>, <<"0.1.9">>)),
        ?assertMatch({error, _}, mmx_server:rpc(?config(server, Config), code, load_file, [minimix_nif])),
        ?assertEqual(<<"0.1.0">>, mmx_server:rpc(?config(server, Config), minimix_nif, version, [])),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]]
    end).

%% T16, I8
a_library_that_comes_later_is_used(Config) ->
    story(Config, ["bob/desk", "alice/phone", "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        ?assertEqual([{<<"alice">>, jid(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        From = filename:dirname(filename:dirname(code:which(mod_minimix))),
        {ok, Good} = file:read_file(library(From)),
        install(?config(folder, Config), fun(_) -> Good end),
        ?assertEqual({ok, {ok, <<"mod_minimix 0.1.0 runs, in place of none">>}}, upgrade(Config)),
        leave(Phone, Room),
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        ?assertEqual([{<<"alice">>, account(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% T16
new_code_is_loaded(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Beam = filename:join([?config(folder, Config), "ebin", "minimix_failure.beam"]),
        {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
        [Module | Rest] = [Form || Form <- Forms, element(1, Form) =/= eof, element(3, Form) =/= file],
        {ok, minimix_failure, Binary} = compile:forms([Module, {attribute, 1, version, newer} | Rest]),
        ok = file:write_file(Beam ++ ".new", Binary),
        ok = file:rename(Beam ++ ".new", Beam),
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        Attributes = mmx_server:rpc(?config(server, Config), minimix_failure, module_info, [attributes]),
        ?assertEqual([newer], proplists:get_value(version, Attributes)),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        is_there(Config, Room, Bob, Phone)
    end).

%% T16, I8
half_a_library_is_refused(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        install(?config(folder, Config), fun(Good) -> binary:part(Good, 0, 100_000) end),
        ?assertMatch({error, conflict, _}, upgrade(Config)),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]]
    end).

%% T16, I8
half_a_module_is_refused(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Beam = filename:join([?config(folder, Config), "ebin", "minimix_failure.beam"]),
        ok = file:write_file(Beam ++ ".new", <<"no beam">>),
        ok = file:rename(Beam ++ ".new", Beam),
        ?assertMatch({error, conflict, _}, upgrade(Config)),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]]
    end).

%% T16, I8
a_bad_library_over_one_in_use_changes_nothing(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        install(?config(folder, Config), fun(_) -> <<"no library">> end),
        ?assertMatch({error, _}, mmx_server:rpc(?config(server, Config), code, load_file, [minimix_nif])),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]]
    end).

%% T16, I8
a_library_that_is_written_over_goes_on(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ok = file:write_file(library(?config(folder, Config)), <<"no library">>),
        [told(Session, Room, <<"still here">>, [Bob, Phone, Desk]) || Session <- [Phone, Desk]]
    end).

%% T16 (options of another version)
another_version_may_have_another_option(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Key = {mod_minimix, mmx_server:host(Server)},
        [Known] = mmx_server:rpc(Server, ets, lookup, [ejabberd_modules, Key]),
        Without = fun(#{max_rooms := _} = Options) -> maps:remove(max_rooms, Options); (Other) -> Other end,
        Older = list_to_tuple([Without(Part) || Part <- tuple_to_list(Known)]),
        ?assertNotEqual(Known, Older),
        true = mmx_server:rpc(Server, ets, insert, [ejabberd_modules, Older]),
        upgraded(Config, <<"0.1.0">>, <<"0.1.9">>),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        ?assertEqual([Known], mmx_server:rpc(Server, ets, lookup, [ejabberd_modules, Key])),
        is_there(Config, Room, Bob, Phone)
    end).

%% T16, B23.167 (XEP-0045 §11.1)
what_ejabberd_itself_upgrades_is_loaded_as_a_whole(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        uninstall(Config),
        [is_told(Room, Session) || Session <- [Phone, Desk]],
        Left = recv(Bob),
        ?assertEqual({<<"alice">>, <<"unavailable">>}, {from_nick(Left), type(Left)}),
        Server = ?config(server, Config),
        Loaded = [atom_to_list(Module) || {Module, _} <- mmx_server:rpc(Server, code, all_loaded, [])],
        ?assertEqual([], [Module || Module <- Loaded, lists:prefix("minimix", Module)]),
        ok = install(?config(folder, Config), version(<<"0.1.0">>, <<"0.1.9">>)),
        ok = mmx_server:rpc(Server, ejabberd_config, reload, []),
        ?assertEqual(<<"0.1.9">>, mmx_server:rpc(Server, minimix_nif, version, [])),
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        is_there(Config, Room, Bob, Phone)
    end).

%% What the command module_upgrade does before it installs, whatever comes of it.
uninstall(Config) ->
    Server = ?config(server, Config),
    ok = mmx_server:rpc(Server, mod_minimix, pre_uninstall, []),
    _ = mmx_server:rpc(Server, gen_mod, stop_module, [mmx_server:host(Server), mod_minimix]),
    _ = mmx_server:rpc(Server, code, purge, [mod_minimix]),
    true = mmx_server:rpc(Server, code, delete, [mod_minimix]).

%% T16, I10
nothing_old_stays(Config) ->
    with_two(Config, fun(Room, _Bob, Phone, Desk) ->
        Versions = [<<"0.1.0">>, <<"0.1.5">>, <<"0.1.6">>, <<"0.1.7">>],
        [
            begin
                upgraded(Config, Old, New),
                [is_told(Room, Session) || Session <- [Phone, Desk]],
                [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]]
            end
         || {Old, New} <- lists:zip(lists:droplast(Versions), tl(Versions))
        ],
        Server = ?config(server, Config),
        Ours = [Module || {Module, _} <- mmx_server:rpc(Server, code, all_loaded, []), is_ours(Module)],
        ?assertMatch([_, _ | _], Ours),
        mmx_server:wait_until("old code is gone", fun() ->
            not lists:any(fun(Module) -> mmx_server:rpc(Server, erlang, check_old_code, [Module]) end, Ours)
        end),
        ?assertEqual({ok, ["minimix_nif.so"]}, file:list_dir(filename:dirname(library(?config(folder, Config)))))
    end).

is_ours(Module) ->
    Name = atom_to_list(Module),
    Name =:= "mod_minimix" orelse lists:prefix("minimix_", Name).
