%% The configuration of a test server. JSON is YAML too.
-module(mmx_config).

-export([text/1, host/1, room_service/1]).

-type options() :: #{
    hosts => [binary()],
    %% Rooms of another server.
    room_service => binary(),
    %% Listeners beside those for clients.
    listen => [map()],
    %% A copy of the module that it runs instead of this one.
    application => file:filename(),
    %% The network that it runs in.
    network => none | file:filename(),
    minimix => none | map(),
    muc => map(),
    room => map(),
    modules => #{module() => map() | none},
    top => map(),
    pubsub => boolean(),
    block_strangers => boolean(),
    c2s => map(),
    websocket => boolean(),
    bosh => boolean(),
    api => boolean(),
    vm_args => [string()],
    env => [{string(), string()}]
}.
-export_type([options/0]).

-spec host(options()) -> binary().
host(Options) ->
    hd(hosts(Options)).

-spec room_service(options()) -> binary().
room_service(Options) ->
    maps:get(room_service, Options, <<"rooms.", (host(Options))/binary>>).

-spec text(options() | #{ports := #{xmpp := inet:port_number(), http := inet:port_number()}}) -> iodata().
text(#{ports := Ports} = Options) ->
    Top = #{
        hosts => hosts(Options),
        loglevel => info,
        language => <<"en">>,
        acl => #{admin => #{user => [<<"admin@", Host/binary>> || Host <- hosts(Options)]}},
        s2s_access => none,
        listen => listen(Ports, Options),
        modules => modules(Options)
    },
    json(maps:merge(Top, maps:get(top, Options, #{}))).

hosts(Options) ->
    maps:get(hosts, Options, [<<"mmx.example">>]).

listen(#{xmpp := Xmpp, http := Http}, Options) ->
    Loopback = <<"127.0.0.1">>,
    Stream = #{port => Xmpp, ip => Loopback, module => ejabberd_c2s, max_stanza_size => 1000000},
    Handlers =
        [{<<"/ws">>, ejabberd_http_ws} || maps:get(websocket, Options, false)] ++
            [{<<"/bosh">>, mod_bosh} || maps:get(bosh, Options, false)] ++
            [{<<"/api">>, mod_http_api} || maps:get(api, Options, false)],
    [maps:merge(Stream, maps:get(c2s, Options, #{}))] ++
        [
            #{port => Http, ip => Loopback, module => ejabberd_http, request_handlers => maps:from_list(Handlers)}
         || Handlers =/= []
        ] ++ maps:get(listen, Options, []).

modules(Options) ->
    Always = #{
        mod_blocking => #{},
        mod_caps => #{},
        mod_carboncopy => #{},
        mod_client_state => #{},
        mod_disco => #{},
        mod_last => #{},
        mod_mam => #{db_type => mnesia, default => always, assume_mam_usage => false},
        mod_muc => muc(Options),
        mod_muc_admin => #{},
        mod_offline => #{},
        mod_ping => #{},
        mod_privacy => #{},
        mod_push => #{},
        mod_roster => #{},
        mod_stream_mgmt => #{resend_on_timeout => false},
        mod_vcard => #{}
    },
    Optional = [
        {mod_minimix, maps:get(minimix, Options, none)},
        {mod_bosh, wanted(bosh, Options, #{max_inactivity => <<"3 s">>})},
        {mod_block_strangers, wanted(block_strangers, Options, #{})},
        {mod_private, wanted(pubsub, Options, #{})},
        {mod_pubsub, wanted(pubsub, Options, #{plugins => [<<"flat">>, <<"pep">>]})}
    ],
    All = maps:merge(maps:merge(Always, maps:from_list(Optional)), maps:get(modules, Options, #{})),
    maps:filter(fun(_, Opts) -> Opts =/= none end, All).

wanted(Key, Options, Opts) ->
    case maps:get(Key, Options, false) of
        true -> Opts;
        false -> none
    end.

%% Rooms archive nothing, as Mnesia would write to the disk for each message.
muc(Options) ->
    Room = maps:merge(#{mam => false, max_users => 5000}, maps:get(room, Options, #{})),
    Muc = #{
        host => <<"rooms.@HOST@">>,
        access_admin => [#{allow => admin}],
        max_users => 5000,
        max_user_conferences => 5000,
        default_room_options => Room
    },
    maps:merge(Muc, maps:get(muc, Options, #{})).

json(Map) when is_map(Map) ->
    ["{", lists:join(", ", [[json(to_key(Key)), ": ", json(Value)] || {Key, Value} <- maps:to_list(Map)]), "}"];
json(List) when is_list(List) ->
    ["[", lists:join(", ", [json(Item) || Item <- List]), "]"];
json(Boolean) when is_boolean(Boolean) -> atom_to_binary(Boolean);
json(Number) when is_integer(Number) -> integer_to_binary(Number);
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Text) when is_binary(Text) -> [$", binary:replace(Text, [<<"\\">>, <<"\"">>], <<"\\">>, [global, {insert_replaced, 1}]), $"].

to_key(Key) when is_binary(Key) -> Key;
to_key(Key) when is_atom(Key) -> atom_to_binary(Key).
