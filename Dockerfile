# One image for the API and the workers; docker-compose.yml says which runs what.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 steelyard
WORKDIR /srv/steelyard
RUN chown steelyard /srv/steelyard

COPY constraints.txt pyproject.toml README.md ./
COPY steelyard ./steelyard
COPY app ./app
COPY search ./search
COPY storage ./storage
RUN pip install --no-cache-dir -c constraints.txt .

USER steelyard
# Own workloads: mount their folder at /workloads and name them in STEELYARD_WORKLOADS.
ENV PYTHONUNBUFFERED=1 PYTHONPATH=/workloads
EXPOSE 8765
ENTRYPOINT ["steelyard"]
CMD ["serve", "--help"]
