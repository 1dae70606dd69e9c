#!/bin/sh
# Port 14000: the directory, with the certificate in /tls. 15000: whom it signs with. It asks port 8080 of each domain.
# Names: those in $DOMAINS lead to the container `nginx`, however often that is made anew; there are no others.
# $VALIDITY_SECONDS: how long its certificates last.
set -eu

cat >/tmp/pebble.json <<CONFIGURATION
{"pebble": {
  "listenAddress": "0.0.0.0:14000",
  "managementListenAddress": "0.0.0.0:15000",
  "certificate": "/tls/certificate.pem",
  "privateKey": "/tls/key.pem",
  "httpPort": 8080,
  "tlsPort": 8443,
  "ocspResponderURL": "",
  "externalAccountBindingRequired": false,
  "certificateValidityPeriod": $VALIDITY_SECONDS,
  "profiles": {"default": {"description": "the only one", "validityPeriod": $VALIDITY_SECONDS}}
}}
CONFIGURATION

tell() {
    curl --silent --fail --output /dev/null --data "$2" "http://127.0.0.1:8055/$1"
}

follow_nginx() {
    known=
    while sleep 0.2; do
        address=$(getent ahostsv4 nginx | awk 'NR == 1 {print $1}')
        if [ -n "$address" ] && [ "$address" != "$known" ]; then
            for name in $DOMAINS; do
                tell clear-a "{\"host\": \"$name.\"}" || continue 2
                tell add-a "{\"host\": \"$name.\", \"addresses\": [\"$address\"]}"
            done
            known=$address
            echo "$known" >/tmp/nginx-address
        fi
    done
}

pebble-challtestsrv -defaultIPv4 "" -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" -doh "" -dns01 127.0.0.1:8053 \
    -management 127.0.0.1:8055 &
follow_nginx &
export PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
exec pebble -config /tmp/pebble.json -dnsserver 127.0.0.1:8053 -strict=false
