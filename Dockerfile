# The bench in a container: the `hil` command, its profiles, nothing to build with.
#
#   docker build -t hil .
#   docker run --rm -v hil-runs:/bench/runs hil run open-sense-lead
#
# Only instructions that tests/container can perform without a Docker engine: FROM, COPY, RUN, ENV,
# USER, WORKDIR, LABEL, VOLUME, STOPSIGNAL, ENTRYPOINT, CMD. docs/how-to/run-in-a-container.md.

FROM debian:12-slim AS build

RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/hil

# What changes seldom first: the libraries at their tested versions, without the project itself.
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python3 -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*project['dependencies'], sep='\n')" > requirements.txt \
 && /opt/hil/bin/pip install --no-cache-dir --no-compile --constraint constraints.txt setuptools --requirement requirements.txt

COPY hil hil
COPY drivers drivers
RUN /opt/hil/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation . \
 && /opt/hil/bin/pip uninstall --yes setuptools pip

# What nobody here imports: tests and headers of libraries, Arrow's network services.
RUN cd /opt/hil/lib/python3*/site-packages \
 && rm -rf numpy/*/tests numpy/tests numba/tests numba/cuda/tests pyarrow/tests pyarrow/include \
 && rm -f pyarrow/*flight* pyarrow/libarrow_s3.* pyarrow/_s3fs.* \
 && find /opt/hil -name __pycache__ -type d -prune -exec rm -rf {} +

# Compiled code is found again by its source's time stamp, and layers keep whole seconds only: so
# every file gets one before anything is compiled. Physics is compiled for the baseline of the
# processor family, not for the machine that builds: the image then does the same everywhere, and
# nothing is compiled when it runs. The three runs call all of it; two are cut short, which is 2.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/hil-compiled
WORKDIR /bench
COPY profiles profiles
RUN find /opt/hil -type f -exec touch --date=@1735689600 {} + \
 && /opt/hil/bin/python -m compileall -q /opt/hil/lib
RUN hil="/opt/hil/bin/hil run --runs-dir /tmp/runs" \
 && $hil open-sense-lead \
 && { $hil room-baseline --set pack.soc="99.5 %" --until "45 min" || test $? = 2; } \
 && { $hil hot-summer-day --until "45 min" || test $? = 2; } \
 && rm -rf /tmp/runs


FROM debian:12-slim

LABEL org.opencontainers.image.title="hil" \
      org.opencontainers.image.description="Hardware-in-the-loop test bench for battery-management boards" \
      org.opencontainers.image.licenses="Apache-2.0"

# tini is process 1: it hands SIGTERM on, and takes in what a run leaves behind.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
RUN useradd --uid 10001 --create-home hil \
 && mkdir -p /bench/runs \
 && chown -R hil:hil /bench

COPY --from=build /opt/hil /opt/hil
# The compiled physics is its user's: numba only reads from where it could write.
COPY --from=build --chown=hil:hil /opt/hil-compiled /opt/hil-compiled
COPY --chown=hil:hil profiles /bench/profiles

ENV PATH=/opt/hil/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/hil-compiled PYTHONDONTWRITEBYTECODE=1
WORKDIR /bench
VOLUME /bench/runs
USER hil

# Stopping is an orderly way out: devices go to their safe state, the run is closed as ABORTED with
# exit code 3. Virtual devices take a second, a chamber three: give it 30 s, not Docker's 10
# (docker stop --timeout 30; stop_grace_period in compose.yaml).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--", "hil"]
CMD ["--help"]
