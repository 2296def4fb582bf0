# Source it in the checkout on the GPU machine: installs the carried wheels and puts `snnbench` on the path.
# Here, before the call: wheels of what that image lacks (hydra-core, omegaconf<2.4, antlr4-python3-runtime,
# tonic, importRosbag, spikingjelly, loguru) lie in .whl, and `git rev-parse HEAD > .commit`.
if [ ! -d /tmp/site ]; then
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl
  mkdir -p /tmp/bin
  printf '#!/bin/sh\nexec python3 -m snnbench "$@"\n' > /tmp/bin/snnbench
  printf '#!/bin/sh\nexec python3 "$@"\n' > /tmp/bin/python
  chmod +x /tmp/bin/*
fi
export PATH=/tmp/bin:$PATH PYTHONPATH=$PWD:/tmp/site SNNBENCH_DATA=/tmp/data NCCL_NVLS_ENABLE=0
