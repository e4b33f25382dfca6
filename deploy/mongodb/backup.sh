#!/usr/bin/env bash
# A backup of the whole server, by `mongodump`; for cron, as the user of a file that only it can read:
#
#     30 2 * * *  /opt/whiteline/backup.sh /backup/mongodb /etc/whiteline/backup.yaml
#
# The file holds the line `uri: mongodb://backup:PASSWORD@db.example.org/?authSource=admin&tls=true…`, so that no
# password stands on a command line. Backups older than the newest 14 are removed once a new one is complete.
# Put one back with: mongorestore --config FILE --gzip --archive=NAME --oplogReplay
set -euo pipefail

folder=${1:?folder of backups} config=${2:?file with the address}
n_kept=14
umask 077
mkdir -p "$folder"
name=$folder/mongodb-$(date +%Y%m%d-%H%M%S).archive.gz

trap 'rm -f "$name.part"' EXIT
mongodump --config "$config" --oplog --gzip --archive="$name.part" # --oplog: all databases as of one moment
sync "$name.part"
mv "$name.part" "$name"

mapfile -t old < <(find "$folder" -maxdepth 1 -name 'mongodb-*.archive.gz' | sort -r | tail -n +$((n_kept + 1)))
((${#old[@]} == 0)) || rm -- "${old[@]}"
echo "wrote $name ($(du -h "$name" | cut -f1)), kept $n_kept at most"
