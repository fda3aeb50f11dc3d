# Dashboard, Flower server and clients: one image for all. docs/deployment.md says how to run it.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY federation federation
COPY webapp webapp
COPY templates templates
COPY static static
COPY alembic alembic
COPY app_templates app_templates
RUN python -m venv /opt/meadow \
    && /opt/meadow/bin/pip install --no-cache-dir -c constraints.txt ".[postgres]"

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home --home-dir /data meadow
COPY --from=build /opt/meadow /opt/meadow
ENV PATH=/opt/meadow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    MEADOW_DATA_DIR=/data \
    MEADOW_HOST=0.0.0.0 \
    MEADOW_FLOWER_HOST=0.0.0.0
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000 8080
# Only the dashboard has it: a client's service disables it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
# Meadow itself handles SIGTERM as process 1 and waits for its children, so there is no init.
ENTRYPOINT ["meadow"]
CMD ["serve"]
