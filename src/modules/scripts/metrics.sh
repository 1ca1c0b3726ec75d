# When each certificate on this machine ends, as seconds since 1970, for the textfile collector of node-exporter.
metric=quorate_certificate_not_after_seconds
{
  echo "# HELP $metric When a certificate ends."
  echo "# TYPE $metric gauge"
  for file in /etc/quorate/pki/*.crt /etc/quorate/pki/trust/*.crt; do
    end=$(openssl x509 -in "$file" -noout -enddate)
    echo "$metric{file=\"${file#/etc/quorate/pki/}\"} $(date --date="${end#notAfter=}" +%s)"
  done
} >"$STATE_DIRECTORY/certificates.prom.new"
mv "$STATE_DIRECTORY/certificates.prom.new" "$STATE_DIRECTORY/certificates.prom"
