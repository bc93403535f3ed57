# A database that is new in every run, and that is nobody else's: no password, no file that must survive a crash.
set -e
programs=/usr/lib/postgresql/15/bin
data=/tmp/data
"$programs/initdb" --pgdata="$data" --username=app --auth=trust --no-sync --encoding=UTF8 --locale=C >/dev/null
exec "$programs/postgres" -D "$data" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c dynamic_shared_memory_type=mmap
