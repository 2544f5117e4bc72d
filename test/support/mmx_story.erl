%% A story: a new room, new accounts, and a client for each session that takes part.
-module(mmx_story).

-export([story/3]).

%% People are "name/resource": those of one name are sessions of one account. The fun is given the room,
%% then the clients. The transcripts of a story that fails are printed.
-spec story([{atom(), term()}], [string() | {string(), mmx_client:options()}], function()) -> ok.
story(Config, People, Fun) ->
    Server = proplists:get_value(server, Config),
    Names = lists:usort([name(Person) || Person <- People]),
    Users = maps:from_list([{Name, mmx_server:fresh(Server, Name)} || Name <- Names]),
    Clients = [connect(Server, Users, Person) || Person <- People],
    try apply(Fun, [mmx_server:fresh_room(Server) | Clients]) of
        _ -> ok
    catch
        Class:Reason:Stack ->
            [ct:pal("~ts", [mmx_client:transcript(Client)]) || Client <- Clients, is_process_alive(Client)],
            erlang:raise(Class, Reason, Stack)
    after
        [mmx_client:abandon(Client) || Client <- Clients]
    end.

connect(Server, Users, {Person, Options}) ->
    [Name, Resource] = string:split(Person, "/"),
    mmx_client:connect(Server, [maps:get(Name, Users), "/", Resource], Options);
connect(Server, Users, Person) ->
    connect(Server, Users, {Person, #{}}).

name({Person, _}) -> name(Person);
name(Person) -> hd(string:split(Person, "/")).
