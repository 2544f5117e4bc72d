%% The row of an account in a room in Mnesia.
-record(minimix_room,
        {key :: minimix_store:key() | tuple() | '_',
         record :: minimix_nif:record() | '_'}).
