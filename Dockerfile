# The server as a container, for a laptop and for SageMaker. Two targets: cpu, cuda.
#
#   docker build --target cpu --tag protloc --build-arg TORCH_INDEX=URL .
#
# URL is PyTorch's package index for builds without CUDA (pytorch.org, Get Started, CPU); left out, pip takes its usual
# one, whose build brings gigabytes of CUDA along.
#
#   docker run --publish 127.0.0.1:8080:8080 --volume "$PWD/outputs/RUN/model:/opt/ml/model:ro" protloc

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 HF_HUB_OFFLINE=1
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
RUN useradd --create-home protloc
WORKDIR /home/protloc
COPY requirements.lock .
EXPOSE 8080
HEALTHCHECK --start-period=120s --timeout=5s CMD python -c "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('SAGEMAKER_BIND_TO_PORT', '8080') + '/ping', timeout=4)"
ENTRYPOINT ["python", "-m", "protloc.serving"]
CMD ["serve"]

FROM base AS cpu
ARG TORCH_INDEX=
RUN pip install "$(grep '^torch==' requirements.lock)" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY . source
RUN pip install --constraint requirements.lock "./source[serve]" && rm -r source
USER protloc

# PyTorch's own build brings the CUDA libraries; the machine brings the driver, by NVIDIA's container toolkit.
FROM base AS cuda
RUN pip install "$(grep '^torch==' requirements.lock)"
COPY . source
RUN pip install --constraint requirements.lock "./source[serve]" && rm -r source
USER protloc
