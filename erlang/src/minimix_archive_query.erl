%%% Queries of a person's archive with groupchat in it (XEP-0313 §4.1.4).
%%%
%%% What does not ask for groupchat is mod_mam's, and gets what mod_mam gives without this module. What does
%%% gets both archives as one.
-module(minimix_archive_query).

-export([groupchat_wish/1, without_wish/1, run/2, form/1, recall/4]).
-export_type([wish/0]).

-include("logger.hrl").
-include("translate.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-define(FIELD, <<"include-groupchat">>).
%% As many as mod_mam gives.
-define(DEFAULT_PAGE, 50).
-define(MAX_PAGE, 250).
%% Messages that complete a replay, at most: a client acknowledges none before it has all, and mod_stream_mgmt
%% ends streams that have too many (by default 5,000) to acknowledge. And milliseconds that it waits for them.
-define(MAX_RECALLED, 1_000).
-define(PATIENCE, 3_000).

-type wish() :: true | false | none | malformed.

%% @doc Whether a query wants groupchat.
-spec groupchat_wish(fxml:xmlel()) -> wish().
groupchat_wish(Query) ->
    case fields(Query) of
        [] ->
            none;
        [Field] ->
            case [fxml:get_tag_cdata(Value) || #xmlel{name = <<"value">>} = Value <- Field#xmlel.children] of
                [Yes] when Yes =:= <<"true">>; Yes =:= <<"1">> -> true;
                [No] when No =:= <<"false">>; No =:= <<"0">> -> false;
                _ -> malformed
            end;
        _ ->
            malformed
    end.

fields(Query) ->
    [Field || #xmlel{children = Fields} = Form <- Query#xmlel.children, is_form(Form),
              #xmlel{name = <<"field">>} = Field <- Fields, is_field(Field)].

is_form(#xmlel{name = Name} = Element) ->
    Name =:= <<"x">> andalso fxml:get_tag_attr_s(<<"xmlns">>, Element) =:= ?NS_XDATA.

is_field(Field) ->
    fxml:get_tag_attr_s(<<"var">>, Field) =:= ?FIELD.

%% @doc The query as mod_mam knows it.
-spec without_wish(fxml:xmlel()) -> fxml:xmlel().
without_wish(#xmlel{children = Children} = Query) ->
    Query#xmlel{children = [without_field(Child) || Child <- Children]}.

without_field(#xmlel{children = Fields} = Child) ->
    case is_form(Child) of
        true -> Child#xmlel{children = [Field || Field <- Fields, not (is_record(Field, xmlel) andalso is_field(Field))]};
        false -> Child
    end;
without_field(Text) ->
    Text.

%% @doc Answers a query of a session for both archives, in a process that may wait for a database.
-spec run(iq(), fxml:xmlel()) -> ok.
run(#iq{lang = Lang} = Request, Query) ->
    try xmpp:decode(without_wish(Query)) of
        #mam_query{rsm = #rsm_set{index = Index}} when is_integer(Index) ->
            Text = ?T("Unsupported <index/> element"),
            refuse(Request, xmpp:err_feature_not_implemented(Text, Lang));
        #mam_query{} = Decoded ->
            answer(Request, Decoded, filter(Decoded, Lang))
    catch
        _:{xmpp_codec, Why} -> refuse(Request, xmpp:err_bad_request(xmpp:io_format_error(Why), Lang))
    end.

filter(#mam_query{xdata = #xdata{} = Form}, Lang) ->
    Type = #xdata_field{var = <<"FORM_TYPE">>, type = hidden, values = [?NS_MAM_1]},
    #xdata{fields = Fields} = xmpp_util:set_xdata_field(Type, Form),
    try {ok, mam_query:decode(Fields)}
    catch
        _:{mam_query, Why} -> {error, xmpp:err_bad_request(mam_query:format_error(Why), Lang)}
    end;
filter(#mam_query{}, _Lang) ->
    {ok, []}.

answer(Request, _Query, {error, Error}) ->
    refuse(Request, Error);
answer(#iq{from = #jid{lserver = Host} = Jid, lang = Lang} = Request, #mam_query{rsm = Rsm} = Query, {ok, Filter}) ->
    ok = activate(Host, Request),
    #rsm_set{max = Max} = Page = page(Rsm),
    Direction = case Page of
                    #rsm_set{before = Before} when is_binary(Before) -> backward;
                    _ -> forward
                end,
    Bare = jid:remove_resource(Jid),
    case {mod_mam:select(Host, Jid, Jid, Filter, Page, chat, all),
          mod_mam:select(Host, Jid, Bare, Filter, Page, groupchat, all)} of
        {{_, _, _} = Chat, {_, _, _} = Groupchat} ->
            send(minimix_archive_page:merge(sorted(Chat), sorted(Groupchat), Max, Direction), Request, Query);
        _ ->
            refuse(Request, xmpp:err_internal_server_error(?T("Database failure"), Lang))
    end.

%% Where the first query is what begins an archive, this is one.
activate(Host, Request) ->
    case mod_mam_opt:request_activates_archiving(Host) of
        true ->
            Empty = #mam_query{xmlns = ?NS_MAM_2, rsm = #rsm_set{max = 0}},
            _ = mod_mam:process_iq(Host, Request#iq{sub_els = [Empty]}, chat),
            ok;
        false ->
            ok
    end.

page(#rsm_set{max = Max} = Rsm) when is_integer(Max) -> Rsm#rsm_set{max = min(Max, ?MAX_PAGE)};
page(#rsm_set{} = Rsm) -> Rsm#rsm_set{max = ?DEFAULT_PAGE};
page(undefined) -> #rsm_set{max = ?DEFAULT_PAGE}.

sorted({Messages, IsComplete, Count}) ->
    {lists:keysort(2, Messages), IsComplete, Count}.

%% As mod_mam does.
send({Messages, IsComplete, Count}, #iq{from = Jid, to = Bare} = Request, #mam_query{id = Id, flippage = Flips}) ->
    InOrder = case Flips of
                  true -> lists:reverse(Messages);
                  _ -> Messages
              end,
    lists:foreach(
      fun({MessageId, _, Forwarded}) ->
              Result = #mam_result{xmlns = ?NS_MAM_2, id = MessageId, queryid = Id, sub_els = [Forwarded]},
              ejabberd_router:route(#message{from = Bare, to = Jid, sub_els = [Result]})
      end, InOrder),
    Fin = #mam_fin{xmlns = ?NS_MAM_2, rsm = set(InOrder, Count), complete = IsComplete},
    ejabberd_router:route(xmpp:make_iq_result(Request, Fin)).

set([], Count) ->
    #rsm_set{count = Count};
set([{First, _, _} | _] = Messages, Count) ->
    {Last, _, _} = lists:last(Messages),
    #rsm_set{first = #rsm_first{data = First}, last = Last, count = Count}.

refuse(Request, Error) ->
    ejabberd_router:route(xmpp:make_error(Request, Error)).

%% @doc mod_mam's answer to who asks for the form (XEP-0313 §4.1.5), with our field.
-spec form(iq()) -> iq().
form(Request) ->
    case mod_mam:process_iq_v0_3(xmpp:decode_els(Request)) of
        #iq{type = result, sub_els = [#mam_query{xdata = #xdata{fields = Fields} = Form} = Query]} = Answer ->
            Field = #xdata_field{var = ?FIELD, type = boolean},
            Answer#iq{sub_els = [Query#mam_query{xdata = Form#xdata{fields = Fields ++ [Field]}}]};
        #iq{} = Answer ->
            Answer
    end.

%%% For replays

%% @doc What the archive holds of a room since this millisecond and up to this id. Nothing when the database
%% takes too long.
-spec recall(jid:jid(), jid:ljid(), Since :: non_neg_integer(), Last :: pos_integer()) ->
          [{Id :: pos_integer(), fxml:xmlel()}].
recall(#jid{lserver = Host} = Account, Room, Since, Last) ->
    State = minimix_state:find(Host),
    case State =:= undefined orelse minimix_archive:is_resting(State) of
        true -> [];
        false -> recall(State, Host, Account, Room, Since, Last)
    end.

recall(State, Host, Account, Room, Since, Last) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({found, find(Host, Account, Room, Since, Last)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {found, Found}} ->
            Found;
        {'DOWN', Monitor, process, Pid, Reason} ->
            ?ERROR_MSG("mod_minimix cannot complete a replay from the archive: ~0p", [Reason]),
            []
    after ?PATIENCE ->
            erlang:demonitor(Monitor, [flush]),
            exit(Pid, kill),
            ok = minimix_archive:rest(State),
            ?WARNING_MSG("mod_minimix does not complete a replay on ~ts, as the archive takes too long", [Host]),
            []
    end.

find(Host, Account, Room, Since, Last) ->
    _ = minimix_archive:flush(Host, ?PATIENCE div 2),
    Filter = [{start, misc:usec_to_now(Since * 1_000)}, {with, jid:make(Room)}],
    find(Host, Account, Filter, integer_to_binary(Last + 1), max_recalled(Host), []).

max_recalled(Host) ->
    case gen_mod:is_loaded(Host, mod_stream_mgmt) andalso mod_stream_mgmt_opt:max_ack_queue(Host) of
        Max when is_integer(Max) -> min(?MAX_RECALLED, Max div 2);
        _ -> ?MAX_RECALLED
    end.

find(Host, Account, Filter, Before, Left, Found) ->
    Page = #rsm_set{max = min(Left, ?MAX_PAGE), before = Before},
    case mod_mam:select(Host, Account, Account, Filter, Page, groupchat, only_messages) of
        {[{First, _, _} | _] = Messages, false, _} when Left > length(Messages) ->
            find(Host, Account, Filter, First, Left - length(Messages), elements(Messages) ++ Found);
        {Messages, _, _} ->
            elements(Messages) ++ Found
    end.

elements(Messages) ->
    [{Id, xmpp:encode(Message)} || {_, Id, #forwarded{sub_els = [Message]}} <- Messages].
