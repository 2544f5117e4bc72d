%%% An item of the bookmarks' node, as the client that published it wrote it (XEP-0402 2).
%%%
%%% It is never built anew: whatever is in it that we do not know stays as it is.
-module(minimix_bookmark_item).

-export([room/1, bookmark/1, with_nick/2, merge/3, is_same/2]).
-export_type([bookmark/0, payload/0]).

-include_lib("xmpp/include/xmpp.hrl").

-define(NS_NOTIFY, <<"urn:xmpp:notification-settings:1">>).

-type bookmark() :: minimix_nif:bookmark().
%% What an item holds; none, when there is no item.
-type payload() :: xmlel() | none.

%% @doc The room that an item's id names. Accounts of this server are not rooms.
-spec room(binary()) -> {ok, jid:ljid()} | none.
room(Id) ->
    try jid:decode(Id) of
        #jid{luser = LUser, lserver = LServer, lresource = <<>>} when LUser =/= <<>> ->
            case ejabberd_router:is_my_host(LServer) of
                true -> none;
                false -> {ok, {LUser, LServer, <<>>}}
            end;
        #jid{} ->
            none
    catch
        error:{bad_jid, _} -> none
    end.

%% @doc What the bookmark says; none, when this is no bookmark.
-spec bookmark(payload()) -> bookmark() | none.
bookmark(#xmlel{name = <<"conference">>} = Conference) ->
    case fxml:get_tag_attr_s(<<"xmlns">>, Conference) of
        ?NS_PEP_BOOKMARKS ->
            #{autojoin => is_true(fxml:get_tag_attr_s(<<"autojoin">>, Conference)),
              nick => nick(Conference),
              password => text(Conference, <<"password">>),
              notify => notify(Conference)};
        _ ->
            none
    end;
bookmark(_) ->
    none.

%% What counts for devices of every kind (XEP-0492 3.1): which kind a device is only its client knows.
notify(#xmlel{children = Children}) ->
    Settings = [Setting || #xmlel{} = Extensions <- Children, is_own(Extensions, <<"extensions">>),
                           #xmlel{name = <<"notify">>} = Notify <- Extensions#xmlel.children,
                           fxml:get_tag_attr_s(<<"xmlns">>, Notify) =:= ?NS_NOTIFY,
                           #xmlel{name = Name, attrs = Attrs} <- Notify#xmlel.children,
                           not lists:keymember(<<"identity-category">>, 1, Attrs),
                           Setting <- setting(Name)],
    case Settings of
        [First | _] -> First;
        [] -> none
    end.

setting(<<"always">>) -> [always];
setting(<<"on-mention">>) -> [on_mention];
setting(<<"never">>) -> [never];
setting(_) -> [].

is_true(Value) ->
    lists:member(Value, [<<"true">>, <<"1">>]).

nick(Conference) ->
    case text(Conference, <<"nick">>) of
        none -> none;
        Nick -> prepared(jid:resourceprep(Nick))
    end.

prepared(error) -> none;
prepared(<<>>) -> none;
prepared(Nick) -> Nick.

%% Of several the last one counts, as for ejabberd.
text(#xmlel{children = Children}, Name) ->
    case [Child || Child <- Children, is_own(Child, Name)] of
        [] -> none;
        Found -> content(fxml:get_tag_cdata(lists:last(Found)))
    end.

content(<<>>) -> none;
content(Text) -> Text.

%% A child of the bookmark itself, not something else of that name.
is_own(#xmlel{name = Name} = Child, Name) ->
    lists:member(fxml:get_tag_attr_s(<<"xmlns">>, Child), [<<>>, ?NS_PEP_BOOKMARKS]);
is_own(_, _) ->
    false.

%% @doc The same bookmark with this nick.
-spec with_nick(xmlel(), binary()) -> xmlel().
with_nick(#xmlel{children = Children} = Conference, Nick) ->
    Text = [{xmlcdata, Nick}],
    case lists:any(fun(Child) -> is_own(Child, <<"nick">>) end, Children) of
        true ->
            Conference#xmlel{children = [renamed(Child, Text) || Child <- Children]};
        false ->
            New = #xmlel{name = <<"nick">>, children = Text},
            Conference#xmlel{children = [New | Children]}
    end.

renamed(Child, Text) ->
    case is_own(Child, <<"nick">>) of
        true -> Child#xmlel{children = Text};
        false -> Child
    end.

%% @doc What is to be there when both were made of the same item: theirs, with the nick of ours
%% unless they changed it, too.
-spec merge(Before :: xmlel(), Ours :: xmlel(), Theirs :: payload()) -> payload().
merge(Before, Ours, Theirs) ->
    case {bookmark(Before), bookmark(Ours), bookmark(Theirs)} of
        {#{nick := Nick}, #{nick := OurNick}, #{nick := Nick}} -> with_nick(Theirs, OurNick);
        _ -> Theirs
    end.

%% @doc Whether they say the same. Databases give attributes in another order, and text in one
%% piece.
-spec is_same(payload(), payload()) -> boolean().
is_same(#xmlel{} = One, #xmlel{} = Other) ->
    normal(One) =:= normal(Other);
is_same(One, Other) ->
    One =:= Other.

normal(Element) ->
    sorted(fxml_stream:parse_element(fxml:element_to_binary(Element))).

sorted(#xmlel{attrs = Attrs, children = Children} = Element) ->
    Element#xmlel{attrs = lists:sort(Attrs), children = [sorted(Child) || Child <- Children]};
sorted(Text) ->
    Text.
