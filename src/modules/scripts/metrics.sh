# When each certificate on this machine ends, as seconds since 1970, for the textfile collector of node-exporter. A file
# holds a certificate and its issuer, or several authorities while one follows another: the index counts them from 0.
metric=quorate_certificate_not_after_seconds
{
  echo "# HELP $metric When a certificate ends."
  echo "# TYPE $metric gauge"
  for file in /etc/quorate/pki/*.crt /etc/quorate/pki/trust/*.crt; do
    index=0
    awk -v show='openssl x509 -noout -enddate' '{ print | show } /-----END/ { close(show) }' "$file" | while read -r end; do
      echo "$metric{file=\"${file#/etc/quorate/pki/}\",index=\"$index\"} $(date --date="${end#notAfter=}" +%s)"
      index=$((index + 1))
    done
  done
} >"$STATE_DIRECTORY/certificates.prom.new"
mv "$STATE_DIRECTORY/certificates.prom.new" "$STATE_DIRECTORY/certificates.prom"
