%% Sessions whose connection is lost for a while, by stream management.
-module(resuming_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_lost_session_is_given_what_it_missed_as_natively/1,
    nothing_is_lost_or_doubled/1,
    nothing_is_lost_when_all_sessions_are/1,
    nothing_is_lost_when_the_old_stream_ends_early/1,
    a_session_goes_on_after_each_of_many_losses/1,
    a_join_goes_on_after_the_loss/1,
    a_leave_goes_on_after_the_loss/1,
    a_kick_waits_for_the_session/1,
    a_rename_waits_for_the_session/1,
    an_answer_waits_for_who_asked/1,
    a_question_waits_for_who_is_asked/1,
    an_answer_to_nobody_is_dropped/1,
    sessions_come_back_and_join_anew/1,
    a_session_whose_process_is_killed_while_it_is_lost_is_out/1
]).

-include("support/mmx.hrl").

-define(NS_VERSION, <<"jabber:iq:version">>).
-define(MESSAGES, 2_000).
-define(LOSSES, 12).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    [{server, mmx_server:start(beside_plain(#{}))} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B8.60, I6 (XEP-0198 §5)
a_lost_session_is_given_what_it_missed_as_natively(Config) ->
    People = ["bob/desk", {"carol/phone", #{sm => true}}, {"alice/phone", #{sm => true}}, "alice/desk"],
    story(Config, People, fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        [lose(Config, Session) || Session <- [Carol, Phone]],
        say(Bob, Room, <<"one">>),
        send(Bob, presence(<<Room/binary, "/bob">>, [el(show, [], [<<"dnd">>])])),
        subject(Bob, Room, <<"tea">>),
        rename(Bob, Room, <<"robert">>),
        say(Bob, Room, <<"two">>),
        _ = seen(Desk, Room),
        [ok = resume(Session) || Session <- [Carol, Phone]],
        [Native, Ours] = [[text(Stanza) || Stanza <- sync(Session, Room)] || Session <- [Carol, Phone]],
        ?assertEqual(Native, Ours),
        ?assertEqual(7, length(Ours))
    end).

%% What the own server adds says when the stanza was to be sent.
text(#xmlel{attrs = Attrs, children = Children} = Stanza) ->
    to_text(Stanza#xmlel{
        attrs = lists:keydelete(<<"to">>, 1, Attrs),
        children = [Child || Child <- Children, element(2, Child) =/= <<"delay">>]
    }).

%% B8.60, I3, T14 (XEP-0198 §5)
nothing_is_lost_or_doubled(Config) ->
    People = ["bob/desk", "carol/desk", {"alice/phone", #{sm => true}}, "alice/desk"],
    story(Config, People, fun(Room, Bob, Carol, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        storm(Config, Room, Bob, Carol, [Phone]),
        [all_once(until_marker(Session, Carol, Room)) || Session <- [Phone, Desk]]
    end).

%% B8.60, I3, T14 (XEP-0198 §5)
nothing_is_lost_when_all_sessions_are(Config) ->
    Sessions = [{"alice/" ++ Resource, #{sm => true}} || Resource <- ["phone", "desk", "pad", "web"]],
    story(Config, ["bob/desk", "carol/desk" | Sessions], fun(Room, Bob, Carol, Phone, Desk, Pad, Web) ->
        All = [Phone, Desk, Pad, Web],
        enter(Room, [{Bob, <<"bob">>}, {Carol, <<"carol">>} | [{Session, <<"alice">>} || Session <- All]]),
        storm(Config, Room, Bob, Carol, All),
        [all_once(until_marker(Session, Carol, Room)) || Session <- All]
    end).

%% B8.60, I3, T14 (XEP-0198 §5)
nothing_is_lost_when_the_old_stream_ends_early(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        lose(Config, Phone),
        told(Bob, Room, <<"one">>, [Bob, Desk]),
        mmx_handover:early(
            Phone,
            fun() ->
                told(Bob, Room, <<"two">>, [Bob, Desk]),
                whisper(Bob, Room, <<"alice">>, <<"psst">>),
                hears(Desk, <<Room/binary, "/bob">>, <<"psst">>)
            end,
            fun() -> told(Bob, Room, <<"three">>, [Bob, Desk]) end
        ),
        told(Bob, Room, <<"four">>, [Bob, Desk]),
        Heard = bodies(until_marker(Phone, Bob, Room)),
        ?assertEqual([], Heard -- [<<"one">>, <<"two">>, <<"psst">>, <<"three">>, <<"four">>]),
        ?assertEqual([], [<<"one">>, <<"two">>, <<"psst">>, <<"three">>, <<"four">>] -- Heard)
    end).

%% Bob counts aloud, and meanwhile these sessions lose their connections again and again.
storm(Config, Room, Bob, Carol, Sessions) ->
    _ = rand:seed(exsss, ?LOSSES),
    spawn_link(fun() -> [told(Bob, Room, integer_to_binary(Number), [Bob]) || Number <- lists:seq(1, ?MESSAGES)] end),
    Streams = [
        begin
            {Lost, Back} = points(Range),
            heard_at(Carol, Lost),
            Pids = [mmx_server:c2s_pid(?config(server, Config), jid(Session)) || Session <- Sessions],
            [kill(Session) || Session <- Sessions],
            heard_at(Carol, Back),
            [ok = resume(Session) || Session <- Sessions],
            Pids
        end
     || Range <- ranges(?MESSAGES, ?LOSSES)
    ],
    heard_at(Carol, ?MESSAGES),
    %% Only then they have handed over what came to them too late.
    [gone(Config, Pid) || Pid <- lists:append(Streams)].

heard_at(Client, Number) ->
    Text = integer_to_binary(Number),
    _ = recv_until(Client, fun(Stanza) -> body(Stanza) =:= Text end).

%% Where in this range the connection is lost, and where it is back.
points({First, Last}) ->
    Half = (Last - First) div 2,
    Lost = First + rand:uniform(Half - 1),
    {Lost, Lost + rand:uniform(Half)}.

ranges(Count, Parts) ->
    Size = Count div Parts,
    [{Part * Size, (Part + 1) * Size} || Part <- lists:seq(0, Parts - 1)].

all_once(Stanzas) ->
    Said = lists:seq(1, ?MESSAGES),
    Heard = [binary_to_integer(Body) || <<Digit, _/binary>> = Body <- bodies(Stanzas), Digit =< $9],
    ?assertEqual([{lost, []}, {doubled, []}], [{lost, Said -- Heard}, {doubled, Heard -- Said}]).

%% B8.60, I3 (XEP-0198 §5: in order but for what was under way at the resumption)
a_session_goes_on_after_each_of_many_losses(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        [
            begin
                lose(Config, Phone),
                told(Bob, Room, <<"missed">>, [Bob, Desk]),
                ok = resume(Phone),
                hears(Phone, <<Room/binary, "/bob">>, <<"missed">>),
                [told(Client, Room, <<"heard">>, [Bob, Phone, Desk]) || Client <- [Bob, Phone, Desk]]
            end
         || _ <- lists:seq(1, ?LOSSES)
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B8.60, B2.17 (XEP-0198 §5)
a_join_goes_on_after_the_loss(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}]),
        paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            drain(Phone),
            lose(Config, Phone)
        end),
        ?assertEqual(<<"alice">>, from_nick(recv(Bob))),
        told(Bob, Room, <<"hello">>, [Bob]),
        ok = resume(Phone),
        Entered = entered(Phone, Room),
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(Entered)),
        ?assertEqual([<<"hello">>], bodies(Entered ++ sync(Phone, Room))),
        drain(Bob),
        ?assertMatch([_, <<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>))),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B8.60, B6.47 (XEP-0045 §7.14, XEP-0198 §5)
a_leave_goes_on_after_the_loss(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        [
            begin
                send(Phone, presence(<<Room/binary, "/alice">>, unavailable, [])),
                drain(Desk),
                lose(Config, Phone),
                told(Bob, Room, <<"hello">>, [Bob, Desk]),
                ok = resume(Phone),
                ?assertEqual([110], status_codes(removed(Phone, Room, <<"alice">>))),
                ?assertEqual([], sync(Phone, Room)),
                say(Phone, Room, <<"am I in?">>),
                ?assertEqual(<<"not-acceptable">>, error_condition(recv(Phone))),
                join(Phone, Room, <<"alice">>)
            end
         || _ <- [1, 2]
        ],
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B8.60, B9.65, B9.68 (XEP-0045 §8.2, XEP-0198 §5)
a_kick_waits_for_the_session(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        lose(Config, Phone),
        told(Bob, Room, <<"out!">>, [Bob, Desk]),
        set_role(Bob, Room, <<"alice">>, none),
        join(Desk, Room, <<"alice">>),
        settle(Room, [Bob]),
        told(Bob, Room, <<"hello again">>, [Bob, Desk]),
        ok = resume(Phone),
        Missed = sync(Phone, Room),
        ?assertEqual([<<"out!">>], bodies(Missed)),
        ?assertEqual([110, 307], status_codes(lists:last(Missed))),
        say(Phone, Room, <<"am I in?">>),
        ?assertEqual(<<"not-acceptable">>, error_condition(recv(Phone))),
        join(Phone, Room, <<"alice">>),
        unnoticed(Config, Room, Bob, [Phone, Desk])
    end).

%% B4.34, B4.37, B8.60 (XEP-0045 §7.6, XEP-0198 §5)
a_rename_waits_for_the_session(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        lose(Config, Phone),
        rename(Desk, Room, <<"alicia">>),
        settle(Room, [Bob]),
        told(Desk, Room, <<"call me so">>, [Bob, Desk]),
        ok = resume(Phone),
        ?assertMatch([<<"alice">>, <<"alicia">>], nicks([recv(Phone) || _ <- [gone, come]])),
        hears(Phone, <<Room/binary, "/alicia">>, <<"call me so">>),
        told(Phone, Room, <<"me, too">>, [Bob, Phone, Desk]),
        ?assertEqual([{<<"alicia">>, account(Desk)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B8.60, B17.123 (XEP-0045 §17.4, XEP-0198 §5)
an_answer_waits_for_who_asked(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        send(Phone, Asked = version(<<Room/binary, "/bob">>)),
        Question = recv(Bob),
        lose(Config, Phone),
        answer(Bob, Question),
        marker(Desk, Bob, Room),
        ok = resume(Phone),
        Answer = mmx_client:take(Phone, fun(Stanza) -> Stanza#xmlel.name =:= <<"iq">> end),
        ?assertEqual({<<"result">>, attr(Asked, id), attr(Asked, to)}, {type(Answer), attr(Answer, id), from(Answer)}),
        ?assertEqual([], sync(Desk, Room))
    end).

%% B8.60, B17.121 (XEP-0045 §17.4, XEP-0198 §5)
a_question_waits_for_who_is_asked(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}]),
        lose(Config, Phone),
        send(Bob, Asked = version(<<Room/binary, "/alice">>)),
        marker(Bob, Bob, Room),
        ok = resume(Phone),
        Question = mmx_client:take(Phone, fun(Stanza) -> Stanza#xmlel.name =:= <<"iq">> end),
        ?assertEqual(<<Room/binary, "/bob">>, from(Question)),
        answer(Phone, Question),
        Answer = recv(Bob),
        ?assertEqual({<<"result">>, attr(Asked, id), attr(Asked, to)}, {type(Answer), attr(Answer, id), from(Answer)})
    end).

%% B17.123, B17.124 (XEP-0045 §17.4)
an_answer_to_nobody_is_dropped(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => 1}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        send(Phone, version(<<Room/binary, "/bob">>)),
        Question = recv(Bob),
        gone(Config, lose(Config, Phone)),
        answer(Bob, Question),
        unnoticed(Config, Room, Bob, [Desk])
    end).

version(To) ->
    iq(To, get, [el(query, [{xmlns, ?NS_VERSION}])]).

answer(Client, Question) ->
    Answer = iq(from(Question), result, [el(query, [{xmlns, ?NS_VERSION}], [el(name, [], [<<"test">>])])]),
    Others = lists:keydelete(<<"id">>, 1, Answer#xmlel.attrs),
    send(Client, Answer#xmlel{attrs = [{<<"id">>, attr(Question, id)} | Others]}).

%% B8.58, B8.60, I1, I2 (RFC 6121 §4.5.2, XEP-0198 §5)
sessions_come_back_and_join_anew(Config) ->
    Sessions = [{"alice/" ++ Resource, #{sm => true}} || Resource <- ["phone", "desk", "pad"]],
    story(Config, ["bob/desk" | Sessions], fun(Room, Bob, Phone, Desk, Pad) ->
        All = [Phone, Desk, Pad],
        enter(Room, [{Bob, <<"bob">>} | [{Session, <<"alice">>} || Session <- All]]),
        [
            begin
                [
                    begin
                        send(Session, presence(none, unavailable, [])),
                        send(Session, presence(none, [])),
                        ask(Session, Room, <<"alice">>),
                        kill(Session)
                    end
                 || Session <- All
                ],
                say(Bob, Room, Text),
                [ok = resume(Session) || Session <- All],
                [came_in(Session, Room, Text) || Session <- All],
                ?assertMatch([#xmlel{name = <<"message">>}], seen(Bob, Room)),
                settle(Room, All)
            end
         || Text <- [<<"one">>, <<"two">>, <<"three">>, <<"four">>, <<"five">>, <<"six">>]
        ],
        unnoticed(Config, Room, Bob, All)
    end).

%% How much of what it sent arrived a client that was cut off finds out by what it is answered.
came_in(Session, Room, Text) ->
    IsIn = fun(Stanza) -> is_self_presence(Stanza) andalso type(Stanza) =:= <<"available">> end,
    case lists:splitwith(fun(Stanza) -> not IsIn(Stanza) end, sync(Session, Room)) of
        {_, []} ->
            join(Session, Room, <<"alice">>);
        {_, [_ | Entered]} ->
            ?assertEqual([], nicks(Entered)),
            ?assertEqual(1, length([Body || Body <- bodies(Entered), Body =:= Text])),
            ?assertEqual(1, length(lists:filter(fun mmx_stanza:is_subject/1, Entered)))
    end.

%% B8.58, I8 (XEP-0198 §5)
a_session_whose_process_is_killed_while_it_is_lost_is_out(Config) ->
    story(Config, ["bob/desk", {"alice/phone", #{sm => true}}, "alice/desk"], fun(Room, Bob, Phone, Desk) ->
        enter(Room, [{Bob, <<"bob">>}, {Phone, <<"alice">>}, {Desk, <<"alice">>}]),
        mmx_server:kill_process(?config(server, Config), lose(Config, Phone)),
        ?assertMatch({error, _}, resume(Phone)),
        unnoticed(Config, Room, Bob, [Desk]),
        leave(Desk, Room),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).
