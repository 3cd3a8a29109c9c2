# One image for every role: receiver, workers, sandbox and tools differ in their command only.
#
# The base is pinned by its version tag. To pin it by digest as well, ask the registry for it and append it:
#   docker buildx imagetools inspect python:3.13-slim-bookworm   ->   python:3.13-slim-bookworm@sha256:...

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv --without-pip /venv
COPY requirements.lock /
RUN python -m pip --python /venv/bin/python install --require-hashes --only-binary=:all: -r /requirements.lock

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin reopener \
    && mkdir -m 700 /data && chown reopener /data
COPY --from=build /venv /venv
# The packages lie in the working folder, which `python -m` looks into before anything that is installed.
COPY service /app/service
COPY workers /app/workers
RUN /venv/bin/python -m compileall -q /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 REOPENER_HOST=0.0.0.0
USER reopener
EXPOSE 8080
CMD ["python", "-m", "service", "serve"]
