# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_walcat_global_optspecs
    string join \n d/dbname= h/host= p/port= U/username= w/no-password W/password q/quiet v/verbose color= help V/version
end

function __fish_walcat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_walcat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_walcat_using_subcommand
    set -l cmd (__fish_walcat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c walcat -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -s p -l port -d 'Server port' -r -f
complete -c walcat -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_needs_command" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_needs_command" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_needs_command" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_needs_command" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_needs_command" -s V -l version -d 'Print version'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "stream" -d 'Print the changes of a slot as they commit'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "slot" -d 'Manage replication slots'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "pub" -d 'Manage publications'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "check" -d 'Look at all that streaming needs'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "decode" -d 'Print what pg_recvlogical or stream --format raw captured'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c walcat -n "__fish_walcat_needs_command" -f -a "help" -d 'Print the help of a command'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s S -l slot -d 'Slot to stream from [default: a temporary one]' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s P -l plugin -d 'Output plugin of a new slot [default: pgoutput]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s b -l publication -d 'Publications for pgoutput, comma-separated' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l snapshot -d 'First the rows that are there already' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s I -l startpos -d 'Start no earlier than this' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l streaming -d 'Large transactions early: off, on, parallel' -r -f -a "off\t'Transactions arrive when they commit'
on\t'Large ones arrive before'
parallel\t'As `on`, with the position of aborts (PostgreSQL 16)'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l origin -d 'Changes of any origin; none: made here' -r -f -a "any\t'All changes'
none\t'Changes made here'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s o -l option -d 'Pass an option to the plugin' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s E -l endpos -d 'Stop once all committed up to this is written' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l limit -d 'Stop after this many events' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l timeout -d 'Stop after this long, as 30s or 5min' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l format -d 'json, text, raw, sql, debezium or wal2json [default: json]' -r -f -a "json\t'One JSON object a line'
text\t'One readable line a change'
raw\t'The plugin\'s bytes'
sql\t'Statements that replay the changes, for psql'
debezium\t'Debezium\'s change events, without schema'
wal2json\t'What wal2json prints with format-version 2'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l table -d 'Only these tables, as \'app.*\' or users:delete' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l op -d 'Only these operations' -r -f -a "insert\t''
update\t''
delete\t''
truncate\t''
message\t''"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l include -d 'What to add to events' -r -f -a "transactions\t'Events for the begin and the end of transactions'
key\t'The names of the identity columns'
types\t'The type of each column'
columns\t'The definition of each column'
relations\t'An event for each table and each new shape of it'
changed\t'The names of the columns that an update changed'
origin\t'The replication origin'
id\t'One string that names the event and sorts as the stream does'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l max-width -d 'Text on a terminal: shorten values that take more columns' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l values -d 'Values as json or text [default: json]' -r -f -a "json\t'As row_to_json prints them'
text\t'As strings'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l timezone -d 'Time zone of timestamptz values [default: UTC]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s f -l file -d 'Write to a file instead of stdout (-)' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l once -d 'Apply in this database exactly once' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s F -l fsync-interval -d 'Time between fsyncs of the file [default: 10s]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s s -l status-interval -d 'Time between status reports [default: 10s]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l stats -d 'Rate, position and lag on stderr' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l exec -d 'Give transactions to a command, in batches' -r -f -a "(__fish_complete_command)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l batch-rows -d 'End a batch after this many events [default: 5000]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l batch-interval -d 'End a batch so long after its start [default: 1]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l retries -d 'Give a failed batch again so often [default: 0]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l to -d 'Publish into a log: nats://HOST[,HOST]/STREAM' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l subject -d 'Subjects of the messages [default: wal.{schema}.{table}]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l replicas -d 'Replicas of a stream that is created [default: 1]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l confirm-delay -d 'Confirm this many seconds later [default: 130]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l oversize -d 'Too large events: fail, stub [default: fail]' -r -f -a "fail\t'It ends the stream'
stub\t'It is sent without its rows'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l standby-after -d 'Seconds of silence before a standby takes over [default: 10]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l nats-creds -d 'File with NATS credentials (JWT and seed)' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l nats-nkey -d 'File with the seed of a NATS user key' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l nats-ca -d 'File with CA certificates [default: the system\'s]' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l nats-cert -d 'File with a client certificate' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l nats-key -d 'File with the key of the client certificate' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l create-slot -d 'Create the slot if it is not there'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s t -l two-phase -d 'Decode transactions when they are prepared'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l failover -d 'Let standbys take the slot over (17+)'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l create-publication -d 'Create the publication if it is not there'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l peek -d 'Show without consuming: the slot does not move'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l messages -d 'Show logical messages'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l until-now -d 'Stop once all committed by now is written'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s n -l no-loop -d 'Stop when the connection is lost'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l undo -d 'What takes the changes back, newest first'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s x -l expanded -d 'Text on a terminal: one column a line'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l full -d 'Text on a terminal: whole values'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l no-resume -d 'Append, wherever the file ends'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l create-stream -d 'Create the stream if it is not there'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l atomic -d 'Keep transactions together, in atomic batches'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -l standby -d 'Be one of two: follow the other, take over when it is gone'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand stream" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -f -a "create" -d 'Create a logical replication slot'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -f -a "drop" -d 'Drop replication slots'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -f -a "list" -d 'List replication slots'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and not __fish_seen_subcommand_from create drop list advance" -f -a "advance" -d 'Move a slot forward without reading it'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s P -l plugin -d 'Output plugin of a new slot [default: pgoutput]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -l timeout -d 'Give up after this long, as 30s or 5min' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s t -l two-phase -d 'Decode transactions when they are prepared'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -l failover -d 'Let standbys take the slot over (17+)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -l if-not-exists -d 'Succeed if such a slot is already there'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from create" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -l if-exists -d 'Say nothing of slots that are not there'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -l force -d 'End the session that holds the slot first'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from drop" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -l format -d 'How to print the list' -r -f -a "table\t'Aligned columns'
json\t'A JSON array'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -l max-lag -d 'Exit with 3 if a slot is lost or retains more WAL than this, as 512MB or 10GB' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from list" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -l to -d 'Where to move it [default: the current WAL position]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand slot; and __fish_seen_subcommand_from advance" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -f -a "create" -d 'Create a publication'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -f -a "drop" -d 'Drop publications'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and not __fish_seen_subcommand_from create drop list" -f -a "list" -d 'List publications'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l table -d 'Publish a table, written as in SQL: [schema.]table [(columns)] [WHERE (filter)]' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l schema -d 'Publish all tables of a schema' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l publish -d 'Operations to publish, as insert,update [default: all]' -r -f -a "insert\t''
update\t''
delete\t''
truncate\t''"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l all-tables -d 'Publish all tables, also those yet to come'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l via-root -d 'Publish changes of partitions as those of their root'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l force -d 'Create it even if UPDATE or DELETE then fails on tables'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -l if-not-exists -d 'Succeed if the publication is already there'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from create" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -l if-exists -d 'Say nothing of publications that are not there'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from drop" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -l format -d 'How to print the list' -r -f -a "table\t'Aligned columns'
json\t'A JSON array'"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand pub; and __fish_seen_subcommand_from list" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand check" -s S -l slot -d 'Slot to look at' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand check" -s b -l publication -d 'Publications to look at' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand check" -l format -d 'How to print what was found' -r -f -a "text\t'A line for each'
json\t'A JSON array'"
complete -c walcat -n "__fish_walcat_using_subcommand check" -l to -d 'Log to look at: nats://HOST[,HOST]/STREAM' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand check" -l subject -d 'Subjects of its messages [default: wal.{schema}.{table}]' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand check" -l nats-creds -d 'File with NATS credentials (JWT and seed)' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand check" -l nats-nkey -d 'File with the seed of a NATS user key' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand check" -l nats-ca -d 'File with CA certificates [default: the system\'s]' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand check" -l nats-cert -d 'File with a client certificate' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand check" -l nats-key -d 'File with the key of the client certificate' -r -F
complete -c walcat -n "__fish_walcat_using_subcommand check" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand check" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand check" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand check" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand check" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand check" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand check" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand check" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand check" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand check" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l format -d 'json, text, raw, sql, debezium or wal2json [default: json]' -r -f -a "json\t'One JSON object a line'
text\t'One readable line a change'
raw\t'The plugin\'s bytes'
sql\t'Statements that replay the changes, for psql'
debezium\t'Debezium\'s change events, without schema'
wal2json\t'What wal2json prints with format-version 2'"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l table -d 'Only these tables, as \'app.*\' or users:delete' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l op -d 'Only these operations' -r -f -a "insert\t''
update\t''
delete\t''
truncate\t''
message\t''"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l include -d 'What to add to events' -r -f -a "transactions\t'Events for the begin and the end of transactions'
key\t'The names of the identity columns'
types\t'The type of each column'
columns\t'The definition of each column'
relations\t'An event for each table and each new shape of it'
changed\t'The names of the columns that an update changed'
origin\t'The replication origin'
id\t'One string that names the event and sorts as the stream does'"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l max-width -d 'Text on a terminal: shorten values that take more columns' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l values -d 'Values as json or text [default: json]' -r -f -a "json\t'As row_to_json prints them'
text\t'As strings'"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l undo -d 'What takes the changes back, newest first'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s x -l expanded -d 'Text on a terminal: one column a line'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -l full -d 'Text on a terminal: whole values'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand decode" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand completions" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand completions" -s '?' -l help -d 'Print help'
complete -c walcat -n "__fish_walcat_using_subcommand help" -s d -l dbname -d 'Database name, conninfo string or postgresql:// URI' -r -f -a "(__walcat_names)"
complete -c walcat -n "__fish_walcat_using_subcommand help" -s h -l host -d 'Server host or socket directory' -r -f -a "(__fish_print_hostnames)"
complete -c walcat -n "__fish_walcat_using_subcommand help" -s p -l port -d 'Server port' -r -f
complete -c walcat -n "__fish_walcat_using_subcommand help" -s U -l username -d 'Role to connect as' -r -f -a "(__fish_complete_users)"
complete -c walcat -n "__fish_walcat_using_subcommand help" -l color -d 'Colour the text format and errors' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c walcat -n "__fish_walcat_using_subcommand help" -s w -l no-password -d 'Never prompt for a password'
complete -c walcat -n "__fish_walcat_using_subcommand help" -s W -l password -d 'Prompt for a password before connecting'
complete -c walcat -n "__fish_walcat_using_subcommand help" -s q -l quiet -d 'Say nothing but errors'
complete -c walcat -n "__fish_walcat_using_subcommand help" -s v -l verbose -d 'Say more (repeat for still more)'
complete -c walcat -n "__fish_walcat_using_subcommand help" -s '?' -l help -d 'Print help'

function __walcat_names
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    printf '%s\n' $words[2..-1] "$current" | $words[1] complete words 2>/dev/null
end

complete -c walcat -f -a "(__walcat_names)" -n "__fish_seen_subcommand_from slot pub; \
    and __fish_seen_subcommand_from drop list advance"
