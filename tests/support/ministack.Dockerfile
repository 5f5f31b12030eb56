# The embedded emulator as an image, for the contract suite: docker build -f tests/support/ministack.Dockerfile requirements
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE}
COPY emulator.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r emulator.txt
CMD ["ministack"]
