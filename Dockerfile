# A meter server in a container: docs/OPERATIONS.md, "A container".
FROM python:3.13-slim AS build
COPY . /checkout
RUN python -m venv /opt/metermt \
    && /opt/metermt/bin/pip install --no-cache-dir '/checkout[http,postgres,spreadsheet]'

FROM python:3.13-slim
RUN useradd --uid 11003 --user-group --no-create-home --home-dir /var/lib/metermt --shell /usr/sbin/nologin metermt \
    && install -d -m 0700 -o metermt -g metermt /var/lib/metermt
COPY --from=build /opt/metermt /opt/metermt
# The data folder, and what clients in the container trust: its health check, and the commands of whoever looks in.
ENV PATH=/opt/metermt/bin:$PATH \
    XDG_DATA_HOME=/var/lib \
    METERMT_TLS_CA=/var/lib/metermt/tls/ca.pem
USER 11003:11003
WORKDIR /var/lib/metermt
VOLUME /var/lib/metermt
EXPOSE 11002 11003
# A newer version may have to bring a large database up to date first.
HEALTHCHECK --interval=30s --timeout=30s --start-period=10m --retries=3 CMD ["metermt", "ping"]
ENTRYPOINT ["metermt"]
CMD ["serve", "--host", "0.0.0.0", "--tls"]
