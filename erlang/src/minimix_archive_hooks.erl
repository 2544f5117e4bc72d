%%% The hooks of the archive: what a person asks of it, and its end.
-module(minimix_archive_hooks).

-export([user_send_packet/1, disco_sm_features/5, remove_user/2, register_user/2]).

-include("logger.hrl").
-include("translate.hrl").
-include_lib("xmpp/include/xmpp.hrl").

-define(FIELD, <<"urn:xmpp:mam:2#groupchat-field">>).
-define(AVAILABLE, <<"urn:xmpp:mam:2#groupchat-available">>).

-type c2s_state() :: ejabberd_c2s:state().

-spec user_send_packet({stanza() | drop, c2s_state()}) ->
          {stanza() | drop, c2s_state()} | {stop, {drop, c2s_state()}}.
user_send_packet({#iq{to = #jid{luser = U, lserver = S, lresource = <<>>}, type = Type, sub_els = [#xmlel{} = Query]} = Request,
                  #{jid := #jid{luser = U, lserver = S}} = Stream} = Acc)
  when Type =:= set; Type =:= get ->
    case is_query(Query) andalso minimix_state:find(S) of
        false -> Acc;
        undefined -> Acc;
        State -> asked(Type, Query, Request, Stream, minimix_archive:is_on(State), State)
    end;
user_send_packet(Acc) ->
    Acc.

%% Preferences stand in the same namespace.
is_query(#xmlel{name = <<"query">>} = Element) ->
    fxml:get_tag_attr_s(<<"xmlns">>, Element) =:= ?NS_MAM_2;
is_query(#xmlel{name = <<"prefs">>} = Element) ->
    lists:member(fxml:get_tag_attr_s(<<"xmlns">>, Element), [?NS_MAM_0, ?NS_MAM_1, ?NS_MAM_2]);
is_query(#xmlel{}) ->
    false.

asked(_Type, _Query, Request, Stream, false, _State) ->
    {Request, Stream};
asked(Type, #xmlel{name = <<"prefs">>}, Request, #{jid := Jid} = Stream, true, State) ->
    %% It is asked again when the change has been made, which is in this process.
    Type =:= set andalso (self() ! {minimix, preferences_changed, minimix_stanza:account(Jid), State}),
    {Request, Stream};
asked(get, _Query, Request, Stream, true, _State) ->
    answered(Request, Stream, fun() -> ejabberd_c2s:send(Stream, minimix_archive_query:form(Request)) end);
asked(set, Query, #iq{lang = Lang} = Request, Stream, true, State) ->
    case minimix_archive_query:groupchat_wish(Query) of
        none ->
            {Request, Stream};
        false ->
            {Request#iq{sub_els = [minimix_archive_query:without_wish(Query)]}, Stream};
        true ->
            answered(Request, Stream, fun() -> begin_query(State, Request, Query, Stream) end);
        malformed ->
            Text = ?T("The field 'include-groupchat' is to be 'true' or 'false'"),
            answered(Request, Stream, fun() -> refuse(Stream, Request, xmpp:err_bad_request(Text, Lang)) end)
    end.

answered(#iq{lang = Lang} = Request, Stream, Fun) ->
    try {stop, {drop, Fun()}}
    catch
        _:{xmpp_codec, Why}:_ ->
            {stop, {drop, refuse(Stream, Request, xmpp:err_bad_request(xmpp:io_format_error(Why), Lang))}};
        Class:Reason:Trace ->
            report(Class, Reason, Trace),
            {stop, {drop, refuse(Stream, Request, failure(Lang))}}
    end.

report(Class, Reason, Trace) ->
    ?ERROR_MSG("mod_minimix failed on a query of an archive: ~ts", [minimix_failure:text(Class, Reason, Trace)]).

failure(Lang) ->
    xmpp:err_internal_server_error(?T("Database failure"), Lang).

%% Who asks for more than the database answers waits.
begin_query(State, #iq{lang = Lang} = Request, Query, Stream) ->
    Asker = self(),
    case minimix_state:begin_query(State, Asker) of
        true ->
            _ = spawn(fun() -> run(Request, Query, State, Asker) end),
            Stream;
        false ->
            Text = ?T("Too many queries at once"),
            refuse(Stream, Request, xmpp:err_resource_constraint(Text, Lang))
    end.

run(#iq{lang = Lang} = Request, Query, State, Asker) ->
    try minimix_archive_query:run(Request, Query)
    catch
        Class:Reason:Trace ->
            report(Class, Reason, Trace),
            ejabberd_router:route(xmpp:make_error(Request, failure(Lang)))
    after
        minimix_state:end_query(State, Asker)
    end.

refuse(Stream, Request, Error) ->
    ejabberd_c2s:send(Stream, xmpp:make_error(Request, Error)).

%% @doc What an account tells its own sessions that its archive can do (XEP-0313 §7).
-spec disco_sm_features(mod_disco:features_acc(), jid:jid(), jid:jid(), binary(), binary()) -> mod_disco:features_acc().
disco_sm_features({result, Features}, #jid{luser = U, lserver = S}, #jid{luser = U, lserver = S}, <<>>, _Lang) ->
    case minimix_state:find(S) of
        #{} = State -> {result, [Feature || Feature <- [?FIELD, ?AVAILABLE], minimix_archive:is_on(State)] ++ Features};
        undefined -> {result, Features}
    end;
disco_sm_features(Acc, _From, _To, _Node, _Lang) ->
    Acc.

-spec remove_user(binary(), binary()) -> ok.
remove_user(User, Server) ->
    forget(jid:make(User, Server)).

%% An account of the same name may have been removed while the module or the database was away.
-spec register_user(binary(), binary()) -> ok.
register_user(User, Server) ->
    forget(jid:make(User, Server)).

%% The next owner of a name must not find anything, whenever the option is turned on again.
forget(#jid{lserver = Host} = Account) ->
    State = minimix_state:find(Host),
    case State =/= undefined andalso minimix_archive:can_hold(Host) of
        true -> minimix_archive:forget(State, Account);
        false -> ok
    end.
